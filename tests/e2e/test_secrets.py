"""Which process has which secret in its memory: the one that needs it, and no gate, relay, zygote of gates, listener or signer.

Each is a marker, and each search has a positive control: a process that must have it, has it.
"""

import base64
import re
import shutil
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from listening import Listener
from processes import GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, gate_of, name_of, runs, status_of
from test_tls import memory_of

# An argument of a module, as a database's password, in a PAM file that only root can read; a value of --setenv in such a --config file.
ARGUMENT, VALUE = b"Zebra-argument-4711", b"Zebra-value-0815"


@pytest.fixture
def secret(root_stage):
    """Options that bring both, and a stack whose PAM takes a while where the name is slow."""
    folder, config = root_stage.file("scratch", ".pam"), root_stage.file("scratch", ".conf")
    folder.mkdir()
    service = folder / "imapgate"
    service.write_text(root_stage.testcode(f"name=joe password=sesame [passwd={ARGUMENT.decode()}]"))
    service.chmod(0o600)
    config.write_text(f'setenv = "SECRET={VALUE.decode()}"\n')
    config.chmod(0o600)
    return ["--pam-confdir", folder, "--config", config]


def has(pid, marker):
    return marker in memory_of(pid)


def wait_until_has(pid, marker):
    end = time.monotonic() + 10
    while not has(pid, marker):
        assert time.monotonic() < end, f"the control has no {marker}"


@pytest.mark.parametrize("on", ("unix", "tcp", "tls", "starttls"))
def test_gate_under_a_superserver(root_stage, secret, on):
    """From the beginning, and behind an attempt that has failed."""
    with root_stage.ready(*secret, "--allow-cleartext", "all", on=on, mailbox=root_stage.mailbox("tag", "echo")) as imap:
        monitor, gate = imap.process.pid, gate_of(imap.process.pid)
        assert has(monitor, VALUE)
        assert not has(gate, VALUE) and not has(gate, ARGUMENT)
        imap.command("a LOGIN joe mumble")
        assert not has(gate, VALUE) and not has(gate, ARGUMENT)
        imap.login()
        imap.hand_over()
        for child in children_of(monitor):
            assert not has(child, VALUE) and not has(child, ARGUMENT), "the relay"


def test_module_argument_is_found_where_it_is(root_stage, secret):
    """The control of all searches for it: a monitor whose PAM is at work."""
    folder = secret[1]
    (folder / "imapgate").write_text(root_stage.testcode(f"sleep=3 [passwd={ARGUMENT.decode()}]"))
    with root_stage.ready(*secret, on="unix") as imap:
        imap.send("a LOGIN joe sesame\r\n")
        wait_until_has(imap.process.pid, ARGUMENT)
        assert not has(gate_of(imap.process.pid), ARGUMENT)
        imap.line()


def test_processes_of_a_listener(root_stage, secret):
    """What gates are forked from has never had a secret; it is not even told of what is one. The control is the monitor zygote."""
    certificate = root_stage.certificate()
    with Listener(root_stage, *secret, *certificate.options, mailbox=root_stage.mailbox("tag", "echo")) as listener:
        roles = listener.roles()
        assert has(roles[MONITOR_ZYGOTE], VALUE)
        for _ in range(2):
            imap = listener.connect()
            gate, = listener.gates()
            imap.starttls(certificate.context())
            imap.command("a LOGIN joe mumble")
            monitor, = listener.monitors()
            for pid in (gate, listener.pid, *roles.values()):
                assert not has(pid, ARGUMENT)
            for pid in (gate, roles[GATE_ZYGOTE], roles[SIGNER]):
                assert not has(pid, VALUE)
            assert has(monitor, VALUE)
            told = len(listener.manager.told)
            imap.wire.close()
            listener.manager.wait_for("^STATUS=0 connections", since=told)


def test_no_gate_has_another_clients_octets(root_stage, secret):
    """What one client has said is in its own gate, and nowhere else that strangers talk to."""
    word = b"Zebra-client-1848"
    with Listener(root_stage, *secret, "--allow-cleartext", "loopback") as listener:
        first = listener.connect()
        own, = listener.gates()
        first.send(b'a NOOP ' + word)
        wait_until_has(own, word)
        second = listener.connect()
        other, = set(listener.gates()) - {own}
        for pid in (other, listener.pid, *listener.roles().values()):
            assert not has(pid, word)
        first.wire.close()
        second.wire.close()
        listener.manager.wait_for("^STATUS=0 connections")


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_hash_of_the_user(root_stage, on):
    """pam_unix reads it in the monitor; a keeper of the session must not have it either, and has the user's uid."""
    account = root_stage.users["imapgt1"]
    line = subprocess.run(["getent", "shadow", account.name], capture_output=True, check=True).stdout
    shadow = line.split(b":")[1]
    with root_stage.ready(on=on, pam="unix") as imap:
        gate = gate_of(imap.process.pid)
        imap.command(f'a LOGIN {account.name} "mumble"')
        assert not has(gate, shadow)
        assert imap.command(f'b LOGIN {account.name} "{account.password}"')[1].startswith(b"b OK")
        imap.hand_over()
        for child in children_of(imap.process.pid):
            assert not has(child, shadow)


