"""Behind the real HAProxy, which tells who the client is by each of its PROXY headers."""

import csv
import shutil
import socket
import time
from pathlib import Path

import pytest

import loglines
import documents
import superserver
from clients import STARTTLS, TLS, Errand, curl, imaplib_login
from test_superservers import converse
from wire import PATIENCE, SocketWire

VERSIONS = ("send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id")


@pytest.fixture
def gate(root_stage):
    """imapgate with real users on a port of its own, where only the proxy may connect."""
    if not shutil.which("haproxy"):
        pytest.skip("no haproxy on this machine")

    def serving(*options, mailbox=None):
        command = [root_stage.program, *root_stage.options("unix"), "--proxy", "127.0.0.0/8", *options, "--", *(mailbox or [root_stage.dovecot])]
        return superserver.Plain(root_stage, command)

    return serving


def events(server, name):
    return [event for event in loglines.read(server.log_text()) if event.name == name]


def first(server, name):
    """A line that a process writes when its client has the answer already."""
    until = time.monotonic() + PATIENCE
    while not events(server, name) and time.monotonic() < until:
        time.sleep(0.05)
    return events(server, name)[0]


def from_here(port):
    """A client whose address is not the proxy's, so that they can be told apart."""
    client = socket.create_connection(("127.0.0.1", port), timeout=5, source_address=("127.0.0.77", 0))
    return SocketWire(client), client.getsockname()[1]


def behind(stage, server_port, server_options="", bind="", more=""):
    """HAProxy in TCP mode, in front of the server that has this port."""
    port = superserver.free_port()
    return superserver.haproxy(stage, f"listen imap\nmode tcp\nbind 127.0.0.1:{port} {bind}\n{more}"
                                      f"server gate 127.0.0.1:{server_port} {server_options}", port)


@pytest.mark.parametrize("version", VERSIONS, ids=("v1", "v2", "v2-more"))
def test_address_of_the_client(root_stage, gate, version):
    account, report = root_stage.users["imapgt1"], root_stage.report()
    with gate("--allow-cleartext", "loopback", mailbox=root_stage.mailbox(report=report)) as server, \
            behind(root_stage, server.port, version) as proxy:
        wire, port = from_here(proxy.port)
        said = converse(wire, f"a LOGIN {account.name} {account.password}\r\nb NOOP\r\n".encode())
        assert said.endswith(b"a OK recorder\r\nb OK heard NOOP\r\n"), said
        assert report.environment["TCPREMOTEIP"] == "127.0.0.77"
        assert report.environment["TCPREMOTEPORT"] == str(port)
        assert report.environment["TCPLOCALPORT"] == str(proxy.port)
        event = first(server, "auth-ok")
        assert (event["rip"], event["rport"], event["lport"]) == ("127.0.0.77", str(port), str(proxy.port))
        assert event["proxy"] == "127.0.0.1"


