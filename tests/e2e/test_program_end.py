"""The mailbox program ends without a word: the keeper that sees its end logs it."""

import os
import signal
import time

import pytest

from loglines import unquote
from processes import children_of, gate_of
from record import wait_for_file
from wire import PATIENCE

RELAYED = ("tls", "starttls")


def lines(stage, on, mailbox, *options):
    """The lines about the program's end, when the client has its own."""
    with stage.ready("--pam-session", "wait", "--allow-cleartext", "all", *options, on=on, mailbox=mailbox) as imap:
        imap.send("l LOGIN joe sesame\r\n")
        imap.hand_over()
        imap.rest()
        imap.status()
        return imap.log("program-end")


@pytest.mark.parametrize("script, key, value", [
    ("exit 0", "status", 0), ("exit 3", "status", 3), ("kill -9 $$", "signal", signal.SIGKILL), ("kill -15 $$", "signal", signal.SIGTERM),
])
@pytest.mark.parametrize("on", RELAYED)
def test_program_that_ends_without_a_word(stage, on, script, key, value):
    """The relay tells the PAM keeper that nothing was written, the keeper how the program has ended."""
    line, = lines(stage, on, ["sh", "-c", script])
    assert (line["said"], line[key], unquote(line["user"])) == ("nothing", str(int(value)), b"joe")


def test_relay_that_is_late(stage):
    """The PAM keeper waits a second for the relay's report."""
    runs = stage.file("scratch")
    mailbox = ["sh", "-c", f"echo runs > {runs}; sleep 0.3; exit 3"]
    with stage.ready("--pam-session", "wait", on="tls", mailbox=mailbox) as imap:
        keeper = imap.process.pid
        relay = gate_of(keeper)
        imap.hand_over()
        imap.send("l LOGIN joe sesame\r\n")
        wait_for_file(runs)
        os.kill(relay, signal.SIGSTOP)
        end = time.monotonic() + PATIENCE
        while set(children_of(keeper)) - {relay}:
            assert time.monotonic() < end, "the program does not end"
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(relay, signal.SIGCONT)
        imap.rest()
        imap.status()
        line, = imap.log("program-end")
        assert (line["said"], line["status"]) == ("nothing", "3")


@pytest.mark.parametrize("last", ("exit 0", "exit 3", "kill -9 $$"))
@pytest.mark.parametrize("on", RELAYED)
def test_program_that_speaks_last(stage, on, last):
    """Words that the relay reads only behind the program's end are words."""
    assert lines(stage, on, ["sh", "-c", f"printf 'l OK ready\\r\\n'; {last}"]) == []


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp"))
def test_without_tls_a_failure_is_logged(stage, on):
    """The program has the client's own connection: nothing of ours sees its words."""
    line, = lines(stage, on, ["sh", "-c", "exit 3"])
    assert (line["said"], line["status"], unquote(line["user"])) == ("unknown", "3", b"joe")
    assert lines(stage, on, ["sh", "-c", "exit 0"]) == []


@pytest.mark.parametrize("style", ("tag", "greeting"))
@pytest.mark.parametrize("on", ("unix", "pipe", "tls"))
def test_program_that_can_not_be_executed(stage, on, style):
    """After "TAG OK " no other reply is possible, so the line stays incomplete."""
    broken = stage.file("bin")
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    with stage.ready("--handoff", style, on=on, mailbox=[broken]) as imap:
        imap.hand_over()
        imap.send("l LOGIN joe sesame\r\n")
        if style == "tag":
            imap.expect("l NO [UNAVAILABLE] ...")
            imap.expect("* BYE ...")
            imap.expect_end()
        else:
            assert imap.rest() == b"l OK "
        assert imap.status() == 75 and unquote(imap.log("error")[0]["text"]) == b"No such file or directory"


def test_client_that_has_gone_before_the_ok(stage):
    """The program is not started."""
    report = stage.report()
    with stage.ready("--handoff", "greeting", pam="name=joe password=sesame open-sleep=1", mailbox=stage.mailbox("preauth", report=report)) as imap:
        imap.send("l LOGIN joe sesame\r\n")
        time.sleep(0.3)
        imap.wire.close()
        imap.status()
        assert not report.written()


@pytest.mark.timed("a keeper that has the relay's report does not wait out its second")
@pytest.mark.superserver("its process is the keeper")
def test_relay_that_has_told_is_not_waited_for(stage):
    with stage.ready("--pam-session", "wait", on="tls", mailbox=["sh", "-c", "exit 3"]) as imap:
        imap.hand_over()
        imap.send("l LOGIN joe sesame\r\n")
        imap.rest()
        began = time.monotonic()
        imap.status()
        assert time.monotonic() - began < 0.6
        assert imap.log("handoff")[0]["why"] == "off"
