"""The mailbox program ends without a word: the keeper that sees its end logs it."""

import signal

import pytest

from loglines import unquote

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
