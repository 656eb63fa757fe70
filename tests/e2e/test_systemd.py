"""A real systemd with the installed units, by the listener and by a service for each connection: both ports,
logins through Dovecot, logs, what the hardening leaves to mailbox programs, and what is said when something is wrong."""

import imaplib
import re
from pathlib import Path

import pytest

from certificates import Certificate
from installed import PER_CONNECTION, LISTENER, NAME, PASSWORD, UNITS, command, installed_machine, log_in, settings
from machine import Imap

SERVICES = {*LISTENER.services.values(), *PER_CONNECTION.services.values()}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("keys"), "ecdsa")


@pytest.fixture(scope="module")
def machine(certificate):
    machine = installed_machine(certificate)
    yield machine
    machine.end()


@pytest.fixture(scope="module", params=(LISTENER, PER_CONNECTION), ids=lambda way: way.name)
def way(request, machine):
    """The second way takes the ports from the first, by Conflicts=."""
    machine.run("systemctl", "start", *request.param.sockets)
    return request.param


# --- what systemd says of the units

@pytest.mark.parametrize("unit", sorted(SERVICES))
def test_exposure_is_low(machine, unit):
    """Dovecot's own unit has 8.7 on this scale; threshold is in tenths."""
    said = machine.run("systemd-analyze", "security", "--offline=true", "--threshold=40", "--no-pager", f"{UNITS}/{unit}")
    exposure = float(said.splitlines()[-1].split(":")[1].split()[0])
    assert 0 < exposure < 4.0


def test_units_have_no_fault(machine):
    paths = machine.shell(f"ls {UNITS}/imapgate*").split()
    assert machine.run("systemd-analyze", "verify", "--man=no", *paths) == ""


def test_old_names_are_other_names(machine):
    """For one release: a socket can be started by it, and a drop-in for it is one for the unit."""
    old = "imapgate-inetd.socket"
    with settings(machine, old, "[Socket]\nBacklog=77\n"):
        machine.run("systemctl", "start", old)
        assert [machine.show(old, name) for name in ("Id", "Backlog", "ActiveState")] == ["imapgate-per-connection.socket", "77", "active"]
    machine.run("systemctl", "stop", old)
    assert machine.run("systemctl", "is-active", "imapgate-per-connection.socket", check=False) == "inactive\n"


def test_gate_has_a_user_and_a_root(machine):
    assert "/nologin" in machine.run("getent", "passwd", "_imapgate")
    assert machine.run("stat", "-c", "%U %a", "/run/imapgate").split() == ["root", "755"]
    assert machine.run("ls", "-A", "/run/imapgate") == ""


# --- logging in

@pytest.mark.parametrize("address", ("127.0.0.1", "::1"))
@pytest.mark.parametrize("port", (143, 993))
def test_mail_is_read_through_dovecot(machine, way, certificate, port, address):
    imap = log_in(machine, certificate, port, address=address)
    assert "This is the text of message 2." in imap.read_message(2)
    assert imap.logout()[0] == "BYE"


def test_log_has_fields(machine, way, certificate):
    log_in(machine, certificate, 993, source="127.0.0.9").logout()
    entry = machine.journal("IMAPGATE_EVENT=auth-ok", "IMAPGATE_RIP=127.0.0.9")[-1]
    assert entry["IMAPGATE_USER"] == NAME and entry["IMAPGATE_MECH"] == "LOGIN-command" and entry["IMAPGATE_LPORT"] == "993"
    assert entry["SYSLOG_IDENTIFIER"] == "imapgate" and entry["PRIORITY"] == "6"
    # The second is our own word, for a process that has ended before journald looked at it.
    unit = entry.get("_SYSTEMD_UNIT") or entry["OBJECT_SYSTEMD_UNIT"]
    assert unit.startswith(way.services[993].partition(".")[0])
    assert entry["MESSAGE"].startswith("auth-ok rip=127.0.0.9 ")


def test_wrong_password(machine, way, certificate):
    imap = Imap(machine, 993, certificate.context(), source="127.0.0.10")
    with pytest.raises(imaplib.IMAP4.error, match="AUTHENTICATIONFAILED"):
        imap.login(NAME, "mumble")
    imap.shutdown()
    machine.wait_for(lambda: machine.journal("IMAPGATE_EVENT=auth-fail", "IMAPGATE_RIP=127.0.0.10"), "the failure's line")


def test_ways_take_the_port_from_each_other(machine, way):
    other = LISTENER if way is PER_CONNECTION else PER_CONNECTION
    states = machine.run("systemctl", "is-active", *way.sockets, *other.sockets, check=False).split()
    assert states == ["active", "active", "inactive", "inactive"]


def test_connections_from_one_address_are_limited(machine):
    """By systemd itself, where each connection is a service."""
    machine.run("systemctl", "start", *PER_CONNECTION.sockets)
    with settings(machine, "imapgate-per-connection.socket", "[Socket]\nMaxConnectionsPerSource=2\n"):
        kept = [Imap(machine, 143, source="127.0.0.11") for _ in range(2)]
        with pytest.raises((imaplib.IMAP4.abort, ConnectionError)):
            Imap(machine, 143, source="127.0.0.11")
        kept.append(Imap(machine, 143, source="127.0.0.12"))
        for imap in kept:
            assert imap.logout()[0] == "BYE"


