"""The listener's service under a real systemd: started by the first connection, reloaded, restarted, watched and stopped,
while those who are logged in go on; and a start that fails and says why."""

import imaplib
import re
import signal
import ssl
from contextlib import contextmanager

import pytest

from certificates import Certificate
from installed import FILE, LISTENER, NAME, PASSWORD, command, give_certificate, installed_machine, log_in, settings
from machine import Imap

UNIT = "imapgate.service"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("keys"), "ecdsa")


@pytest.fixture(scope="module")
def _machine(certificate):
    machine = installed_machine(certificate)
    yield machine
    machine.end()


@pytest.fixture
def machine(_machine):
    """With the sockets open, and the listener not started yet."""
    _machine.run("systemctl", "stop", UNIT)
    _machine.run("systemctl", "reset-failed")
    _machine.run("systemctl", "start", *LISTENER.sockets)
    return _machine


def main_pid(machine):
    return int(machine.show(UNIT, "MainPID"))


def wait_for_status(machine, text):
    return machine.wait_for(lambda: text in machine.show(UNIT, "StatusText"), text)


def messages(machine, pattern, *matches):
    return [entry["MESSAGE"] for entry in machine.journal(*matches) if pattern in str(entry["MESSAGE"])]


def test_first_connection_starts_it(machine, certificate):
    assert machine.show(UNIT, "ActiveState") == "inactive"
    assert Imap(machine, 143).logout()[0] == "BYE"
    assert machine.show(UNIT, "ActiveState") == "active"
    assert Imap(machine, 993, certificate.context(), address="::1").logout()[0] == "BYE"


def test_status_line(machine, certificate):
    waiting, inside = Imap(machine, 143), log_in(machine, certificate, 993)
    wait_for_status(machine, "1 connections before login, 1 sessions")
    assert 'Status: "1 connections before login, 1 sessions' in machine.run("systemctl", "status", UNIT)
    assert waiting.logout()[0] == inside.logout()[0] == "BYE"
    wait_for_status(machine, "0 connections before login, 0 sessions")


def test_reload_takes_a_renewed_certificate(machine, certificate, tmp_path):
    inside = log_in(machine, certificate, 993)
    pid, renewed = main_pid(machine), Certificate(tmp_path, "ecdsa")
    give_certificate(machine, renewed)
    try:
        machine.run("systemctl", "reload", UNIT)
        machine.wait_for(lambda: messages(machine, "listener-reload"), "the reload's line")
        machine.wait_for(lambda: machine.show(UNIT, "SubState") == "running", "the end of the reload")
        after = log_in(machine, renewed, 993)
        assert main_pid(machine) == pid
        assert "message 1" in after.read_message(1) and "message 1" in inside.read_message(1)
        with pytest.raises(ssl.SSLError):
            Imap(machine, 993, certificate.context())
        after.logout()
        inside.logout()
    finally:
        give_certificate(machine, certificate)


@contextmanager
def file_of_options(machine, change):
    """Another text in the with block."""
    text = machine.run("cat", FILE)
    machine.write(FILE, change(text))
    try:
        yield
    finally:
        machine.write(FILE, text)


def test_check_without_options_checks_what_the_service_runs(machine):
    done = machine.process("imapgate", "--check", "--probe", "--user", NAME)
    wrong = [line for line in done.stdout.splitlines() if line.startswith(("warning", "error"))]
    assert len(wrong) == 1 and ": expires on " in wrong[0], done.stdout
    assert f"{FILE}: options and the mailbox program are read from it" in done.stdout
    assert "ok       runs: /usr/local/libexec/imapgate-dovecot\n" in done.stdout