@pytest.mark.parametrize("command", ("LOGIN", "PLAIN"))
@pytest.mark.parametrize("on", ("unix", "tls", "starttls"))
def test_password_of_the_attempt_before(root_stage, command, on):
    """Neither gate nor monitor keeps it. The control is the monitor whose PAM is still asked."""
    password = b"Zebra-password-1123"
    pam = root_stage.testcode("name=joe password=sesame sleep=2")
    with root_stage.ready("--allow-cleartext", "all", on=on, pam=pam) as imap:
        monitor, gate = imap.process.pid, gate_of(imap.process.pid)
        if command == "LOGIN":
            forms = [password]
            imap.send(b"a LOGIN joe " + password + b"\r\n")
        else:
            forms = [password, base64.b64encode(b"\0joe\0" + password)]
            imap.send(b"a AUTHENTICATE PLAIN " + forms[1] + b"\r\n")
        wait_until_has(monitor, password)
        imap.expect("a NO [AUTHENTICATIONFAILED] ...")
        found = [(name, form) for name, pid in (("gate", gate), ("monitor", monitor)) for form in forms if has(pid, form)]
        assert not found


# --- hashes of users who stand beside the one that logs in

# Before him and behind him in /etc/shadow, from which whole blocks come into memory.
NEIGHBOURS = (b"$6$Zebra$before-4711", b"$6$Zebra$behind-0815")


@pytest.fixture
def neighbours(root_stage):
    """The user, with neighbours for as long as the test runs."""
    account, path = root_stage.users["imapgt1"], Path("/etc/shadow")
    before, behind = (f"imapgtmark{number}:{word.decode()}:19000:0:99999:7:::\n" for number, word in enumerate(NEIGHBOURS))
    write_shadow(path, re.sub(rf"(?m)^{account.name}:.*\n", lambda line: before + line[0] + behind, path.read_text()))
    yield account
    write_shadow(path, re.sub(r"(?m)^imapgtmark.*\n", "", path.read_text()))


def write_shadow(path, text):
    """As passwd(1) does it: nobody finds half a file, nor one that everybody can read."""
    new = path.with_name("shadow.imapgate-tests")
    shutil.copy2(path, new)
    shutil.chown(new, path.owner(), path.group())
    new.write_text(text)
    new.rename(path)


def has_neighbour(pid):
    memory = memory_of(pid)
    return any(word in memory for word in NEIGHBOURS)


def all_below(pid):
    """The process and its descendants."""
    return [pid, *(process for child in children_of(pid) for process in all_below(child))]


def is_roots(pid):
    return set(status_of(pid)["Uid"].split()) == {"0"}


UNIX = "auth required pam_unix.so\naccount required pam_unix.so\n"


def test_neighbours_hash_is_found_where_it_is(root_stage, neighbours):
    """The control: a monitor whose PAM is still asked when a module has read (pam_unix has a helper for it since 1.7). Its gate has none."""
    pam = UNIX + f"account required {root_stage.module} account-shadow account-sleep=3\nsession required pam_permit.so\n"
    with root_stage.ready(on="unix", pam=pam) as imap:
        imap.send(f'a LOGIN {neighbours.name} "{neighbours.password}"\r\n')
        end = time.monotonic() + 10
        while not has_neighbour(imap.process.pid):
            assert time.monotonic() < end, "the control has no neighbour's hash"
            time.sleep(0.05)
        assert not has_neighbour(gate_of(imap.process.pid))
        imap.expect("a OK ...")


