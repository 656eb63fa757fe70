"""A client over STARTTLS or TLS that stops, as by ^Z, at a step of its login: stopping.py starttls|tls STEP.

It says on standard input, which is a socket, that it is ready, and is given its connection there.
"""

import os
import signal
import socket
import ssl
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from wire import SocketWire, TlsWire  # noqa: E402

on, step = sys.argv[1:]
control = socket.socket(fileno=0)
control.send(b"ready")
fd, = socket.recv_fds(control, 1, 1)[1]
raw = SocketWire(socket.socket(fileno=fd))
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE


def reached(here):
    if here == step:
        os.kill(os.getpid(), signal.SIGSTOP)


class Halved:
    """What is sent first, and only half of it."""

    def __init__(self, wire):
        self.wire = wire

    def send(self, data, timeout=20):
        self.wire.send(data[:len(data) // 2], timeout)
        reached("half a hello")

    def __getattr__(self, name):
        return getattr(self.wire, name)


def line(wire):
    data = b""
    while not data.endswith(b"\r\n"):
        data += wire.receive() or sys.exit("the server has ended")
    return data


reached("connected")
if on == "starttls":
    line(raw)
    raw.send(b"s STARTTLS\r\n")
    reached("STARTTLS, answer unread")
    line(raw)
    reached("STARTTLS")
tls = TlsWire(Halved(raw) if step == "half a hello" else raw, context)
try:
    tls.tls.do_handshake()
except ssl.SSLWantReadError:
    tls._flush()
reached("hello")
tls.handshake()
reached("handshake")
if on == "tls":
    line(tls)
tls.send(b"a LOG")
reached("half a command")
tls.send(b"IN joe mumble\r\n")
reached("wrong login, answer unread")
line(tls)
tls.send(b"b LOGIN joe sesame\r\n")
reached("login, answer unread")
line(tls)
reached("session")
