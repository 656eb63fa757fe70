"""The listener: what it accepts, what it tells the service manager, how it stops and how it renews itself."""

import os
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time

import pytest

import listening
from listening import Listener
from processes import GATE_ZYGOTE, SIGNER, children_of, gate_of, name_of, runs
from record import wait_for_file
from stage import SESAME
from test_hygiene import real_memory
from test_preauth import as_user
from test_tls import memory_of
from wire import PATIENCE

CLEAR = ("--allow-cleartext", "loopback")


def close(imap):
    imap.wire.close()


# --- serving

@pytest.mark.parametrize("kind", ("tcp", "tcp6", "path"))
def test_login(stage, kind):
    sockets = {"tcp": listening.tcp, "tcp6": lambda: listening.tcp("::1", socket.AF_INET6), "path": lambda: listening.path(stage)}
    with Listener(stage, *CLEAR, sockets=[sockets[kind]()]) as server:
        imap = server.connect()
        imap.login()
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
        close(imap)


def test_one_after_the_other_and_at_the_same_time(stage):
    with Listener(stage, *CLEAR) as server:
        several = [server.connect() for _ in range(5)]
        for imap in several:
            imap.login()
        for imap in several:
            assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
            close(imap)
        server.manager.wait_for(r"^STATUS=0 connections before login, 0 sessions logged in; since the start 5 connections, 5 logins, ")


def test_names_tell_imaps_from_imap(stage):
    certificate = stage.certificate()
    with Listener(stage, *certificate.options, sockets=[listening.tcp(), listening.tcp()], names=["imap", "public-imaps"]) as server:
        clear, tls = server.connect(0), server.connect(1, context=certificate.context())
        assert "STARTTLS" in clear.capabilities()
        assert "STARTTLS" not in tls.capabilities()
        tls.login()
        close(clear)
        close(tls)


# --- stopping

def test_stop_sends_away_who_is_not_logged_in(stage):
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options,
                  sockets=[listening.tcp(), listening.tcp()], names=["imap", "imaps"]) as server:
        clear, tls, session = server.connect(0), server.connect(1, context=certificate.context()), server.connect(0)
        session.login()
        server.signal(signal.SIGTERM)
        for imap in (clear, tls):
            imap.expect("* BYE [UNAVAILABLE] Server is shutting down; please connect again")
            imap.expect_end()
            close(imap)
        assert server.end() == 0
        assert [event["reason"] for event in server.log("end")] == ["shutdown"] * 2
        # The socket is not held back by who stays.
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        server.manager.wait_for("^STOPPING=1$")
        close(session)


def test_stop_by_interrupt(stage):
    with Listener(stage) as server:
        server.signal(signal.SIGINT)
        assert server.end() == 0


# --- renewing itself

def test_reload_keeps_connections(stage):
    with Listener(stage, *CLEAR) as server:
        before, session = server.connect(), server.connect()
        session.login()
        told = len(server.manager.told)
        server.signal(signal.SIGHUP)
        server.manager.wait_for(r"^RELOADING=1\nMONOTONIC_USEC=\d+$", told)
        server.manager.wait_for("^READY=1$", told)
        after = server.connect()
        server.manager.wait_for(r"^STATUS=2 connections before login, 1 sessions logged in; since the start 3 connections, 1 logins, ", told)
        for imap in (before, after):
            imap.login()
        for imap in (before, session, after):
            assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
            close(imap)
        server.manager.wait_for(r"^STATUS=0 connections before login, 0 sessions logged in; since the start 3 connections, 3 logins, ", told)
        assert not server.connections()


@pytest.fixture
def own_program(stage):
    """A copy of the program that a test may replace."""
    copy = stage.file("scratch")
    shutil.copy(stage.program, copy)
    return copy


