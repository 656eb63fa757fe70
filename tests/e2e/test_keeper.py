"""The keeper of kernel TLS, without kernel TLS: a hostile gate claims kernel TLS on a connection in the clear.

The keeper sees no difference; its close_notify arrives as two octets. tests/vm tests the keeper with kernel TLS.
"""

import os
import shutil
import signal
import subprocess
import time

import pytest

from loglines import unquote
from processes import children_of, descriptors_of, name_of, ours, sleeps, status_of
from stage import BUILD
from wire import PATIENCE

SCRIPT = "say=hello login send hear=ok launch launch.transport=2 launch.tls.protocol=TLSv1.3 launch.tls.cipher=X send exit=0\n"
# The contents of a close_notify.
FAREWELL = b"\1\0"
# Octets that were written before the program's are known only where there are any: in place of the handshake there is a word.
WORDS = "printf 'a OK ready\\r\\n'; "


@pytest.fixture(scope="module")
def hostile(_stage):
    return _stage._copy(BUILD / "tests" / "hostile-gate")


@pytest.fixture
def run(stage, hostile):
    """Starts a session whose mailbox program is this shell script."""
    sessions = []

    def start(script, *options, wrap=(), program=None, gate=SCRIPT, on="tcp"):
        given = stage.options()
        at = given.index("--ktls")
        command = [hostile, *given[:at], *given[at + 2:], "--timeout", "5", *options, "--", *(program or ["sh", "-c", script])]
        session = stage.launch(command, on=on, wrap=wrap)
        sessions.append(session)
        session.hand_over()
        session.send(gate)
        if "say=" in gate:
            session.expect("hello")
        return session

    yield start
    for session in sessions:
        session.wire.close()
        session.stop()
    for pid in ours(hostile):
        os.kill(pid, signal.SIGKILL)


def began(session):
    """The keeper's pid, and the program's, once the client has its OK."""
    session.expect("a OK ready")
    keeper = session.process.pid
    end = time.monotonic() + PATIENCE
    while name_of(keeper) != "imapgate-keeper" or status_of(keeper)["CapEff"].strip("0"):
        assert time.monotonic() < end, "there is no keeper"
        time.sleep(0.005)
    child, = children_of(keeper)
    return keeper, child


def test_keeper_is_the_user_and_has_two_descriptors(root_stage, run):
    account = root_stage.users["imapgt1"]
    session = run(WORDS + "read line")
    keeper, child = began(session)
    status = status_of(keeper)
    assert (status["Uid"].split(), status["Gid"].split(), status["Groups"]) == ([str(account.uid)] * 4, [str(account.gid)] * 4, "")
    assert os.readlink(f"/proc/{keeper}/cwd") == "/"
    # SECURITY: a process that can be dumped would belong to its user there.
    assert os.stat(f"/proc/{keeper}/mem").st_uid == 0
    descriptors = descriptors_of(keeper)
    assert sorted(descriptors) == [0, 1] and descriptors[0] == descriptors_of(child)[0] and descriptors[1] == str(session.log_path)
    assert int(status_of(child)["SigBlk"], 16) == 0
    arguments = open(f"/proc/{keeper}/cmdline", "rb").read()
    assert b"sesame" not in arguments and arguments.startswith(b"imapgate: keeper joe 127.0.0.1")


@pytest.mark.parametrize("last, status", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137)])
def test_its_status_is_the_programs(run, last, status):
    session = run(WORDS + last)
    session.expect("a OK ready")
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == status
    end, = session.log("session-end")
    assert unquote(end["user"]) == b"joe" and not session.log("program-end")


def test_below_a_keeper_of_pam_the_line_is_the_others(run):
    session = run(WORDS + "exit 3", "--pam-session", "wait")
    session.expect("a OK ready")
    session.rest()
    session.wire.close()
    assert session.status() == 3 and len(session.log("session-end")) == 1


@pytest.mark.parametrize("number", (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2))
def test_signals_are_passed_on(run, number):
    session = run(f"trap 'printf got; exit 5' {int(number)}; " + WORDS + "while :; do sleep 0.05; done")
    keeper, _ = began(session)
    os.kill(keeper, number)
    assert session.rest() == b"got" + FAREWELL
    session.wire.close()
    assert session.status() == 5


def test_signal_of_a_child_that_stops_is_the_keepers_own(run):
    script = ("import os, signal; signal.signal(signal.SIGCHLD, lambda *_: os.write(1, b'got'))\n"
              "os.write(1, b'a OK ready\\r\\n'); os.read(0, 9)")
    session = run("", program=["python3", "-c", script])
    keeper, child = began(session)
    for number in (signal.SIGSTOP, signal.SIGCONT):
        os.kill(child, number)
        time.sleep(0.1)
    session.send("end\r\n")
    assert session.rest() == FAREWELL


