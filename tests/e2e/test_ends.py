"""Every connection ends by itself: no loop outlives the client, however it goes, and none takes CPU."""

import os
import signal
import time

import pytest

from processes import gate_of, runs, ticks_of
from stage import BINARY

SANITIZED = "asan" in str(BINARY)


def reset_behind(imap, last):
    """What programs do that do not wait: their last command, close_notify and a reset, without reading."""
    if last:
        imap.wire.tls.write(last)
    imap.wire.half_close()
    imap.wire.reset()


def wait_for_end(pids):
    end = time.monotonic() + 8
    while left := [pid for pid in pids if runs(pid)]:
        assert time.monotonic() < end, f"still there: {left}, CPU ticks {[ticks_of(pid) for pid in left]}"
        time.sleep(0.02)


@pytest.mark.parametrize("last", (b"", b"a NOOP\r\n", b"a LOGOUT\r\n"))
@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_reset_behind_close_notify(stage, on, last):
    """send(2) fails with EPIPE from then on, and SSL_want_write(3) stays true."""
    for _ in range(5):
        imap = stage.ready(on=on)
        pids = [imap.process.pid, gate_of(imap.process.pid)]
        reset_behind(imap, last)
        wait_for_end(pids)
        imap.looked_at_status = True
        imap.finish()


@pytest.mark.parametrize("last", (b"", b"a LOGOUT\r\n"))
def test_reset_behind_close_notify_after_the_login(stage, last):
    """The same for the relay, which has no deadline."""
    for _ in range(5):
        imap = stage.ready(on="tls", mailbox=stage.mailbox("tag", "echo"))
        relay = gate_of(imap.process.pid)
        imap.login()
        imap.hand_over()
        pids = [imap.process.pid, relay]
        reset_behind(imap, last)
        wait_for_end(pids)
        imap.looked_at_status = True
        imap.finish()


@pytest.mark.parametrize("on", ("unix", "tcp", "tls", "starttls"))
def test_client_that_sends_an_octet_at_a_time_has_one_deadline(stage, on):
    """Each octet is a new try of the loop that waits, and no try is a new beginning."""
    with stage.ready("--timeout", "1", on=on) as imap:
        end = time.monotonic() + 15
        try:
            while time.monotonic() < end:
                imap.wire.send(b"a")
                time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        assert imap.logged("end")["reason"] == "timeout"
        assert time.monotonic() < end
        imap.status()


def test_handshake_in_octets_has_one_deadline(stage):
    """The first octets of a ClientHello whose end never comes."""
    with stage.start("--timeout", "1", on="tls", handshake=False) as imap:
        raw = imap.wire
        end = time.monotonic() + 15
        hello = b"\x16\x03\x01\x10\x00\x01\x00\x0f\xfc\x03\x03"
        try:
            for i in range(1000):
                raw.send(hello[i:i + 1] or b"\0")
                time.sleep(0.01)
        except (BrokenPipeError, ConnectionResetError, OSError):
            pass
        assert time.monotonic() < end
        assert imap.logged("tls-fail")
        imap.status()


def test_gates_limits(stage):
    """Bounds that the kernel keeps: CPU, memory, and a timer."""
    with stage.ready(on="tls") as imap:
        gate = gate_of(imap.process.pid)
        limits = {line[:25].strip(): line[25:].split()[:2] for line in open(f"/proc/{gate}/limits")}
        assert limits["Max cpu time"][0] == "10"
        assert SANITIZED or int(limits["Max data size"][0]) < 64 << 20


def test_sigterm_ends_a_relay(stage):
    with stage.ready(on="tls", mailbox=stage.mailbox("tag", "echo")) as imap:
        relay = gate_of(imap.process.pid)
        imap.login()
        imap.hand_over()
        os.kill(relay, signal.SIGTERM)
        imap.rest()
        wait_for_end([relay])


@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_mailbox_program_that_ends_without_a_word(stage, on):
    """The client has an answer to its login, and an end that it can tell from a broken network."""
    with stage.ready(on=on, mailbox=["/bin/false"]) as imap:
        _, tagged = imap.command("l LOGIN joe sesame")
        assert tagged.startswith(b"l NO [UNAVAILABLE] ")
        imap.expect("* BYE [UNAVAILABLE] ...")
        assert imap.rest() == b"" and imap.wire.ended_cleanly
        imap.status()


@pytest.mark.superserver("signals its process")
@pytest.mark.parametrize("on", ("unix", "tls"))
def test_sigterm_behind_a_failed_login(stage, on):
    """SIGTERM is caught until a login is accepted, so the client gets a BYE."""
    with stage.ready(on=on) as imap:
        assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO ")
        os.kill(imap.process.pid, signal.SIGTERM)
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.status() == 0
