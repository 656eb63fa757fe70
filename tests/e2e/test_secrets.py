"""Which process has which secret in its memory: the one that needs it, and no gate, relay, listener or key holder.

Each is a marker, and each search has a positive control: a process that must have it, has it.
"""

import base64
import subprocess
import time

import pytest

from listening import Listener
from processes import children_of, gate_of, keyholder_of
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
    """PAM's files are not read by what gates are forked from."""
    certificate = root_stage.certificate()
    with Listener(root_stage, *secret, *certificate.options, mailbox=root_stage.mailbox("tag", "echo")) as listener:
        for _ in range(2):
            imap = listener.connect()
            monitor, = listener.monitors()
            gate = gate_of(monitor)
            imap.starttls(certificate.context())
            imap.command("a LOGIN joe mumble")
            for pid in (gate, listener.pid, keyholder_of(listener.pid)):
                assert not has(pid, ARGUMENT)
            assert not has(gate, VALUE) and has(monitor, VALUE)
            imap.wire.close()
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
