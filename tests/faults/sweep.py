#!/usr/bin/python3
"""Runs a dialogue again and again, and lets one system call fail in each: what must hold then is the same for all.

Whatever fails, no process is left behind the deadline and its grace, none uses a second of processor time or dies of a fault in memory,
the client has an answer or an end, and the log has a line about the connection, but no flood.

    sweep.py                                      every call, its uses 1, 2, 3 ... and last, every error; on every connection
    sweep.py listener-tls                         the same on one kind of connection
    sweep.py superserver-tls 0.1 send 3 EPIPE     one of them, and what was seen (kind, process, call, use, error)
    sweep.py listener-tls gates.1 send 3 EPIPE    behind a listener the zygotes and the signer have names (inject.c)

A plain run says which calls there are (inject.c counts). `test_faults.py` runs a selection; `make check-faults` everything.
"""

import collections
import ctypes
import errno
import itertools
import mmap
import multiprocessing
import os
import resource
import signal
import struct
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

import loglines  # noqa: E402
from stage import BUILD, Stage  # noqa: E402
import stage as stages  # noqa: E402

ERRORS = ("EPIPE", "ECONNRESET", "EINTR", "EAGAIN", "ENOMEM", "EMFILE", "ENOBUFS", "ENOSPC")
KINDS = tuple(f"{way}-{on}" for way in ("superserver", "listener") for on in ("unix", "tcp", "starttls", "tls"))

TIMEOUT = 2
# Behind the deadline: the last word, two seconds for the client to hear it, the watchdog, and a machine that has other things to do.
GRACE = 7
# How long a process goes on trying that has no deadline, when all that it hears is "try again" (src/base/again.h).
AGAIN = TIMEOUT + 2
# How long a client waits for a word within a session, where no deadline is any more, before it goes away.
PATIENCE = 1
WORKERS = 16
PROCESSOR = 1.0
LINES = 12
FATAL = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS)

# inject.c, struct table
ROLES, CALLS, NAME = 64, 96, 24
HEAD = struct.Struct(f"={NAME}s{NAME}sIiIII")
SIZE = HEAD.size + (ROLES + CALLS) * NAME + ROLES * CALLS * 4

PR_SET_CHILD_SUBREAPER = 36

Case = collections.namedtuple("Case", "kind role call use error")


class Table:
    """The file that is shared with the processes."""

    def __init__(self, path, case=None):
        self.path = path
        chosen = (case.role.encode(), case.call.encode(), case.use, getattr(errno, case.error), 0, 0, 0) if case else (b"",) * 2 + (0,) * 5
        path.write_bytes(HEAD.pack(*chosen).ljust(SIZE, b"\0"))
        path.chmod(0o666)
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), SIZE)

    def fired(self):
        return HEAD.unpack_from(self.map)[4]

    def uses(self):
        """{(role, call): how often}."""
        roles, calls = HEAD.unpack_from(self.map)[5:7]
        names = [self.map[HEAD.size + i * NAME:HEAD.size + (i + 1) * NAME].rstrip(b"\0").decode() for i in range(ROLES + CALLS)]
        counts = struct.unpack_from(f"={ROLES * CALLS}I", self.map, HEAD.size + (ROLES + CALLS) * NAME)
        return {(names[r], names[ROLES + c]): counts[r * CALLS + c]
                for r in range(roles) for c in range(calls) if counts[r * CALLS + c]}

    def close(self):
        self.map.close()
        self.path.unlink()


