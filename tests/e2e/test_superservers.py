"""Started by the programs that are there to start such programs."""

import shutil
import socket

import pytest

import superserver
from clients import STARTTLS, Errand, curl, imaplib_login
from record import Report
from wire import SocketWire

DOVECOT = ["/usr/lib/dovecot/imap", "-O", "-o", "mail_location=maildir:~/Maildir"]

SERVERS = {
    "systemd-inetd": ("systemd-socket-activate", lambda stage, command: superserver.socket_activate(stage, command, "--inetd")),
    "systemd-descriptor-3": ("systemd-socket-activate", superserver.socket_activate),
    "tcpserver": ("tcpserver", superserver.tcpserver),
    "inetd": ("inetd", superserver.inetd),
}


@pytest.fixture(params=SERVERS)
def serve(request, root_stage):
    """Starts a superserver for these options and this program; gives its port and its log."""
    program, start = SERVERS[request.param]
    if not shutil.which(program):
        pytest.skip(f"no {program} on this machine")

    def serving(*options, mailbox):
        command = [root_stage.program, *root_stage.options("unix"), *map(str, options), "--", *map(str, mailbox)]
        return start(root_stage, command)

    serving.name = request.param
    return serving


@pytest.mark.parametrize("client", (imaplib_login, curl))
def test_message_through_dovecot(root_stage, serve, client):
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    with serve(*certificate.options, mailbox=DOVECOT) as server:
        errand = Errand(server.port, STARTTLS, account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in client(errand)


def converse(wire, lines):
    """Sends it all, closes this direction, and returns what comes back."""
    try:
        wire.send(lines)
        wire.half_close()
        said = b""
        while data := wire.receive():
            said += data
        return said
    finally:
        wire.close()


def test_nothing_but_imap_on_the_wire(root_stage, serve):
    """Under classic inetd descriptor 2 is the client: no log line, and no word of the mailbox program's, may get there."""
    report = root_stage.report()
    with serve("--allow-cleartext", "loopback", mailbox=root_stage.mailbox(report=report)) as server:
        account = root_stage.users["imapgt1"]
        wire = SocketWire(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        said = converse(wire, f"x NOOP\r\na LOGIN {account.name} mumble\r\nb LOGIN {account.name} {account.password}\r\n"
                              "c NOOP\r\n".encode())
        environment = report.environment
    lines = said.split(b"\r\n")
    assert lines[0].startswith(b"* OK [CAPABILITY ")
    assert lines[1:] == [b"x OK NOOP completed", b"a NO [AUTHENTICATIONFAILED] Authentication failed", b"b OK recorder",
                         b"c OK heard NOOP", b""]
    assert sorted(report.descriptors) == [0, 1, 2]
    assert report.descriptors[0] == report.descriptors[1] != report.descriptors[2]
    assert environment["TCPREMOTEIP"] == "127.0.0.1" and environment["TCPLOCALPORT"] == str(server.port)


def test_implicit_tls(root_stage, serve):
    account, certificate = root_stage.users["imapgt2"], root_stage.certificate("ecdsa")
    with serve("--tls-on-connect", *certificate.options, mailbox=DOVECOT) as server:
        errand = Errand(server.port, "tls", account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in imaplib_login(errand)


@pytest.mark.parametrize("options", (["--inetd"], []), ids=("inetd", "descriptor 3"))
def test_unix_socket_by_systemd(root_stage, options):
    """Its path is all that a client needs; passwords are safe there."""
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("no systemd-socket-activate on this machine")
    path, report = str(root_stage.file("scratch", ".sock")), Report(root_stage.file("reports"))
    command = [root_stage.program, *root_stage.options(), "--", *root_stage.mailbox(report=report)]
    with superserver.socket_activate(root_stage, command, *options, path=path):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        said = converse(SocketWire(client), b"a LOGIN joe sesame\r\nb NOOP\r\n")
    assert said.endswith(b"a OK recorder\r\nb OK heard NOOP\r\n"), said
    assert report.environment["USER"] == "joe"
