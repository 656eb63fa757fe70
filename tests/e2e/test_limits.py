"""Input without end, without sense, and cut off anywhere."""

import base64
import concurrent.futures
import os
import random
import socket
import ssl

import pytest

from processes import gate_of, size_of
from stage import BINARY, LISTENER
from wire import PATIENCE, SocketWire, TlsWire


# How much a gate may grow: a few pages of its own, and a sanitizer's shadow of them.
GROWTH = 2 << 20 if "asan" in str(BINARY) else 256 << 10


@pytest.mark.parametrize("octet", (b"x", b"(", b")", b"{", b'"', b"\\", b"\xff", b" "), ids=repr)
def test_megabytes_without_a_line_end(stage, octet):
    """Threats T13 and T14: neither memory nor patience grows with the input."""
    with stage.ready() as imap:
        gate = gate_of(imap.process.pid)
        before = size_of(gate)
        imap.send(b"a ID " + octet * (4 << 20))
        assert size_of(gate) - before < GROWTH
        imap.send(b"\r\nb NOOP\r\n")
        assert imap.line().split()[1] == b"BAD"
        imap.expect("b OK NOOP completed")


def test_megabytes_of_good_commands(stage):
    with stage.ready() as imap:
        gate = gate_of(imap.process.pid)
        before = size_of(gate)
        for _ in range(100):
            imap.send(b"a NOOP\r\n" * 100)
            for _ in range(100):
                imap.expect("a OK NOOP completed")
        assert size_of(gate) - before < GROWTH


def test_too_many_bad_commands(stage):
    with stage.ready() as imap:
        imap.send(b"a BAD\r\n" * 40)
        lines = imap.lines_to_end()
        assert 19 <= lines.count(lines[0]) <= 21 and lines[0].startswith(b"a BAD ")
        assert lines[-1].startswith(b"* BYE ")
        assert imap.logged_end()["reason"] == "too-many-bad-commands"


def test_aborted_exchanges_have_an_end(stage):
    """Threat T20."""
    with stage.ready() as imap:
        imap.send(b"a AUTHENTICATE PLAIN\r\n*\r\n" * 10000)
        lines = imap.lines_to_end()
        assert len(lines) < 100
        assert lines[-1].startswith(b"* BYE ")


def test_nothing_of_the_input_comes_back(stage):
    """Threat T11: but for a tag that is one."""
    with stage.ready() as imap:
        for line in ("<script>x</script> NOOP(", "a <script>", "(script) NOOP", "a LOGIN <script>", "a ID <script>",
                     "a AUTHENTICATE <script>", "a script {script}", "{script}"):
            imap.send(line + "\r\n")
            said = imap.line()
            assert b"script" not in said.partition(b" ")[2], said


COMMANDS = [
    b"NOOP", b"CAPABILITY", b"LOGIN joe mumble", b"LOGIN joe", b"LOGIN {3+}\r\njoe {6+}\r\nmumble", b"ID NIL", b"ID (",
    b"STARTTLS", b"SELECT INBOX", b"AUTHENTICATE KERBEROS_V4", b"AUTHENTICATE PLAIN =", b"AUTHENTICATE PLAIN AGpvZQBt",
    b"AUTHENTICATE PLAIN !!", b"APPEND x {5+}\r\nhello", b"FETCH 1 (BODY[])", b"XYZZY {0+}\r\n", b"noop ", b"LOGIN \"a\" \"b\"",
    b"ID (\"a\" \"b\")", b"LOGIN {99999}", b"NOOP {1}", b"\x80\x81", b"LOGIN joe \"unfinished",
]


@pytest.mark.parametrize("seed", range(10))
def test_one_tagged_answer_for_each_command(stage, seed):
    """Threat T24: whatever a client asks, it never waits in vain, and never gets an answer too many."""
    chance = random.Random(seed)
    tags = [b"t%d" % number for number in range(18)]
    with stage.ready("--max-attempts", "50") as imap:
        imap.send(b"".join(tag + b" " + chance.choice(COMMANDS) + b"\r\n" for tag in tags))
        imap.half_close()
        answered = [line.split(b" ")[0] for line in imap.lines_to_end() if not line.startswith((b"* ", b"+ "))]
        assert answered == tags


