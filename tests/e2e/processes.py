"""What /proc says of a process."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
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


KEYHOLDER = "imapgate-keys"


def connections_of(listener):
    """The children of a listener that serve connections: all but the one that holds its keys."""
    return [pid for pid in children_of(listener) if name_of(pid) != KEYHOLDER]


def keyholder_of(listener):
    holder, = (pid for pid in children_of(listener) if name_of(pid) == KEYHOLDER)
    return holder


def gate_of(pid):
    """The monitor's only child; a relay's parent is the mailbox program."""
    gate, = children_of(pid)
    return gate


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


def ticks_of(pid):
    """Processor time in ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def size_of(pid):
    """Resident memory in octets."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def ours(folder):
    """Children of this process, adopted ones too, that run a program from this folder: {pid: program}."""
    pids = []
    for children in Path("/proc/self/task").glob("*/children"):
        try:
            pids += map(int, children.read_text().split())
        except FileNotFoundError:
            pass    # a thread that has ended; its children are another's now
    return {pid: program for pid in pids if (program := program_of(pid)).startswith(str(folder))}


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
