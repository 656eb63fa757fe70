"""The server's side: imapgate on accepted connections, with a mailbox program that obeys."""

import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from client import wait_for

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
from clientca import Authority, email   # noqa: E402

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IMAPGATE_BUILD", TREE / "build")).resolve()
PASSWORD = "sesame-and-more"


def read(path):
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def children_of(pid):
    return [int(child) for child in read(f"/proc/{pid}/task/{pid}/children").split()]


class Stage:
    """A folder that everybody can reach, with what a login needs: nobody's mailbox, any password."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.names = itertools.count(1)
        self.folder.mkdir(mode=0o755)
        for name, mode in (("bin", 0o755), ("pam", 0o755), ("reports", 0o777), ("home", 0o777), ("logs", 0o755)):
            (self.folder / name).mkdir()
            (self.folder / name).chmod(mode)
        for path in (BUILD / "imapgate", BUILD / "vm-mailbox", TREE / "src" / "imapgate-dovecot"):
            (self.folder / "bin" / path.name).write_bytes(path.read_bytes())
            (self.folder / "bin" / path.name).chmod(0o755)
        os.chown(self.folder / "home", 65534, 65534)
        (self.folder / "pam" / "imapgate").write_text("".join(
            f"{kind} required pam_permit.so\n" for kind in ("auth", "account", "session")))
        self.key, self.cert = self.folder / "key.pem", self.folder / "cert.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "30", "-subj", "/CN=localhost", "-keyout", self.key, "-out", self.cert],
                       check=True, stderr=subprocess.DEVNULL)

    @functools.cached_property
    def authority(self):
        """Who signs certificates of clients, and one of joe's."""
        (self.folder / "ca").mkdir(exist_ok=True)
        return Authority(self.folder / "ca")

    @functools.cached_property
    def joe(self):
        return self.authority.certificate(email("joe"))

    def _command(self, options, program, report):
        return [str(self.folder / "bin/imapgate"), "--log", "stderr", "--failure-delay", "0", "--gate-user", "daemon",
                "--gate-root", str(self.folder / "gate"), "--pam-confdir", str(self.folder / "pam"),
                "--run-as", "nobody", "--home", str(self.folder / "home"), "--cert", str(self.cert), "--key", str(self.key),
                *options, "--", *(program or [str(self.folder / "bin/vm-mailbox"), str(report)])]

    def check(self, *options):
        """What --check says."""
        return subprocess.run(self._command(["--check", *options], None, self.folder / "reports" / "check"), capture_output=True, text=True,
                              stdin=subprocess.DEVNULL).stdout

    def _files(self):
        """For a session's report and its log."""
        report = self.folder / "reports" / f"{next(self.names):05d}"
        return report, self.folder / "logs" / report.name

    def start(self, *options, program=None, starttls=False, buffer=0, before=None, wrapper=()):
        """One connection: the client's socket and the session that serves it."""
        listening = socket.create_server(("127.0.0.1", 0))
        client = connect(listening, buffer)
        server = listening.accept()[0]
        listening.close()
        if before:
            before(client)
        report, log = self._files()
        command = [*wrapper, *self._command([*options, *([] if starttls else ["--tls-on-connect"])], program, report)]
        with open(log, "wb") as stderr, server:
            process = subprocess.Popen(command, stdin=server, stdout=server, stderr=stderr, cwd="/")
        return client, Session(process, report, log)


class Listening(Stage):
    """The same, but each connection is accepted by a listener of imapgate's, which is there for it alone."""

    def __init__(self, stage):
        vars(self).update(vars(stage))

    # The service manager's part of sd_listen_fds(3): the socket is descriptor 3, and the pid is known when it is too late to tell it.
    PASS = 'LISTEN_PID=$$ exec "$@" 3<&0 0</dev/null >&2'

    def start(self, *options, program=None, starttls=False, buffer=0):
        listening = socket.create_server(("127.0.0.1", 0))
        report, log = self._files()
        environment = {**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "imap" if starttls else "imaps"}
        with open(log, "wb") as stderr, listening:
            process = subprocess.Popen(["sh", "-c", self.PASS, "listener", *self._command(options, program, report)],
                                       stdin=listening, stderr=stderr, cwd="/", env=environment)
            return connect(listening, buffer), Listened(process, report, log)


def connect(listening, buffer):
    client = socket.socket()
    if buffer:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.connect(listening.getsockname())
    return client


class Session:
    def __init__(self, process, report, log):
        self.process, self.pid, self.report_path, self.log_path = process, process.pid, report, log

    def log(self):
        return read(self.log_path)

    def how(self):
        """What the handoff's line says: "ktls", "relay left-over" and so on."""
        line = wait_for(lambda: re.search(r"handoff .* how=(\w+) style=\w+(?: why=([\w-]+))?", self.log()), what="the handoff's line")
        return " ".join(word for word in line.groups() if word)

    def report(self, word):
        """The rest of the report's line that begins so."""
        return wait_for(lambda: re.search(rf"(?m)^{word} (.*)$", read(self.report_path)), what=f"{word} in the report").group(1)

    def data(self):
        return Path(f"{self.report_path}.data").read_bytes()

    def program_pid(self):
        return int(re.search(r"pid=(\d+)", self.report("started")).group(1))

    def relay_pid(self):
        """A child of the process that has become the mailbox program."""
        return children_of(self.pid)[0]

    def wait(self, timeout=60):
        return self.process.wait(timeout)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class Listened(Session):
    """A session that is a child of a listener."""

    def __init__(self, listener, report, log):
        self.listener, self.process, self.report_path, self.log_path = listener.pid, listener, report, log

    @property
    def pid(self):
        return int(wait_for(lambda: re.search(r"imapgate\[(\d+)\]: handoff ", self.log()), what="the handoff's line").group(1))

    def relay_pid(self):
        """A gate is the listener's child, as the session is."""
        return next(pid for pid in children_of(self.listener) if read(f"/proc/{pid}/comm") == "imapgate-gate\n")

    def wait(self, timeout=60):
        """For the session's end; nobody but the listener knows its status, so it is the listener's own that is returned."""
        wait_for(lambda: not os.path.exists(f"/proc/{self.pid}"), timeout, "the session's end")
        self.process.terminate()
        return self.process.wait(timeout)


def counters():
    """/proc/net/tls_stat"""
    return {name: int(value) for name, value in re.findall(r"(\w+)\s+(\d+)", read("/proc/net/tls_stat"))}
