"""What a test may leave behind: no process, and none that has taken processor time for nothing.

A loop that never waits is seen by its processor time, whether it still runs
when the test is over, was ended by its deadline, or belongs to a server that
several tests share. (A listener's descriptors are looked at in listening.py.)
"""

import os
import signal

from processes import Process, name_of, our_children, ours, runs, times_of, wait_for_ends

# Seconds for the last words of those that have heard of the end.
PATIENCE = 5
# Seconds of processor time. Of its own no process needs as much in a test: a login takes some milliseconds, one with a slow hash a tenth
# of a second. With those that it has waited for, such as its gate and what PAM's modules execute, it may have moved megabytes.
OWN, WITH_CHILDREN = 1.0, 3.0
SANITIZED = 5.0
# As /proc has them: imapgate, imapgate-keys, mailbox-recorder. What they become otherwise is not ours to judge.
NAMES = ("imapgate", "mailbox-record")


def is_ours(pid):
    return name_of(pid).startswith(NAMES)


def own_time(pid):
    """None if it has ended."""
    try:
        return times_of(pid)[0] if runs(pid) else None
    except OSError:
        return None


class Watch:
    """Looks at our children before and after each test of a run."""

    def __init__(self, stage, sanitized):
        self.folder = stage.folder
        self.factor = SANITIZED if sanitized else 1.0
        self.running = {}
        self.dead = set()

    def begin(self):
        self.running = {pid: spent for pid in ours(self.folder) if (spent := own_time(pid)) is not None}
        Process.ended.clear()

    def end(self):
        """Returns what is wrong, as lines of text."""
        return self._left() + self._busy() + self._spent()

    def _left(self):
        left = wait_for_ends(set(ours(self.folder)) - self.running.keys(), PATIENCE)
        return [f"process {pid} is left over: {end_of(pid)}" for pid in left]

    def _busy(self):
        """Those of servers that several tests share."""
        found = []
        for pid, before in self.running.items():
            took = (own_time(pid) or 0.0) - before
            if is_ours(pid) and took > OWN * self.factor:
                found.append(f"process {pid} has taken {took:.1f} s of processor time meanwhile")
        return found

    def _spent(self):
        found = [(ended.name, ended.own, 0.0 if ended.serves_many else ended.below) for ended in Process.ended
                 if ended.name.startswith(NAMES)]
        found += [(name, *times) for name, times in self._bury()]
        return [f"{name} has taken {own:.1f} s of processor time, its children {below:.1f} s" for name, own, below in found
                if own > OWN * self.factor or own + below > WITH_CHILDREN * self.factor]

    def _bury(self):
        """Waits for orphans, which are ours since the parent's end: relays. Those that a test has started it waits for itself."""
        dead = {pid for pid in our_children() if pid not in Process.started and not runs(pid) and is_ours(pid)}
        buried = []
        # Seen twice, since between the start of a process and our knowing of it is a moment.
        for pid in dead & self.dead:
            buried.append((name_of(pid), times_of(pid)))
            os.waitpid(pid, 0)
        self.dead = dead - self.dead
        return buried


def end_of(pid):
    """Ends it, so that it is blamed on one test only."""
    name = name_of(pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return name
