"""imapgate as a listener: started as a service manager does it, with listening sockets from descriptor 3 on."""

import os
import re
import signal
import socket
import subprocess
import threading
import time

import loglines
from processes import GATE, GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, connections_of, descriptors_of, gates_of, name_of, role_of
from session import Session
from wire import PATIENCE, SocketWire

# Each of these descriptors becomes one from 3 on, by way of numbers that none of them has.
PASS = r'''
import os, signal, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
high = [os.dup(fd) for fd in fds]
while min(high) < 3 + len(fds):
    high = [os.dup(fd) for fd in high]
for number, fd in enumerate(high):
    os.dup2(fd, 3 + number, inheritable=True)
os.closerange(3 + len(fds), 1024)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
os.execvp(sys.argv[3], sys.argv[3:])
'''


# Seconds in which a listener closes what is over: an old signer's end, a dry run's.
LEFT = 2


class Manager:
    """The other end of NOTIFY_SOCKET (sd_notify(3)). It hears at once what is told: sd_notify waits for room in the socket."""

    def __init__(self, path):
        self.path = str(path)
        self.told = []
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o777)
        self.thread = threading.Thread(target=self._hear, daemon=True)
        self.thread.start()

    def _hear(self):
        while text := self.sock.recv(4096):
            self.told.append(text.decode())

    def wait_for(self, pattern, since=0, timeout=PATIENCE):
        """Waits for a message with such a line in it, behind the first ones; returns the match."""
        end = time.monotonic() + timeout
        while True:
            for text in self.told[since:]:
                if found := re.search(pattern, text, re.MULTILINE):
                    return found
            assert time.monotonic() < end, f"no {pattern!r} among {self.told}"
            time.sleep(0.005)

    def close(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.path)
        self.thread.join()
        self.sock.close()
        os.unlink(self.path)


def tcp(address="127.0.0.1", family=socket.AF_INET):
    return socket.create_server((address, 0), family=family, backlog=1024)


def path(stage):
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(stage.file("scratch", ".sock")))
    listening.listen(1024)
    return listening


