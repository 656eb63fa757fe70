"""Sessions that the kernel takes: every version and suite, every kind of handshake, pipelining across the switch."""

import hashlib

from cases import SUITES, TLS12, TLS13, TRAILER, case, expect, greeted, logged_in, poured, suite_options
from client import Client


def suite_carries_the_session(version, suite, stage):
    options = suite_options(version, suite)
    client, session = greeted(stage, *options, version=version)
    for n in range(3):
        client.send(b"n NOOP\r\n")
        client.line()
    answer = client.login(b"POUR 300000\r\n", b"SINK\r\n", TRAILER)
    expect(session.how(), "ktls", "handoff")
    client.fin()
    expect(answer, b"a1 OK mailbox is ready\r\n", "tagged answer")
    expect(client.rest(), poured(300000), "what the program wrote")
    expect(client.ended, "close_notify", "end")
    expect(session.report("sink"), f"octets={len(TRAILER)} end=EOF", "report")
    expect(hashlib.sha256(session.data()).hexdigest(), hashlib.sha256(TRAILER).hexdigest(), "trailer")
    expect(session.wait(), 0, "status")


for _version, _suite in SUITES:
    case(suite_carries_the_session, _version, _suite)


@case
def starttls(stage):
    sock, session = stage.start(starttls=True)
    sock.recv(1000)
    sock.sendall(b"s STARTTLS\r\n")
    assert sock.recv(1000).startswith(b"s OK")
    client = Client(sock).handshake()
    client.login(b"ECHO hello\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


@case
def cleartext_is_untouched(stage):
    """The socket was made ready for TLS that never came."""
    sock, session = stage.start("--allow-cleartext", "all", starttls=True)
    sock.recv(1000)
    sock.sendall(b"a1 LOGIN joe sesame\r\nPOUR 100000\r\nEXIT 4\r\n")
    expect(session.how(), "exec", "handoff")
    octets = b""
    while more := sock.recv(1 << 16):
        octets += more
    expect(octets, b"a1 OK mailbox is ready\r\n" + poured(100000), "octets")
    expect(session.wait(), 4, "status")


@case
def many_records_and_failed_logins_before(stage):
    client, session = greeted(stage)
    for n in range(40):
        client.send(b"n", b" NO", b"OP\r\n", b"x BAD", b"\r\n") if n < 10 else client.send(b"c CAPABILITY\r\n")
        client.until(rb"(n OK NOOP completed\r\nx BAD .*\r\n|c OK .*\r\n)")
    client.send(b"p AUTHENTICATE PLAIN\r\n")
    client.line()
    client.send(b"AGpvZQBzZXNhbWU=\r\n", b"ECHO hello\r\n")
    client.until(rb"p OK .*\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


@case
def a_login_of_many_records(stage):
    client, session = greeted(stage)
    client.send(*(bytes([octet]) for octet in b"a1 LOGIN {3+}\r\njoe sesame\r\n"), b"ECHO hello\r\n")
    client.until(rb"a1 OK .*\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


def login_together_with_finished(starttls, stage):
    sock, session = stage.start(starttls=starttls)
    if starttls:
        sock.recv(1000)
        sock.sendall(b"s STARTTLS\r\n")
        assert sock.recv(1000).startswith(b"s OK")
    client = Client(sock, TLS13).handshake(b"a1 LOGIN joe sesame\r\n", b"POUR 50000\r\n", b"SINK\r\n", TRAILER)
    client.fin()
    client.until(rb"(?m)^a1 OK .*\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.rest(), poured(50000), "what the program wrote")
    expect(session.report("sink"), f"octets={len(TRAILER)} end=EOF", "report")


case(login_together_with_finished, False)
case(login_together_with_finished, True)


# --- kinds of handshake

@case
def a_retried_hello(stage):
    client, session = greeted(stage, "--tls", "Groups=P-384", version=TLS13)
    assert client.was_retried(), "the server took the client's first share"
    client.login(b"ECHO hello\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


def external(version, stage):
    client, session = greeted(stage, "--client-ca", stage.authority.file, version=version, certificate=stage.joe)
    client.send(b"a1 AUTHENTICATE EXTERNAL =\r\n", b"ECHO hello\r\n")
    client.until(rb"a1 OK .*\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")
    assert "mech=EXTERNAL" in session.log(), session.log()


def a_certificate_and_a_password(version, stage):
    client, session = greeted(stage, "--client-ca", stage.authority.file, version=version, certificate=stage.joe)
    client.login(b"ECHO hello\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(client.line(), b"hello\r\n", "echo")


def preauth_by_certificate(version, stage):
    sock, session = stage.start("--client-ca", stage.authority.file, "--preauth", "cert")
    client = Client(sock, version, certificate=stage.joe).handshake(b"ECHO hello\r\n", b"EXIT 4\r\n")
    expect(client.line(), b"* PREAUTH mailbox is ready\r\n", "greeting")
    expect(session.how(), "ktls", "handoff")
    expect((client.rest(), client.ended), (b"hello\r\n", "close_notify"), "the rest")
    expect(session.wait(), 4, "status")


for _version in (TLS12, TLS13):
    case(external, _version)
    case(a_certificate_and_a_password, _version)
    case(preauth_by_certificate, _version)


def no_ticket_is_sent(version, stage):
    client, _ = logged_in(stage, version=version)
    client.send(b"ECHO hello\r\n")
    client.line()
    expect(client.tls.session.has_ticket, False, "a ticket")


def tickets_are_counted(version, stage):
    """They are the administrator's wish here; each process has keys of its own for them, so nobody is resumed."""
    options = ["--tls", "Options=SessionTicket", "--tls", "NumTickets=2"]
    client, _ = logged_in(stage, *options, version=version)
    client.send(b"ECHO hello\r\n")
    expect(client.line(), b"hello\r\n", "echo")
    expect(client.tls.session.has_ticket, True, "a ticket")
    again, session = greeted(stage, *options, version=version, resumed=client)
    expect(again.tls.session_reused, False, "resumed")
    again.login(b"ECHO hello\r\n")
    expect(session.how(), "ktls", "handoff")
    expect(again.line(), b"hello\r\n", "echo")


for _version in (TLS12, TLS13):
    case(no_ticket_is_sent, _version)
    case(tickets_are_counted, _version)
