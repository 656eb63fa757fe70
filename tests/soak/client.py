"""One client of the soak: a connection whose octets may be cut, slowed down or reset anywhere, and what it has seen.

asyncio with TLS in memory (ssl.MemoryBIO), since hundreds of them share a process, and a cut has to fall between any two octets.
"""

import asyncio
import socket
import ssl
import struct


class Cut(Exception):
    """The client has sent as many octets as it wanted to."""


class Gone(Exception):
    """The server has ended the connection."""


class Client:
    """It waits for no answer longer than patience: then it is a fault of the server's, asyncio.TimeoutError."""

    def __init__(self, address, source, patience):
        self.address, self.source, self.patience = address, source, patience
        self.budget = None      # octets until it goes
        self.resets = False     # by RST
        self.pace = 0           # seconds between two octets
        self.buffer = b""
        self.tls = None
        self.port = 0
        self.sock = None

    async def connect(self):
        self.loop = asyncio.get_running_loop()
        if isinstance(self.address, str):
            self.sock = socket.socket(socket.AF_UNIX)
        else:
            self.sock = socket.socket()
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock.bind((self.source, 0))
        self.sock.setblocking(False)
        async with asyncio.timeout(self.patience):
            await self.loop.sock_connect(self.sock, self.address)
        if self.source:
            self.port = self.sock.getsockname()[1]

    def close(self):
        if self.sock is None:
            return
        if self.resets and self.source:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    # --- octets

    async def _raw_send(self, data):
        cut = self.budget is not None and len(data) >= self.budget
        if cut:
            data = data[:self.budget]
        if self.budget is not None:
            self.budget -= len(data)
        try:
            async with asyncio.timeout(self.patience):
                if self.pace:
                    for at in range(len(data)):
                        await self.loop.sock_sendall(self.sock, data[at:at + 1])
                        await asyncio.sleep(self.pace)
                else:
                    await self.loop.sock_sendall(self.sock, data)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None
        if cut:
            raise Cut

    async def _raw_receive(self):
        """Looks twice: a machine that stands still lets this clock run out too."""
        try:
            return await self._receive_within(self.patience)
        except TimeoutError:
            return await self._receive_within(self.patience / 4)

    async def _receive_within(self, seconds):
        async with asyncio.timeout(seconds):
            try:
                return await self.loop.sock_recv(self.sock, 65536)
            except ConnectionResetError:
                return b""

    # --- TLS

    async def handshake(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing)
        while True:
            try:
                self.tls.do_handshake()
                await self._flush()
                return
            except ssl.SSLWantReadError:
                await self._flush()
                if not (data := await self._raw_receive()):
                    raise Gone from None
                self.incoming.write(data)
            except ssl.SSLError:
                raise Gone from None

    async def _flush(self):
        if data := self.outgoing.read():
            await self._raw_send(data)

    # --- plain or protected

    async def send(self, data):
        if self.tls:
            self.tls.write(data)
            await self._flush()
        else:
            await self._raw_send(data)

    async def receive(self):
        """Some octets; b"" at the end."""
        if not self.tls:
            return await self._raw_receive()
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                await self._flush()
                if not (data := await self._raw_receive()):
                    return b""
                self.incoming.write(data)
            except ssl.SSLError:
                return b""

    async def line(self):
        while b"\r\n" not in self.buffer:
            if not (data := await self.receive()):
                raise Gone
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    async def command(self, text):
        """Sends it, and returns the first word of the tagged answer behind the tag."""
        await self.send(text + b"\r\n")
        tag = text.split(b" ")[0]
        while not (line := await self.line()).startswith(tag + b" "):
            pass
        return line.split(b" ")[1]

    async def read_to_end(self):
        while await self.receive():
            pass
