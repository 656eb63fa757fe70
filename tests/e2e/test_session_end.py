"""The end of a session has a line, with its user and its length, wherever a process of ours sees it."""

import os
import signal

import pytest

import loglines
from listening import Listener
from loglines import unquote
from processes import keeping, program_of
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


@pytest.mark.superserver("makes listeners itself")
@pytest.mark.parametrize("on, options", [("tcp", ()), ("tls", ()), ("tcp", ("--pam-session", "wait")), ("tls", ("--pam-session", "wait"))])
def test_listener(stage, on, options):
    """It sees every session's end, and is the only one to say so."""
    certificate = stage.certificate()
    with Listener(stage, "--allow-cleartext", "all", *certificate.options, *options, names=["imaps" if on == "tls" else "imap"]) as listener:
        imap = listener.connect(context=certificate.context() if on == "tls" else None)
        imap.login()
        child, = listener.monitors()
        assert not listener.log("session-end")
        imap.wire.close()
        line = listener.logged("session-end")
        assert (line["rip"], line["pid"], line["status"], unquote(line["user"])) == ("127.0.0.1", str(child), "0", b"joe")
        assert not listener.log("exit")
    assert len(listener.log("session-end")) == 1


@pytest.mark.superserver("makes listeners itself")
def test_listener_tells_whose_session_was_killed(stage):
    """As by the kernel, out of memory: exit is for whoever looks for trouble, session-end for whoever counts."""
    with Listener(stage, "--allow-cleartext", "all") as listener:
        idle, imap = listener.connect(), listener.connect()
        imap.login()
        session, = (pid for pid in listener.monitors() if program_of(pid) == stage.recorder)
        os.kill(session, signal.SIGKILL)
        line = listener.logged("exit")
        assert (line["rip"], line["pid"], line["signal"], unquote(line["user"])) == ("127.0.0.1", str(session), "9", b"joe")
        gate, = listener.gates()
        os.kill(gate, signal.SIGKILL)
        line = listener.logged("exit", 2)
        assert (line["rip"], line["pid"]) == ("127.0.0.1", str(gate)) and "user" not in line
        idle.wire.close()
        imap.wire.close()
        assert len(listener.log("session-end")) == 1


@pytest.mark.superserver("makes listeners itself")
def test_session_goes_on_while_the_listener_starts_itself_anew(stage):
    with Listener(stage, "--allow-cleartext", "all") as listener:
        imap = listener.connect()
        imap.login()
        listener.signal(signal.SIGHUP)
        listener.logged("listener-ready", 2)
        imap.wire.close()
        assert unquote(listener.logged("session-end")["user"]) == b"joe"


@pytest.mark.superserver("makes listeners itself")
def test_place_of_another_client_tells_nothing_of_it(stage):
    """A gate that is killed early is not taken for the session that had its place before."""
    with Listener(stage, "--allow-cleartext", "all") as listener:
        imap = listener.connect()
        imap.login()
        imap.wire.close()
        listener.logged("session-end")
        other = listener.connect()
        os.kill(listener.gates()[0], signal.SIGKILL)
        assert "user" not in listener.logged("exit")
        other.wire.close()
    assert len(listener.log("session-end")) == 1


@pytest.mark.superserver("makes listeners itself")
def test_listener_behind_a_proxy(stage):
    """The client's address, not the proxy's."""
    with Listener(stage, "--allow-cleartext", "all", "--proxy", "127.0.0.1") as listener:
        imap = listener.connect(greeting=False)
        imap.send("PROXY TCP4 192.0.2.7 192.0.2.1 40112 143\r\n")
        imap.greeting()
        imap.login()
        imap.wire.close()
        assert listener.logged("session-end")["rip"] == "192.0.2.7"
