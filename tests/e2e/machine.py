"""A machine that tests/boot/boot has booted: commands, files and connections in it, and its journal.

Its files are a layer above this system's, its network is a loopback of its
own, so tests may install, enable and break there whatever they like.
"""

import ctypes
import imaplib
import json
import signal
import socket
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from processes import children_of
from stage import BUILD, TREE
from wire import PATIENCE

BOOT = TREE / "tests" / "boot" / "boot"
CANNOT = 77
CLONE_NEWNET = 0x40000000

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TERM": "vt100",
               "LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "DEBIAN_FRONTEND": "noninteractive"}

libc = ctypes.CDLL(None, use_errno=True)


def _is_first(pid):
    """Is this the PID 1 of a namespace?"""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())


def _descendants(pid):
    try:
        children = children_of(pid)
    except OSError:
        return
    for child in children:
        yield child
        yield from _descendants(child)


class Machine:
    def __init__(self, root="/", network="own"):
        self.folder = tempfile.TemporaryDirectory(prefix="imapgate-boot-", dir="/var/tmp")
        self.log = tempfile.TemporaryFile("w+")
        shown = [word for folder in (TREE, BUILD) for word in ("-b", str(folder))] if root == "/" else []
        self.boot = subprocess.Popen([BOOT, *shown, *(["-n"] if network == "shared" else []), self.folder.name, root],
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.pid = self._first_process()
            self._wait_until_booted()
        except BaseException:
            self.end()
            raise

    def _said(self):
        self.log.seek(0)
        return self.log.read()

    def _first_process(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.boot.poll() is not None:
                said = self._said().strip()
                if self.boot.returncode == CANNOT:
                    pytest.skip(f"no machine can be booted here: {said}")
                raise AssertionError(f"{BOOT.name} ended with {self.boot.returncode}: {said}")
            for pid in _descendants(self.boot.pid):
                if _is_first(pid) and Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                    return pid
            time.sleep(0.02)
        raise AssertionError(f"no first process: {self._said()}")

    def _wait_until_booted(self):
        end = time.monotonic() + PATIENCE
        while (state := self.run("systemctl", "is-system-running", check=False).strip()) != "running":
            assert time.monotonic() < end, f"the machine is {state}: " + self.run("systemctl", "--failed", check=False)
            time.sleep(0.05)

    def end(self):
        self.boot.send_signal(signal.SIGTERM)
        try:
            self.boot.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.boot.kill()
            self.boot.wait()
        self.log.close()
        self.folder.cleanup()

    # --- commands and files

    def _entering(self, command):
        return dict(args=["nsenter", f"--target={self.pid}", "--all", "--root", "--wd", *map(str, command)],
                    env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def process(self, *command, timeout=PATIENCE * 3, **more):
        """Runs a command there to its end."""
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(**self._entering(command), text=True, timeout=timeout, **more)

    def popen(self, *command):
        """Starts a command there, to be talked to by pipes."""
        return subprocess.Popen(**self._entering(command), stdin=subprocess.PIPE, bufsize=0)

    def run(self, *command, check=True, **more):
        """What a command says there, which must be content with itself unless check is False."""
        done = self.process(*command, **more)
        assert done.returncode == 0 or not check, f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def shell(self, script, **more):
        """The same for lines as one would type them; the first that fails is the last."""
        return self.run("bash", "-e", "-o", "pipefail", "-c", script, **more)

    def write(self, path, text, mode=0o644, owner="root"):
        self.run("install", "-D", "-o", owner, "-g", owner, "-m", f"{mode:o}", "/dev/stdin", path, input=text)

    def add_user(self, name, password, messages=1):
        """Somebody with a home and a Maildir."""
        self.run("useradd", "--create-home", "--shell", "/bin/sh", name)
        self.run("chpasswd", input=f"{name}:{password}\n")
        for number in range(1, messages + 1):
            self.shell(f"mkdir -p ~{name}/Maildir/{{cur,new,tmp}}; cat > ~{name}/Maildir/cur/170000000{number}.M{number}.here:2,",
                       input=f"From: sender@example.org\nSubject: message {number}\n\nThis is the text of message {number}.\n")
        self.shell(f"chown -R {name}: ~{name}/Maildir")

    # --- units and their journal

    def show(self, unit, name):
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).strip()

    def journal(self, *matches):
        """Its entries, as dictionaries of fields."""
        self.run("journalctl", "--sync")
        return [json.loads(line) for line in self.run("journalctl", "-o", "json", "--all", "--no-pager", *matches).splitlines()
                if line.startswith("{")]

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not come\n" + self.run("journalctl", "-n", "30", "--no-pager")
            time.sleep(0.05)
        return found

    # --- the network

    def connect(self, port, address="127.0.0.1", source=None):
        """A connection from within, by a thread that enters the network's namespace and ends there."""
        def inside():
            with open(f"/proc/{self.pid}/ns/net") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return socket.create_connection((address, port), PATIENCE, (source, 0) if source else None)

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(inside).result()


class Imap(imaplib.IMAP4):
    """Python's client at a port of the machine, in clear text or (with a context) over TLS from the first byte."""

    def __init__(self, machine, port, context=None, address="127.0.0.1", source=None):
        self.connecting = lambda: machine.connect(port, address, source)
        self.context = context
        super().__init__("localhost", port, timeout=PATIENCE)

    def _create_socket(self, timeout):
        sock = self.connecting()
        return self.context.wrap_socket(sock, server_hostname="localhost") if self.context else sock

    def read_message(self, number):
        assert self.select("INBOX")[0] == "OK"
        status, data = self.fetch(str(number), "(BODY[])")
        assert status == "OK", data
        return data[0][1].decode()
