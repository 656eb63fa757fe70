"""What /proc says of a process, and the children that we start."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest


def need_mounts():
    """Skips a test that needs mounts of its own: in a chroot that is no mount point, root can't have any (mount_namespaces(7))."""
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=20).returncode != 0:
        pytest.skip("no mount namespace to be had here")


def children_of(pid):
    """Those of its first thread; a monitor, a gate and a mailbox program have no others."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def name_of(pid):
    """What the process calls itself; nothing if it has gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


# As the kernel cuts them (PR_SET_NAME(2const)).
GATE = "imapgate-gate"
GATE_ZYGOTE = "imapgate-gates"
MONITOR_ZYGOTE = "imapgate-monito"
SIGNER = "imapgate-signer"


def connections_of(listener):
    """The children of a listener that serve connections: gates, monitors and what these become."""
    return [pid for pid in children_of(listener) if name_of(pid) not in ("", GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER)]


def role_of(listener, name):
    """The one process that a listener has for all connections, by its name."""
    pid, = (pid for pid in children_of(listener) if name_of(pid) == name)
    return pid


def parent_of(pid):
    return int(status_of(pid)["PPid"])


def gates_of(listener):
    return [pid for pid in children_of(listener) if name_of(pid) == GATE]


def gate_of(pid):
    """The gate of a connection of which another process is known: its child with a superserver, its only sibling that is a gate with a listener."""
    end = time.monotonic() + 10
    while True:
        if name_of(pid) == GATE:
            return pid
        gates = gates_of(pid)
        # A superserver's process is our child, and so are the gates of others.
        if not gates and parent_of(pid) != os.getpid():
            gates = gates_of(parent_of(pid))
        # A process that was just forked has no name of its own yet.
        if gates or time.monotonic() > end:
            gate, = gates
            return gate
        time.sleep(0.002)


def wait_until_waiting(pid):
    """Waits until a monitor and its gate have read their files, and sleep: three looks in a row find both asleep."""
    end = time.monotonic() + 10
    looks = 0
    while looks < 3:
        assert time.monotonic() < end, "they never wait"
        looks = looks + 1 if children_of(pid) and all(sleeps(each) for each in (pid, gate_of(pid))) else 0
        time.sleep(0.01)


def program_of(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def status_of(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def runs(pid):
    try:
        return not status_of(pid)["State"].startswith("Z")
    except OSError:
        return False


def sleeps(pid):
    return status_of(pid)["State"].startswith("S")


def ticks_of(pid):
    """Processor time in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def times_of(pid):
    """Processor time in seconds of a process that runs or has just ended: its own, and that of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, below = int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])
    return own / os.sysconf("SC_CLK_TCK"), below / os.sysconf("SC_CLK_TCK")


def descriptors_of(pid):
    """{number: what it is}; None if it may not be known."""
    try:
        return {int(fd): os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    except OSError:
        return None


def size_of(pid):
    """Resident memory in octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def our_children():
    """Those of this process, adopted ones too, and those that have ended and nobody has waited for."""
    pids = []
    for children in Path("/proc/self/task").glob("*/children"):
        try:
            pids += map(int, children.read_text().split())
        except FileNotFoundError:
            pass    # a thread that has ended; its children are another's now
    return pids


def ours(folder):
    """Children of this process that run a program from this folder: {pid: program}.

    Without root a process that lets nobody look at it, as imapgate's do, is known by its name only.
    """
    return {pid: program for pid in our_children() if (program := program_of(pid) or _hidden(pid)).startswith(str(folder))
            or program == "imapgate"}


def _hidden(pid):
    """The name of one that runs and may not be looked at."""
    try:
        os.readlink(f"/proc/{pid}/exe")
    except PermissionError:
        return name_of(pid) if runs(pid) else ""
    except OSError:
        pass
    return ""


def wait_for_ends(pids, seconds):
    """Waits until all of them have ended, and returns those that have not."""
    end = time.monotonic() + seconds
    return [pid for pid in pids if not _has_ended(pid, end)]


def _has_ended(pid, end):
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(max(0, end - time.monotonic()) * 1000)) or not runs(pid)
    finally:
        os.close(fd)


class Ended:
    """A process that was waited for, and its processor time in seconds."""

    def __init__(self, name, own, below, serves_many=False):
        self.name, self.own, self.below, self.serves_many = name, own, below, serves_many


class Process(subprocess.Popen):
    """A child that is waited for without looking again and again, and whose processor time is kept for leftovers.py."""

    started = set()
    ended = []
    lock = threading.Lock()
    # The children that a listener has waited for have served many clients.
    serves_many = False

    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        with self.lock:
            self.started.add(self.pid)

    def wait(self, timeout=None):
        if self.returncode is None:
            self._wait_for_end(timeout)
            self._remember()
        return super().wait(timeout)

    def poll(self):
        if self.returncode is None:
            self._remember()
        return super().poll()

    def _wait_for_end(self, timeout):
        try:
            fd = os.pidfd_open(self.pid)
        except OSError:
            return      # waited for by another thread, or not to be had here
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(None if timeout is None else max(0, timeout * 1000))
        finally:
            os.close(fd)

    def _remember(self):
        """As long as nobody has waited for it, what it has used can be seen."""
        try:
            if not os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            found = Ended(name_of(self.pid), *times_of(self.pid), self.serves_many)
        except (OSError, IndexError):
            return
        with self.lock:
            if self.pid in self.started:
                self.started.remove(self.pid)
                self.ended.append(found)


# The keeper's child is there before it, and what it waits for is blocked from then on (keeper.h).
KEEPER = """
import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
child = os.fork()
if child == 0:
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execvp("sleep", ["sleep", "60"])
print(child, flush=True)
os.dup2(2, 1)
program, uid, *words = sys.argv[1:]
os.execv(program, ["imapgate-keeper", str(child), uid, uid, "0", "tag", *words])
"""


@contextlib.contextmanager
def keeping(stage, reports="0", log=subprocess.DEVNULL):
    """The keeper of kernel TLS with a child, as the monitor starts it but for the TLS: the keeper, the child's pid, and the client's side."""
    words = ["3", "rip=192.0.2.7", "rport=1", "lip=192.0.2.1", "lport=993", "tls=TLSv1.3", "cipher=TLS_AES_256_GCM_SHA384"]
    command = [sys.executable, "-c", KEEPER, stage.program, str(stage.users["imapgt1"].uid), "joe", reports, *words]
    client, server = socket.socketpair()
    with client, subprocess.Popen(command, stdin=server, stdout=subprocess.PIPE, stderr=log, cwd="/", text=True) as keeper:
        server.close()
        child = int(keeper.stdout.readline())
        try:
            yield keeper, child, client
        finally:
            client.close()
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            keeper.wait(20)
