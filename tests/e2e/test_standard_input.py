"""A listener whose one socket is descriptor 0: inetd's "wait", s6, runit, and whatever else does it so."""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

import documents
import loglines
import superserver
from clients import STARTTLS, TLS
from processes import children_of, connections_of, name_of
from session import Session
from stage import TREE
from test_listener import close
from test_superservers import converse, places, reads_mail, recipe, where_there_is, xinetd  # noqa: F401 (a fixture)
from wire import PATIENCE, SocketWire

CLEAR = ("--allow-cleartext", "loopback")


def until(true, what):
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.005)


class OnStandardInput:
    """imapgate with a listening socket as descriptor 0, and if it shall be like inetd's as 1 and 2 too."""

    def __init__(self, stage, *options, like_inetd=False, address="127.0.0.1", port=0, environment=None, program=None):
        self.listening = socket.create_server((address, port))
        self.address = self.listening.getsockname()
        self.log_path = stage.file("logs")
        command = [program or stage.program, *stage.options(), *options, "--", *stage.mailbox()]
        with open(self.log_path, "ab") as log:
            output = self.listening if like_inetd else log
            self.process = subprocess.Popen(command, stdin=self.listening, stdout=output, stderr=output, cwd="/",
                                            env={**os.environ, **(environment or {})})
        self.listening.close()

    def log(self, name):
        text = self.log_path.read_text(errors="backslashreplace")
        return [event for event in loglines.read(text) if event.name == name]

    def connect(self):
        client = socket.create_connection(self.address, timeout=PATIENCE)
        imap = Session(self.process, SocketWire(client), self.log_path, protected=False)
        imap.greeting()
        return imap

    def sockets(self):
        """How many descriptors are the listening socket."""
        folder = f"/proc/{self.process.pid}/fd"
        with open(f"/proc/{self.process.pid}/net/tcp", encoding="ascii") as lines:
            inodes = {words[9] for words in map(str.split, lines) if words[3] == "0A" and words[1].endswith(f":{self.address[1]:04X}")}
        return sorted(int(fd) for fd in os.listdir(folder) if os.readlink(f"{folder}/{fd}") in {f"socket:[{i}]" for i in inodes})

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def log_in_and_out(server):
    imap = server.connect()
    imap.login()
    close(imap)


@pytest.mark.parametrize("like_inetd", (False, True), ids=("0", "0 to 2"))
def test_listener_on_descriptor_0(stage, like_inetd):
    """Several clients, one process; only one descriptor is the socket, so closing that ends it."""
    with OnStandardInput(stage, *CLEAR, like_inetd=like_inetd) as server:
        several = [server.connect() for _ in range(3)]
        several[1].login()
        assert len(connections_of(server.process.pid)) == 3
        fd, = server.sockets()
        assert fd > 2
        for imap in several:
            close(imap)


@pytest.mark.parametrize("like_inetd", (False, True), ids=("0", "0 to 2"))
def test_SIGTERM(stage, like_inetd):
    """Clients before login are told, sessions go on, nobody listens any longer."""
    with OnStandardInput(stage, *CLEAR, like_inetd=like_inetd) as server:
        session, waiting = server.connect(), server.connect()
        session.login()
        server.process.send_signal(signal.SIGTERM)
        assert waiting.line().startswith(b"* BYE [UNAVAILABLE]")
        assert server.process.wait(PATIENCE) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address, timeout=PATIENCE)
        session.send(b"b NOOP\r\n")
        assert session.line() == b"b OK heard NOOP"
        close(session)


@pytest.mark.parametrize("like_inetd", (False, True), ids=("0", "0 to 2"))
def test_SIGHUP(stage, like_inetd):
    """The same process goes on with the same socket, twice; a session and a client that waits are kept."""
    with OnStandardInput(stage, *CLEAR, like_inetd=like_inetd) as server:
        session, waiting = server.connect(), server.connect()
        session.login()
        for _ in range(2):
            before = time_of_execution(server.process.pid)
            server.process.send_signal(signal.SIGHUP)
            until(lambda before=before: time_of_execution(server.process.pid) != before, "it does not execute itself")
            log_in_and_out(server)
        fd, = server.sockets()
        assert fd > 2
        waiting.login()
        for imap in (session, waiting):
            close(imap)


