"""The client's address is the client's, and descriptor 0 is a client."""

import os
import pty
import signal
import socket
import struct
import subprocess

import pytest

import loglines
from listening import Listener

HERE, OWN = "127.0.0.2", "127.0.0.1"
HEADER = b"PROXY TCP4 203.0.113.9 192.0.2.1 4242 143\r\n"


def connect_and_reset(server, data=b""):
    """A connection from HERE to OWN of which the server's kernel keeps no peer."""
    with socket.create_connection(server, source_address=(HERE, 0)) as client:
        client.sendall(data)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def run(stage, *options, **streams):
    command = [stage.program, *stage.options("joe"), *map(str, options), "--", *map(str, stage.mailbox())]
    done = subprocess.run(command, stderr=subprocess.PIPE, timeout=20, **streams)
    return done.returncode, loglines.read(done.stderr.decode())


def test_reset_before_the_listener_looks(stage):
    """The address is that of accept(2); ours, which is a proxy's, does not make the client one."""
    with Listener(stage, "--proxy", OWN, "--unlimited", "192.0.2.1") as server:
        server.signal(signal.SIGSTOP)
        for _ in range(10):
            connect_and_reset(server.sockets[0].getsockname(), HEADER)
        server.signal(signal.SIGCONT)
        server.logged("end")
        server.manager.wait_for("^STATUS=0 connections before login, 0 sessions logged in; since the start 10 connections")
        lines = [event for event in server.log() if "rip" in event]
        assert lines and {event["rip"] for event in lines} == {HERE}
        assert not any("proxy" in event for event in lines)


def test_refused_and_reset_before_the_listener_looks(stage):
    with Listener(stage, "--unlimited", "192.0.2.1", "--max-connections-per-address", "1") as server:
        with socket.create_connection(server.sockets[0].getsockname(), source_address=(HERE, 0)) as first:
            first.recv(1)
            server.signal(signal.SIGSTOP)
            connect_and_reset(server.sockets[0].getsockname())
            server.signal(signal.SIGCONT)
            assert server.logged("refused")["rip"] == HERE


@pytest.mark.parametrize("options", ([], ["--proxy", OWN]), ids=("alone", "proxy"))
def test_reset_before_it_is_served(stage, options):
    """Without a listener it is not known any more who it was, and there is nobody to serve."""
    with socket.create_server((OWN, 0)) as server:
        connect_and_reset(server.getsockname(), HEADER)
        with server.accept()[0] as gone:
            status, lines = run(stage, *options, stdin=gone, stdout=gone)
    assert status == 0
    assert [(line.name, line["rip"], line["reason"]) for line in lines] == [("end", "unknown", "disconnected")]
    assert lines[0]["lip"] == OWN


def nothing(_):
    return open("/dev/null", "r+b")


def file(stage):
    return open(stage.file("scratch"), "w+b")


def terminal(_):
    return os.fdopen(pty.openpty()[1], "r+b", buffering=0)


def datagrams(_):
    bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    bound.bind((OWN, 0))
    return bound


def unconnected(_):
    return socket.socket()


def unconnected_unix(_):
    return socket.socket(socket.AF_UNIX)




@pytest.mark.parametrize("make", (nothing, file, terminal, datagrams, unconnected, unconnected_unix))
def test_standard_input_is_not_a_connection(stage, make):
    with make(stage) as it:
        status, lines = run(stage, stdin=it, stdout=it)
    assert status == 78
    assert [(line.name, line["text"]) for line in lines] == [("error", '"standard input is not a connection"')]


def test_sockets_of_another_process(stage):
    """A wrapper has LISTEN_PID from before its fork(2), so the sockets are not ours, and descriptor 0 is no client."""
    status, lines = run(stage, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                        env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"})
    assert status == 78
    assert [line["text"] for line in lines] == ['"standard input is not a connection"']
