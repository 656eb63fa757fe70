"""Preauthentication: whoever is known already is greeted with PREAUTH, by the mailbox program, once.

RFC 9051, 7.1.4. G4: never on cleartext TCP. G1: exactly one greeting, whatever
PAM thinks of the account.
"""

import fcntl
import os
import pty
import select
import shlex
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

import pytest

from clientca import authority, context, email
from listening import Listener, tcp
from session import Session
from wire import SocketWire

ORDINARY = "* OK [CAPABILITY IMAP4rev1 ...] imapgate ready"

CONNECT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
socket.send_fds(socket.socket(fileno=0), [b"x"], [s.fileno()])
"""


def as_user(account):
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def connected(stage, **who):
    """A Unix-domain connection by path: the client's end, connected by another user, and the accepted one."""
    path = str(stage.file("scratch", ".sock"))
    ours, theirs = socket.socketpair()
    with socket.socket(socket.AF_UNIX) as listening, ours, theirs:
        listening.bind(path)
        os.chmod(path, 0o777)
        listening.listen(1)
        subprocess.run([sys.executable, "-I", "-c", CONNECT, path], stdin=theirs, check=True, timeout=20, cwd="/", **who)
        client = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
        server = listening.accept()[0]
    os.unlink(path)
    return client, server


def by_path(stage, *options, who, pam="permit", mailbox=None):
    """A root's imapgate at the end of a socket to which somebody has connected."""
    client, server = connected(stage, **who)
    log_path = stage.file("logs")
    command = [stage.program, *stage.options(pam, virtual=False), "--preauth", "peer", *map(str, options), "--",
               *(mailbox or stage.mailbox("preauth"))]
    with open(log_path, "ab") as log:
        process = subprocess.Popen(command, stdin=server, stdout=server, stderr=log, cwd="/")
    server.close()
    return Session(process, SocketWire(client), log_path, protected=True)


def preauthenticated(imap):
    """Exactly one greeting, and it is the mailbox program's."""
    assert imap.line() == b"* PREAUTH recorder"
    assert imap.command("a NOOP") == ([], b"a OK heard NOOP")


# --- --preauth peer, by path

@pytest.mark.parametrize("style", ("tag", "greeting"))
def test_peer_is_greeted(root_stage, style):
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    with by_path(root_stage, "--handoff", style, who=as_user(account),
                 mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        preauthenticated(imap)
        events = imap.log()
        pid = imap.process.pid
    assert [(event.name, event["user"], event["rip"]) for event in events] \
        == [("auth-ok", '"imapgt1"', "local"), ("handoff", '"imapgt1"', "local")]
    assert events[0]["mech"] == "PREAUTH"
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert report.one("pid") == str(pid)
    assert report.one("cwd") == account.home


def test_peer_environment_has_no_tag(root_stage):
    """A tag would make the mailbox program answer a command that nobody sent."""
    report, account = root_stage.report(), root_stage.users["imapgt2"]
    with by_path(root_stage, who=as_user(account), mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        preauthenticated(imap)
    environment = report.environment
    assert "IMAPLOGINTAG" not in environment and "BINCIMAP_LOGIN" not in environment
    assert environment["USER"] == environment["AUTHENTICATED"] == "imapgt2"
    assert environment["HOME"] == account.home
    assert sorted(report.descriptors) == [0, 1, 2]


def test_peer_capability_after_is_not_said(root_stage):
    """Before the greeting nothing may be said, the list neither."""
    with by_path(root_stage, "--capability-after", "IMAP4rev1 IDLE", who=as_user(root_stage.users["imapgt1"])) as imap:
        preauthenticated(imap)


def test_peer_does_not_count_passwords(root_stage):
    """PAM's account and session, and nothing is authenticated."""
    record = root_stage.file("reports")
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam=f"auth=7 record={record}") as imap:
        preauthenticated(imap)
    assert [line.split()[0] for line in record.read_text().splitlines()] == ["account", "cred", "open"]


def test_peer_with_pam_unix(root_stage):
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam="unix") as imap:
        preauthenticated(imap)