def time_of_execution(pid):
    """Where the stack begins: each execve(2) puts it somewhere else (proc_pid_stat(5), startstack)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[25]


def test_SIGHUP_that_fails(stage):
    """The settings are no use any longer: it says so, and serves as before; its socket is nowhere but in one place."""
    settings = stage.file("scratch", ".conf")
    settings.write_text("allow-cleartext = loopback\n")
    with OnStandardInput(stage, "--config", str(settings)) as server:
        log_in_and_out(server)
        settings.write_text("nothing = at all\n")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log("reload-failed"), "it does not say that it stays as it was")
        log_in_and_out(server)
        assert len(server.sockets()) == 1


def test_variables_for_another_process(stage):
    """What a service manager has passed to an ancestor is not ours, and a reload does not make it so."""
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "imaps"}
    with OnStandardInput(stage, *CLEAR, environment=environment) as server:
        log_in_and_out(server)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: len(server.log("listener-ready")) == 2, "it does not execute itself")
        log_in_and_out(server)


def test_port_993(root_stage):
    """TLS begins with the connection there, and needs a certificate."""
    try:
        with OnStandardInput(root_stage, address="127.0.0.9", port=993) as server:
            assert server.process.wait(PATIENCE) == 78
    except OSError as error:
        pytest.skip(f"port 993: {error}")
    certificate = root_stage.certificate()
    with OnStandardInput(root_stage, *certificate.options, address="127.0.0.9", port=993) as server:
        client = socket.create_connection(server.address, timeout=PATIENCE)
        imap = Session(server.process, SocketWire(client), server.log_path, protected=False)
        imap.handshake(certificate.context())
        imap.greeting()
        imap.login()
        close(imap)


def test_started_by_systemd_with_its_socket_twice(stage):
    """StandardInput=socket with Accept=no: descriptors 0 and 3 are one socket, and after SIGTERM nobody listens."""
    listening = socket.create_server(("127.0.0.1", 0))
    log_path = stage.file("logs")
    script = 'exec 3<&0; LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'
    with listening, open(log_path, "ab") as log:
        process = subprocess.Popen(["sh", "-c", script, "sh", stage.program, *stage.options(), *CLEAR, "--", *stage.mailbox()],
                                   stdin=listening, stdout=log, stderr=log, cwd="/")
        address = listening.getsockname()
    try:
        client = socket.create_connection(address, timeout=PATIENCE)
        assert SocketWire(client).receive().startswith(b"* OK ")
        process.send_signal(signal.SIGTERM)
        until(lambda: b"listener-stop" in log_path.read_bytes(), "it does not stop")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=PATIENCE)
        client.close()
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


# --- the manual's recipes, by the real programs

def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program} on this machine")


def listener_of(server):
    """The superserver's only child, when it has one."""
    until(lambda: children_of(server.process.pid), "the superserver has started nothing")
    pid, = children_of(server.process.pid)
    return pid


def serves_and_is_replaced(stage, server, port, security):
    """Two clients of one listener; after SIGTERM to that, the next client has another one."""
    reads_mail(stage, port, security)
    first = listener_of(server)
    reads_mail(stage, port, security)
    assert listener_of(server) == first and name_of(first) == "imapgate"
    os.kill(first, signal.SIGTERM)
    until(lambda: children_of(server.process.pid) != [first], "the superserver does not see the end of the listener")
    reads_mail(stage, port, security)
    return listener_of(server)


