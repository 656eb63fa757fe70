"""A booted machine with imapgate installed, a certificate, and somebody who has mail."""

from contextlib import contextmanager

from machine import Imap, Machine
from stage import BUILD, TREE

NAME, PASSWORD = "mailuser", "Malachit 5 mailuser"
UNITS = "/usr/local/lib/systemd/system"
FILE = "/etc/imapgate/imapgate.conf"


class Way:
    """One of the two ways to be started by systemd: sockets, and which service has which port."""

    def __init__(self, name, sockets, services):
        self.name, self.sockets, self.services = name, sockets, services


LISTENER = Way("listener", ("imapgate.socket", "imapgates.socket"), {143: "imapgate.service", 993: "imapgate.service"})
PER_CONNECTION = Way("per-connection", ("imapgate-per-connection.socket", "imapgates-per-connection.socket"),
                     {143: "imapgate-per-connection@.service", 993: "imapgates-per-connection@.service"})


def installed_machine(certificate):
    machine = Machine()
    try:
        machine.run("make", "-s", "-C", TREE, f"--old-file={BUILD}/imapgate", f"BUILD={BUILD}", "install")
        machine.run("systemd-sysusers")
        machine.run("systemd-tmpfiles", "--create", check=False)
        give_certificate(machine, certificate)
        machine.add_user(NAME, PASSWORD, messages=2)
        machine.run("systemctl", "daemon-reload")
        return machine
    except BaseException:
        machine.end()
        raise


def give_certificate(machine, certificate):
    machine.write("/etc/imapgate/cert.pem", certificate.file.read_text())
    machine.write("/etc/imapgate/key.pem", certificate.key.read_text(), 0o600)


def log_in(machine, certificate, port, **where):
    if port == 993:
        imap = Imap(machine, 993, certificate.context(), **where)
    else:
        imap = Imap(machine, 143, **where)
        imap.starttls(certificate.context())
    imap.login(NAME, PASSWORD)
    return imap


def _take_over(machine, unit):
    """Settings may be such that nothing starts with them: that is for the test to see."""
    machine.run("systemctl", "daemon-reload")
    if "@" not in unit:
        machine.run("systemctl", "try-restart", unit, check=False)


@contextmanager
def settings(machine, unit, text):
    """A drop-in for a unit, in the with block."""
    machine.write(f"/run/systemd/system/{unit}.d/test.conf", text)
    _take_over(machine, unit)
    try:
        yield
    finally:
        machine.run("rm", "-r", f"/run/systemd/system/{unit}.d")
        _take_over(machine, unit)


def command(machine, unit, program, *options):
    """A drop-in's text for another mailbox program, with more options; all others are those of the file."""
    words = machine.shell(f"sed -n 's/^ExecStart=//p' {UNITS}/{unit}").strip()
    return f"[Service]\nExecStart=\nExecStart={words} --config {FILE} {' '.join(options)} -- {program}\n"
