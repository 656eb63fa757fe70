"""What all tests stand on: a folder with the program, its helpers, certificates and PAM stacks.

The folder is under /tmp and open to everybody, because the gate user, the
mailbox users and the mailbox programs have to reach what is in it; the tree
that the tests are started from need not be readable for them.
"""

import functools
import hashlib
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from accounts import Accounts
from certificates import Certificate
from listening import OnlyChild
from record import Report
from session import Session
from wire import PipeWire, SocketWire

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IMAPGATE_BUILD", TREE / "build")).resolve()
BINARY = Path(os.environ.get("IMAPGATE_BIN", BUILD / "imapgate")).resolve()

# Every connection that can come by one then does so through a listener of its own, instead of from us as a superserver.
LISTENER = os.environ.get("IMAPGATE_TEST_MODE") == "listener"
# As a service manager passes a socket (sd_listen_fds(3)).
LISTEN = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=imap exec "$@" 3<&0 </dev/null'

# The one login that transcripts and most tests use; it is known to the test's PAM module only.
JOE, SESAME = "joe", "sesame"

TCP = {"tcp": (socket.AF_INET, "127.0.0.1"), "tcp6": (socket.AF_INET6, "::1"),
       "tls": (socket.AF_INET, "127.0.0.1"), "starttls": (socket.AF_INET, "127.0.0.1")}
KINDS = ("unix", "path", "pipe", *TCP)


def connected_tcp(family, address):
    """A client's socket and the accepted one."""
    with socket.create_server((address, 0), family=family) as listening:
        client = socket.create_connection(listening.getsockname()[:2], timeout=5)
        return client, listening.accept()[0]


