"""The end of a session has a line, with its user and its length, wherever a process of ours sees it."""

import os
import signal

import pytest

import loglines
from loglines import unquote
from processes import keeping
from wire import PATIENCE

HOLDS = ["sh", "-c", "printf 'l OK ready\\r\\n'; read line"]


def run(stage, *options, mailbox=None, **more):
    """One session, to its end; its lines."""
    with stage.ready("--allow-cleartext", "all", *options, mailbox=mailbox or HOLDS, **more) as imap:
        imap.send("l LOGIN joe sesame\r\n")
        imap.hand_over()
        imap.expect("l OK ready")
        imap.send("x\r\n")
        imap.rest()
        imap.status()
        return imap.log()


@pytest.mark.superserver("its keepers leave the line to it")
@pytest.mark.parametrize("on, address", [("tcp", "127.0.0.1"), ("tls", "127.0.0.1"), ("path", "local")])
def test_keeper_of_a_pam_session(stage, on, address):
    line = run(stage, "--pam-session", "wait", on=on)[-1]
    assert (line.name, line["rip"], line["status"], unquote(line["user"])) == ("session-end", address, "0", b"joe")


@pytest.mark.superserver("its keepers leave the line to it")
@pytest.mark.parametrize("end, key, value", [("exit 0", "status", "0"), ("exit 3", "status", "3"), ("kill -9 $$", "signal", "9")])
def test_how_it_has_ended(stage, end, key, value):
    log = run(stage, "--pam-session", "wait", mailbox=["sh", "-c", f"printf 'l OK ready\\r\\n'; read line; {end}"])
    line, = (event for event in log if event.name == "session-end")
    assert line[key] == value


@pytest.mark.superserver("its keepers leave the line to it")
def test_how_long_it_was(stage):
    log = run(stage, "--pam-session", "wait", mailbox=["sh", "-c", "printf 'l OK ready\\r\\n'; read line; sleep 1.1"])
    line, = (event for event in log if event.name == "session-end")
    assert int(line["seconds"]) >= 1


@pytest.mark.superserver("it sees every session's end")
@pytest.mark.parametrize("on", ("tcp", "tls"))
def test_without_a_keeper_nobody_sees_it(stage, on):
    assert [event.name for event in run(stage, on=on)] == ["auth-ok", "handoff"]


def test_login_that_fails_is_no_session(stage):
    with stage.ready("--pam-session", "wait") as imap:
        imap.command("a LOGIN joe mumble")
        imap.send("b LOGOUT\r\n")
        imap.lines_to_end()
        imap.status()
        assert not imap.log("session-end")


@pytest.mark.parametrize("reports", ("1", "0"))
def test_keeper_of_kernel_tls(root_stage, reports):
    """Below a PAM keeper, and under a listener, the line is another's."""
    path = root_stage.file("logs")
    with open(path, "ab") as log, keeping(root_stage, reports, log) as (keeper, child, client):
        os.kill(child, signal.SIGTERM)
        client.close()
        keeper.wait(PATIENCE)
    lines = [event for event in loglines.read(path.read_text()) if event.name == "session-end"]
    assert len(lines) == int(reports)
    for line in lines:
        assert (line["rip"], line["signal"], unquote(line["user"])) == ("192.0.2.7", "15", b"joe")