@pytest.mark.parametrize("seed", range(20))
def test_noise(stage, seed):
    """Random octets: some answers or none, an end, and no complaint of a sanitizer."""
    chance = random.Random(seed)
    words = [b"a ", b"LOGIN", b" ", b"{3+}\r\n", b"\r\n", b'"', b"AUTHENTICATE PLAIN", b"\0", b"*", b"+", b"(", b"ID ", b"=\r\n"]
    with stage.ready() as imap:
        noise = b"".join(chance.choice(words) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 40))
                         for _ in range(300))
        try:
            imap.send(noise)
            imap.half_close()
        except OSError:
            pass
        imap.lines_to_end()
        assert imap.status() == 0


# --- the connection is cut after every byte

def dialogue(stage, on):
    """What a client sends in one whole login, as pieces that each wait for an answer."""
    plain = base64.b64encode(b"\0joe\0mumble")
    return [b"a LOGIN {3}\r\n", b"joe mumble\r\n", b"b AUTHENTICATE PLAIN\r\n", plain + b"\r\n", b"c LOGIN joe sesame\r\n",
            b"d LOGOUT\r\n"]


def cut_in_cleartext(stage, at):
    with stage.ready() as imap:
        left = at
        for piece in dialogue(stage, "unix"):
            imap.send(piece[:left])
            left -= len(piece)
            if left < 0:
                break
            imap.line()
        imap.wire.close()
        return imap.status()


class Scissors:
    """A wire that ends after so many octets of the client."""

    def __init__(self, wire, at):
        self.wire, self.left, self.sent = wire, at, 0

    def send(self, data, timeout=PATIENCE):
        self.wire.send(data[:self.left], timeout)
        self.sent += len(data[:self.left])
        self.left -= len(data[:self.left])
        if self.left <= 0:
            raise ConnectionAbortedError

    def __getattr__(self, name):
        return getattr(self.wire, name)


def cut_in_starttls(stage, at):
    """Returns the exit status, and how many octets the client has sent, if the dialogue was over before the cut."""
    with stage.ready(*stage.certificate().options, on="tcp", mailbox=stage.mailbox(then="exit=0")) as imap:
        raw = imap.wire
        imap.wire = scissors = Scissors(raw, at)
        over = 0
        try:
            imap.starttls(stage.certificate().context())
            imap.send("a LOGIN joe sesame\r\n")
            imap.line()
            imap.rest()
            over = scissors.sent
        except (ConnectionAbortedError, ssl.SSLError):
            pass
        raw.close()
        return imap.status(), over


def every(number, function):
    """In parallel, as most of the time is spent in waiting."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return list(pool.map(function, range(number)))


def test_cut_anywhere_in_a_login(stage):
    """Threat T18: the client is gone, so what; every end is an ordinary one."""
    length = sum(map(len, dialogue(stage, "unix")))
    assert set(every(length, lambda at: cut_in_cleartext(stage, at))) == {0}


def test_cut_anywhere_in_starttls(stage):
    # Each octet once, or each other one of a client that has twice as many (ML-KEM); slower builds, and a listener for each cut, are
    # content with some.
    _, length = cut_in_starttls(stage, 1 << 16)
    assert length > 500
    step = 7 if LISTENER or "asan" in os.environ.get("IMAPGATE_BUILD", "") else 1 + length // 1500
    outcomes = every(length // step + 60, lambda at: cut_in_starttls(stage, at * step))
    assert {status for status, _ in outcomes} == {0}
    assert not outcomes[0][1] and outcomes[-1][1], "the last cut lies behind the dialogue"


def test_many_at_once(stage):
    """Connections that have nothing to do with each other."""
    def login(number):
        with stage.ready(on="starttls" if number % 2 else "unix") as imap:
            imap.login()
            return imap.command("n NOOP")[1]

    assert set(every(40, login)) == {b"n OK heard NOOP"}


def test_connection_that_is_gone_already(stage):
    """Closed before the greeting could be written."""
    for on in ("unix", "pipe", "tcp", "tls"):
        with stage.start(on=on, handshake=False) as imap:
            imap.wire.close()
            assert imap.status() == 0, on


def test_tls_end_in_the_middle_of_a_command(stage):
    with stage.ready(on="tls") as imap:
        assert isinstance(imap.wire, TlsWire) and isinstance(imap.wire.wire, SocketWire)
        assert imap.wire.wire.sock.family == socket.AF_INET
        imap.send("a LOG")
        imap.half_close()
        imap.rest()
        assert imap.logged_end()["reason"] == "disconnected"
