"""What happens to a listener at one moment: ends and answers, signals and dry runs, and children that are none of its own."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from listening import Listener
from processes import GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, name_of, runs, sleeps, status_of
from record import wait_for_file
from stage import SESAME
from test_processes import CLEAR, Trace, close, ignoring, stop, stopped, wait_for


def is_waiting(server, number):
    """So many connections have been accepted."""
    server.manager.wait_for(rf"^STATUS={number} connections before login, ")


# --- ends while answers are pending

def test_gate_zygote_that_ends_while_an_answer_is_pending(stage):
    """The ends of process and pair come in one turn of the loop, the process's first: it must not be taken for an early end of a gate."""
    with Listener(stage, *CLEAR) as server:
        zygote = stopped(server, GATE_ZYGOTE)
        late = server.connect(greeting=False)
        is_waiting(server, 1)
        stop(server.pid)
        os.kill(zygote, signal.SIGKILL)
        wait_for(lambda: not runs(zygote), "it does not end")
        os.kill(server.pid, signal.SIGCONT)
        assert late.line().startswith(b"* BYE [UNAVAILABLE] ")
        after = server.connect()
        after.login()
        close(late, after)


def monitor_zygotes(server):
    return {pid for pid in children_of(server.pid) if name_of(pid) == MONITOR_ZYGOTE}


def reload(server):
    """Returns the monitor zygote of the generation that begins."""
    before, count = monitor_zygotes(server), len(server.log("listener-ready"))
    server.signal(signal.SIGHUP)
    server.logged("listener-ready", count=count + 1)
    zygote, = monitor_zygotes(server) - before
    return zygote


def test_monitor_zygote_that_ends_in_another_generation(stage):
    """A client that waits for the other zygote goes on waiting."""
    with Listener(stage, *CLEAR) as server:
        older, = monitor_zygotes(server)
        first = server.connect()
        newer = reload(server)
        second = server.connect()
        for pid, imap in ((older, first), (newer, second)):
            stop(pid)
            imap.send(f"l LOGIN joe {SESAME}\r\n")
        second.expect_silence(0.2)
        os.kill(older, signal.SIGKILL)
        first.expect("l NO [UNAVAILABLE] ...")
        second.expect_silence(0.2)
        os.kill(newer, signal.SIGCONT)
        second.expect("l OK recorder")
        close(first, second)


def test_connection_whose_generation_is_lost(stage):
    """The next image has it served by the zygote of its own; and says so, when that ends too."""
    with Listener(stage, *CLEAR) as server:
        zygotes = [*monitor_zygotes(server)]
        waiting = [server.connect()]
        for _ in range(2):
            zygotes.append(reload(server))
            waiting.append(server.connect())
        for pid in zygotes[:2]:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda pid=pid: pid not in children_of(server.pid), "it is not waited for")
        last = reload(server)
        waiting[1].login()
        stop(last)
        waiting[0].send(f"l LOGIN joe {SESAME}\r\n")
        waiting[0].expect_silence(0.2)
        os.kill(last, signal.SIGKILL)
        waiting[0].expect("l NO [UNAVAILABLE] ...")
        waiting[2].login()
        close(*waiting)
        server.manager.wait_for("^STATUS=0 connections before login, 0 sessions ", since=len(server.manager.told) - 1)


# --- children of others

# A mailbox program that gives the listener children (clone(2)), and then is the recorder.
GIVER = """
import ctypes, os, pathlib, sys, time
began, go, made, number, *recorder = sys.argv[1:]
pathlib.Path(began).write_text("began")
while not os.path.exists(go):
    time.sleep(0.01)
SYS_clone, CLONE_PARENT, SIGCHLD = %d, 0x8000, 17
clone = ctypes.CDLL(None).syscall
for _ in range(int(number)):
    if clone(SYS_clone, CLONE_PARENT | SIGCHLD, None, None, None, None) == 0:
        os._exit(0)
pathlib.Path(made).write_text("made")
os.execv(recorder[0], recorder)
""" % {"x86_64": 56, "aarch64": 220}.get(os.uname().machine, -1)

GIVEN = 3000
# Ends that the listener looks at in one turn (src/listener/listener.c, REAP_MAX), and the look that finds nothing.
ONE_TURN = 257


def longest_row(calls, name):
    longest = row = 0
    for call in calls:
        row = row + 1 if f"{name}(" in call else 0
        longest = max(longest, row)
    return longest


