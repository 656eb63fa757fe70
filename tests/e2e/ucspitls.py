"""A superserver that does TLS on request (UCSPI-TLS): as ucspi-tls(2) describes it, so that a test can have it behave badly."""

import os
import select
import socket
import ssl
import subprocess
import threading

from session import Session
from stage import connected_tcp
from wire import PATIENCE, SocketWire

ENVIRONMENT = b"SSL_PROTOCOL=%s\0SSL_CIPHER=%s\0SSL_TLS_SNI_SERVER_NAME=localhost\0\0"


class Superserver:
    """Serves one connection: the control socket, two pipes, and a thread that does the TLS when it is asked to."""

    def __init__(self, stage, *options, mailbox=None, certificate="ecdsa", answer=None, one_descriptor=False, pam="joe"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(stage.certificate(certificate).both)
        self.answer, self.asked = answer, []
        client, self.connection = connected_tcp(socket.AF_INET, "127.0.0.1")
        self.control, theirs = socket.socketpair()
        if one_descriptor:
            self.inside = [self.control.fileno()] * 2
            passed = [theirs.fileno()] * 3
        else:
            (down, self_down), (self_up, up) = os.pipe(), os.pipe()
            self.inside = [self_up, self_down]
            passed = [theirs.fileno(), down, up]
        names = ("SSLCTLFD", "SSLREADFD", "SSLWRITEFD")
        log_path = stage.file("logs")
        command = [stage.program, *stage.options(pam), *map(str, options), "--", *map(str, mailbox or stage.mailbox())]
        with open(log_path, "ab") as log:
            process = subprocess.Popen(command, stdin=self.connection, stdout=self.connection, stderr=log, cwd="/", pass_fds=set(passed),
                                       env={**os.environ, **dict(zip(names, map(str, passed)))})
        for fd in set(passed):
            theirs.close() if fd == theirs.fileno() else os.close(fd)
        self.imap = Session(process, SocketWire(client), log_path, protected=False)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        self.asked.append(self.control.recv(1))
        if self.asked == [b"Y"]:
            self.connection.settimeout(PATIENCE)
            try:
                with self.context.wrap_socket(self.connection, server_side=True) as tls:
                    self._answer(tls)
                    self._pump(tls)
                    tls.unwrap()
            except OSError:
                pass
        self.connection.close()
        for fd in set(self.inside) - {self.control.fileno()}:
            os.close(fd)
        self.control.close()

    def _answer(self, tls):
        answer = self.answer
        if answer is None:
            answer = ENVIRONMENT % (tls.version().encode(), tls.cipher()[0].encode())
        for octet in answer:
            self.control.send(bytes([octet]))

    def _pump(self, tls):
        read_fd, write_fd = self.inside
        while True:
            ready = [tls] if tls.pending() else select.select([tls, read_fd], [], [], PATIENCE)[0]
            for source in ready:
                data = tls.recv(1 << 14) if source is tls else os.read(read_fd, 1 << 14)
                if not data:
                    return
                os.write(write_fd, data) if source is tls else tls.sendall(data)

    def __enter__(self):
        return self.imap.__enter__()

    def __exit__(self, *exception):
        self.imap.__exit__(*exception)
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