def replace(path, text):
    """As a package manager does it: the old file goes on being what it was for those who have it."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.chmod(0o755)
    new.rename(path)


@pytest.mark.parametrize("broken", ("#!/bin/sh\nexit 3\n", "no program at all"))
def test_reload_with_a_broken_program(stage, own_program, broken):
    """The trial fails, one line says so, and nobody notices anything."""
    with Listener(stage, *CLEAR, program=str(own_program)) as server:
        imap = server.connect()
        replace(own_program, broken)
        told = len(server.manager.told)
        server.signal(signal.SIGHUP)
        assert "status" in server.logged("reload-failed")["reason"]
        server.manager.wait_for("^READY=1$", told)
        imap.login()
        close(imap)
        close(server.connect())
        assert not server.log("listener-reload")


def test_reload_takes_the_new_program(stage, own_program):
    with Listener(stage, *CLEAR, program=str(own_program)) as server:
        before = os.stat(f"/proc/{server.pid}/exe").st_ino
        new = own_program.with_suffix(".new")
        shutil.copy(stage.program, new)
        new.rename(own_program)
        server.signal(signal.SIGHUP)
        server.logged("listener-ready", count=2)
        assert os.stat(f"/proc/{server.pid}/exe").st_ino == own_program.stat().st_ino != before
        imap = server.connect()
        imap.login()
        close(imap)


def test_reload_again_and_again(stage):
    """No signal is lost, and none kills, while it executes itself."""
    with Listener(stage, *CLEAR) as server:
        imap = server.connect()
        for _ in range(30):
            server.signal(signal.SIGHUP)
            time.sleep(0.01)
        server.logged("listener-reload", count=2)
        imap.login()
        close(imap)


@pytest.mark.parametrize("number", (signal.SIGHUP, signal.SIGTERM))
def test_reload_at_the_worst_moment(stage, number):
    """A signal that waits while it executes itself is obeyed behind that, and does not end it by its default."""
    with Listener(stage, *CLEAR) as server:
        imap = server.connect()
        for round in range(10 if number == signal.SIGHUP else 1):
            server.signal(signal.SIGHUP)
            end = time.monotonic() + PATIENCE
            while len(server.log("listener-reload")) <= round:
                assert time.monotonic() < end and server.process.poll() is None
                if number == signal.SIGHUP:
                    server.signal(number)
            server.signal(number)
        if number == signal.SIGTERM:
            imap.expect("* BYE [UNAVAILABLE] Server is shutting down; please connect again")
        else:
            imap.login()
        close(imap)


def test_reload_without_a_process(root_stage):
    """Each time a line says that there is none for the dry run."""
    account = root_stage.users["imapgt1"]
    with Listener(root_stage, *CLEAR, pam="permit", **as_user(account)) as server:
        limit_processes(server.pid, account, "0:")
        for count in (1, 2):
            told = len(server.manager.told)
            server.signal(signal.SIGHUP)
            assert "Resource temporarily unavailable" in server.logged("reload-failed", count=count)["reason"]
            server.manager.wait_for("^READY=1$", told)
        limit_processes(server.pid, account, "1000:")
        server.signal(signal.SIGHUP)
        server.logged("listener-ready", count=2)
        close(server.connect())


def test_reload_with_a_broken_certificate(stage):
    certificate, folder = stage.certificate(), stage.file("keys")
    folder.mkdir()
    files = [shutil.copy(path, folder) for path in (certificate.file, certificate.key)]
    with Listener(stage, "--cert", files[0], "--key", files[1]) as server:
        os.truncate(files[0], 100)
        server.signal(signal.SIGHUP)
        server.logged("reload-failed")
        imap = server.connect()
        imap.starttls(certificate.context())
        imap.login()
        close(imap)


# --- certificates

def install(certificate, files):
    """As those programs do it that renew certificates: a new file in place of the old."""
    for source, target in zip((certificate.file, certificate.key), files):
        shutil.copy(source, target.with_suffix(".new"))
        target.with_suffix(".new").rename(target)


@pytest.fixture
def renewable(stage):
    """Files of a certificate that a test may replace, and the options that name them."""
    folder = stage.file("keys")
    folder.mkdir()
    files = folder / "cert.pem", folder / "key.pem"
    install(stage.certificate("ecdsa"), files)
    return files, ["--cert", str(files[0]), "--key", str(files[1])]


def shown(server):
    """The certificate that the listener shows, in DER."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    imap = server.connect(context=context)
    der = imap.wire.tls.getpeercert(True)
    close(imap)
    return der


def der_of(certificate):
    return ssl.PEM_cert_to_DER_cert(certificate.file.read_text())


