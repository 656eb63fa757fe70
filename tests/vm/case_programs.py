"""Relay and kernel are the same to a client, and real mailbox programs work on both."""

import hashlib
import os
import re

from cases import Skip, case, expect, greeted


def script(client, session):
    client.login(b"ECHO one\r\n", b"POUR 1000000\r\n")
    octets = client.plain
    client.plain = b""
    while len(octets) < 5 + 1000000:
        octets += client.read()
    client.send(b"ECHO two\r\n", b"EXIT 3\r\n")
    octets += client.rest()
    client.close()
    return octets, client.ended, session.wait()


@case
def relay_and_kernel_say_the_same(stage):
    client, session = greeted(stage, "--ktls", "off")
    relayed = script(client, session)[:2]
    expect(session.how(), "relay off", "handoff")
    client, session = greeted(stage)
    carried = script(client, session)
    expect(session.how(), "ktls", "handoff")
    assert relayed == carried[:2], "they differ"
    expect(carried[2], 3, "status")


DOVECOT = "imapgate-dovecot"     # finds 2.3 or 2.4, each with its own options


def dovecot_session(stage, *options):
    home = stage.folder / "home" / f"dovecot{next(stage.names)}"
    (home / "Maildir/new").mkdir(parents=True)
    for name in ("cur", "tmp"):
        (home / "Maildir" / name).mkdir()
    body = b"".join(b"%070d\r\n" % n for n in range((8 << 20) // 72))
    (home / "Maildir/new/1.big").write_bytes(b"Subject: big\r\n\r\n" + body)
    for path in (home, *home.rglob("*")):
        os.chown(path, 65534, 65534)
    program = ["/usr/bin/env", f"HOME={home}", stage.folder / "bin" / DOVECOT]
    client, session = greeted(stage, *options, program=program)
    client.login()
    client.send(b"b SELECT INBOX\r\n")
    client.until(rb"(?m)^b OK .*\r\n")
    client.send(b"c FETCH 1 BODY.PEEK[]\r\n")
    size = int(re.search(rb"\{(\d+)\}", client.until(rb"\* 1 FETCH .*\{\d+\}\r\n")).group(1))
    message = client.plain
    while len(message) < size:
        message += client.read()
    client.plain, message = message[size:], message[:size]
    client.until(rb"(?m)^c OK .*\r\n")
    new = b"Subject: new\r\n\r\n" + b"x" * 300000 + b"\r\n"
    client.send(b"d APPEND INBOX {%d+}\r\n" % len(new), new, b"\r\n")
    client.until(rb"(?m)^d OK .*\r\n")
    client.send(b"e FETCH 2 RFC822.SIZE\r\n")
    expect(client.line(), b"* 2 FETCH (RFC822.SIZE %d)\r\n" % len(new), "size of the new one")
    client.until(rb"(?m)^e OK .*\r\n")
    client.send(b"f LOGOUT\r\n")
    client.until(rb"(?m)^f OK .*\r\n")
    expect((client.rest(), client.ended), (b"", "close_notify"), "end")
    expect(session.wait(), 0, "status")
    expect(hashlib.sha256(message).hexdigest(), hashlib.sha256(b"Subject: big\r\n\r\n" + body).hexdigest(), "message")
    return session.how()


@case
def dovecot(stage):
    if not os.path.exists("/usr/lib/dovecot/imap"):
        raise Skip("no imap of Dovecot")
    expect(dovecot_session(stage), "ktls", "handoff")
    expect(dovecot_session(stage, "--ktls", "off"), "relay off", "handoff")
