"""What accepts connections and starts imapgate: our own loop, and the real superservers."""

import socket
import subprocess
import threading
import time
from pathlib import Path

from wire import PATIENCE


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for_port(port):
    """Looks whether somebody listens, without connecting: a connection would start an imapgate."""
    wanted = f":{port:04X} 00000000:0000 0A"
    end = time.monotonic() + PATIENCE
    while wanted not in Path("/proc/net/tcp").read_text():
        assert time.monotonic() < end, f"nobody listens on port {port}"
        time.sleep(0.01)


def wait_for_path(path):
    """The same for a Unix-domain socket, which has its path before it listens (proc_net_unix: flag SO_ACCEPTCON)."""
    end = time.monotonic() + PATIENCE
    while not any(words[3] == "00010000" and words[-1] == path
                  for words in map(str.split, Path("/proc/net/unix").read_text().splitlines())):
        assert time.monotonic() < end, f"nobody listens on {path}"
        time.sleep(0.01)


class Plain:
    """accept(2), fork(2), execve(2), as often as clients come."""

    def __init__(self, stage, command):
        self.command = command
        self.log_path = stage.file("logs")
        self.children = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            with connection, open(self.log_path, "ab") as log:
                self.children.append(subprocess.Popen(self.command, stdin=connection, stdout=connection, stderr=log,
                                                      cwd="/"))

    def log_text(self):
        return self.log_path.read_text(errors="backslashreplace")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join(PATIENCE)
        try:
            for child in self.children:
                child.wait(PATIENCE)
        finally:
            for child in self.children:
                if child.poll() is None:
                    child.kill()
                    child.wait()


class Foreign:
    """One of the real superservers, until the end of the with block."""

    def __init__(self, stage, command, port=None, path=None):
        self.port, self.path = port, path
        self.log_path = stage.file("logs")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def log_text(self):
        return self.log_path.read_text(errors="backslashreplace")

    def __enter__(self):
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self):
        if self.port:
            wait_for_port(self.port)
        if self.path:
            wait_for_path(self.path)

    def __exit__(self, *exception):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def socket_activate(stage, command, *options, path=None):
    port = None if path else free_port()
    address = path or f"127.0.0.1:{port}"
    return Foreign(stage, ["systemd-socket-activate", f"--listen={address}", "--accept", *options, *command], port, path)


def tcpserver(stage, command):
    port = free_port()
    return Foreign(stage, ["tcpserver", "-R", "-H", "-l", "localhost", "127.0.0.1", str(port), *command], port)


def haproxy(stage, sections, port):
    """The real HAProxy with these sections, one of which listens on the port; `admin` is its stats socket."""
    admin, settings = str(stage.file("scratch", ".sock")), stage.file("scratch", ".cfg")
    settings.write_text(f"global\n  stats socket {admin} mode 600 level admin\n"
                        "defaults\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n" + sections + "\n")
    server = Foreign(stage, ["haproxy", "-db", "-f", str(settings)], port)
    server.admin = admin
    return server


def inetd(stage, command):
    """Classic inetd has room for few arguments, so a script has them; descriptor 2 is the client, as it gives it."""
    port, script, settings = free_port(), stage.file("scratch", ".sh"), stage.file("scratch", ".conf")
    words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
    script.write_text(f"#!/bin/sh\nexec {words}\n")
    script.chmod(0o755)
    settings.write_text(f"127.0.0.1:{port} stream tcp nowait root {script} {script.name}\n")
    return Foreign(stage, ["inetd", "-i", str(settings)], port)
