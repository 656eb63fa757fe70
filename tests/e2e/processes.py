"""What /proc says of a process."""

import os
import subprocess
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
    if name_of(pid) == GATE:
        return pid
    gate, = gates_of(pid) or gates_of(parent_of(pid))
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