def connect_until(server, condition):
    """The listener looks at its files when a client comes, but not more often than once a second."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, server.log_text()
        server.connect(greeting=False).wire.close()
        time.sleep(0.05)


def wait_until_shown(server, certificate):
    connect_until(server, lambda: shown(server) == der_of(certificate))


def test_renewed_certificate_is_used(stage, renewable):
    """No signal is needed; who has begun with the old one finishes with it."""
    files, options = renewable
    old, new = stage.certificate("ecdsa"), stage.certificate("rsa")
    with Listener(stage, *options, sockets=[listening.tcp(), listening.tcp()], names=["imap", "imaps"]) as server:
        server.sockets[0], server.sockets[1] = server.sockets[1], server.sockets[0]
        assert shown(server) == der_of(old)
        before = server.connect(1)
        holder = server.signer()
        install(new, files)
        wait_until_shown(server, new)
        assert server.log("certificates-renewed")[0]["usable"] == "1"
        before.starttls(old.context())
        before.login()
        close(before)
        end = time.monotonic() + 5
        while runs(holder):
            assert time.monotonic() < end, "the old signer stays"
            time.sleep(0.01)


def test_half_renewed_certificate_is_not_used(stage, renewable):
    files, options = renewable
    with Listener(stage, "--tls-on-connect", *options) as server:
        shutil.copy(stage.certificate("rsa").file, files[0])
        connect_until(server, lambda: server.log("certificate-fail"))
        assert server.log("certificate-fail")[0]["reason"]
        assert shown(server) == der_of(stage.certificate("ecdsa"))
        shutil.copy(stage.certificate("rsa").key, files[1])
        wait_until_shown(server, stage.certificate("rsa"))


def stop_new_signer(server, known):
    """Stops the signer of a renewal as soon as it is there; None if the renewal was quicker."""
    while not server.log("certificates-renewed"):
        for pid in children_of(server.pid):
            if pid != known and name_of(pid) == SIGNER:
                os.kill(pid, signal.SIGSTOP)
                return pid
    return None


# Longer than a gate zygote waits for its signer (src/gate/gatezygote.c, SIGNER_MS).
SLOW = 20


def test_renewal_whose_signer_is_slow_once(stage, renewable):
    """Clients get the old certificate meanwhile, and at last the new ones: both, and no file has to change again for that."""
    files, options = renewable
    other = stage.certificate("ed25519", "mail.test")
    with Listener(stage, "--tls-on-connect", *options, *other.options) as server:
        known = server.signer()
        install(stage.certificate("rsa"), files)
        waiting = server.connect(greeting=False)
        slow = stop_new_signer(server, known)
        assert slow, "the signer was too quick"
        waiting.handshake(stage.certificate("ecdsa").context())
        waiting.greeting()
        close(waiting)
        assert "can't be asked" in server.logged("certificate-fail", count=3, timeout=SLOW)["reason"]
        wait_until_shown(server, stage.certificate("rsa"))
        assert server.log("certificates-renewed")[0]["usable"] == "2"
        assert not runs(slow)


def test_no_descriptors_left_for_a_renewal(stage, renewable):
    """It goes on with what it has, and tries again without being told."""
    files, options = renewable
    with Listener(stage, "--tls-on-connect", *options) as server:
        server.manager.wait_for("^STATUS=")
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
        install(stage.certificate("rsa"), files)
        free = min(set(range(len(used) + 1)) - used)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        waiting = server.connect(greeting=False)
        assert "can't be started" in server.logged("certificate-fail")["reason"]
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        wait_until_shown(server, stage.certificate("rsa"))
        waiting.wire.close()


def test_no_usable_certificate_is_no_start(stage, renewable):
    files, options = renewable
    files[1].write_text("nothing")
    server = Listener(stage, *options, wait=False)
    assert server.end() == 78
    assert "TLS is not possible" in server.log_text()


def test_key_that_is_missing_is_named(stage, renewable):
    files, options = renewable
    files[1].unlink()
    server = Listener(stage, *options, wait=False)
    assert server.end() == 78
    line = server.logged("certificate-fail")
    assert (line["file"].strip('"'), line["reason"].strip('"')) == (str(files[1]), "No such file or directory")


def test_imaps_without_a_certificate_is_no_start(stage):
    server = Listener(stage, names=["imaps"], wait=False)
    assert server.end() == 78
    assert "needs a --cert" in server.log_text()


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
@pytest.mark.parametrize("version", (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3))
def test_each_kind_of_key(stage, kind, version):
    certificate = stage.certificate(kind)
    with Listener(stage, "--tls-on-connect", *certificate.options) as server:
        imap = server.connect(context=certificate.context(minimum_version=version, maximum_version=version))
        imap.login()
        close(imap)


def test_signer_that_died_is_replaced(stage):
    certificate = stage.certificate()
    with Listener(stage, "--tls-on-connect", *certificate.options) as server:
        os.kill(server.signer(), signal.SIGKILL)
        server.logged("certificates-renewed")
        imap = server.connect(context=certificate.context())
        imap.login()
        close(imap)


def test_old_signer_does_not_wait_for_sessions(stage, renewable):
    """Whoever stays for the end of a session has no more to ask of it (--pam-session wait)."""
    files, options = renewable
    old = stage.certificate("ecdsa")
    with Listener(stage, "--tls-on-connect", "--pam-session", "wait", *options) as server:
        imap, holder = server.connect(context=old.context()), server.signer()
        imap.login()
        install(stage.certificate("rsa"), files)
        connect_until(server, lambda: server.log("certificates-renewed"))
        close(server.connect(context=stage.certificate("rsa").context()))
        end = time.monotonic() + PATIENCE
        while runs(holder):
            assert time.monotonic() < end, "the old signer stays"
            time.sleep(0.01)
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
        close(imap)


def test_signer_that_died_is_replaced_later(root_stage, renewable):
    """At once no process can be had for it; and no file changes that could be a reason to try again."""
    files, options = renewable
    user = as_user(root_stage.users["imapgt1"])
    files[1].chmod(0o644)
    with Listener(root_stage, "--tls-on-connect", *options, pam="permit", **user) as server:
        def limit_processes(soft):
            subprocess.run(["prlimit", "--pid", str(server.pid), f"--nproc={soft}:"], check=True, **user)

        before = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        limit_processes(0)
        os.kill(server.signer(), signal.SIGKILL)
        server.logged("certificate-fail", count=2)
        limit_processes("unlimited" if before == resource.RLIM_INFINITY else before)
        wait_until_shown(server, root_stage.certificate("ecdsa"))
        server.logged("certificates-renewed")


# --- the private key: its number, its file's lines, its file decoded

def traces_of_key(pid, certificate):
    memory = memory_of(pid)
    assert len(memory) > 50_000, "this is not the memory of one of ours"
    pem = [line for line in certificate.key.read_bytes().splitlines() if len(line) > 32]
    der = ssl.PEM_cert_to_DER_cert(certificate.key.read_text().replace("PRIVATE KEY", "CERTIFICATE"))
    found = [name for name, number in certificate.private_numbers().items() if number in memory or number[::-1] in memory]
    return found + ["line"] * any(line in memory for line in pem) + ["DER"] * (der in memory)


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
@real_memory
def test_private_key_is_with_the_signer_only(root_stage, kind):
    certificate = root_stage.certificate(kind)
    with Listener(root_stage, "--tls-on-connect", *certificate.options) as server:
        imap = server.connect(context=certificate.context())
        imap.command("a LOGIN joe mumble")
        roles = server.roles()
        # The search can find what is there.
        assert traces_of_key(roles.pop(SIGNER), certificate)
        for who, pid in {"listener": server.pid, "monitor": server.monitors()[0], "gate": server.gates()[0], **roles}.items():
            assert not traces_of_key(pid, certificate), who
        close(imap)


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
@real_memory
def test_private_key_is_with_the_monitor_of_a_superserver(root_stage, kind):
    certificate = root_stage.certificate(kind)
    with root_stage.ready(on="tls", certificate=kind) as imap:
        assert not traces_of_key(gate_of(imap.process.pid), certificate)
        assert traces_of_key(imap.process.pid, certificate)


# --- what the mailbox program is given

@pytest.mark.parametrize("on", ("clear", "tls"))
def test_mailbox_program_is_started_as_by_a_superserver(stage, on):
    report, certificate = stage.report(), stage.certificate()
    script = 'umask 027; ulimit -n 345; ulimit -S -s 4096; trap "" HUP; exec "$@"'
    with Listener(stage, *CLEAR, *certificate.options, "--ktls", "off", mailbox=stage.mailbox(report=report),
                  wrap=["sh", "-c", script, "sh"]) as server:
        imap = server.connect()
        if on == "tls":
            imap.starttls(certificate.context())
        imap.login()
        assert sorted(report.descriptors) == [0, 1, 2]
        assert report.descriptors[0] == report.descriptors[1] != report.descriptors[2]
        assert report.one("umask") == "027"
        limits = {int(which): (soft, hard) for which, soft, hard in map(str.split, report.all("limit"))}
        assert limits[resource.RLIMIT_NOFILE] == ("345", "345")
        assert limits[resource.RLIMIT_STACK][0] == "4194304"
        signals = {name: int(report.status[name], 16) & ((1 << 31) - 1) for name in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd")}
        assert signals == {"SigBlk": 0, "SigIgn": 1, "SigPnd": 0, "ShdPnd": 0}
        assert {"LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET", "IMAPGATE_LISTENER"}.isdisjoint(report.environment)
        close(imap)


def test_open_files(stage):
    """Under systemd's soft limit the connections fit that are allowed; the mailbox program has that limit, also after a reload."""
    report = stage.report()
    options = ("--max-connections", "500")
    with Listener(stage, *CLEAR, *options, mailbox=stage.mailbox(report=report), wrap=["prlimit", "--nofile=256:4096"]) as server:
        imap = server.connect()
        crowd = [socket.create_connection(server.sockets[0].getsockname(), timeout=PATIENCE) for _ in range(300)]
        assert all(client.recv(100).startswith(b"* OK ") for client in crowd)
        imap.login()
        for client in crowd:
            client.close()
        close(imap)
        for count in (2, 3):
            server.signal(signal.SIGHUP)
            server.logged("listener-ready", count=count)
            assert resource.prlimit(server.pid, resource.RLIMIT_NOFILE) == (4096, 4096)
            imap = server.connect()
            imap.login()
            limits = {int(which): (soft, hard) for which, soft, hard in map(str.split, report.all("limit"))}
            assert limits[resource.RLIMIT_NOFILE] == ("256", "4096")
            assert "IMAPGATE_OPEN_FILES" not in report.environment
            close(imap)
        assert not server.log("resource-shortage")


