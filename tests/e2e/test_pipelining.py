"""Exactly the login dialogue is taken from the connection; all that the client sent behind it is the mailbox program's."""

import base64
import hashlib
import random

import pytest

from wire import Bytewise

EVERYWHERE = ("unix", "path", "pipe", "tcp", "tcp6", "starttls", "tls")
PLAIN = base64.b64encode(b"\0joe\0sesame").decode()

# How a client may log in: what it sends, as one text.
METHODS = {
    "login": "a LOGIN joe sesame\r\n",
    "literals": "a LOGIN {3+}\r\njoe {6+}\r\nsesame\r\n",
    "plain": f"a AUTHENTICATE PLAIN {PLAIN}\r\n",
    "plain without initial response": f"a AUTHENTICATE PLAIN\r\n{PLAIN}\r\n",
    "login mechanism": "a AUTHENTICATE LOGIN\r\nam9l\r\nc2VzYW1l\r\n",
}


def start(stage, on, **more):
    return stage.ready(*(["--allow-cleartext", "all"] if on.startswith("tcp") else []), on=on, **more)


def tagged_answer(imap):
    """Reads over challenges to the answer of the login."""
    while True:
        line = imap.line()
        if line.startswith(b"a "):
            assert line == b"a OK recorder", line
            return
        assert line.startswith(b"+ "), line


@pytest.mark.parametrize("on", EVERYWHERE)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bytewise", (False, True), ids=("in one piece", "byte by byte"))
def test_commands_behind_the_login(stage, on, method, bytewise):
    with start(stage, on) as imap:
        if bytewise:
            imap.wire = Bytewise(imap.wire)
        imap.send(METHODS[method] + "b SELECT INBOX\r\nc LOGOUT\r\n")
        tagged_answer(imap)
        imap.expect("b OK heard SELECT INBOX")
        imap.expect("* BYE recorder ends")
        imap.expect("c OK recorder ends")
        imap.expect_end()


@pytest.mark.parametrize("on", ("starttls", "tls"))
def test_cipher_text_byte_by_byte(stage, on):
    """The same with TLS records that arrive in crumbs."""
    with start(stage, on, wire=Bytewise) as imap:
        imap.send("a LOGIN joe sesame\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
        tagged_answer(imap)
        imap.expect("b OK heard SELECT INBOX")
        imap.expect("* BYE recorder ends")
        imap.expect("c OK recorder ends")
        imap.expect_end()


@pytest.mark.parametrize("on", EVERYWHERE)
def test_half_a_command_behind_the_login(stage, on):
    """The first half may have been sent with the login, the second after the answer."""
    with start(stage, on) as imap:
        imap.send("a LOGIN joe sesame\r\nb SEL")
        tagged_answer(imap)
        imap.send("ECT INBOX\r\n")
        imap.expect("b OK heard SELECT INBOX")


def trailer():
    """1 MiB of every octet, the same each time."""
    return random.Random(20240101).randbytes(1 << 20)


def pieces(data, seed, largest):
    chance, at = random.Random(seed), 0
    while at < len(data):
        size = chance.randint(1, largest)
        yield data[at:at + size]
        at += size


@pytest.mark.parametrize("on", EVERYWHERE)
@pytest.mark.parametrize("largest", (1 << 20, 5000), ids=("at once", "in pieces"))
@pytest.mark.parametrize("method", ("login", "plain without initial response"))
def test_one_mebibyte_behind_the_login(stage, on, largest, method):
    report, data = stage.report(), trailer()
    with start(stage, on, mailbox=stage.mailbox("tag", "store", report)) as imap:
        everything = METHODS[method].encode() + data
        for piece in pieces(everything, seed=largest, largest=largest) if largest < len(data) else [everything]:
            imap.send(piece)
        imap.half_close()
        tagged_answer(imap)
        imap.expect_end()
    assert hashlib.sha256(report.input()).hexdigest() == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp", "starttls"))
@pytest.mark.parametrize("seed", range(5))
def test_split_anywhere(stage, on, seed):
    """Small random pieces around the login: where the network cuts is nobody's concern."""
    report = stage.report()
    behind = random.Random(seed).randbytes(64 << 10)
    commands = "x CAPABILITY\r\ny LOGIN joe {6+}\r\nmumble\r\n" + METHODS["literals"]
    with start(stage, on, mailbox=stage.mailbox("tag", "store", report)) as imap:
        for piece in pieces(commands.encode(), seed, 7):
            imap.send(piece)
        for piece in pieces(behind, seed, 3000):
            imap.send(piece)
        imap.half_close()
        assert imap.line().startswith(b"* CAPABILITY ")
        imap.expect("x OK Capability completed")
        imap.expect("y NO [AUTHENTICATIONFAILED] Authentication failed")
        tagged_answer(imap)
        imap.expect_end()
    assert report.input() == behind


def test_pipelined_behind_a_failure_is_ours(stage):
    report = stage.report()
    with stage.ready(mailbox=stage.mailbox("tag", "store", report)) as imap:
        imap.send("a LOGIN joe mumble\r\nb NOOP\r\nc LOGIN joe sesame\r\nd MAILBOX\r\n")
        imap.half_close()
        imap.expect("a NO [AUTHENTICATIONFAILED] Authentication failed")
        imap.expect("b OK NOOP completed")
        imap.expect("c OK recorder")
        imap.expect_end()
    assert report.input() == b"d MAILBOX\r\n"


def test_half_close_behind_the_login(stage):
    """`printf ... | nc`: everything sent, nothing more to come, all answers wanted."""
    for on in EVERYWHERE:
        with start(stage, on) as imap:
            imap.send("a LOGIN joe sesame\r\nb NOOP\r\n")
            imap.half_close()
            tagged_answer(imap)
            imap.expect("b OK heard NOOP")
            imap.expect_end()


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp", "starttls", "tls"))
def test_greeting_style_with_a_pipeline(stage, on):
    options = ["--handoff", "greeting", *(["--allow-cleartext", "all"] if on == "tcp" else [])]
    with stage.ready(*options, on=on, mailbox=stage.mailbox("preauth")) as imap:
        imap.send("a LOGIN joe sesame\r\nb SELECT INBOX\r\nc LOGOUT\r\n")
        imap.expect("a OK * PREAUTH recorder")
        imap.expect("b OK heard SELECT INBOX")
        imap.expect("* BYE recorder ends")
        imap.expect("c OK recorder ends")
        imap.expect_end()