def test_program_that_says_nothing_has_a_reply(run):
    session = run("exit 3")
    session.expect("a NO [UNAVAILABLE] ...")
    session.expect("* BYE ...")
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == 3
    line, = session.log("program-end")
    assert (line["said"], line["status"], unquote(line["user"])) == ("nothing", "3", b"joe")


@pytest.mark.parametrize("on, gate", [("tcp", SCRIPT.partition("say=hello ")[2]), ("unix", SCRIPT)], ids=("no octet before", "no TCP"))
def test_what_a_program_has_said_may_be_unknown(run, on, gate):
    """No reply is sent, because it might come in the middle of the program's output."""
    session = run("exit 3", gate=gate, on=on)
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == 3 and not session.log("program-end")


def test_program_that_can_not_start(root_stage, run):
    broken = root_stage.file("bin")
    broken.write_text("#!/nonexistent/interpreter\n")
    broken.chmod(0o755)
    session = run("", program=[str(broken)])
    session.expect("a NO [UNAVAILABLE] ...")
    session.expect("* BYE ...")
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == 75


def test_reset_by_the_client_is_no_silent_program(run):
    """The program could not write."""
    session = run("sleep 0.5; exit 3")
    session.logged("handoff")
    time.sleep(0.2)
    session.wire.reset()
    assert session.status() == 3 and not session.log("program-end")


def test_client_has_the_time_to_read(run):
    """Closing with unread input sends a reset, which would lose the rest of the output."""
    session = run(WORDS + "read line; head -c 400000 /dev/zero")
    session.expect("a OK ready")
    session.send("go\r\nnot read by anybody\r\n")
    # Longer than a client is waited for that has read everything (LINGER_MS).
    time.sleep(2.5)
    assert session.rest() == b"\0" * 400000 + FAREWELL
    session.wire.close()
    assert session.status() == 0


def test_client_that_keeps_its_side_open_is_not_waited_for(run):
    session = run(WORDS + "exit 0")
    session.expect("a OK ready")
    assert session.rest() == FAREWELL
    began = time.monotonic()
    assert session.process.wait(PATIENCE) == 0
    assert 1 < time.monotonic() - began < 4


def test_client_that_has_gone_is_not_waited_for(run):
    session = run(WORDS + "read line")
    session.expect("a OK ready")
    session.wire.close()
    began = time.monotonic()
    assert session.status() == 1
    assert time.monotonic() - began < 1.5


def test_program_that_does_not_block_and_gives_up_early(run):
    """The keeper resets the socket options that the program has set, and waits for room for the close_notify."""
    script = ("import socket, struct; s = socket.socket(fileno=0); s.send(b'a OK ready\\r\\n'); s.setblocking(False)\n"
              "s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack('ll', 0, 100000))\n"
              "for size in (4096, 64, 1):\n try:\n  while True: s.send(bytes(size))\n except BlockingIOError: pass\n")
    session = run("", program=["python3", "-c", script])
    session.expect("a OK ready")
    time.sleep(1.5)
    assert session.rest().endswith(FAREWELL)


def test_client_that_never_reads_has_a_deadline(run):
    """A minute, at whose end the keeper exits with the program's status, also where it waits for room."""
    script = ("import os, socket; s = socket.socket(fileno=0); s.send(b'a OK ready\\r\\n'); s.setblocking(False)\n"
              "for size in (4096, 64, 1):\n try:\n  while True: s.send(bytes(size))\n except BlockingIOError: pass\nos._exit(7)")
    session = run("", program=["python3", "-c", script])
    keeper, _ = began(session)
    end = time.monotonic() + PATIENCE
    while children_of(keeper) or not sleeps(keeper):
        assert time.monotonic() < end, "the program does not end"
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(keeper, signal.SIGALRM)
    assert session.process.wait(PATIENCE) == 7


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_keeper_that_can_not_wait_for_signals(run):
    """The keeper waits for its child only, and does not loop."""
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=rt_sigtimedwait", "-e", "inject=rt_sigtimedwait:error=EINVAL"]
    session = run(WORDS + "sleep 0.5; exit 7", wrap=trace)
    session.expect("a OK ready")
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == 7


def test_keeper_without_proc(run):
    """The session goes on, and the log says so."""
    hidden = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs nothing /proc && exec "$@"', "sh"]
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace to be had here")
    session = run(WORDS + "exit 7", wrap=hidden)
    session.expect("a OK ready")
    assert session.rest() == FAREWELL
    session.wire.close()
    assert session.status() == 7
    line, = session.log("error")
    assert unquote(line["program"]) == b"imapgate-keeper" and unquote(line["text"]) == b"No such file or directory"
    assert len(session.log("session-end")) == 1
