#!/usr/bin/python3
"""`make soak`: hundreds of clients of all kinds at once, through a listener and a superserver, while certificates are renewed and the
listener executes itself anew. At the end everything has to add up: each connection has one conclusion in the log, those that were
accepted are those that ended and those that became sessions, clients who do right were served, and nothing is left: no process, no
descriptor, no place in the listener's table, and no processor time while nobody is connected.

    soak.py SECONDS [SEED]      the seed decides what each client does, not when the machine gets to it
"""

import asyncio
import collections
import ctypes
import itertools
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path[1:1] = [str(Path(__file__).resolve().parents[1] / "e2e")]

import kinds  # noqa: E402
import loglines  # noqa: E402
from client import Client  # noqa: E402
from listening import Listener  # noqa: E402
from processes import SIGNER, children_of, connections_of, descriptors_of, name_of, ours, role_of, size_of, ticks_of  # noqa: E402
from stage import BUILD, SESAME, Stage  # noqa: E402

CLIENTS = 500
# Connections a second, all in all: what two processors can serve and still answer at once.
RATE = 40
# The login's deadline; and how long a client waits for anything, which is longer than that and its last words.
TIMEOUT, PATIENCE = 15, 30
# Seconds for everybody to go at the end: the deadline, what keeps the longest session, and the last words.
DRAIN = TIMEOUT + 20
PROCESSOR = 5.0 if "asan" in str(BUILD) else 1.0
IDLE_SECONDS, IDLE_TICKS = 2, 10
GROWTH = 8 << 20
# One of the clients in so many comes from an address that many share, and which may have only some connections.
CROWDED, CROWD, CROWD_MAX = 20, "127.200.0.1", 3

# A superserver's child reads the key behind the fork of the gate, which has the certificate already: who connects in the moment of a
# renewal is not served. The count is shown; a listener has no such moment.
HALF = "the key does not belong to the certificate"

PR_SET_CHILD_SUBREAPER = 36


class Reaper:
    """Waits for all that end: what a superserver starts, and orphans, which are relays. The listener is left to its owner."""

    def __init__(self, listener):
        self.listener = listener
        self.spent = []         # (pid, seconds)
        self.running = set()
        self.statuses = collections.Counter()

    def look(self):
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid == self.listener:
                return
            pid, status, used = os.wait4(found.si_pid, 0)
            if pid in self.running:
                self.running.remove(pid)
                self.statuses[os.waitstatus_to_exitcode(status)] += 1
            if used.ru_utime + used.ru_stime > PROCESSOR:
                self.spent.append((pid, used.ru_utime + used.ru_stime))


class Superserver:
    """accept(2), fork(2), execve(2), as inetd does it; two ports, with TLS from the first octet on one of them."""

    def __init__(self, stage, options, reaper):
        self.log_path = stage.file("logs")
        self.reaper = reaper
        self.accepted = 0
        self.sockets = {}
        for name, more in (("plain", []), ("tls", ["--tls-on-connect"])):
            listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
            listening.setblocking(False)
            self.sockets[name] = listening
            command = [stage.program, *stage.options(), *options, *more, "--", *stage.mailbox()]
            asyncio.get_running_loop().add_reader(listening, self._accept, listening, command)

    def _accept(self, listening, command):
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return
        self.accepted += 1
        with connection, open(self.log_path, "ab") as log:
            child = subprocess.Popen(command, stdin=connection, stdout=connection, stderr=log, cwd="/")
        self.reaper.running.add(child.pid)
        child.returncode = 0    # the reaper waits for it

    def stop(self):
        for listening in self.sockets.values():
            asyncio.get_running_loop().remove_reader(listening)
            listening.close()

    def address(self, on):
        return self.sockets["tls" if on == "tls" else "plain"].getsockname()


