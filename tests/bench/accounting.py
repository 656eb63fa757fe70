"""What a server has used: by control groups (version 1 or 2) where they can be made, else by /proc alone."""

import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
OURS = f"imapgate-bench-{os.getpid()}"
TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def read(path):
    try:
        return Path(path).read_text()
    except OSError:             # a process that has ended meanwhile
        return ""


def entries(text):
    """Lines of a name and a number."""
    return {words[0]: int(words[1]) for words in map(str.split, text.splitlines()) if len(words) == 2}


def pss_kb(pid):
    """Its share of the memory that it has mapped (proc(5), smaps_rollup)."""
    for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


class Machine:
    """How busy all cores were since this was made."""

    def __init__(self):
        self.began, self.busy = time.monotonic(), self._busy()

    def _busy(self):
        user, nice, system, _idle, _wait, irq, soft = map(int, read("/proc/stat").split()[1:8])
        return (user + nice + system + irq + soft) * TICK_US

    def others(self, ours_us):
        """How many cores' worth of time was spent by others."""
        return max(0, self._busy() - self.busy - ours_us) / 1e6 / (time.monotonic() - self.began)


class Group:
    """The processes of one server. Each member has a folder by which the kernel keeps its accounts."""

    def pids(self):
        raise NotImplementedError

    def open_to_users(self):
        """A mailbox program changes its group as the user that it runs as; with version 2 that needs the folder above too (cgroups(7))."""
        for procs in (self.procs, self.procs.parents[1] / "cgroup.procs"):
            procs.chmod(0o666)

    def pss_kb(self, without):
        """The sum for all processes but those with these names."""
        return sum(pss_kb(pid) for pid in self.pids() if read(f"/proc/{pid}/comm").strip() not in without)


class GroupOne(Group):
    """Version 1: a folder in each controller's hierarchy."""

    def __init__(self, name):
        self.cpu, self.memory = (ROOT / controller / OURS / name for controller in ("cpuacct", "memory"))
        for folder in (self.cpu, self.memory):
            folder.mkdir(parents=True, exist_ok=True)
        self.procs = self.cpu / "cgroup.procs"
        self.open_to_users()

    def enter(self):
        for folder in (self.cpu, self.memory):
            (folder / "cgroup.procs").write_text("0")

    def pids(self):
        return read(self.procs).split()

    def cpu_us(self):
        return int(read(self.cpu / "cpuacct.usage")) // 1000

    def memory_kb(self):
        """What processes have to themselves, and what the kernel holds for them: page tables, stacks, sockets."""
        kernel = read(self.memory / "memory.kmem.usage_in_bytes") or "0"
        return (entries(read(self.memory / "memory.stat"))["rss"] + int(kernel)) // 1024

    def remove(self):
        for folder in (self.cpu, self.memory):
            folder.rmdir()


class GroupTwo(Group):
    """Version 2: one folder, if the controllers may be had for it."""

    def __init__(self, name):
        self.folder = ROOT / OURS / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.procs = self.folder / "cgroup.procs"
        self.open_to_users()

    def enter(self):
        self.procs.write_text("0")

    def pids(self):
        return read(self.procs).split()

    def cpu_us(self):
        return entries(read(self.folder / "cpu.stat"))["usage_usec"]

    def memory_kb(self):
        stat = entries(read(self.folder / "memory.stat"))
        return (stat["anon"] + stat["kernel"]) // 1024 if "anon" in stat else None

    def remove(self):
        self.folder.rmdir()


class GroupNone(Group):
    """The server's process and all below it; what it has waited for is in its own account."""

    procs = Path("/dev/null")

    def __init__(self, _name):
        self.root = None

    def enter(self):
        pass                    # Server.start tells us the pid instead

    def pids(self):
        parent = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            if fields := read(path).rpartition(")")[2].split():
                parent[path.parent.name] = fields[1]
        found = {str(pid) for pid in self.root or ()}
        while more := {pid for pid, above in parent.items() if above in found} - found:
            found |= more
        return found

    def cpu_us(self):
        fields = (read(f"/proc/{pid}/stat").rpartition(")")[2].split() for pid in self.pids())
        return sum(sum(map(int, f[11:15])) for f in fields if f) * TICK_US

    def memory_kb(self):
        return None

    def remove(self):
        pass


class Accounting:
    def __init__(self, kind, folders, words):
        self.kind, self.folders, self.words, self.groups = kind, folders, words, {}

    def group(self, name):
        if name not in self.groups:
            self.groups[name] = self.kind(name)
        return self.groups[name]

    def describe(self):
        return self.words

    def close(self):
        for group in self.groups.values():
            group.remove()
        for folder in self.folders:
            folder.rmdir()


def find():
    one = [ROOT / controller / OURS for controller in ("cpuacct", "memory")]
    try:
        if (ROOT / "cgroup.controllers").exists():
            (ROOT / OURS).mkdir()
            if "memory" in read(ROOT / "cgroup.controllers"):
                for folder in (ROOT, ROOT / OURS):
                    (folder / "cgroup.subtree_control").write_text("+cpu +memory")
            return Accounting(GroupTwo, [ROOT / OURS], "CPU and memory by control groups, version 2")
        for folder in one:
            folder.mkdir()
        return Accounting(GroupOne, one, "CPU and memory by control groups, version 1")
    except OSError as error:
        return Accounting(GroupNone, [], f"NO CONTROL GROUPS ({error}): CPU by /proc/PID/stat in ticks of {TICK_US} us, without "
                          "relays, which nobody waits for; memory by PSS only")