class OnlyChild:
    """The one connection's processes of a listener that has no others, to be used like the process that a superserver starts.

    How it has ended only its parent can know: what is not 0 is in the log.
    """

    def __init__(self, process, log_path):
        self.process, self.log_path = process, log_path
        self.listener = process.pid
        self.first = self._born()
        self.returncode = None

    @property
    def pid(self):
        """The monitor, or what it has become; as long as there is none, the gate."""
        pids = connections_of(self.listener) if self.process.poll() is None else []
        if not pids:
            # It has ended, and the log says which it was.
            deciders = re.findall(r"imapgate\[(\d+)\]: (?:auth-|handoff)", self.log_path.read_text(errors="backslashreplace"))
            return int(deciders[-1]) if deciders else self.first
        return next((pid for pid in pids if name_of(pid) != GATE), pids[0])

    def _born(self):
        """Waits for the child; None if it was too quick to be seen. Before the listener is ready its children are others."""
        end = time.monotonic() + PATIENCE
        while self._said() is None and self.process.poll() is None:
            assert time.monotonic() < end, "the listener is never ready"
            time.sleep(0.0005)
        if self.process.poll() is not None:
            return None
        while True:
            assert time.monotonic() < end, "the listener accepts nothing"
            # In this order: no connection ends without a word, so one that has said something and is not there has ended.
            said = self._said()
            if children := connections_of(self.listener):
                return children[0]
            if said or self.process.poll() is not None:
                return None
            time.sleep(0.0005)

    def _said(self):
        """What is in the log since the listener is ready; None if it is not."""
        _, ready, rest = self.log_path.read_text(errors="backslashreplace").partition("listener-ready")
        return rest.partition("\n")[2] if ready else None

    def poll(self):
        if self.returncode is None and (self.process.poll() is not None or not connections_of(self.listener)):
            self._ended()
        return self.returncode

    def _ended(self):
        """The listener has nobody left, so it can be asked to end; then all that it has to say is in the log."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        said = [event for event in loglines.read(self.log_path.read_text(errors="backslashreplace")) if event.name == "exit"]
        self.returncode = status
        for event in said:
            self.returncode = int(event["status"]) if "status" in event else -int(event["signal"])

    def wait(self, timeout):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("imapgate", timeout)
            time.sleep(0.001)
        return self.returncode

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        for pid in connections_of(self.listener):
            os.kill(pid, signal.SIGKILL)


class Listener:
    """One imapgate that listens, until the end of the with block, where it gets SIGTERM and has to exit with 0."""

    def __init__(self, stage, *options, sockets=None, names=None, pam="joe", mailbox=None, program=None, wrap=(), env=None,
                 wait=True, stderr=None, **process):
        self.stage = stage
        self.sockets = sockets or [tcp()]
        self.names = names or ["imap"] * len(self.sockets)
        self.log_path = stage.file("logs")
        self.manager = Manager(stage.file("scratch", ".notify"))
        self.status = None
        self.command = [program or stage.program, *stage.options(pam), *map(str, options), "--", *map(str, mailbox or stage.mailbox())]
        fds = [s.fileno() for s in self.sockets]
        activate = ["python3", "-c", PASS, ",".join(map(str, fds)), ":".join(self.names)]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*activate, *wrap, *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=stderr or log,
                                            cwd="/", pass_fds=fds, env={**os.environ, "NOTIFY_SOCKET": self.manager.path, **(env or {})}, **process)
        self.process.serves_many = True
        self.descriptors = None
        if wait:
            self.manager.wait_for("^READY=1$")
            self.descriptors = descriptors_of(self.pid)

    @property
    def pid(self):
        return self.process.pid

    def connections(self):
        """Gates, monitors and what these have become."""
        return connections_of(self.pid)

    def gates(self):
        return gates_of(self.pid)

    def monitors(self):
        return [pid for pid in self.connections() if name_of(pid) != GATE]

    def signer(self):
        return role_of(self.pid, SIGNER)

    def roles(self):
        """The processes that it has for all connections together, by their names; without a certificate there is no signer."""
        return {name: pid for pid in children_of(self.pid) if (name := name_of(pid)) in (GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER)}

    def connect(self, number=0, context=None, greeting=True):
        """A connection as a Session. With a context, TLS begins at once."""
        listening = self.sockets[number]
        client = socket.socket(listening.family)
        client.settimeout(5)
        client.connect(listening.getsockname())
        imap = Session(self.process, SocketWire(client), self.log_path, protected=listening.family == socket.AF_UNIX)
        if context:
            imap.handshake(context)
        if greeting:
            imap.greeting()
        return imap

    def log_text(self):
        return self.log_path.read_text(errors="backslashreplace")

    def log(self, name=None):
        return [event for event in loglines.read(self.log_text()) if name in (None, event.name)]

    def logged(self, name, count=1, timeout=PATIENCE):
        """Waits until so many events of that name are in the log; returns the last."""
        end = time.monotonic() + timeout
        while len(found := self.log(name)) < count:
            assert time.monotonic() < end, f"no {name} in the log: {self.log_text()!r}"
            time.sleep(0.005)
        return found[-1]

    def signal(self, number):
        self.process.send_signal(number)

    def descriptors_left(self):
        """What is open that was not when it began, and belongs to no connection. Nothing while clients are connected."""
        end = time.monotonic() + LEFT
        while (left := self._more_descriptors()) and time.monotonic() < end:
            time.sleep(0.005)
        return [] if connections_of(self.pid) else left

    def _more_descriptors(self):
        now = descriptors_of(self.pid)
        if not self.descriptors or not now or len(now) <= len(self.descriptors):
            return []
        return [f"{fd}: {what}" for fd, what in now.items() if self.descriptors.get(fd) != what]

    def end(self, timeout=PATIENCE):
        self.status = self.process.wait(timeout)
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        try:
            if self.status is None:
                left = self.descriptors_left() if kind is None else []
                assert not left, f"descriptors that a listener without clients has left open: {left}"
                self.signal(signal.SIGTERM)
                assert self.end() == 0, self.log_text()
            if kind is None:
                said = loglines.complaints(self.log_text())
                assert not said, said
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            for listening in self.sockets:
                listening.close()
            self.manager.close()