def test_signals_after_a_reload(stage):
    """What the listener has blocked for itself while it executes itself is not for the mailbox program."""
    report = stage.report()
    with Listener(stage, *CLEAR, mailbox=stage.mailbox(report=report)) as server:
        server.signal(signal.SIGHUP)
        server.logged("listener-ready", count=2)
        imap = server.connect()
        imap.login()
        assert all(int(report.status[name], 16) & ((1 << 31) - 1) == 0 for name in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd"))
        close(imap)


# --- what clients and machines do to it

def test_two_hundred_at_once(stage):
    with Listener(stage, *CLEAR) as server:
        several = [server.connect(greeting=False) for _ in range(200)]
        for imap in several:
            imap.greeting()
        for imap in several[::10]:
            imap.login()
        server.manager.wait_for("^STATUS=180 connections before login, 20 sessions logged in; since the start 200 connections, 20 logins, ")
        for imap in several:
            close(imap)
        server.manager.wait_for("^STATUS=0 connections before login, 0 sessions logged in; since the start 200 connections, 20 logins, ")


def test_client_that_is_gone_before_it_is_accepted(stage):
    with Listener(stage, *CLEAR) as server:
        server.signal(signal.SIGSTOP)
        for _ in range(20):
            with socket.create_connection(server.sockets[0].getsockname()) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        server.signal(signal.SIGCONT)
        imap = server.connect()
        imap.login()
        close(imap)


def test_no_descriptors_left(stage):
    """It waits, says so once, and goes on when there are some again."""
    with Listener(stage, *CLEAR) as server:
        server.manager.wait_for("^STATUS=")
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
        free = min(set(range(len(used) + 1)) - used)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        imap = server.connect(greeting=False)
        trouble = server.logged("resource-shortage")
        assert trouble["what"] == "accept" and "open files" in trouble["text"]
        time.sleep(0.5)     # only time shows that it tries several times, and says no more
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        imap.greeting()
        imap.login()
        close(imap)
        assert len(server.log("resource-shortage")) == 1


def limit_processes(pid, account, limit):
    subprocess.run(["prlimit", "--pid", str(pid), f"--nproc={limit}"], user=account.uid, group=account.gid, check=True)


def test_no_processes_left(root_stage):
    """The client is told, and the next one is served when there are some again. Root knows no such limit, so a user it is."""
    account = root_stage.users["imapgt1"]
    with Listener(root_stage, *CLEAR, user=account.uid, group=account.gid, extra_groups=[]) as server:
        limit_processes(server.roles()[GATE_ZYGOTE], account, "1:")
        imap = server.connect(greeting=False)
        imap.expect("* BYE [UNAVAILABLE] Too many connections; please try again later")
        close(imap)
        assert server.logged("resource-shortage")["what"] == "gate"
        limit_processes(server.roles()[GATE_ZYGOTE], account, "1000:")
        imap = server.connect()
        imap.login()
        close(imap)


def test_watchdog(stage):
    with Listener(stage, *CLEAR, env={"WATCHDOG_USEC": "200000"}) as server:
        for _ in range(3):
            server.manager.wait_for("^WATCHDOG=1$", since=len(server.manager.told))


def test_login_that_is_decided_while_it_stops(stage):
    """PAM takes its time, SIGTERM comes: the client is not logged in, whatever PAM says."""
    report, asked = stage.report(), stage.file("reports")
    pam = f"name=joe password={SESAME} sleep=1 record={asked}"
    with Listener(stage, *CLEAR, pam=pam, mailbox=stage.mailbox(report=report)) as server:
        imap = server.connect()
        imap.send(f"a LOGIN joe {SESAME}\r\n")
        wait_for_file(asked)
        server.signal(signal.SIGTERM)
        imap.expect("a NO [UNAVAILABLE] ...")
        imap.expect("* BYE ...")
        close(imap)
        assert server.end() == 0
    assert not report.written()