class Stage:
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="imapgate-tests-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.as_root = os.getuid() == 0
        for name in ("logs", "pam", "homes", "keys", "bin"):
            (self.folder / name).mkdir(mode=0o755)
        for name in ("reports", "scratch"):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(0o1777)
        self.program = self._copy(BINARY)
        self.recorder = self._copy(BUILD / "tests" / "mailbox-recorder")
        self.module = self._copy(BUILD / "tests" / "pam_testcode.so")
        self.certificates = {}
        self.lock = threading.Lock()
        self.names = itertools.count(1)
        self.system_users = Accounts(self.folder / "homes")
        self.users = self.system_users.make() if self.as_root else {}
        self.host_user, self.host_home = self._host()

    def _copy(self, path):
        """Where everybody may execute it."""
        target = self.folder / "bin" / path.name
        shutil.copyfile(path, target)
        target.chmod(0o755)
        return str(target)

    @functools.cached_property
    def dovecot(self):
        """The mailbox program of the README and the units: Dovecot of whichever version, by our script."""
        if not Path("/usr/lib/dovecot/imap").exists():
            pytest.skip("no Dovecot: install dovecot-imapd")
        return self._copy(TREE / "src" / "imapgate-dovecot")

    def _host(self):
        """As whom joe's mailbox program runs: joe has no account of his own."""
        if self.as_root:
            account = self.users["imapgt1"]
            return account.name, account.home
        return pwd.getpwuid(os.getuid()).pw_name, str(self.folder / "scratch")

    def remove(self):
        if self.as_root:
            self.system_users.remove()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- things a test may need

    def file(self, kind, suffix=""):
        """A new name in one of the folders."""
        return self.folder / kind / f"{next(self.names):05d}{suffix}"

    def certificate(self, kind="ecdsa", name="localhost"):
        with self.lock:
            if (kind, name) not in self.certificates:
                self.certificates[kind, name] = Certificate(self.folder / "keys", kind, name)
        return self.certificates[kind, name]

    def pam(self, stack, service="imapgate"):
        """A private PAM service directory with this stack: a name from below, module arguments, or whole lines.

        It is written once: other threads may have started somebody who reads it.
        """
        whole = {
            "joe": self.testcode(f"name={JOE} password={SESAME}"),
            "unix": "auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_permit.so\n",
            "permit": "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
            "deny": "auth required pam_deny.so\naccount required pam_deny.so\nsession required pam_deny.so\n",
        }
        lines = whole.get(stack)
        if lines is None:
            lines = stack if "\n" in stack else self.testcode(stack)
        folder = self.folder / "pam" / hashlib.sha256(f"{service}\n{lines}".encode()).hexdigest()[:16]
        with self.lock:
            if not folder.exists():
                folder.mkdir()
                (folder / service).write_text(lines)
        return str(folder)

    def testcode(self, arguments):
        """The lines of a stack that has nothing but the test module."""
        return "".join(f"{kind} required {self.module} {arguments}\n" for kind in ("auth", "account", "session"))

    def options(self, pam="joe", virtual=None):
        """What nearly every start needs: no delays, log on stderr, a PAM stack, and joe's uid; and the relay, whatever the kernel can."""
        if virtual is None:
            virtual = pam not in ("unix", "permit")
        options = ["--log", "stderr", "--failure-delay", "0", "--ktls", "off", "--gate-root", str(self.folder / "gate"),
                   "--pam-confdir", self.pam(pam)]
        if virtual:
            options += ["--run-as", self.host_user, "--home", self.host_home]
        return options

    def report(self):
        """A place for the recorder's report."""
        return Report(self.file("reports"))

    def mailbox(self, style="tag", then="echo", report=None):
        return [self.recorder, str(report.path) if report else "-", style, then]

    # --- connections

    def _ends(self, on):
        """The client's wire, and what imapgate gets as descriptors 0 and 1."""
        if on == "unix":
            client, server = socket.socketpair()
            return SocketWire(client), server, server
        if on == "path":
            return self._by_path()
        if on == "pipe":
            (there, client_out), (client_in, back) = os.pipe(), os.pipe()
            return PipeWire(client_in, client_out), os.fdopen(there, "rb"), os.fdopen(back, "wb")
        client, server = connected_tcp(*TCP[on])
        return SocketWire(client), server, server

    def _by_path(self):
        path = str(self.file("scratch", ".sock"))
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen(1)
            client = socket.socket(socket.AF_UNIX)
            client.connect(path)
            server = listening.accept()[0]
        os.unlink(path)
        return SocketWire(client), server, server

    def launch(self, command, on="unix", *, wrap=(), wire=None, **process):
        """Starts a command on a new connection; wrap is a command line to put in front of it."""
        if LISTENER and command[0] == self.program and on != "pipe" and not wrap:
            return self._listen(command, on, wire, **process)
        client, stdin, stdout = self._ends(on)
        log_path = self.file("logs")
        with open(log_path, "ab") as log:
            started = subprocess.Popen([*wrap, *command], stdin=stdin, stdout=stdout, stderr=log,
                                       cwd=process.pop("cwd", "/"), **process)
        stdin.close()
        stdout.close()
        client = wire(client) if wire else client
        return Session(started, client, log_path, protected=on not in TCP)

    def _listen(self, command, on, wire, **process):
        """The same on a listening socket, where the client is first."""
        if on in TCP:
            listening = socket.create_server((TCP[on][1], 0), family=TCP[on][0])
        else:
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(str(self.file("scratch", ".sock")))
            listening.listen()
        client = socket.socket(listening.family)
        client.settimeout(5)
        client.connect(listening.getsockname())
        log_path = self.file("logs")
        with listening, open(log_path, "ab") as log:
            started = subprocess.Popen(["sh", "-c", LISTEN, "sh", *command], stdin=listening, stdout=log, stderr=log,
                                       cwd=process.pop("cwd", "/"), **process)
        client = wire(SocketWire(client)) if wire else SocketWire(client)
        try:
            child = OnlyChild(started, log_path)
        except BaseException:
            started.kill()
            started.wait()
            raise
        return Session(child, client, log_path, protected=on not in TCP)

    def start(self, *options, on="unix", pam="joe", virtual=None, mailbox=None, certificate="ecdsa", context=None,
              handshake=True, **launching):
        """Starts imapgate on a new connection. on="tls" and on="starttls" bring a certificate, and do the handshake."""
        command = [self.program, *self.options(pam, virtual)]
        if on in ("tls", "starttls"):
            certificate = self.certificate(certificate)
            command += certificate.options
            if on == "tls":
                command.append("--tls-on-connect")
        command += [*map(str, options), "--", *map(str, mailbox or self.mailbox())]
        session = self.launch(command, on, **launching)
        try:
            if handshake and on == "tls":
                session.handshake(context or certificate.context())
            if handshake and on == "starttls":
                session.greeting()
                session.starttls(context or certificate.context())
        except BaseException:
            session.stop()
            raise
        return session

    def ready(self, *options, on="unix", **more):
        """start(), and the greeting is read."""
        session = self.start(*options, on=on, **more)
        if on != "starttls":
            session.greeting()
        return session