def test_peer_texts_are_not_said(root_stage):
    """G1: an ALERT before the greeting would be a second one."""
    stack = "[account-say=Read me.]"
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam=stack) as imap:
        preauthenticated(imap)


def test_peer_that_pipelines(root_stage):
    """A client need not wait for the greeting; what it sends is the mailbox program's."""
    client, server = connected(root_stage, **as_user(root_stage.users["imapgt1"]))
    client.sendall(b"a NOOP\r\nb LOGIN x y\r\nc LOGOUT\r\n")
    log_path = root_stage.file("logs")
    command = [root_stage.program, *root_stage.options("permit"), "--preauth", "peer", "--", *root_stage.mailbox("preauth")]
    with open(log_path, "ab") as log:
        process = subprocess.Popen(command, stdin=server, stdout=server, stderr=log, cwd="/")
    server.close()
    with Session(process, SocketWire(client), log_path, protected=True) as imap:
        assert imap.lines_to_end() == [b"* PREAUTH recorder", b"a OK heard NOOP", b"b OK heard LOGIN x y",
                                       b"* BYE recorder ends", b"c OK recorder ends"]


# G5: the state is Authenticated, so these are the mailbox program's to answer.
@pytest.mark.parametrize("command", ("STARTTLS", "LOGIN imapgt1 x", "AUTHENTICATE PLAIN"))
def test_G5_commands_of_the_login_are_over(root_stage, command):
    with by_path(root_stage, *root_stage.certificate().options, who=as_user(root_stage.users["imapgt1"])) as imap:
        preauthenticated(imap)
        assert imap.command(f"b {command}")[1] == f"b OK heard {command}".encode()


@pytest.mark.parametrize("who, reason", [("root", "uid"), ("imapgtsys", "uid")])
def test_peer_who_has_no_mailbox(root_stage, who, reason):
    """Root and the system's accounts get the ordinary greeting, and may log in as somebody."""
    whose = {} if who == "root" else as_user(root_stage.users[who])
    account = root_stage.users["imapgt1"]
    with by_path(root_stage, who=whose, pam="unix", mailbox=root_stage.mailbox()) as imap:
        imap.expect(ORDINARY)
        imap.expect_silence(0.1)
        imap.login("imapgt1", account.password)
        failure = imap.log("auth-fail")[0]
        assert (failure["mech"], failure["reason"], failure["user"]) == ("PREAUTH", reason, f'"{who}"')


def test_peer_whose_uid_has_no_name(root_stage):
    with by_path(root_stage, who={"user": 4_000_000, "group": 4_000_000, "extra_groups": []},
                 mailbox=root_stage.mailbox()) as imap:
        imap.expect(ORDINARY)
        imap.expect_silence(0.1)


def test_peer_greets_nobody_unasked(root_stage):
    """Without the option the same peer has to log in."""
    with by_path(root_stage, "--preauth", "none", who=as_user(root_stage.users["imapgt1"])) as imap:
        imap.expect(ORDINARY)
        assert not imap.log()


def test_failures_before_the_greeting_are_no_attempts(root_stage):
    """Who is refused as a peer has all of its attempts."""
    with by_path(root_stage, "--max-attempts", "1", who={}, pam="unix", mailbox=root_stage.mailbox()) as imap:
        imap.expect(ORDINARY)
        imap.login("imapgt1", root_stage.users["imapgt1"].password)


@pytest.mark.parametrize("account, code", [
    (6, "CONTACTADMIN"), (7, "CONTACTADMIN"), (13, "CONTACTADMIN"), (12, "EXPIRED"), (27, "EXPIRED"), (9, "UNAVAILABLE"),
    (4, "UNAVAILABLE"), (26, "UNAVAILABLE"),
])
def test_peer_whom_pam_refuses(root_stage, account, code):
    """One BYE with RFC 5530's code, as it would be for a login; no mailbox program."""
    report = root_stage.report()
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam=f"account={account}",
                 mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith(b"* BYE "), lines
        assert imap.status() == 0
        assert [event.name for event in imap.log()][0] == "auth-fail"
        assert lines[0].startswith(f"* BYE [{code}] ".encode()), lines
    assert not report.written()