class Run:
    """One dialogue with a fault, or with none."""

    def __init__(self, stage, library, kind, case=None):
        self.stage, self.injector, self.kind, self.case = stage, library, kind, case
        self.way, self.on = kind.split("-")
        self.found = []
        self.said = []

    def go(self):
        self.table = Table(self.stage.file("scratch", ".faults"), self.case)
        self.began = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            self._dialogue()
            self._await_processes()
            self._look_at_log()
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            self.processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            if self.processor > PROCESSOR:
                self.found.append(f"{self.processor:.1f} s of processor time")
            self.uses, self.fired = self.table.uses(), self.table.fired()
        finally:
            self.table.close()
        return self

    # --- the client

    def _start(self):
        stages.LISTENER = self.way == "listener"
        environment = {**os.environ, "LD_PRELOAD": self.injector, "IMAPGATE_FAULTS": str(self.table.path)}
        options = ["--timeout", str(TIMEOUT), "--allow-cleartext", "all"]
        if self.on == "tcp":
            options += self.stage.certificate().options
        return self.stage.start(*options, on=self.on, handshake=False, env=environment)

    def _dialogue(self):
        # The usual one waits until the listener is ready, which it may never be here.
        stages.OnlyChild = Child
        self.in_session = False
        self.session = session = self._start()
        session.checked = False
        self.process = session.process.pid
        try:
            context = self.stage.certificate().context()
            if self.on == "tls":
                session.handshake(context)
            self._word(b"* ")
            if self.on == "starttls":
                self._say(b"s STARTTLS", b"s ")
                session.handshake(context)
            self._say(b"a LOGIN joe wrong", b"a ")
            self._say(b"b LOGIN joe sesame", b"b ")
            self.in_session = True
            self._say(b"c NOOP", b"c ")
            self._say(b"d LOGOUT", b"d ")
            self._word(None)
        except (OSError, AssertionError, ValueError) as why:
            self.said.append(repr(why)[:120])
            if type(why).__name__ == "Silence" and not self._may_be_silent():
                self.found.append(f"the client waits for ever: {self.said}")
        session.wire.close()
        self.closed = time.monotonic()

    def _may_be_silent(self):
        """A listener that accepts nobody has nothing to say; behind a login no deadline runs, and the client has waited a moment."""
        return self.case and (self.in_session or self._is_listeners_fault() or self.way == "listener" and not self._listener_is_ready())

    def _is_listeners_fault(self):
        return self.case and self.way == "listener" and self.case.role == "0"

    def _listener_is_ready(self):
        """Until its zygotes and its signer are, it is not."""
        return b" listener-ready " in self._log_octets()

    def _patience(self):
        if self.in_session or self._is_listeners_fault():
            return PATIENCE
        return self.began + TIMEOUT + GRACE - time.monotonic()

    def _say(self, command, answer):
        self.session.send(command + b"\r\n")
        self._word(answer)

    def _word(self, start):
        """A line that begins so, or the end (None)."""
        while (line := self.session.line(max(0.1, self._patience()))) is not None:
            self.said.append(line.decode(errors="replace")[:60])
            if start and line.startswith(start):
                return
        if start:
            raise ValueError("the connection ended")

    # --- the processes

    def _await_processes(self):
        end = max(self.closed, self.began + (AGAIN if self._tries_again() else TIMEOUT)) + GRACE
        told = False
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid:
                told = told or pid == self.process
                self._ended(status)
                continue
            # A listener stays; it is asked to end when its only client is through.
            if self.way == "listener" and not told and self._is_alone():
                os.kill(self.process, signal.SIGTERM)
                told = True
            if time.monotonic() > end:
                break
            time.sleep(0.004)
        self._kill_rest()

    def _tries_again(self):
        return self.case and self.case.error in ("EINTR", "EAGAIN")

    def _is_alone(self):
        """The listener has logged that its client is gone, or a moment has passed in which it could."""
        return b" end " in self._log_octets() or b" handoff " in self._log_octets() or time.monotonic() > self.closed + 1.5

    def _log_octets(self):
        return self.session.log_path.read_bytes()

    def _ended(self, status):
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) in FATAL:
            self.found.append(f"a process died of {signal.Signals(os.WTERMSIG(status)).name}")

    def _kill_rest(self):
        left = []
        for thread in os.listdir("/proc/self/task"):
            left += [int(pid) for pid in Path(f"/proc/self/task/{thread}/children").read_text().split()]
        below = list(left)
        while below:
            pid = below.pop()
            try:
                more = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
            except OSError:
                continue
            left += more
            below += more
        for pid in left:
            try:
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                os.kill(pid, signal.SIGKILL)
                self.found.append(f"still there: {name}")
            except OSError:
                pass
        while True:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    # --- the log

    def _look_at_log(self):
        self.log = self._log_octets().decode(errors="backslashreplace")
        lines = self.log.splitlines()
        if not lines and not self._log_is_broken():
            self.found.append("nothing in the log")
        if len(lines) > LINES:
            self.found.append(f"{len(lines)} lines in the log")
        for line in lines:
            match = loglines.PREFIX.match(line)
            try:
                assert match, f"no line of ours: {line!r}"
                loglines.parse(line[match.end():])
            except AssertionError as fault:
                self.found.append(str(fault)[:300])

    def _log_is_broken(self):
        """The fault is in the very calls that write lines."""
        return self.case and self.case.call in ("sendmsg", "writev")


