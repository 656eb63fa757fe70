"""What is against it: the relay, and the client sees no difference."""

import socket
import ssl

from cases import PATTERN, TLS12, TLS13, TRAILER, case, expect, greeted, logged_in, poured, suite_options
from client import Client, Rare


def against(expected, options, stage, version=None, ciphers=None):
    client, session = greeted(stage, *options, version=version, ciphers=ciphers)
    client.login(b"POUR 70000\r\n", b"EXIT 0\r\n")
    expect(session.how(), expected, "handoff")
    expect(client.rest(), poured(70000), "octets")
    expect(client.ended, "close_notify", "end")


case(against, "relay off", ["--ktls", "off"])


@case
def a_cbc_cipher_is_the_relays(stage):
    against("relay cipher", suite_options(TLS12, "ECDHE-ECDSA-AES128-SHA256"), stage, TLS12, "ECDHE-ECDSA-AES128-SHA256")


def left_over_is_the_relays(version, stage):
    client, session = greeted(stage, version=version)
    client.send(b"a1 LOGIN joe sesame\r\nSINK\r\n" + TRAILER[:5000], TRAILER[5000:300000])
    client.until(rb"a1 OK .*\r\n")
    expect(session.how(), "relay left-over", "handoff")
    client.close_notify().flush()
    expect(session.report("sink"), "octets=300000 end=EOF", "report")
    expect(session.data(), TRAILER[:300000], "data")


case(left_over_is_the_relays, TLS12)
case(left_over_is_the_relays, TLS13)


@case
def half_a_line_is_left_over(stage):
    client, session = greeted(stage)
    client.send(b"a1 LOGIN joe sesame\r\nE", b"CHO hello\r\n")
    client.until(rb"a1 OK .*\r\n")
    expect(session.how(), "relay left-over", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


@case
def required_and_left_over(stage):
    client, session = greeted(stage, "--ktls", "require")
    client.send(b"a1 LOGIN joe sesame\r\nx NOOP\r\n")
    expect(client.line()[:20], b"a1 NO [UNAVAILABLE] ", "answer")
    expect(client.line()[:19], b"* BYE [UNAVAILABLE]", "last word")
    client.rest()
    expect(session.wait(), 0, "status")
    assert "reason=no-ktls why=left-over" in session.log(), session.log()


@case
def required_and_possible(stage):
    logged_in(stage, "--ktls", "require")


def small_fragments_are_the_relays(version, stage):
    sock, session = stage.start()
    client = Rare(sock, fragment=1, version=version)
    client.until(b"\r\n")
    client.send(b"a1 LOGIN joe sesame\r\n")
    client.until(b"a1 OK")
    expect(session.how(), "relay fragment-length", "handoff")
    client.send(b"POUR 20000\r\n")
    client.until(PATTERN[19000:19990])


case(small_fragments_are_the_relays, TLS12)
case(small_fragments_are_the_relays, TLS13)


def a_key_update_before_is_the_relays(kind, stage):
    sock, session = stage.start()
    client = Rare(sock)
    client.until(b"\r\n")
    client.key_update(kind)
    client.send(b"a1 LOGIN joe sesame\r\n")
    client.until(b"a1 OK")
    expect(session.how(), "relay key-update", "handoff")
    client.key_update(kind)
    client.send(b"ECHO hello\r\n")
    client.until(b"hello")


case(a_key_update_before_is_the_relays, Rare.UPDATE_NOT_REQUESTED)
case(a_key_update_before_is_the_relays, Rare.UPDATE_REQUESTED)


# --- a client that closes its side early

@case
def closed_before_all_began(stage):
    """The kernel refuses to make such a socket ready, which matters to nobody: without the client's words there is no handshake."""
    sock, session = stage.start(before=lambda client: client.shutdown(socket.SHUT_WR))
    expect(session.wait(), 0, "status")
    assert "handoff" not in session.log(), session.log()


@case
def closed_before_all_began_in_cleartext(stage):
    def hurry(client):
        client.sendall(b"a1 LOGIN joe sesame\r\nPOUR 100000\r\nEXIT 4\r\n")
        client.shutdown(socket.SHUT_WR)

    sock, session = stage.start("--allow-cleartext", "all", starttls=True, before=hurry)
    octets = b""
    while more := sock.recv(1 << 16):
        octets += more
    expect(octets.split(b"\r\n", 1)[1], b"a1 OK mailbox is ready\r\n" + poured(100000), "octets")
    expect(session.how(), "exec", "handoff")
    expect(session.wait(), 4, "status")


@case
def closed_behind_the_hello(stage):
    """Half a handshake, and no more to come."""
    hello = Client(socket.socket())
    try:
        hello.tls.do_handshake()
    except ssl.SSLWantReadError:
        pass

    def hurry(client):
        client.sendall(hello.outgoing.read())
        client.shutdown(socket.SHUT_WR)

    sock, session = stage.start(before=hurry)
    expect(session.wait(), 0, "status")
    assert "handoff" not in session.log(), session.log()


def closed_behind_the_login(ending, expected, version, stage):
    """All of it is under way before the switch: the kernel has what OpenSSL did not take."""
    client, session = greeted(stage, version=version)
    client.write(b"a1 LOGIN joe sesame\r\n").write(b"SINK\r\n").write(b"0123456789")
    ending(client)
    expect(session.report("sink"), f"octets=10 end={expected}", "report")
    expect(session.how(), "ktls", "handoff")
    client.until(rb"a1 OK .*\r\n")
    expect(session.wait(), 0, "status")


def fin(client):
    client.flush()
    client.fin()


def close_notify(client):
    client.close_notify().flush()


def close_notify_and_fin(client):
    client.close_notify().flush()
    client.fin()


for _version in (TLS12, TLS13):
    case(closed_behind_the_login, fin, "EOF", _version)
    case(closed_behind_the_login, close_notify, "EIO", _version)
    case(closed_behind_the_login, close_notify_and_fin, "EIO", _version)


@case
def reset_behind_the_login(stage):
    """Wherever it is noticed, the session ends, and by nobody's fault."""
    client, session = greeted(stage)
    client.send(b"a1 LOGIN joe sesame\r\n", b"SINK\r\n")
    client.reset()
    session.wait()
    assert "gate-died" not in session.log(), session.log()