def test_children_that_a_mailbox_program_gives(root_stage):
    """Thousands of them are waited for, and between them others have their turn; none is taken for a gate."""
    began, go, made = (root_stage.file("scratch") for _ in range(3))
    mailbox = [sys.executable, "-c", GIVER, began, go, made, GIVEN, *root_stage.mailbox()]
    trace = Trace(root_stage, "wait4,epoll_wait,epoll_pwait", follow=False)
    with Listener(root_stage, *CLEAR, mailbox=mailbox, wrap=trace.wrap) as server:
        giver = server.connect()
        giver.send(f"l LOGIN joe {SESAME}\r\n")
        wait_for_file(began)
        zygote = stopped(server, GATE_ZYGOTE)
        late = server.connect(greeting=False)
        is_waiting(server, 1)
        stop(server.pid)
        go.touch()
        wait_for_file(made)
        os.kill(server.pid, signal.SIGCONT)
        wait_for(lambda: len(children_of(server.pid)) < 10, "they are not waited for")
        os.kill(zygote, signal.SIGCONT)
        late.greeting()
        late.command("n NOOP")
        giver.expect("l OK recorder")
        close(late, giver)
        wait_for(lambda: not server.connections(), "processes are left")
        calls = trace.lines()
        assert sum("wait4(" in call for call in calls) >= GIVEN, "the control: they were not given"
        assert longest_row(calls, "wait4") <= ONE_TURN


# --- signals and dry runs

def dry_runs(server):
    """The only children without a role or a connection."""
    return [pid for pid in server.connections() if name_of(pid) == "imapgate"]


def test_SIGTERM_behind_a_dry_run(stage):
    """The reload only waits for an answer that is on its way. The listener stops; it must not begin anew, without its sockets."""
    with Listener(stage, *CLEAR) as server:
        zygote = stopped(server, GATE_ZYGOTE)
        late = server.connect(greeting=False)
        is_waiting(server, 1)
        server.signal(signal.SIGHUP)
        server.manager.wait_for("^RELOADING=1$")
        time.sleep(0.1)     # the child is there a moment later
        wait_for(lambda: not dry_runs(server), "it does not end")
        server.signal(signal.SIGTERM)
        server.logged("listener-stop")
        os.kill(zygote, signal.SIGCONT)
        assert late.lines_to_end()[-1].startswith(b"* BYE [UNAVAILABLE] ")
        close(late)
        assert server.end() == 0
        assert not server.log("listener-reload")


def hold(pid):
    """Stops a dry run whose roles are ready, which it does not know yet. ProcessLookupError: it was quicker."""
    while True:
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: not runs(pid) or status_of(pid)["State"][0] in "Tt", "it is never stopped")
        if not runs(pid):
            raise ProcessLookupError
        if len(children_of(pid)) == 3:
            break
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.001)
    wait_for(lambda: all(sleeps(role) and name_of(role) in (GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER) for role in children_of(pid)), "they are never ready")
    time.sleep(0.2)     # only time shows that they sleep for ever
    return pid


def held_dry_run(server):
    """Reloads until there is one that was caught."""
    for _ in range(50):
        count = len(server.log("listener-ready"))
        server.signal(signal.SIGHUP)
        found = wait_for(lambda: dry_runs(server) or len(server.log("listener-ready")) > count, "there is no dry run")
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if found is not True:
                return hold(found[0])
        server.logged("listener-ready", count=count + 1)
    raise AssertionError("each dry run was too quick")


def test_SIGHUP_within_a_dry_run(stage):
    """The files that were tried out are not those of now, with which a listener that executed itself anew would end: the last ones count."""
    certificate, folder = stage.certificate(), stage.file("keys")
    folder.mkdir()
    file, key = (Path(shutil.copy(path, folder)) for path in (certificate.file, certificate.key))
    with Listener(stage, *CLEAR, "--cert", file, "--key", key) as server:
        pid = held_dry_run(server)
        reloads = len(server.log("listener-reload"))
        file.write_text("nothing")
        server.signal(signal.SIGHUP)
        time.sleep(0.2)     # the listener might see the dry run's end first
        os.kill(pid, signal.SIGCONT)
        server.logged("reload-failed")
        assert len(server.log("listener-reload")) == reloads
        shutil.copy(certificate.file, file)
        imap = server.connect()
        imap.starttls(certificate.context())
        imap.login()
        close(imap)