class Child:
    """Stands for the listener in a Session: the run itself waits for its processes."""

    def __init__(self, process, log_path):
        self.pid, self.listener = process.pid, process.pid

    def poll(self):
        return 0


def _plain(kind):
    """What is called, by whom, how often; a plain run has to be without findings."""
    run = Run(_stage, _library, kind).go()
    assert not run.found, f"{kind} without a fault: {run.found}\n{run.said}\n{run.log}"
    assert run.said[-1].startswith("d OK"), run.said
    return run.uses


def uses_of(count):
    """The first three, and the last."""
    return sorted({*range(1, min(count, 3) + 1), count})


def whole(kind, uses):
    return [Case(kind, role, call, use, error) for (role, call), count in sorted(uses.items())
            for use in uses_of(count) for error in ERRORS]


# The errors that a call is most likely to meet (its man page); for the others, those of memory.
LIKELY = {
    **dict.fromkeys(("poll", "ppoll", "waitid", "waitpid", "sigwaitinfo", "accept4", "recvmsg"), ("EINTR", "ENOMEM")),
    **dict.fromkeys(("send", "sendmsg", "write", "writev", "shutdown"), ("EPIPE", "EAGAIN")),
    **dict.fromkeys(("recv", "read"), ("ECONNRESET", "EAGAIN")),
    **dict.fromkeys(("open", "openat", "socket", "socketpair", "pipe2", "fopen", "memfd_create", "signalfd", "dup2", "dup3"), ("EMFILE",)),
    **dict.fromkeys(("clone", "fork"), ("EAGAIN",)),
}


def selection(kind, uses):
    """The first and the last use of each call, with the likely errors."""
    return [Case(kind, role, call, use, error) for (role, call), count in sorted(uses.items())
            for use in sorted({1, count}) for error in LIKELY.get(call, ("ENOMEM",))]


def _begin(stage, library):
    """In a process of the pool: orphans come to it, and its files have names of their own."""
    global _stage, _library
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    stage.names = itertools.count(os.getpid() * 1_000_000)
    _stage, _library = stage, library


def _one(case):
    run = Run(_stage, _library, case.kind, case).go()
    return case, run.found, run.fired, run.said, run.log


def sweep(stage, library, cases, workers):
    """Runs them side by side, as most of their time is waiting; yields (case, findings, how often it fired, dialogue, log)."""
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, _begin, (stage, library)) as pool:
        yield from pool.imap_unordered(_one, cases)


def library_of(stage):
    return stage._copy(BUILD / "tests" / "inject.so")


def plain_runs(stage, kinds):
    """{kind: {(role, call): uses}}, found in a process of its own, whose children are only those of the run."""
    context = multiprocessing.get_context("fork")
    library = library_of(stage)
    with context.Pool(1, _begin, (stage, library)) as pool:
        return library, dict(zip(kinds, pool.map(_plain, kinds)))


def report(case, found, said, log):
    return " ".join(map(str, case)) + ": " + "; ".join(found) + f"\n    client: {said}\n    log: {log!r}"


def main(arguments):
    stage = Stage()
    stage.certificate()
    bad = count = 0
    try:
        if len(arguments) == 5:
            cases, library = [Case(*arguments[:3], int(arguments[3]), arguments[4])], library_of(stage)
        else:
            library, uses = plain_runs(stage, arguments or KINDS)
            cases = [case for kind in uses for case in whole(kind, uses[kind])]
        for case, found, fired, said, log in sweep(stage, library, cases, WORKERS):
            count += 1
            bad += bool(found)
            if found or len(cases) == 1:
                print(report(case, found, said, log), f"    fired: {fired}", sep="\n", flush=True)
    finally:
        stage.remove()
    print(f"{count - bad} passed, {bad} failed, 0 skipped")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