def test_reload_takes_the_file(machine, certificate):
    """With other options and another mailbox program; sessions go on."""
    inside = log_in(machine, certificate, 993)
    pid = main_pid(machine)
    script = "/usr/local/lib/other-program"
    machine.write(script, '#!/bin/sh\nprintf "$IMAPLOGINTAG OK $*\\r\\n"\n', 0o755)
    with file_of_options(machine, lambda text: re.sub("(?m)^program = .*", f'capability = X-RELOADED\nprogram = {script} "%u is in"', text)):
        machine.run("systemctl", "reload", UNIT)
        machine.wait_for(lambda: "X-RELOADED" in Imap(machine, 143).capabilities, "the new options")
        assert Imap(machine, 993, certificate.context()).login(NAME, PASSWORD)[1] == [f"{NAME} is in".encode()]
    assert main_pid(machine) == pid and "message 1" in inside.read_message(1)
    machine.run("systemctl", "reload", UNIT)
    machine.wait_for(lambda: "X-RELOADED" not in Imap(machine, 143).capabilities, "the old options")


def test_unit_from_before_the_file(machine, certificate):
    """Its command line has a program, so no file is read, whatever is in it."""
    text = ("[Service]\nExecStart=\nExecStart=/usr/local/sbin/imapgate --cert /etc/imapgate/cert.pem --key /etc/imapgate/key.pem "
            "-- /usr/local/libexec/imapgate-dovecot\n")
    with file_of_options(machine, lambda _: "garbage\n"), settings(machine, UNIT, text):
        assert "message 1" in log_in(machine, certificate, 993).read_message(1)


def test_fault_in_the_file_is_named(machine):
    with file_of_options(machine, lambda text: "timeot = 5\n" + text):
        machine.connect(143).close()
        machine.wait_for(lambda: messages(machine, f"{FILE}:1: timeot = 5: unknown option"), "the complaint")


def test_restart_keeps_sessions_and_takes_options(machine, certificate):
    waiting, inside = Imap(machine, 143), [log_in(machine, certificate, port) for port in (143, 993)]
    pid = main_pid(machine)
    with settings(machine, UNIT, command(machine, UNIT, "/usr/local/libexec/imapgate-dovecot",
                                         "--capability", "X-RESTARTED")):
        assert main_pid(machine) != pid
        with pytest.raises(imaplib.IMAP4.abort, match="shutting down"):
            waiting.noop()
        assert "X-RESTARTED" in Imap(machine, 143).capabilities
        for imap in inside:
            assert "message 2" in imap.read_message(2)
            imap.logout()


def test_nobody_is_refused_while_it_restarts(machine):
    """The sockets are systemd's: who comes meanwhile waits in their queue."""
    for _ in range(3):
        machine.run("systemctl", "restart", "--no-block", UNIT)
        for _ in range(5):
            assert machine.connect(143).recv(100).startswith(b"* OK ")


@pytest.mark.parametrize("name", ("SIGKILL", "SIGSEGV"))
def test_sessions_outlive_a_crash(machine, certificate, name):
    inside = log_in(machine, certificate, 993)
    pid = main_pid(machine)
    machine.run("systemctl", "kill", "--kill-whom=main", f"--signal={name}", UNIT)
    machine.wait_for(lambda: main_pid(machine) not in (0, pid), "a new listener")
    assert "message 1" in inside.read_message(1)
    assert "message 1" in log_in(machine, certificate, 993).read_message(1)


def test_watchdog(machine, certificate):
    with settings(machine, UNIT, "[Service]\nWatchdogSec=1\n"):
        inside = log_in(machine, certificate, 993)
        pid, restarts = main_pid(machine), int(machine.show(UNIT, "NRestarts"))
        machine.run("sleep", "2.5")
        assert main_pid(machine) == pid
        machine.run("systemctl", "kill", "--kill-whom=main", f"--signal={signal.SIGSTOP.name}", UNIT)
        machine.wait_for(lambda: main_pid(machine) not in (0, pid), "a new listener")
        assert int(machine.show(UNIT, "NRestarts")) == restarts + 1
        assert "message 1" in inside.read_message(1)


