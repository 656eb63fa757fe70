"""Behind a proxy: who the client is, is what the PROXY header says, from listed proxies and from nobody else."""

import ipaddress
import os
import struct
import time

import pytest

from test_preauth import as_user, by_path
from wire import Bytewise

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, SERVER = "192.0.2.7", "198.51.100.1"
CLIENT6, SERVER6 = "2001:db8::7", "2001:db8::1"
LISTED = ("--proxy", "203.0.113.0/24", "--proxy", "127.0.0.1", "--proxy", "unix")
LOCAL, PROXY = 0x20, 0x21


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def header(command=PROXY, family=0x11, body=b""):
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


def addresses(client, server):
    ends = ipaddress.ip_address(client).packed + ipaddress.ip_address(server).packed
    return ends + struct.pack(">HH", 40112, 993)


def summed(family, body):
    """With a CRC32c of the whole (RFC 9260, appendix A)."""
    body += tlv(0x03, bytes(4))
    crc = 0xffffffff
    for octet in header(PROXY, family, body):
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return header(PROXY, family, body[:-4] + struct.pack(">I", crc ^ 0xffffffff))


def by_tls(bits=1, client=CLIENT):
    inner = tlv(0x21, b"TLSv1.3") + tlv(0x23, b"TLS_AES_256_GCM_SHA384")
    return header(PROXY, 0x11, addresses(client, SERVER) + tlv(0x20, bytes([bits, 0, 0, 0, 0]) + inner))


V1 = f"PROXY TCP4 {CLIENT} {SERVER} 40112 993\r\n".encode()
V2 = header(PROXY, 0x11, addresses(CLIENT, SERVER))
HEADERS = {
    "v1": (V1, CLIENT, SERVER),
    "v1-ipv6": (f"PROXY TCP6 {CLIENT6} {SERVER6} 40112 993\r\n".encode(), CLIENT6, SERVER6),
    "v2": (V2, CLIENT, SERVER),
    "v2-ipv6": (header(PROXY, 0x21, addresses(CLIENT6, SERVER6)), CLIENT6, SERVER6),
    "v2-mapped": (header(PROXY, 0x21, addresses("::ffff:" + CLIENT, "::ffff:" + SERVER)), CLIENT, SERVER),
    "v2-summed": (summed(0x11, addresses(CLIENT, SERVER) + tlv(0x02, b"mail.example.org")), CLIENT, SERVER),
}


def has(imap, word):
    return word in imap.capabilities()


@pytest.fixture(params=HEADERS)
def told(request):
    return HEADERS[request.param]


@pytest.mark.parametrize("wire", (None, Bytewise), ids=("whole", "bytewise"))
def test_client_is_who_the_header_says(stage, told, wire):
    """In the log, for PAM, and for the mailbox program."""
    said, client, server = told
    report, record = stage.report(), stage.file("scratch")
    pam = f"name=joe password=sesame record={record}"
    with stage.start(*LISTED, "--allow-cleartext", "all", on="tcp", pam=pam, wire=wire,
                     mailbox=stage.mailbox(report=report)) as imap:
        imap.send(said)
        imap.greeting()
        imap.login()
        for name in ("auth-ok", "handoff"):
            event = imap.log(name)[0]
            assert (event["rip"], event["rport"], event["lip"], event["lport"]) == (client, "40112", server, "993")
            assert event["proxy"] == "127.0.0.1" and event["tls"] == "none"
        environment = report.environment
        assert environment["TCPREMOTEIP"] == environment["REMOTE_ADDR"] == environment["IP"] == client
        assert environment["TCPLOCALIP"] == environment["LOCAL_IP"] == server
        assert (environment["TCPREMOTEPORT"], environment["TCPLOCALPORT"]) == ("40112", "993")
        assert f"rhost={client}" in record.read_text()


@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_tls_begins_behind_the_header(stage, told, on):
    """The header is in the clear, then TLS, with us and not with the proxy."""
    certificate = stage.certificate("ecdsa")
    with stage.start(*LISTED, on=on, handshake=False) as imap:
        imap.send(told[0])
        if on == "tls":
            imap.handshake(certificate.context())
            imap.greeting()
        else:
            imap.greeting()
            imap.starttls(certificate.context())
        imap.login()
        event = imap.log("auth-ok")[0]
        assert (event["rip"], event["proxy"]) == (told[1], "127.0.0.1")
        assert event["tls"].startswith("TLSv1.")


class InFrontOfTheFirst:
    """A wire whose first send has a header in front of it, in one segment with the client's bytes."""

    def __init__(self, wire, said):
        self.wire, self.said = wire, said

    def send(self, data, timeout=20):
        said, self.said = self.said, b""
        self.wire.send(said + data, timeout)

    def __getattr__(self, name):
        return getattr(self.wire, name)