@pytest.mark.parametrize("version", VERSIONS[:2], ids=("v1", "v2"))
@pytest.mark.parametrize("security", (STARTTLS, TLS))
@pytest.mark.parametrize("client", (imaplib_login, curl))
def test_tls_goes_through(root_stage, gate, version, security, client):
    """HAProxy passes the bytes on, the TLS is ours."""
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    with gate(*certificate.options, *(["--tls-on-connect"] if security == TLS else [])) as server, \
            behind(root_stage, server.port, version) as proxy:
        errand = Errand(proxy.port, security, account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in client(errand)
        assert first(server, "auth-ok")["tls"].startswith("TLSv1.")


@pytest.mark.parametrize("options, cipher", (("", "unknown"), (" proxy-v2-options ssl-cipher", "TLS_AES_256_GCM_SHA384")),
                         ids=("version", "cipher"))
@pytest.mark.parametrize("client", (imaplib_login, curl))
def test_tls_by_the_proxy(root_stage, gate, client, options, cipher):
    """HAProxy has the certificate and does the TLS; imapgate has none, takes passwords, and says who did it."""
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    with gate() as server, \
            behind(root_stage, server.port, "send-proxy-v2-ssl" + options, bind=f"ssl crt {certificate.both}") as proxy:
        errand = Errand(proxy.port, TLS, account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in client(errand)
        event = first(server, "auth-ok")
        assert (event["tls"], event["cipher"], event["proxy"]) == ("TLSv1.3", cipher, "127.0.0.1")


def test_clear_text_through_a_proxy_that_could_tell_of_tls(root_stage, gate):
    with gate() as server, behind(root_stage, server.port, "send-proxy-v2-ssl") as proxy:
        wire, _ = from_here(proxy.port)
        assert b"LOGINDISABLED" in converse(wire, b"a LOGOUT\r\n")


def checked(proxy):
    """Waits for the first health check's end: its result, "L7OK" or another of HAProxy's words."""
    status, end = "INI", time.monotonic() + PATIENCE
    while status == "INI":
        assert time.monotonic() < end, "no health check"
        time.sleep(0.05)
        # It is renamed into its place when all is listening.
        if Path(proxy.admin).exists():
            status = check_status(proxy)
    return status


def check_status(proxy):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(proxy.admin)
        admin.sendall(b"show stat\n")
        table = b"".join(iter(lambda: admin.recv(1 << 16), b"")).decode()
    rows = csv.DictReader(table.lstrip("# ").splitlines())
    return next(row["check_status"].lstrip("* ") for row in rows if row["svname"] == "gate")


@pytest.mark.parametrize("version", VERSIONS[:2], ids=("v1", "v2"))
def test_health_check(root_stage, gate, version):
    """A check that wants the greeting; it comes with a header of its own, LOCAL in version 2."""
    steps = "".join(f"tcp-check {step}\n" for step in ("connect default", "expect string OK", "send a\\ LOGOUT\\r\\n", "expect string BYE"))
    with gate() as server, behind(root_stage, server.port, version + " check check-send-proxy inter 200ms",
                                  more="option tcp-check\n" + steps) as proxy:
        assert checked(proxy) == "L7OK"
        event = first(server, "end")
        assert (event["reason"], event["rip"]) == ("logout", "127.0.0.1")


def test_proxy_that_sends_no_header(root_stage, gate):
    """Its clients get nothing, and the log says why."""
    with gate() as server, behind(root_stage, server.port) as proxy:
        wire, _ = from_here(proxy.port)
        assert converse(wire, b"a NOOP\r\n") == b""
        event = first(server, "end")
        assert (event["rip"], event["reason"]) == ("127.0.0.1", "proxy-malformed")


def test_server_that_expects_no_header(root_stage, gate):
    """The other way round the clients are told at once."""
    command = [root_stage.program, *root_stage.options("unix"), "--", root_stage.dovecot]
    with superserver.Plain(root_stage, command) as server, \
            behind(root_stage, server.port, "send-proxy") as proxy:
        wire, _ = from_here(proxy.port)
        assert b"\r\n* BYE This is an IMAP server\r\n" in converse(wire, b"a NOOP\r\n")
        assert first(server, "end")["reason"] == "not-imap"


# --- the manual's words, with other ports

def test_recipe_passes_tls_through(root_stage, gate):
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    ports = superserver.free_port(), superserver.free_port()
    with gate(*certificate.options) as imap, gate("--tls-on-connect", *certificate.options) as imaps:
        recipe = documents.adapted(documents.blocks("Behind HAProxy", "haproxy")[0].text, {
            "bind :143": f"bind 127.0.0.1:{ports[0]}", "192.0.2.1:143": f"127.0.0.1:{imap.port}",
            "bind :993": f"bind 127.0.0.1:{ports[1]}", "192.0.2.1:993": f"127.0.0.1:{imaps.port}"})
        with superserver.haproxy(root_stage, recipe, ports[1]):
            for port, security in zip(ports, (STARTTLS, TLS)):
                errand = Errand(port, security, account.name, account.password, certificate, root_stage.file("scratch"))
                assert "This is the text of message 2." in curl(errand)


def test_recipe_ends_tls(root_stage, gate):
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    port = superserver.free_port()
    with gate() as server:
        recipe = documents.adapted(documents.blocks("Behind HAProxy", "haproxy")[1].text, {
            "bind :993": f"bind 127.0.0.1:{port}", "/etc/haproxy/mail.pem": certificate.both,
            "127.0.0.1:143": f"127.0.0.1:{server.port}"})
        with superserver.haproxy(root_stage, recipe, port):
            errand = Errand(port, TLS, account.name, account.password, certificate, root_stage.file("scratch"))
            assert "This is the text of message 2." in curl(errand)