# So long does execve(2) take, in microseconds.
DELAY = 1000000


def ignores_children(pid):
    return bool(int(status_of(pid)["SigIgn"], 16) >> signal.SIGCHLD - 1 & 1)


@contextlib.contextmanager
def faults(server, *injected):
    """The listener's system calls go wrong (strace(1), inject)."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = server.stage.file("scratch", ".strace")
    with subprocess.Popen(["strace", "-qqq", "-p", str(server.pid), "-o", trace,
                           *[option for each in injected for option in ("-e", f"inject={each}")]]) as tracer:
        try:
            wait_for(lambda: status_of(server.pid)["TracerPid"] != "0", "it is never traced")
            yield
        finally:
            tracer.terminate()


@pytest.mark.parametrize("ignored", (False, True), ids=("as usual", "SIGCHLD ignored"))
def test_children_that_end_while_it_executes_itself(stage, ignored):
    """None is lost, also if SIGCHLD was ignored when it was started; mailbox programs go on being started so."""
    with Listener(stage, *CLEAR, wrap=ignoring(signal.SIGCHLD) if ignored else ()) as server:
        session, waiting = server.connect(), server.connect()
        session.login()
        assert [ignores_children(pid) for pid in server.connections() if name_of(pid) == "mailbox-recorde"] == [ignored]
        told = len(server.manager.told)
        with faults(server, f"execve:delay_enter={DELAY}"):
            server.signal(signal.SIGHUP)
            server.logged("listener-reload")
            close(session, waiting)
            server.logged("listener-ready", count=2)
        server.manager.wait_for("^STATUS=0 connections before login, 0 sessions ", told)
        assert server.logged("session-end")["status"] == "0"
        after = server.connect()
        after.login()
        assert [ignores_children(pid) for pid in server.connections() if name_of(pid) == "mailbox-recorde"] == [ignored]
        close(after)


def test_accepting_that_memory_is_lacking_for_once(stage):
    """Behind a dry run that has failed the listener watches its sockets again: at the second try, which comes soon."""
    with Listener(stage, *CLEAR, program=str(shutil.copy(stage.program, stage.file("scratch")))) as server:
        session = server.connect()
        session.login()
        Path(server.command[0]).unlink()
        with faults(server, "epoll_ctl:error=ENOMEM:when=2"):
            server.signal(signal.SIGHUP)
            server.logged("reload-failed")
            assert server.logged("resource-shortage")["what"] == "epoll"
            close(server.connect())
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        close(session)


# Longer than a dry run may take (src/listener/reload.c, DRY_RUN_MS).
HANGS = 40


def test_dry_run_that_hangs(stage):
    """It is ended, one line says so, the old settings stay, and the next reload works."""
    with Listener(stage, *CLEAR) as server:
        server.signal(signal.SIGHUP)
        pid, = wait_for(lambda: dry_runs(server), "there is no dry run")
        stop(pid)
        told = len(server.manager.told)
        assert "takes too long" in server.logged("reload-failed", timeout=HANGS)["reason"]
        server.manager.wait_for("^READY=1$", told)
        wait_for(lambda: not runs(pid), "it stays")
        reload(server)
        close(server.connect())


# --- a signer that does not answer

# Twice the looks that the listener takes, one a second (src/listener/process.h, PROCESS_TICKS), and some to spare.
SILENCE = 40


def test_signer_that_is_never_heard_of_again(stage):
    """The listener ends and replaces signer and gate zygote, and one line says why. A handshake that waited for the signer fails at once."""
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options, "--timeout", "60") as server:
        before = server.roles()
        session, waiting = server.connect(), server.connect()
        session.login()
        stopped(server, SIGNER)
        waiting.send("s STARTTLS\r\n")
        waiting.expect("s OK ...")
        end = time.monotonic() + SILENCE
        while not {SIGNER, GATE_ZYGOTE} <= {name for name, pid in server.roles().items() if pid != before[name]}:
            assert time.monotonic() < end, "they are not replaced"
            time.sleep(0.1)
        assert [(event["what"], event["text"].strip('"')) for event in server.log("resource-shortage")] == [("signer", "the signer does not answer")]
        with pytest.raises(Exception):
            waiting.handshake(certificate.context())
        after = server.connect()
        after.starttls(certificate.context())
        after.login()
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        close(session, waiting, after)