@pytest.mark.parametrize("name", ("../x", "root", "imapgtsys", "imapgt2", "nobody-of-this-name"))
def test_peer_whom_pam_makes_somebody_else(root_stage, name):
    """A guess, if it were a login. It is no reason to let a gate begin where PAM has been."""
    report = root_stage.report()
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam=f"account-become={name}",
                 mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        imap.hand_over()
        said, = imap.lines_to_end()
        if name == "nobody-of-this-name":
            assert said.startswith(b"* BYE [UNAVAILABLE] ")
        else:
            assert said == b"* BYE [AUTHENTICATIONFAILED] Authentication failed"
        assert imap.status() == 0
    assert not report.written()


@pytest.mark.parametrize("virtual", (False, True))
@pytest.mark.parametrize("who", ("root", "imapgtsys"))
def test_pam_is_not_asked_about_who_has_no_mailbox(root_stage, who, virtual):
    """The gate that greets them is forked from where PAM would have been. A webmail's account has no mailbox of its own."""
    record = root_stage.file("reports")
    whose = {} if who == "root" else as_user(root_stage.users[who])
    options = ("--run-as", "imapgt1", "--home", "/nonexistent") if virtual else ()
    with by_path(root_stage, *options, who=whose, pam=f"record={record}") as imap:
        imap.expect(ORDINARY)
        assert not record.exists()