def test_stop_leaves_sessions_alone(machine, certificate):
    waiting, inside = Imap(machine, 143), log_in(machine, certificate, 993)
    machine.run("systemctl", "stop", *LISTENER.sockets, UNIT)
    with pytest.raises(imaplib.IMAP4.abort, match="shutting down"):
        waiting.noop()
    assert machine.show(UNIT, "Result") == "success"
    with pytest.raises(ConnectionRefusedError):
        machine.connect(143)
    assert "message 1" in inside.read_message(1)


def test_kill_ends_all_sessions(machine, certificate):
    """What the unit's comment says for who wants that."""
    inside = log_in(machine, certificate, 143)
    machine.run("systemctl", "kill", UNIT)
    inside.file.read()		# which ends with the connection, or in a timeout


# --- a start that fails

def failed_because(machine, words):
    """The unit has failed, and its status says why, as soon as the journal has the line."""
    machine.wait_for(lambda: machine.show(UNIT, "ActiveState") == "failed", "the failure")
    machine.wait_for(lambda: words in machine.run("systemctl", "status", "--no-pager", UNIT, check=False), f"{words!r} in the status")


@pytest.mark.parametrize("instead, status", (("", "64"), ("mkdir /etc/imapgate/imapgate.conf", "66")))
def test_configuration_that_can_not_be_read(machine, instead, status):
    """Nothing that a restart would mend."""
    machine.shell(f"mv /etc/imapgate/imapgate.conf /etc/imapgate/away.conf; {instead}")
    try:
        assert machine.process("systemctl", "restart", UNIT).returncode != 0
        failed_because(machine, "imapgate.conf")
        assert (machine.show(UNIT, "ExecMainStatus"), machine.show(UNIT, "NRestarts")) == (status, "0")
    finally:
        machine.shell("test ! -d /etc/imapgate/imapgate.conf || rmdir /etc/imapgate/imapgate.conf; "
                      "mv /etc/imapgate/away.conf /etc/imapgate/imapgate.conf")


def test_missing_certificate_is_named(machine):
    machine.shell("mv /etc/imapgate/cert.pem /etc/imapgate/away.pem")
    try:
        assert machine.process("systemctl", "restart", UNIT).returncode != 0
        failed_because(machine, "TLS is not possible")
        assert machine.show(UNIT, "NRestarts") == "0"
        machine.wait_for(lambda: [text for text in messages(machine, "/etc/imapgate/cert.pem", "--unit", UNIT)
                                  if "No such file" in text], "the file's name")
    finally:
        machine.shell("mv /etc/imapgate/away.pem /etc/imapgate/cert.pem")


def test_reason_is_in_the_status_of_a_slow_journal(machine):
    """It looks at a line when the process has ended long since, and can't find out itself whose it was."""
    machine.shell("mv /etc/imapgate/cert.pem /etc/imapgate/away.pem")
    try:
        machine.run("systemctl", "kill", "--signal=STOP", "systemd-journald.service")
        try:
            assert machine.process("systemctl", "start", UNIT).returncode != 0
        finally:
            machine.run("systemctl", "kill", "--signal=CONT", "systemd-journald.service")
        failed_because(machine, "TLS is not possible")
        machine.wait_for(lambda: messages(machine, "TLS is not possible", "--unit", UNIT), "the reason among the unit's lines")
    finally:
        machine.shell("mv /etc/imapgate/away.pem /etc/imapgate/cert.pem")


def test_wrong_option_is_named(machine):
    with settings(machine, UNIT, command(machine, UNIT, "/bin/true", "--no-such-option")):
        assert machine.process("systemctl", "start", UNIT).returncode != 0
        failed_because(machine, "--no-such-option")


def test_missing_program_is_named(machine):
    with settings(machine, UNIT, command(machine, UNIT, "/usr/lib/no/imap")):
        assert machine.process("systemctl", "start", UNIT).returncode != 0
        failed_because(machine, "/usr/lib/no/imap")