def look_at_session(first, gate, account):
    """No process with another uid than root's has a hash, and what root's has its user can't read."""
    with_hash = [pid for pid in all_below(first) if has_neighbour(pid)]
    assert not runs(gate) or not has_neighbour(gate)
    for pid in with_hash:
        assert is_roots(pid) and name_of(pid) == "imapgate-keeper", (name_of(pid), status_of(pid)["Uid"])
        tried = subprocess.run(["head", "-c", "1", f"/proc/{pid}/environ"], user=account.uid, group=account.gid, extra_groups=[],
                               capture_output=True, text=True, timeout=20)
        assert tried.returncode != 0 and "Permission denied" in tried.stderr
    users = [pid for pid in all_below(first) if status_of(pid)["Uid"].split()[0] == str(account.uid)]
    assert users, "there is no mailbox program"


@pytest.mark.parametrize("session", ("none", "wait"))
@pytest.mark.parametrize("on", ("unix", "tcp", "tls", "starttls"))
def test_hash_of_a_neighbour(root_stage, neighbours, on, session):
    """Behind a guess and a login: the gate, the relay, the mailbox program. Kernel TLS is vm/case_secrets.py's."""
    options = ["--allow-cleartext", "all", "--pam-session", session]
    with root_stage.ready(*options, on=on, pam=UNIX + "session required pam_unix.so\n", mailbox=root_stage.mailbox("tag", "echo")) as imap:
        gate = gate_of(imap.process.pid)
        imap.command(f'a LOGIN {neighbours.name} "mumble"')
        assert not has_neighbour(gate)
        imap.login(neighbours.name, neighbours.password)
        imap.hand_over()
        look_at_session(imap.process.pid, gate, neighbours)


@pytest.mark.parametrize("session", ("none", "wait"))
def test_hash_of_a_neighbour_under_a_listener(root_stage, neighbours, session):
    """The listener, its zygotes and the signer too, and the gate of the connection that comes next."""
    certificate, account = root_stage.certificate(), neighbours
    with Listener(root_stage, "--pam-session", session, *certificate.options, pam="unix", mailbox=root_stage.mailbox("tag", "echo")) as listener:
        imap = listener.connect()
        gate, = listener.gates()
        imap.starttls(certificate.context())
        imap.command(f'a LOGIN {account.name} "mumble"')
        monitor, = listener.monitors()
        assert not has_neighbour(gate)
        imap.login(account.name, account.password)
        imap.hand_over()
        look_at_session(monitor, gate, account)
        following = listener.connect()
        other, = set(listener.gates()) - {gate}
        for pid in (listener.pid, *listener.roles().values(), other):
            assert not has_neighbour(pid)
        following.wire.close()
        imap.wire.close()
        listener.manager.wait_for("^STATUS=0 connections")


# --- certificate and key in one file

def key_in(pid, certificate):
    """Which forms of the key are in the process's memory: lines of the file, what each decodes to, and its numbers."""
    memory = memory_of(pid)
    lines = [line for line in certificate.key.read_bytes().splitlines() if len(line) == 64]
    # RSA's modulus is everybody's.
    public = ssl.PEM_cert_to_DER_cert(certificate.file.read_text())
    lines = [line for line in lines if base64.b64decode(line) not in public]
    forms = {"text": lines, "DER": [base64.b64decode(line) for line in lines]}
    forms |= {name: [number, number[::-1]] for name, number in certificate.private_numbers().items()}
    return {form for form, needles in forms.items() if any(needle in memory for needle in needles)}


