"""Clients: TLS with every record in our hands, and the two things that Python's ssl can't do."""

import ctypes
import ctypes.util
import os
import re
import select
import socket
import ssl
import struct
import time

RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


class Client:
    """TLS over a TCP socket. What is written becomes one record, and records go out when it is said."""

    def __init__(self, sock, version=None, ciphers=None, keylog=None, certificate=None, resumed=None):
        self.sock, self.plain, self.first = sock, b"", b""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        # A session can only be used with the context that it is from.
        self.context = context = resumed.context if resumed else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if version:
            context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        if keylog:
            context.keylog_filename = keylog
        if certificate:
            certificate.into(context)
        self.tls = context.wrap_bio(self.incoming, self.outgoing, session=resumed and resumed.tls.session)
        self.ended = None       # "close_notify" or "FIN" or the name of an error

    def _feed(self, timeout=60):
        """More octets from the socket."""
        if not select.select([self.sock], [], [], timeout)[0]:
            raise TimeoutError("the server says nothing")
        try:
            octets = self.sock.recv(1 << 16)
        except OSError as error:
            self.ended = type(error).__name__
            return False
        if not octets:
            self.incoming.write_eof()
            return False
        self.first = self.first or octets
        self.incoming.write(octets)
        return True

    def handshake(self, *behind):
        """What is behind it leaves together with Finished, one record for each."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.flush()
                if not self._feed():
                    raise ConnectionError("no handshake") from None
        self.send(*behind)
        return self

    def was_retried(self):
        """Was the first answer a HelloRetryRequest (RFC 8446, 4.1.3)?"""
        return self.first[11:43] == RETRY

    def write(self, octets):
        for at in range(0, len(octets), 16384):
            self.tls.write(octets[at:at + 16384])
        return self

    def close_notify(self):
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        return self

    def flush(self):
        self.sock.sendall(self.outgoing.read())

    def send(self, *pieces):
        """One record for each piece, all in one go."""
        for piece in pieces:
            self.write(piece)
        self.flush()

    def read(self):
        """What is there next, or b'' at the end, which ended says."""
        while not self.ended:
            try:
                octets = self.tls.read(1 << 16)
                if octets:
                    return octets
                self.ended = "close_notify"
            except ssl.SSLWantReadError:
                if not self._feed() and not self.ended:
                    continue
            except ssl.SSLZeroReturnError:
                self.ended = "close_notify"
            except ssl.SSLEOFError:
                self.ended = "FIN"
            except ssl.SSLError as error:
                self.ended = error.reason or "SSLError"
        return b""

    def until(self, expression):
        """Everything up to and with the first match."""
        while True:
            found = re.search(expression, self.plain)
            if found:
                octets, self.plain = self.plain[:found.end()], self.plain[found.end():]
                return octets
            more = self.read()
            if not more:
                raise ConnectionError(f"{self.ended} before {expression}; there was {self.plain[-200:]}")
            self.plain += more

    def line(self):
        return self.until(rb"\r\n")

    def rest(self):
        """Everything until the end."""
        pieces = [self.plain]
        while more := self.read():
            pieces.append(more)
        self.plain = b""
        return b"".join(pieces)

    def login(self, *behind, tag=b"a1"):
        """LOGIN in a record of its own, what is behind it in others, in one go."""
        self.send(tag + b" LOGIN joe sesame-and-more\r\n", *behind)
        return self.until(rb"(?m)^" + tag + rb" .*\r\n")

    def fin(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self):
        self.sock.close()


class Rare:
    """OpenSSL itself, for KeyUpdate and max_fragment_length."""

    UPDATE_NOT_REQUESTED, UPDATE_REQUESTED = 0, 1
    MAX_PROTO_VERSION = 124     # SSL_CTX_ctrl's

    def __init__(self, sock, fragment=0, version=None):
        self.lib = lib = ctypes.CDLL(ctypes.util.find_library("ssl"))
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(lib, name).restype = ctypes.c_void_p
        self.sock = sock
        sock.setblocking(True)
        ctx = ctypes.c_void_p(lib.SSL_CTX_new(ctypes.c_void_p(lib.TLS_client_method())))
        if fragment and lib.SSL_CTX_set_tlsext_max_fragment_length(ctx, fragment) != 1:
            raise ValueError("max_fragment_length")
        if version:
            lib.SSL_CTX_ctrl(ctx, self.MAX_PROTO_VERSION, ctypes.c_long(version), None)
        self.ssl = ctypes.c_void_p(lib.SSL_new(ctx))
        lib.SSL_set_fd(self.ssl, sock.fileno())
        if lib.SSL_connect(self.ssl) != 1:
            raise ConnectionError("no handshake")

    def send(self, octets):
        if self.lib.SSL_write(self.ssl, octets, len(octets)) != len(octets):
            raise ConnectionError("SSL_write")

    def key_update(self, kind=UPDATE_NOT_REQUESTED):
        """The message goes out with the next record."""
        if self.lib.SSL_key_update(self.ssl, kind) != 1:
            raise ValueError("SSL_key_update")

    def until(self, ending):
        octets, buffer = b"", ctypes.create_string_buffer(4096)
        while ending not in octets:
            n = self.lib.SSL_read(self.ssl, buffer, 4096)
            if n <= 0:
                raise ConnectionError(f"the end; there was {octets}")
            octets += buffer.raw[:n]
        return octets

    def close(self):
        self.sock.close()


def wait_for(condition, timeout=30, what="a condition"):
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited for {what}")
        time.sleep(0.02)
    return value


def settled(pid):
    """Waits until a keeper has executed itself anew and let go of all but the client and the log."""
    wait_for(lambda: os.listdir(f"/proc/{pid}/fd") == ["0", "1"], what="two descriptors")