def test_not_one_byte_of_the_client_is_taken(stage, told):
    """All in one segment: the header, the login, and what is for the mailbox program."""
    with stage.start(*LISTED, "--allow-cleartext", "all", on="tcp") as imap:
        imap.send(told[0] + b"a LOGIN joe sesame\r\nb NOOP\r\n")
        imap.greeting()
        imap.expect("a OK recorder")
        imap.hand_over()
        imap.expect("b OK heard NOOP")


def test_tls_in_the_segment_of_the_header(stage, told):
    with stage.start(*LISTED, on="tls", handshake=False, wire=lambda wire: InFrontOfTheFirst(wire, told[0])) as imap:
        imap.handshake(stage.certificate("ecdsa").context())
        imap.greeting()
        imap.login()


@pytest.mark.parametrize("said", (V1, V2), ids=("v1", "v2"))
def test_nobody_else_can_forge_an_address(stage, said):
    """From an address that is not listed the header is a bad command."""
    with stage.start("--proxy", "127.0.0.2", "--proxy", "::/0", "--proxy", "unix", on="tcp") as imap:
        imap.greeting()
        imap.send(said + b"\r\n")
        line = imap.line()
        assert b" BAD " in line or line.startswith(b"* BYE "), line
        imap.half_close()
        event = imap.logged_end()
        assert event["rip"] == "127.0.0.1" and "proxy" not in event


@pytest.mark.parametrize("said", (V1, V2), ids=("v1", "v2"))
def test_a_second_header_is_the_clients(stage, said):
    """Who comes through a proxy can't say more than his proxy did."""
    with stage.start(*LISTED, on="tcp") as imap:
        imap.send(V1 + said.replace(b"192.0.2.7", b"192.0.2.9").replace(b"\xc0\0\2\7", b"\xc0\0\2\x09"))
        imap.greeting()
        imap.half_close()
        assert imap.logged_end()["rip"] == CLIENT


def refused(imap, reason):
    """Nothing is answered, and one line says why."""
    assert imap.rest() == b""
    assert imap.status() == 0
    assert [event.name for event in imap.log()] == ["end"]
    event = imap.log("end")[0]
    assert (event["reason"], event["rip"]) == (reason, "127.0.0.1"), event


@pytest.mark.parametrize("on", ("tcp", "tls"))
@pytest.mark.parametrize("said", (
    b"a NOOP\r\n", b"\x16\x03\x01\x02\0", b"GET / HTTP/1.0\r\n\r\n", b"\0", b"\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 5 06\r\n", b"PROXY TCP4 x",
    b"PROXY UNKNOWN " + b"x" * 100000, header(PROXY, 0x11, b"x" * 8000), header(PROXY, 0x11, b"short"), header(0x31), header(0x2f),
    header(PROXY, 0x11, addresses(CLIENT, SERVER) + tlv(0x03, b"abcd")), header(PROXY, 0x51, addresses(CLIENT, SERVER))),
    ids=lambda said: repr(said[:20]))
def test_no_header_no_connection(stage, on, said):
    with stage.start(*LISTED, on=on, handshake=False) as imap:
        try:
            imap.send(said)
        except OSError:
            pass
        if said == b"PROXY TCP4 x":
            imap.half_close()
        refused(imap, "proxy-closed" if said == b"PROXY TCP4 x" else "proxy-malformed")


@pytest.mark.parametrize("said", (V1, V2, by_tls()), ids=("v1", "v2", "v2-ssl"))
def test_cut_anywhere(stage, said):
    for length in range(len(said)):
        with stage.start(*LISTED, on="tcp") as imap:
            imap.send(said[:length])
            imap.half_close()
            refused(imap, "proxy-closed")


def test_gone_again(stage):
    """A look at the port, as load balancers do it, is no error. Without a listener it may not be known any more that it was one."""
    with stage.start(*LISTED, on="tcp") as imap:
        imap.wire.reset()
        assert imap.status() == 0
        end = imap.log("end")[0]
        assert (end["rip"], end["reason"]) in (("127.0.0.1", "proxy-closed"), ("unknown", "disconnected"))


@pytest.mark.parametrize("said", (b"", V1[:-1], V2[:-1]), ids=("nothing", "v1", "v2"))
def test_late(stage, said):
    began = time.monotonic()
    with stage.start(*LISTED, "--timeout", "1", on="tcp") as imap:
        for octet in said:
            imap.send(bytes([octet]))
        refused(imap, "proxy-late")
        assert 0.9 < time.monotonic() - began < 4


def test_late_within_a_long_timeout(stage):
    began = time.monotonic()
    with stage.start(*LISTED, "--timeout", "60", on="tcp") as imap:
        refused(imap, "proxy-late")
        assert 4.9 < time.monotonic() - began < 10


# --- how protected the client's way is

