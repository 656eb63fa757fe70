"""The client's end of a connection: a socket, a pair of pipes, TLS over either.

All of them send, receive, half-close and close, and no call waits for ever.
TLS runs in memory (ssl.MemoryBIO), so that a test decides what is one TLS
record, what is one segment, and where a connection is cut.
"""

import fcntl
import os
import select
import socket
import ssl
import struct
import termios
import time

PATIENCE = float(os.environ.get("IMAPGATE_TEST_PATIENCE", "20"))


class Silence(AssertionError):
    """Nothing came, for longer than a test is willing to wait."""


def _wait(fd, events, timeout):
    poll = select.poll()
    poll.register(fd, events)
    if not poll.poll(timeout * 1000):
        raise Silence(f"nothing happened for {timeout:g} s")


class SocketWire:
    def __init__(self, sock):
        self.sock = sock
        sock.setblocking(False)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data, timeout=PATIENCE):
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view, socket.MSG_NOSIGNAL):]
            except BlockingIOError:
                _wait(self.sock, select.POLLOUT, timeout)

    def receive(self, timeout=PATIENCE):
        """Some bytes, b"" at the end."""
        _wait(self.sock, select.POLLIN, timeout)
        try:
            return self.sock.recv(1 << 16)
        except ConnectionResetError:
            return b""

    def unread(self):
        """How much the other side has not read yet; a Unix socket knows, for TCP it is a guess."""
        return struct.unpack("i", fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends a TCP connection with RST: the client has vanished."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class PipeWire:
    def __init__(self, read_fd, write_fd):
        self.read_fd, self.write_fd = read_fd, write_fd
        os.set_blocking(read_fd, False)
        os.set_blocking(write_fd, False)

    def send(self, data, timeout=PATIENCE):
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.write_fd, view):]
            except BlockingIOError:
                _wait(self.write_fd, select.POLLOUT, timeout)

    def receive(self, timeout=PATIENCE):
        _wait(self.read_fd, select.POLLIN, timeout)
        return os.read(self.read_fd, 1 << 16)

    def unread(self):
        return struct.unpack("i", fcntl.ioctl(self.write_fd, termios.FIONREAD, b"\0\0\0\0"))[0]

    def half_close(self):
        if self.write_fd is not None:
            os.close(self.write_fd)
            self.write_fd = None

    def close(self):
        self.half_close()
        if self.read_fd is not None:
            os.close(self.read_fd)
            self.read_fd = None


class Bytewise:
    """Sends one byte at a time, and gives the other side the time to take it."""

    def __init__(self, wire):
        self.wire = wire

    def send(self, data, timeout=PATIENCE):
        for i in range(len(data)):
            self.wire.send(data[i:i + 1], timeout)
            self._let_it_be_read()

    def _let_it_be_read(self):
        for _ in range(20):
            if self.wire.unread() == 0:
                return
            time.sleep(0.0001)

    def __getattr__(self, name):
        return getattr(self.wire, name)


class Recorded:
    """Remembers what was sent and received, for tests that look at the raw bytes."""

    def __init__(self, wire):
        self.wire = wire
        self.sent = bytearray()
        self.received = bytearray()

    def send(self, data, timeout=PATIENCE):
        self.wire.send(data, timeout)
        self.sent += data

    def receive(self, timeout=PATIENCE):
        data = self.wire.receive(timeout)
        self.received += data
        return data

    def __getattr__(self, name):
        return getattr(self.wire, name)


class TlsWire:
    """TLS over another wire. One send is one TLS record (up to 16 KiB)."""

    def __init__(self, wire, context, server_name=None):
        self.wire = wire
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=server_name)
        self.ended_cleanly = False

    def _flush(self):
        data = self.outgoing.read()
        if data:
            self.wire.send(data)

    def _feed(self, timeout):
        data = self.wire.receive(timeout)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()

    def handshake(self, timeout=PATIENCE):
        while True:
            try:
                self.tls.do_handshake()
                self._flush()
                return
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(timeout)
            except ssl.SSLError:
                self._flush()
                raise

    def send(self, data, timeout=PATIENCE):
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view[:16384]):]
            self._flush()

    def receive(self, timeout=PATIENCE):
        """Some bytes; b"" at the end, and ended_cleanly then says whether there was a close_notify."""
        while True:
            try:
                data = self.tls.read(1 << 16)
                self._flush()
                self.ended_cleanly = data == b""
                return data
            except ssl.SSLWantReadError:
                self._flush()
                self._feed(timeout)
            except ssl.SSLZeroReturnError:
                self.ended_cleanly = True
                return b""
            except ssl.SSLEOFError:
                return b""

    def unread(self):
        return self.wire.unread()

    def half_close(self):
        """Sends close_notify, and goes on reading."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass
        self._flush()

    def close(self):
        self.wire.close()

    def reset(self):
        self.wire.reset()

    @property
    def version(self):
        return self.tls.version()

    @property
    def cipher(self):
        return self.tls.cipher()[0]