# --- what the hardening leaves to mailbox programs

# What a mailbox program tries, and what it must have seen.
TRIALS = {
    "setgid program, as sendmail(8) may be": ("/usr/local/bin/setgid-id -gn", "mail"),
    "pam_unix's helper, right password": (f"printf '{PASSWORD}\\0' | /usr/sbin/unix_chkpwd {NAME} nonull; echo $?", "0"),
    "pam_unix's helper, wrong password": (f"printf 'mumble\\0' | /usr/sbin/unix_chkpwd {NAME} nonull; echo $?", "7"),
    "shared Maildir": ("mkdir -p ~/shared && chmod 2770 ~/shared && stat -c %a ~/shared", "2770"),
    "everybody's /tmp": ("cat /tmp/everybodys", "seen"),
    "umask": ("umask", "0077"),
    "the system is for reading": ("test ! -w /usr/local/lib/everybodys && cat /usr/local/lib/everybodys", "seen"),
    "no device but the usual ones": ("ls /dev | grep -c -e sda -e vda -e kmsg", "0"),
    "names": ("getent hosts localhost | wc -l", "1"),
    "syslog": ("logger --tag mailbox-script hello && echo sent", "sent"),
    "/proc/meminfo": ("grep -c MemTotal /proc/meminfo", "1"),
    "other people's processes": ("test -d /proc/1 || echo hidden", "hidden"),
    "no new privileges is off, seccomp is on": ("grep -E 'NoNewPrivs|Seccomp:' /proc/self/status | cut -f 2 | xargs", "0 2"),
    "no namespaces": ("unshare --user true 2> /dev/null || echo refused", "refused"),
}


@pytest.fixture(scope="module")
def tried(machine, way, certificate):
    """All trials in one login, by a mailbox program that is a script: {trial: what it has said}."""
    machine.shell("cp /usr/bin/id /usr/local/bin/setgid-id; chgrp mail /usr/local/bin/setgid-id")
    machine.shell("chmod 2755 /usr/local/bin/setgid-id")
    machine.shell("for file in /tmp/everybodys /usr/local/lib/everybodys; do echo seen > $file; chmod 0666 $file; done")
    script = "".join(f"echo $({trial})\n" for trial, _ in TRIALS.values())
    machine.write("/usr/local/lib/mailbox-script", f'#!/bin/sh\nprintf "$IMAPLOGINTAG OK Logged in\\r\\n"\n{script}', 0o755)
    unit = way.services[993]
    with settings(machine, unit, command(machine, unit, "/usr/local/lib/mailbox-script")):
        imap = log_in(machine, certificate, 993)
        said = imap.file.read().decode().splitlines()
        imap.shutdown()
    return dict(zip(TRIALS, said, strict=True))


@pytest.mark.parametrize("trial", TRIALS)
def test_mailbox_program(tried, trial):
    expected = TRIALS[trial][1]
    if trial == "umask" and re.search("^session.*pam_umask", Path("/etc/pam.d/common-session").read_text(), re.MULTILINE):
        # Debian 13: who has a group of his own shares with it what he keeps from others (usergroups, pam_umask(8)).
        expected = "0007"
    assert tried[trial] == expected


# --- what goes wrong says why; the listener's start is in test_systemd_listener.py

def test_missing_program_is_named(machine):
    machine.run("systemctl", "start", *PER_CONNECTION.sockets)
    unit = PER_CONNECTION.services[993]
    with settings(machine, unit, command(machine, unit, "/usr/lib/no/imap")):
        machine.connect(993, source="127.0.0.13").close()
        entry, = machine.wait_for(lambda: machine.journal("IMAPGATE_EVENT=error", "IMAPGATE_RIP=127.0.0.13"), "the error's line")
    assert "/usr/lib/no/imap" in entry["MESSAGE"] and entry["PRIORITY"] == "3"


def test_missing_certificate_is_named(machine):
    machine.run("systemctl", "start", *PER_CONNECTION.sockets)
    machine.shell("mv /etc/imapgate/cert.pem /etc/imapgate/away.pem")
    try:
        imap = Imap(machine, 143, source="127.0.0.14")
        assert "STARTTLS" not in imap.capabilities
        imap.logout()
    finally:
        machine.shell("mv /etc/imapgate/away.pem /etc/imapgate/cert.pem")
    entry, = machine.wait_for(lambda: machine.journal("IMAPGATE_EVENT=tls-fail", "IMAPGATE_RIP=127.0.0.14"), "the reason")
    assert "/etc/imapgate/cert.pem" in entry["MESSAGE"] and "No such file" in entry["MESSAGE"]


def test_wrong_option_is_named(machine):
    machine.run("systemctl", "start", *PER_CONNECTION.sockets)
    unit = PER_CONNECTION.services[143]
    with settings(machine, unit, command(machine, unit, "/bin/true", "--no-such-option")):
        machine.connect(143, source="127.0.0.15").close()
        machine.wait_for(lambda: [entry for entry in machine.journal("SYSLOG_IDENTIFIER=imapgate", "PRIORITY=6")
                                  if "--no-such-option" in entry["MESSAGE"]], "the complaint")