def end_listener(pid):
    """A superserver leaves it behind."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    until(lambda: not os.path.exists(f"/proc/{pid}") or name_of(pid) != "imapgate", "the listener stays")


@needs("inetd")
@pytest.mark.parametrize("line, service, security", ((0, "imap", STARTTLS), (1, "imaps", TLS)), ids=("imap", "imaps"))
def test_recipe_inetd_wait(root_stage, line, service, security):
    """inetd's own SIGHUP changes nothing, and what it leaves behind when it ends is ended by a signal."""
    port, settings = superserver.free_port(), root_stage.file("scratch", ".conf")
    text = recipe("inetd", "inetd", 1, "imap stream").splitlines()[line]
    settings.write_text(documents.adapted(text, places(root_stage, **{f"{service} stream": f"127.0.0.1:{port} stream"})) + "\n")
    with superserver.Foreign(root_stage, ["inetd", "-i", str(settings)], port) as server:
        listener = serves_and_is_replaced(root_stage, server, port, security)
        try:
            server.process.send_signal(signal.SIGHUP)
            reads_mail(root_stage, port, security)
            assert listener_of(server) == listener
        finally:
            end_listener(listener)


@pytest.mark.parametrize("options, security", (("", STARTTLS), ("server_args = --tls-on-connect", TLS)), ids=("imap", "imaps"))
def test_recipe_xinetd_wait(root_stage, xinetd, options, security):  # noqa: F811
    port, settings = superserver.free_port(), root_stage.file("scratch", ".conf")
    settings.write_text(documents.adapted(recipe("xinetd", "xinetd", 1, "service imap"), places(root_stage, **{
        "socket_type = stream": f"socket_type = stream\n type = UNLISTED\n protocol = tcp\n port = {port}\n bind = 127.0.0.1\n {options}"}))
        + "\n")
    with superserver.Foreign(root_stage, [xinetd, "-dontfork", "-f", str(settings), "-pidfile",
                                          str(root_stage.file("scratch", ".pid"))], port) as server:
        listener = serves_and_is_replaced(root_stage, server, port, security)
        end_listener(listener)


@pytest.fixture(scope="session")
def runsv():
    """Debian's runit, from a folder of its own: nothing of it shall be started here."""
    folder = TREE / "build" / "runit"
    done = subprocess.run([TREE / "tests" / "unpack", folder, "runit"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"runit can't be unpacked: {done.stderr}")
    return str(folder / "usr" / "bin" / "runsv")


def service(stage, text):
    folder = stage.file("scratch")
    folder.mkdir()
    (folder / "run").write_text(text + "\n")
    (folder / "run").chmod(0o755)
    return folder


def reads_by_path(stage, path):
    account = stage.users["imapgt1"]
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    said = converse(SocketWire(client), f"a LOGIN {account.name} {account.password}\r\nb SELECT INBOX\r\n".encode())
    assert b" EXISTS\r\n" in said, said


@pytest.mark.parametrize("supervisor", ("s6-supervise", "runsv"))
def test_recipe_path(root_stage, request, supervisor):
    """A supervisor starts another one when the listener has ended, on a new socket of the same name."""
    if not shutil.which("s6-ipcserver-socketbinder"):
        pytest.skip("no s6-ipcserver-socketbinder on this machine")
    program = request.getfixturevalue("runsv") if supervisor == "runsv" else shutil.which(supervisor)
    path = str(root_stage.file("scratch", ".sock"))
    folder = service(root_stage, documents.adapted(recipe("s6 and runit", "service", 2, "#!/bin/sh"), places(root_stage, **{"/run/imap.sock": path})))
    with superserver.Foreign(root_stage, [program, str(folder)], path=path) as server:
        reads_by_path(root_stage, path)
        first = listener_of(server)
        reads_by_path(root_stage, path)
        assert listener_of(server) == first
        os.kill(first, signal.SIGTERM)
        until(lambda: server.log_text().count("listener-ready") == 2, "there is no other listener")
        reads_by_path(root_stage, path)


@where_there_is("s6-tcpserver-socketbinder")
def test_recipe_s6_tcpserver_socketbinder(root_stage):
    port = superserver.free_port()
    folder = service(root_stage, documents.adapted(recipe("s6 and runit", "service", 1, "#!/bin/sh"), places(root_stage, **{
        " 0.0.0.0 143 ": f" 127.0.0.1 {port} "})))
    with superserver.Foreign(root_stage, ["s6-supervise", str(folder)], port) as server:
        reads_mail(root_stage, port, STARTTLS)
        first = listener_of(server)
        reads_mail(root_stage, port, STARTTLS)
        assert listener_of(server) == first
