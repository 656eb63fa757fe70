"""Bytes between the client and the mailbox program after the login: all of them, both ways, to the end."""

import hashlib
import os
import pwd
import random
import signal
import ssl
import time

import pytest

from processes import children_of, gate_of, runs, status_of, ticks_of
from wire import PATIENCE

RELAYED = ("tls", "starttls")
EVERYWHERE = ("unix", "pipe", "tcp", *RELAYED)
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def logged_in(stage, *options, on, then, **more):
    options = [*options, *(["--allow-cleartext", "all"] if on == "tcp" else [])]
    imap = stage.ready(*options, on=on, mailbox=stage.mailbox("tag", then), **more)
    try:
        imap.login()
        imap.hand_over()
    except BaseException:
        imap.stop()
        raise
    return imap


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("on", RELAYED)
def test_client_half_closes(stage, on, version):
    """close_notify ends one direction; what the mailbox program still has to say arrives, then its own end."""
    context = stage.certificate().context(maximum_version=VERSIONS[version])
    with logged_in(stage, on=on, then="copy", context=context) as imap:
        data = random.Random(1).randbytes(150_000)
        imap.send(data[:100_000])
        imap.send(data[100_000:])
        imap.half_close()
        got = b""
        got += imap.rest()
        assert got == data + b"end of input\r\n"
        assert imap.wire.ended_cleanly


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp"))
def test_client_half_closes_without_relay(stage, on):
    with logged_in(stage, on=on, then="copy") as imap:
        imap.send(b"some words")
        imap.half_close()
        assert imap.rest() == b"some wordsend of input\r\n"


@pytest.mark.parametrize("on", EVERYWHERE)
def test_mailbox_program_ends_first(stage, on):
    """A client that still sends is told that nobody listens any more."""
    with logged_in(stage, on=on, then="exit=0") as imap:
        assert imap.rest() == b""
        if on in RELAYED:
            assert imap.wire.ended_cleanly


@pytest.mark.parametrize("on", EVERYWHERE)
def test_slow_client_loses_nothing(stage, on):
    """The mailbox program has written its last and is gone; the client reads it at leisure."""
    size = 4 << 20
    with logged_in(stage, on=on, then=f"flood={size}") as imap:
        got = bytearray(imap.buffer)
        imap.buffer = b""
        for _ in range(10):
            time.sleep(0.02)    # at leisure: the pace of a slow client
            got += imap.wire.receive()
        while piece := imap.wire.receive():
            got += piece
        wanted = b"".join(b"* OK %057d\r\n" % at for at in range(0, size, 64))
        assert hashlib.sha256(got).digest() == hashlib.sha256(wanted).digest(), f"{len(got)} of {size} octets"
        if on in RELAYED:
            assert imap.wire.ended_cleanly


@pytest.mark.parametrize("on", RELAYED)
def test_both_ways_at_once(stage, on):
    """The client always owes 200 kB: both directions fill up, and none waits for the other."""
    data = random.Random(3).randbytes(3 << 20)
    with logged_in(stage, on=on, then="copy") as imap:
        got = bytearray()
        for at in range(0, len(data), 16384):
            imap.send(data[at:at + 16384])
            while at - len(got) > 200_000:
                got += imap.wire.receive()
        while len(got) < len(data):
            got += imap.wire.receive()
        assert got == data


@pytest.mark.parametrize("on", EVERYWHERE)
@pytest.mark.parametrize("how", ("close", "reset"))
def test_client_vanishes(stage, on, how):
    """The mailbox program sees the end of its input, and nothing stays behind."""
    if how == "reset" and on in ("unix", "pipe"):
        how = "close"
    with logged_in(stage, on=on, then="copy") as imap:
        imap.send(b"last words")
        relays = children_of(imap.process.pid)
        getattr(imap.wire, how)()
        # The recorder can't write to nobody: SIGPIPE or an error are its own affair.
        imap.status()
        end = time.monotonic() + PATIENCE
        while any(runs(pid) for pid in relays):
            assert time.monotonic() < end, "the relay stays behind"
            time.sleep(0.01)


@pytest.mark.parametrize("on", RELAYED)
def test_client_cuts_without_close_notify(stage, on):
    """A TCP end without TLS's own: the mailbox program gets what came, and an end."""
    report = stage.report()
    with stage.ready(on=on, mailbox=stage.mailbox("tag", "store", report)) as imap:
        imap.login()
        imap.send(b"unfinished")
        imap.wire.wire.half_close()
        imap.rest()
        assert imap.status() == 0
    assert report.input() == b"unfinished"


@pytest.mark.parametrize("on", RELAYED)
def test_mailbox_program_is_killed(stage, on):
    with logged_in(stage, on=on, then="sleep") as imap:
        os.kill(imap.process.pid, signal.SIGKILL)
        assert imap.rest() == b""
        assert imap.wire.ended_cleanly
        assert imap.status() == -signal.SIGKILL


@pytest.mark.parametrize("on", EVERYWHERE)
def test_login_deadline_ends_with_the_login(stage, on):
    """RFC 9051, 5.4: after the login, half an hour at least, and it is the mailbox program's."""
    with logged_in(stage, "--timeout", "1", on=on, then="echo") as imap:
        time.sleep(1.3)     # only time shows that no deadline is left
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"


def test_relay_is_nobody_in_nowhere(root_stage):
    """What stays after a login over TLS can do nothing but move bytes."""
    with logged_in(root_stage, on="tls", then="echo") as imap:
        relay = gate_of(imap.process.pid)
        status = status_of(relay)
        gate_user = pwd.getpwnam("_imapgate")
        assert status["Uid"].split() == [str(gate_user.pw_uid)] * 4
        assert status["Gid"].split() == [str(gate_user.pw_gid)] * 4
        assert status["Groups"] == ""
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
        assert os.readlink(f"/proc/{relay}/root") == str(root_stage.folder / "gate")
        assert os.listdir(f"/proc/{relay}/root/") == []


def test_relay_takes_no_processor_time_when_idle(stage):
    with logged_in(stage, on="tls", then="echo") as imap:
        relay = gate_of(imap.process.pid)
        imap.command("n NOOP")
        before = ticks_of(relay)
        time.sleep(0.5)     # only time shows that it is idle
        assert ticks_of(relay) - before <= 2


def test_relay_half_closed_takes_no_processor_time(stage):
    """One direction has ended; waiting for the other must not become a spin."""
    with logged_in(stage, on="tls", then="sleep") as imap:
        relay = gate_of(imap.process.pid)
        os.kill(imap.process.pid, signal.SIGSTOP)
        try:
            imap.half_close()
            before = ticks_of(relay)
            time.sleep(0.5)     # only time shows that it is idle
            assert ticks_of(relay) - before <= 2
        finally:
            os.kill(imap.process.pid, signal.SIGCONT)
        imap.rest()