class Soak:
    def __init__(self, stage, seconds, seed):
        self.stage, self.seconds, self.seed = stage, seconds, seed
        self.visits = []
        self.faults = []
        self.numbers = itertools.count()
        self.reloads = self.renewals = 0

    # --- what it stands on

    def _options(self):
        self.certificates = []
        for kind in ("ecdsa", "rsa"):
            made = self.stage.certificate(kind)
            both = self.stage.file("keys", f".{kind}")
            both.write_text(Path(made.file).read_text() + Path(made.key).read_text())
            both.chmod(0o600)
            self.certificates.append(both)
        self.certificate = self.stage.file("keys", ".pem")
        self._renew()
        return ["--timeout", str(TIMEOUT), "--failure-delay", "0.1", "--allow-cleartext", "loopback", "--cert", str(self.certificate)]

    def _renew(self):
        """Certificate and key in one file, so that there is no moment with half of each."""
        new = self.certificate.with_suffix(".new")
        shutil.copy(self.certificates[self.renewals % 2], new)
        new.rename(self.certificate)
        self.renewals += 1

    def _listener(self, options):
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self.stage.file("scratch", ".sock")))
        sockets = {name: socket.create_server(("127.0.0.1", 0), backlog=1024) for name in ("plain", "tls")}
        unix.listen(1024)
        self.unix = unix.getsockname()
        self.ports = {name: listening.getsockname() for name, listening in sockets.items()}
        # All addresses are loopback's; what they share otherwise is switched off by saying who is unlimited.
        limits = ["--unlimited", "192.0.2.1", "--max-connections-per-address", str(CROWD_MAX), "--max-sessions-per-user", "30000"]
        return Listener(self.stage, *options, *limits, sockets=[sockets["plain"], sockets["tls"], unix], names=["imap", "imaps", "local"])

    # --- clients

    def _next(self, chance):
        """Who comes, how, and from where: of its own address each, so that its lines in the log can be told from all others."""
        dialogue, = chance.choices(list(kinds.KINDS), kinds.KINDS.values())
        place = chance.choice(("listener", "superserver"))
        on = chance.choice(("plain", "starttls", "tls", "unix") if place == "listener" else ("plain", "starttls", "tls"))
        number = next(self.numbers)
        source = None if on == "unix" else f"127.{1 + number // 60000}.{number // 250 % 240}.{1 + number % 250}"
        # One address is limited, and the lines of those at it who give no command are joined: here all give one.
        if on == "unix":
            dialogue, = chance.choices(list(kinds.SERVED), kinds.SERVED.values())
        elif chance.randrange(CROWDED) == 0 and place == "listener" and on != "tls":
            dialogue, source = kinds.lingers, CROWD
        return dialogue, kinds.Visit(dialogue.__name__, place, on, source)

    def _address(self, seen):
        if seen.place == "superserver":
            return self.superserver.address(seen.on)
        return self.unix if seen.on == "unix" else self.ports["tls" if seen.on == "tls" else "plain"]

    async def _one_client(self, number):
        chance = random.Random(f"{self.seed}-{number}")
        mean = CLIENTS / RATE
        await asyncio.sleep(chance.uniform(0, min(mean, self.seconds / 3)))
        while time.monotonic() < self.until:
            dialogue, seen = self._next(chance)
            self.visits.append(seen)
            began = time.monotonic()
            await kinds.visit(Client(self._address(seen), seen.source, PATIENCE), seen, dialogue, chance)
            await asyncio.sleep(max(0.0, min(mean - (time.monotonic() - began), self.until - time.monotonic())))

    # --- what happens meanwhile

    async def _disturb(self):
        chance = random.Random(f"{self.seed}-disturbances")
        while time.monotonic() < self.until:
            await asyncio.sleep(min(chance.uniform(1, 5), max(0.0, self.until - time.monotonic())))
            # What a listener leaves open it loses when it executes itself: in the last third it does not.
            if chance.random() < 0.5 and time.monotonic() < self.until - self.seconds / 3:
                self.listener.signal(signal.SIGHUP)
                self.reloads += 1
            else:
                self._renew()

    async def _reap(self):
        while True:
            self.reaper.look()
            await asyncio.sleep(0.05)

    async def _report(self):
        began = time.monotonic()
        while True:
            await asyncio.sleep(30)
            print(f"{time.monotonic() - began:4.0f} s: {len(self.visits)} connections, {sum(v.logged_in for v in self.visits)} logins, "
                  f"{self.reloads} reloads, {self.renewals} renewals, {sum(bool(v.fault) for v in self.visits)} faults", flush=True)

    async def run(self):
        options = self._options()
        self.listener = self._listener(options)
        self.descriptors = descriptors_of(self.listener.pid)
        size = size_of(self.listener.pid)
        self.reaper = Reaper(self.listener.pid)
        self.superserver = Superserver(self.stage, options, self.reaper)
        self.until = time.monotonic() + self.seconds
        meanwhile = [asyncio.create_task(each) for each in (self._disturb(), self._reap(), self._report())]
        await asyncio.gather(*(self._one_client(number) for number in range(CLIENTS)))
        await meanwhile[0]
        await self._drain()
        self._is_anything_left()
        await self._is_idle()
        self._take_status(size)
        for task in meanwhile:
            task.cancel()
        self.superserver.stop()

    # --- when all clients have gone

    async def _drain(self):
        end = time.monotonic() + DRAIN
        while (connections_of(self.listener.pid) or self.reaper.running) and time.monotonic() < end:
            await asyncio.sleep(0.1)
        # An old signer, a dry run and the status line need a moment.
        await asyncio.sleep(2)

    def _is_anything_left(self):
        for pid in connections_of(self.listener.pid):
            self.faults.append(f"left in the listener: process {pid} {name_of(pid)}")
        roles = [name_of(pid) for pid in children_of(self.listener.pid) if pid not in connections_of(self.listener.pid)]
        if len(roles) != 3 or len(set(roles)) != 3:
            self.faults.append(f"these roles: {roles}")
        for pid in self.reaper.running:
            self.faults.append(f"left of the superserver: process {pid} {name_of(pid)}")
        for pid, program in ours(self.stage.folder).items():
            if pid != self.listener.pid and pid not in self.reaper.running:
                self.faults.append(f"orphan: process {pid} {program}")
        for pid, seconds in self.reaper.spent:
            self.faults.append(f"process {pid} has taken {seconds:.1f} s of processor time")
        now = descriptors_of(self.listener.pid)
        if self.descriptors and len(now) > len(self.descriptors):
            self.faults.append(f"{len(now)} descriptors in the listener, {len(self.descriptors)} at its start: {sorted(now.values())}")

    async def _is_idle(self):
        pids = [self.listener.pid, role_of(self.listener.pid, SIGNER)] if not self.faults else [self.listener.pid]
        before = sum(map(ticks_of, pids))
        await asyncio.sleep(IDLE_SECONDS)
        if sum(map(ticks_of, pids)) - before > IDLE_TICKS:
            self.faults.append("a listener without clients takes processor time")

    def _take_status(self, size):
        grown = size_of(self.listener.pid) - size
        if grown > GROWTH:
            self.faults.append(f"the listener has grown by {grown >> 10} kB")
        told = [text for text in self.listener.manager.told if "STATUS=" in text]
        self.counts = list(map(int, re.findall(r"\d+", told[-1].partition("STATUS=")[2])))
        if self.counts[:2] != [0, 0]:
            self.faults.append(f"places that nobody has: {told[-1]}")
        self.listener.signal(signal.SIGTERM)
        if (status := self.listener.end()) != 0:
            self.faults.append(f"the listener has ended with {status}")

    # --- the books

    def settle(self):
        self.halves = set()
        for place, log_path in (("listener", self.listener.log_path), ("superserver", self.superserver.log_path)):
            self._settle_place(place, log_path.read_text(errors="backslashreplace"))
        if self.halves:
            print(f"superserver: {len(self.halves)} clients met a renewal between the certificate and its key")
        for seen in self.visits:
            if seen.fault and (seen.source, str(seen.port)) not in self.halves:
                self.faults.append(f"{seen}: {seen.fault}")
        allowed = {0, 75, -signal.SIGPIPE} | ({78} if self.reaper.statuses[78] <= len(self.halves) else set())
        if self.reaper.statuses.keys() - allowed:
            self.faults.append(f"statuses under the superserver: {dict(self.reaper.statuses)}")

    def _settle_place(self, place, text):
        events, pids = self._read(place, text)
        came = [seen for seen in self.visits if seen.place == place and seen.connected]
        ends = self._conclusions(events)
        sessions = sum(end == "handoff" for found in ends.values() for end in found)
        others = sum(len(found) for found in ends.values()) - sessions
        refused = self.counts[5] if place == "listener" else 0
        accepted = self.counts[2] if place == "listener" else self.superserver.accepted
        print(f"{place}: {len(came)} connections = {accepted} accepted + {refused} refused; {accepted} = {sessions} sessions + {others} ends")
        if len(came) != accepted + refused:
            self.faults.append(f"{place}: {len(came)} clients, {accepted} accepted, {refused} refused")
        if accepted != sessions + others:
            self.faults.append(f"{place}: {accepted} accepted, but {sessions} sessions and {others} ends")
        if place == "listener" and self.counts[3] != sessions:
            self.faults.append(f"{self.counts[3]} logins by the status, {sessions} by the log")
        self._compare(place, came, ends)
        # A program that writes to somebody who has gone dies of it, and its parent says so.
        for event in events:
            if event.name == "exit" and event["pid"] not in pids:
                self.faults.append(f"{place}: {event}")

    def _read(self, place, text):
        """All events, and the processes that have become mailbox programs."""
        events, pids = [], set()
        for line in text.splitlines():
            match = loglines.PREFIX.match(line)
            try:
                assert match, f"no line of ours: {line!r}"
                event = loglines.parse(line[match.end():])
            except AssertionError as fault:
                self.faults.append(f"{place}: {fault}")
                continue
            if event.name == "handoff":
                pids.add(match[1])
            if place == "superserver" and event.name == "key-fail" and HALF in line:
                self.halves.add((event["rip"], event["rport"]))
                continue
            if event.name in ("bug", "resource-shortage", "reload-failed", "certificate-fail", "key-fail", "key-exposed", "sign-refused") or \
                    event.get("reason") in ("gate-died", "gate-hangs") or "dropped" in event:
                self.faults.append(f"{place}: {line}")
            events.append(event)
        if SESAME in text:
            self.faults.append(f"{place}: a password is in the log")
        return events, pids

    def _conclusions(self, events):
        """{(address, port): names}; what follows a handoff, such as a client who has gone before the program could start, is no second."""
        ends = collections.defaultdict(list)
        for event in events:
            if event.name in loglines.CONCLUSIONS:
                key = event.get("rip"), event.get("rport")
                if event.name == "error" and "handoff" in ends[key]:
                    continue
                ends[key] += [event.name] * int(event.get("times", 1))
        return ends

    def _compare(self, place, came, ends):
        """Each connection by its address. One that was reset before anybody looked has none in a superserver's child."""
        for seen in came:
            if seen.on == "unix" or seen.source == CROWD:
                continue
            found = ends.get((seen.source, str(seen.port)), [])
            if not found and place == "superserver" and seen.kind in ("vanishes", "cut", "mute"):
                continue
            if len(found) != 1:
                self.faults.append(f"{seen}: {len(found)} conclusions in the log, {found}")
            elif seen.logged_in and found != ["handoff"]:
                self.faults.append(f"{seen}: logged in, but the log says {found[0]}")
        if place == "listener":
            self._compare_crowd(came, ends)

    def _compare_crowd(self, came, ends):
        """At one address ports come again, so they are counted together."""
        crowd = sum(seen.source == CROWD for seen in came)
        concluded = sum(len(found) for (address, _), found in ends.items() if address == CROWD)
        if crowd != concluded + self.counts[5]:
            self.faults.append(f"of a crowd of {crowd} connections {concluded} have an end, {self.counts[5]} were refused")

    def tell(self):
        table = collections.defaultdict(lambda: [0, 0])
        for seen in self.visits:
            table[seen.kind][0] += 1
            table[seen.kind][1] += seen.logged_in
        for kind, (count, logins) in sorted(table.items()):
            print(f"  {kind:12} {count:7} connections {logins:7} logins")
        print(f"{len(self.visits)} connections, {self.reloads} reloads, {self.renewals} renewals, seed {self.seed}")
        for fault in self.faults[:50]:
            print(f"FAULT {fault}")
        print(f"{len(self.faults)} faults")


def main(seconds, seed):
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(limit, 8192), limit))
    print(f"{CLIENTS} clients for {seconds} s, seed {seed} (make soak SECONDS={seconds} SEED={seed} for the same again)", flush=True)
    stage = Stage()
    soak = Soak(stage, seconds, seed)
    try:
        asyncio.run(soak.run())
        soak.settle()
        soak.tell()
    finally:
        for pid in ours(stage.folder):
            os.kill(pid, signal.SIGKILL)
        stage.remove()
    return 1 if soak.faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 and sys.argv[2] else random.SystemRandom().randrange(1 << 32)))