@pytest.mark.parametrize("said, on, allowed", (
    (V1, "tcp", False),
    (f"PROXY TCP4 127.0.0.1 {SERVER} 1 2\r\n".encode(), "tcp", True),
    (f"PROXY TCP6 ::1 {SERVER6} 1 2\r\n".encode(), "tcp", True),
    (b"PROXY UNKNOWN\r\n", "tcp", False),
    (header(PROXY, 0x31, bytes(216)), "tcp", False),
    (header(LOCAL, 0x00), "tcp", True),
    (V1, "unix", False),
    (f"PROXY TCP4 127.0.0.1 {SERVER} 1 2\r\n".encode(), "unix", True),
    (b"PROXY UNKNOWN\r\n", "unix", False),
    (header(PROXY, 0x00), "unix", False),
    (header(PROXY, 0x31, bytes(216)), "unix", True),
    (header(LOCAL, 0x00), "unix", True),
    (by_tls(), "tcp", True),
    (by_tls(), "unix", True),
    (by_tls(bits=0), "tcp", False),
    (by_tls(bits=6), "unix", False),
))
def test_passwords_on_the_whole_way(stage, said, on, allowed):
    """With --allow-cleartext loopback both halves of it must be of this machine, unless the proxy says that there was TLS."""
    with stage.start(*LISTED, "--allow-cleartext", "loopback", on=on) as imap:
        imap.send(said)
        imap.greeting()
        assert has(imap, "LOGINDISABLED") == (not allowed)
        if allowed:
            imap.login()
        else:
            assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [PRIVACYREQUIRED]")


def test_tls_that_the_proxy_did(stage):
    """As if a superserver had done it: STARTTLS is gone, and everybody is told."""
    report = stage.report()
    options = stage.certificate("ecdsa").options
    with stage.start(*LISTED, *options, on="tcp", mailbox=stage.mailbox(report=report)) as imap:
        imap.send(by_tls())
        imap.greeting()
        assert not has(imap, "STARTTLS")
        assert imap.command("a STARTTLS")[1].startswith(b"a BAD")
        imap.login()
        event = imap.log("auth-ok")[0]
        assert (event["rip"], event["tls"], event["cipher"]) == (CLIENT, "TLSv1.3", "TLS_AES_256_GCM_SHA384")
        assert report.environment["SSL_PROTOCOL"] == "TLSv1.3"
        assert report.environment["SSL_CIPHER"] == "TLS_AES_256_GCM_SHA384"


def test_starttls_where_the_proxy_did_none(stage):
    with stage.start(*LISTED, *stage.certificate("ecdsa").options, on="tcp") as imap:
        imap.send(by_tls(bits=0))
        imap.greeting()
        assert has(imap, "STARTTLS")


# --- connections that are the proxy's own, or of somebody unknown

@pytest.mark.parametrize("said", (header(LOCAL, 0), header(LOCAL, 0x11, addresses(CLIENT, SERVER))), ids=("empty", "addresses"))
def test_health_check(stage, said):
    with stage.start(*LISTED, on="tcp") as imap:
        imap.send(said)
        imap.greeting()
        imap.send(b"x LOGOUT\r\n")
        imap.rest()
        event = imap.logged_end()
        assert event["rip"] == "127.0.0.1" and "proxy" not in event


@pytest.mark.parametrize("said", (b"PROXY UNKNOWN\r\n", header(PROXY, 0), header(PROXY, 0x12, addresses(CLIENT, SERVER))),
                         ids=("v1", "v2", "udp"))
def test_unknown_client(stage, said):
    """The connection's own address is all there is, and the log says whose that is."""
    with stage.start(*LISTED, on="tcp") as imap:
        imap.send(said)
        imap.greeting()
        imap.send(b"x LOGOUT\r\n")
        imap.rest()
        event = imap.logged_end()
        assert event["rip"] == event["proxy"] == "127.0.0.1"


@pytest.mark.parametrize("said", (V2, header(PROXY, 0), header(PROXY, 0x31, bytes(216)), header(LOCAL, 0)),
                         ids=("tcp", "unknown", "unix", "itself"))
def test_the_proxys_user_is_not_the_clients(root_stage, said):
    """--preauth peer is about who made the connection; that is no word about whom it was made for, and it is decided
    before anything was read."""
    with by_path(root_stage, "--proxy", "unix", who=as_user(root_stage.users["imapgt1"])) as imap:
        imap.send(said)
        imap.expect("* OK [CAPABILITY ...] ...")


def test_pipes_have_no_proxy(stage):
    """What is behind a pipe is told by its superserver's variables; nobody is asked for a header there."""
    environment = {**os.environ, "TCPREMOTEIP": "127.0.0.1"}
    with stage.start(*LISTED, "--proxy", "0.0.0.0/0", on="pipe", env=environment) as imap:
        imap.greeting()