HOLD = "import base64, sys, time; lines = open(sys.argv[1], 'rb').read().splitlines(); kept = [base64.b64decode(line) for line in lines[1:-1]]; " \
    "print('kept', flush=True); time.sleep(60)"


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
def test_text_and_DER_of_a_key_are_found_where_they_are(root_stage, kind):
    """The control for these two: a program that reads the file and decodes it."""
    certificate = root_stage.certificate(kind)
    with subprocess.Popen(["python3", "-c", HOLD, certificate.key], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"kept\n"
            assert key_in(process.pid, certificate) >= {"text", "DER"}
        finally:
            process.kill()


@pytest.fixture(params=("before", "behind"))
def one_file(request, root_stage):
    """Options with one file for both, where the key stands before or behind the certificate."""
    certificate, path = root_stage.certificate(request.node.callspec.params["kind"]), root_stage.file("keys", ".pem")
    parts = [certificate.key.read_bytes(), certificate.file.read_bytes()]
    path.touch(mode=0o600)
    path.write_bytes(b"".join(parts if request.param == "before" else parts[::-1]))
    return certificate, ["--cert", path]


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
def test_key_in_the_certificates_file_is_the_signers(root_stage, one_file, kind):
    """Neither the listener nor a zygote, a monitor or a gate has it. The control is the signer."""
    certificate, options = one_file
    with Listener(root_stage, *options, mailbox=root_stage.mailbox("tag", "echo")) as listener:
        imap = listener.connect()
        imap.starttls(certificate.context())
        imap.command("a LOGIN joe mumble")
        roles = listener.roles()
        assert key_in(roles.pop(SIGNER), certificate), "the control has no key"
        processes = {"listener": listener.pid, "monitor": listener.monitors()[0], "gate": listener.gates()[0], **roles}
        assert {name: key_in(pid, certificate) for name, pid in processes.items()} == {name: set() for name in processes}
        imap.wire.close()
        listener.manager.wait_for("^STATUS=0 connections")


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_key_in_the_certificates_file_is_the_monitors(root_stage, one_file, kind, on):
    """Under a superserver: the control is the monitor, which signs."""
    certificate, options = one_file
    more = ["--tls-on-connect"] if on == "tls" else []
    with root_stage.start(*options, *more, on="tcp", mailbox=root_stage.mailbox("tag", "echo")) as imap:
        if on == "tls":
            imap.handshake(certificate.context())
        imap.greeting()
        gate = gate_of(imap.process.pid)
        if on == "starttls":
            assert key_in(gate, certificate) == set(), "before the handshake"
            imap.starttls(certificate.context())
        assert key_in(imap.process.pid, certificate), "the control has no key"
        assert key_in(gate, certificate) == set()
        imap.login()
        imap.hand_over()
        for pid in all_below(imap.process.pid):
            assert key_in(pid, certificate) == set()


@pytest.mark.parametrize("kind", ("rsa", "ecdsa", "ed25519"))
def test_keeper_of_pam_has_no_key(root_stage, one_file, kind):
    """The PAM keeper was the monitor that signed, and lives as long as the session."""
    certificate, options = one_file
    with root_stage.start(*options, "--tls-on-connect", "--pam-session", "wait", on="tcp", mailbox=root_stage.mailbox("tag", "echo")) as imap:
        imap.handshake(certificate.context())
        imap.greeting()
        assert key_in(imap.process.pid, certificate), "the control has no key"
        imap.login()
        imap.hand_over()
        for pid in (imap.process.pid, *all_below(imap.process.pid)):
            assert key_in(pid, certificate) == set()


@pytest.mark.parametrize("on", ("superserver", "listener"))
def test_key_of_an_authority_is_nobodys(root_stage, on):
    """--client-ca may be the authority's whole file. The control is the program of test_text_and_DER_of_a_key_are_found_where_they_are."""
    authority, certificate = root_stage.certificate("rsa", "authority"), root_stage.certificate()
    options = ["--client-ca", authority.both, *certificate.options]
    if on == "superserver":
        with root_stage.ready(*options, on="tcp") as imap:
            for pid in all_below(imap.process.pid):
                assert key_in(pid, authority) == set()
        return
    with Listener(root_stage, *options, mailbox=root_stage.mailbox("tag", "echo")) as listener:
        imap = listener.connect()
        for pid in all_below(listener.pid):
            assert key_in(pid, authority) == set()
        imap.wire.close()
        listener.manager.wait_for("^STATUS=0 connections")


# --- a keeper that somebody starts by hand

ARGUMENTS = ["1", "20000", "20000", "0", "a", "joe", "1", "3", "rip=192.0.2.1"]


def with_another(number, word):
    return [*ARGUMENTS[:number], word, *ARGUMENTS[number + 1:]]


@pytest.mark.parametrize("arguments", (
    [], ARGUMENTS[:4], ARGUMENTS[:6], with_another(0, "0"), with_another(0, "-1"), with_another(1, "4294967296"), with_another(2, ""),
    with_another(3, "0x"), with_another(4, "a" * 2000), with_another(5, "a" * 2000), with_another(6, "2"), with_another(6, "1x"), with_another(6, ""),
    with_another(7, "0"), with_another(7, "33"), with_another(8, "rip")))
def test_keeper_by_hand(stage, arguments):
    done = subprocess.run(["imapgate-keeper", *arguments], executable=stage.program, capture_output=True, stdin=subprocess.DEVNULL, timeout=20)
    assert (done.returncode, done.stdout, done.stderr) == (64, b"", b"")


def test_keeper_by_hand_is_never_root(root_stage):
    """Its descriptor 1 is the log's."""
    done = subprocess.run(["imapgate-keeper", *with_another(1, "0")], executable=root_stage.program, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=20)
    assert done.returncode == 70 and "root could be regained" in done.stdout and "rip=192.0.2.1" in done.stdout