def test_peer_whose_session_can_not_be_opened(root_stage):
    report = root_stage.report()
    with by_path(root_stage, who=as_user(root_stage.users["imapgt1"]), pam="open=14",
                 mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith(b"* BYE "), lines
        end, = imap.log("end")
        assert end["reason"] == "preauth-refused" and "times" not in end
    assert not report.written()


def test_peer_whose_account_has_expired(root_stage):
    """chage -E 0, with pam_unix."""
    with by_path(root_stage, who=as_user(root_stage.users["imapgtold"]), pam="unix") as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith(b"* BYE [CONTACTADMIN] "), lines


def test_peer_while_pam_hangs(root_stage):
    """T51: the deadline holds before the greeting too."""
    began = time.monotonic()
    with by_path(root_stage, "--timeout", "1", who=as_user(root_stage.users["imapgt1"]), pam="account-sleep=30") as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert imap.status() == 75
        assert not any(b"PREAUTH" in line for line in lines)
    assert time.monotonic() - began < 6


# --- started by a user, for himself

@pytest.mark.parametrize("on", ("pipe", "unix"))
@pytest.mark.parametrize("style", ("tag", "greeting"))
def test_tunnel_of_a_user(root_stage, on, style):
    """ssh gives a pair of pipes, mbsync a socketpair; both are the user's own."""
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    ends = as_user(account)
    if on == "unix":
        with tunnelled(root_stage, account, ["--handoff", style], report) as imap:
            preauthenticated(imap)
    else:
        with root_stage.start("--preauth", "peer", "--handoff", style, on=on, pam="permit", virtual=False,
                              mailbox=root_stage.mailbox("preauth", report=report), **ends) as imap:
            preauthenticated(imap)
            assert imap.log("auth-ok")[0]["mech"] == "PREAUTH"
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert "IMAPLOGINTAG" not in report.environment


# The peer of a socketpair is who made it, so the user has to.
PAIR = """
import os, socket, subprocess, sys
here, there = socket.socketpair()
socket.send_fds(socket.socket(fileno=0), [b"x"], [here.fileno()])
os.dup2(there.fileno(), 0)
os.dup2(there.fileno(), 1)
here.close()
os.execv(sys.argv[1], sys.argv[1:])
"""


def tunnelled(stage, account, options, report):
    """imapgate as a user's own process at a socketpair that the user has made."""
    ours, theirs = socket.socketpair()
    log_path = stage.file("logs")
    command = [stage.program, *stage.options("permit", virtual=False), "--preauth", "peer", *options, "--",
               *stage.mailbox("preauth", report=report)]
    with ours, theirs, open(log_path, "ab") as log:
        process = subprocess.Popen([sys.executable, "-I", "-c", PAIR, *command], stdin=theirs, stderr=log, cwd="/", **as_user(account))
        client = socket.socket(fileno=socket.recv_fds(ours, 1, 1)[1][0])
    return Session(process, SocketWire(client), log_path, protected=True)


def test_roots_pipe_is_nobodys(root_stage):
    """What root has started may be connected to anything."""
    with root_stage.start("--preauth", "peer", on="pipe", pam="unix", virtual=False) as imap:
        imap.expect(ORDINARY)


# --- G4: never in cleartext over TCP

@pytest.mark.parametrize("on", ("tcp", "tcp6"))
@pytest.mark.parametrize("user", ("root", "imapgt1"))
def test_G4_not_on_cleartext_tcp(root_stage, on, user):
    who = {} if user == "root" else as_user(root_stage.users[user])
    report = root_stage.report()
    for options in ([], ["--allow-cleartext", "all"], root_stage.certificate().options if user == "root" else []):
        with root_stage.start("--preauth", "peer", *options, on=on, pam="permit", virtual=False,
                              mailbox=root_stage.mailbox("preauth", report=report), **who) as imap:
            imap.expect(ORDINARY)
            imap.expect_silence(0.05)
            assert not imap.log()
    assert not report.written()


@pytest.mark.parametrize("variables", [
    {"TCPREMOTEIP": "192.0.2.9"}, {"REMOTE_ADDR": "192.0.2.9"}, {"PROTO": "TCP"}, {"PROTO": "TCP", "TCPREMOTEIP": "127.0.0.1"},
    {"PROTO": "SSL", "SSL_PROTOCOL": "TLSv1.3", "TCPREMOTEIP": "192.0.2.9"}, {"SSL_PROTOCOL": "TLSv1.3"},
], ids=str)
def test_G4_not_on_a_pipe_that_comes_from_the_network(root_stage, variables):
    """A superserver that is no root, and has a network's connection at the other end of its pipes."""
    with root_stage.start("--preauth", "peer", on="pipe", pam="permit", virtual=False, env={**os.environ, **variables},
                          **as_user(root_stage.users["imapgt1"])) as imap:
        imap.expect(ORDINARY)
        assert not imap.log()


def test_G4_not_under_tls_either(root_stage):
    """--preauth peer is about who is at the other end of a socket; TLS says nothing of that."""
    with root_stage.ready("--preauth", "peer", on="tls", pam="permit", virtual=False) as imap:
        assert not imap.log()


@pytest.mark.parametrize("options", [
    ["--preauth", "cert"], ["--preauth", "cert", "--client-ca", "CA"],
    ["--preauth", "cert", "--client-ca", "CA", "--cert", "CERT"], ["--preauth", "yes"],
], ids=" ".join)
def test_G4_certificates_preauthenticate_on_implicit_tls_only(stage, options):
    """With STARTTLS the greeting has been said in the clear already."""
    files = {"CA": str(authority(stage).file), "CERT": str(stage.certificate().both)}
    done = subprocess.run([stage.program, *(files.get(word, word) for word in options), "--", "/bin/true"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    assert done.returncode == 64 and done.stderr.count(b"\n") == 1 and done.stdout == b""


# --- --preauth cert

def by_certificate(stage, certificate, *options, version="TLSv1.3", mailbox=None, **more):
    return stage.start("--preauth", "cert", "--client-ca", authority(stage).file, *options, on="tls",
                       context=context(stage, certificate, version), mailbox=mailbox or stage.mailbox("preauth"), **more)


@pytest.mark.parametrize("version", ("TLSv1.2", "TLSv1.3"))
@pytest.mark.parametrize("style", ("tag", "greeting"))
def test_certificate_is_greeted(stage, style, version):
    report = stage.report()
    with by_certificate(stage, authority(stage).certificate(email("joe")), "--handoff", style, version=version,
                        mailbox=stage.mailbox("preauth", report=report)) as imap:
        preauthenticated(imap)
        auth, handoff = imap.log()
        assert (auth.name, auth["mech"], auth["user"], auth["tls"]) == ("auth-ok", "PREAUTH", '"joe"', version)
        assert (handoff.name, handoff["how"]) == ("handoff", "relay")
    assert "IMAPLOGINTAG" not in report.environment
    assert report.environment["SSL_PROTOCOL"] == version


@pytest.mark.parametrize("name", ("imaps", "imap"))
def test_certificate_with_a_listener(stage, name):
    """Its sockets say whether TLS begins with the connection; without any that does, it is no start."""
    options = "--preauth", "cert", *stage.certificate().options, "--client-ca", authority(stage).file
    if name == "imap":
        server = Listener(stage, *options, names=[name], wait=False)
        assert server.end() == 78 and "--preauth cert needs" in server.log_text()
        return
    with Listener(stage, *options, sockets=[tcp(), tcp()], names=["imap", name], mailbox=stage.mailbox("preauth")) as server:
        imap = server.connect(1, context(stage, authority(stage).certificate(email("joe"))), greeting=False)
        preauthenticated(imap)
        imap.wire.close()
        clear = server.connect(0)
        assert "STARTTLS" in clear.capabilities()
        clear.wire.close()


def test_certificate_nothing_is_said_in_the_clear(stage):
    """G7: all that is not TLS's own is inside TLS."""
    with stage.start("--preauth", "cert", "--client-ca", authority(stage).file, on="tls", handshake=False,
                     mailbox=stage.mailbox("preauth")) as imap:
        raw = imap.record_bytes()
        imap.expect_silence(0.1)
        imap.handshake(context(stage, authority(stage).certificate(email("joe"))))
        preauthenticated(imap)
        assert raw.received[0] == 22 and b"PREAUTH" not in raw.received


def test_without_certificate_the_ordinary_greeting(stage):
    with by_certificate(stage, None, mailbox=stage.mailbox()) as imap:
        imap.greeting()
        imap.expect_silence(0.05)
        assert "AUTH=EXTERNAL" not in imap.capabilities()
        imap.login()


def test_certificate_that_names_nobody_the_ordinary_greeting(stage):
    """T7: two names are no name."""
    with by_certificate(stage, authority(stage).certificate(email("joe"), email("eve")), mailbox=stage.mailbox()) as imap:
        imap.greeting()
        imap.login()


@pytest.mark.parametrize("pam, code", [
    ("account=13", "CONTACTADMIN"), ("account=6", "CONTACTADMIN"), ("account=12", "EXPIRED"), ("account=9", "UNAVAILABLE"),
    ("open=14", "UNAVAILABLE"),
])
def test_certificate_whose_account_pam_refuses(stage, pam, code):
    report = stage.report()
    with by_certificate(stage, authority(stage).certificate(email("joe")), pam=pam,
                        mailbox=stage.mailbox("preauth", report=report)) as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith(f"* BYE [{code}] ".encode()), lines
        assert imap.wire.ended_cleanly
        assert imap.logged_end()["reason"] == "preauth-refused"
    assert not report.written()


def test_certificate_of_an_expired_account(root_stage):
    certificate = authority(root_stage).certificate(email("imapgtold"))
    with by_certificate(root_stage, certificate, pam="unix") as imap:
        imap.hand_over()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith(b"* BYE [CONTACTADMIN] "), lines


@pytest.mark.parametrize("name", ("root", "imapgtsys", "imapgt-no-such-user", "-joe"))
def test_certificate_for_who_has_no_mailbox(root_stage, name):
    """One greeting in any case, and it is not PREAUTH."""
    with by_certificate(root_stage, authority(root_stage).certificate(email(name)), pam="permit", virtual=False) as imap:
        imap.hand_over()
        imap.half_close()
        lines = imap.lines_to_end()
        assert len(lines) == 1 and lines[0].startswith((b"* BYE ", b"* OK ")), lines
        assert imap.log("auth-fail") and not imap.log("handoff")


# --- real clients, real tunnels

def needs(*programs):
    missing = [program for program in programs if not any(os.access(os.path.join(folder, program), os.X_OK) for folder in
                                                          ("/", "/bin", "/usr/bin", "/usr/local/bin"))]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {missing}")


def tunnel(stage, log):
    """The command line that a user puts into his client's configuration."""
    gate = [stage.program, "--preauth", "peer", "--log", "stderr", "--pam-confdir", stage.pam("permit"), "--",
            stage.dovecot]
    return f"{shlex.join(gate)} 2>>{log}"


def users_log(stage, account):
    log = stage.file("logs")
    log.touch()
    os.chown(log, account.uid, account.gid)
    return log


@pytest.mark.parametrize("on", ("path", "pipe"))
def test_dovecot(root_stage, on):
    account = root_stage.users["imapgt2"]
    mailbox = [root_stage.dovecot]
    if on == "path":
        imap = by_path(root_stage, who=as_user(account), mailbox=mailbox)
    else:
        imap = root_stage.start("--preauth", "peer", on=on, pam="permit", virtual=False, mailbox=mailbox, **as_user(account))
    with imap:
        imap.hand_over()
        assert imap.line().startswith(b"* PREAUTH [CAPABILITY IMAP4rev1 ")
        untagged, line = imap.command("a SELECT INBOX")
        assert b"* 3 EXISTS" in untagged and line.startswith(b"a OK ")
        assert imap.command("b LOGOUT")[1].startswith(b"b OK ")


@needs("mbsync")
def test_mbsync_tunnel(root_stage):
    account = root_stage.users["imapgt1"]
    log, folder = users_log(root_stage, account), root_stage.file("scratch")
    folder.mkdir()
    os.chown(folder, account.uid, account.gid)
    (folder / "rc").write_text(
        f'IMAPAccount far\nTunnel "{tunnel(root_stage, log)}"\n\nIMAPStore far\nAccount far\n\n'
        f'MaildirStore near\nPath {folder}/\nInbox {folder}/INBOX\n\n'
        f'Channel all\nFar :far:\nNear :near:\nSync Pull\nCreate Near\nSyncState {folder}/\n')
    done = subprocess.run(["mbsync", "-c", folder / "rc", "all"], cwd="/", capture_output=True, text=True, timeout=60,
                          env={"HOME": account.home, "PATH": "/usr/bin:/bin"}, **as_user(account))
    assert done.returncode == 0, done.stderr + log.read_text()
    assert len(list((folder / "INBOX" / "new").iterdir()) + list((folder / "INBOX" / "cur").iterdir())) == 3
    assert "mech=PREAUTH" in log.read_text()


@needs("mutt")
def test_mutt_tunnel(root_stage):
    """mutt wants a terminal, and gets one; it pipes the first message into a file and leaves."""
    account = root_stage.users["imapgt2"]
    log, folder = users_log(root_stage, account), root_stage.file("scratch")
    folder.mkdir()
    os.chown(folder, account.uid, account.gid)
    (folder / "rc").write_text(
        f"set tunnel=\"{tunnel(root_stage, log)}\"\nset folder=imap://localhost/\nset spoolfile=imap://localhost/INBOX\n"
        "set wait_key=no\nset header_cache=\"\"\nset ssl_starttls=no\nset quit=yes\nunset mark_old\n"
        f"push \"<pipe-message>cat >{folder}/message<enter><exit>\"\n")
    pid, terminal = pty.fork()
    if pid == 0:
        # Whatever goes wrong here, there must not be a second run of the tests.
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
            os.chdir("/")
            os.execve("/usr/bin/mutt", ["mutt", "-n", "-F", str(folder / "rc"), "-f", "imap://localhost/INBOX"],
                      {"HOME": account.home, "TERM": "vt100", "PATH": "/usr/bin:/bin", "LANG": "C"})
        finally:
            os._exit(127)
    shown = drain(terminal, pid, folder / "message")
    assert (folder / "message").exists(), (shown[-2000:], log.read_text())
    assert "Subject: message number" in (folder / "message").read_text()
    assert "mech=PREAUTH" in log.read_text()


def drain(terminal, pid, wanted, patience=30):
    """Reads a terminal until its program ends; returns what was shown."""
    shown, end = b"", time.monotonic() + patience
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            shown += data
            if not data:
                break
    if time.monotonic() >= end:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    return shown
