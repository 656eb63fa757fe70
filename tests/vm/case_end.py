"""What the mailbox program sees of a client that ends."""

import time

from cases import TLS12, TLS13, case, expect, greeted, logged_in
from client import Rare


def end_of_the_client(expected, action, version, stage):
    client, session = logged_in(stage, version=version)
    client.write(b"SINK\r\n").write(b"0123456789")
    action(client)
    expect(session.report("sink"), expected, "the program's end")
    expect(session.wait(), 0, "status")


def with_close_notify(client):
    client.close_notify().flush()


def with_fin(client):
    client.flush()
    client.fin()


def with_rst(client):
    client.flush()
    time.sleep(0.5)     # a reset overtakes what has not been read, and nobody says that it has
    client.reset()


def with_a_broken_record(client):
    client.flush()
    client.write(b"this one is changed")
    record = bytearray(client.outgoing.read())
    record[-1] ^= 1
    client.sock.sendall(record)


def with_half_a_record(client):
    client.flush()
    client.write(b"this one is half")
    client.sock.sendall(client.outgoing.read()[:-5])
    client.fin()


for _version in (TLS12, TLS13):
    case(end_of_the_client, "octets=10 end=EIO", with_close_notify, _version)
    case(end_of_the_client, "octets=10 end=EOF", with_fin, _version)
    case(end_of_the_client, "octets=10 end=ECONNRESET", with_rst, _version)
    case(end_of_the_client, "octets=10 end=EBADMSG", with_a_broken_record, _version)
    case(end_of_the_client, "octets=10 end=EOF", with_half_a_record, _version)


def a_key_update_is_eio(at_once, stage):
    sock, session = stage.start()
    client = Rare(sock)
    client.until(b"\r\n")
    client.send(b"a1 LOGIN joe sesame\r\n")
    if not at_once:
        client.until(b"a1 OK")
    client.send(b"SINK\r\n")
    client.key_update()
    client.send(b"0123456789")
    expect(session.how(), "ktls", "handoff")
    expect(session.report("sink"), "octets=0 end=EIO", "the program's end")
    expect(session.wait(), 0, "status")


case(a_key_update_is_eio, True)
case(a_key_update_is_eio, False)


def a_program_without_a_word_is_spoken_for(version, stage):
    client, session = greeted(stage, version=version, program=["/bin/false"])
    expect(client.login().startswith(b"a1 NO [UNAVAILABLE] "), True, "the answer to the login")
    expect(client.line().startswith(b"* BYE [UNAVAILABLE] "), True, "the end")
    expect(session.wait(), 1, "status")


for _version in (TLS12, TLS13):
    case(a_program_without_a_word_is_spoken_for, _version)
