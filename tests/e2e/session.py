"""One connection to one imapgate: the client's side, the process, and its log.

Every line that imapgate says is checked by grammar.py as it is read. When the
mailbox program is none of ours, hand_over() says that others speak from now on.
"""

import re
import subprocess
import time

import grammar
import loglines
from wire import PATIENCE, Recorded, Silence, TlsWire


def glob(pattern):
    """A pattern of plain text in which "..." stands for anything, also nothing."""
    parts = pattern.encode() if isinstance(pattern, str) else pattern
    return re.compile(b".*".join(re.escape(part) for part in parts.split(b"...")), re.DOTALL)


def octets(data):
    return data.encode() if isinstance(data, str) else data


class Session:
    def __init__(self, process, wire, log_path, *, protected, server_name="localhost"):
        self.process = process
        self.wire = wire
        self.log_path = log_path
        self.protected = protected
        self.server_name = server_name
        self.buffer = b""
        self.checked = True
        self.expecting = None
        self.seen = []
        self.looked_at_status = False
        self.at_end = False

    # --- what the client does

    def send(self, data):
        self.wire.send(octets(data))

    def half_close(self):
        self.wire.half_close()

    def starttls(self, context, tag=b"s"):
        """STARTTLS and the handshake, as a client does it that pipelines nothing."""
        self.send(tag + b" STARTTLS\r\n")
        self.expect(tag + b" OK ...")
        return self.handshake(context)

    def handshake(self, context):
        assert self.buffer == b"", f"cleartext between the OK and the handshake: {self.buffer!r}"
        self.wire = TlsWire(self.wire, context, self.server_name if context.check_hostname else None)
        self.wire.handshake()
        self.protected = True
        return self.wire

    # --- what the server says

    def _more(self, timeout):
        data = self.wire.receive(timeout)
        self.buffer += data
        self.at_end = data == b""
        return not self.at_end

    def line(self, timeout=PATIENCE):
        """The next line without CRLF; None at the end."""
        while b"\r\n" not in self.buffer:
            if not self._more(timeout):
                assert self.buffer == b"", f"the last line has no end: {self.buffer!r}"
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        self.seen.append(line)
        if self.checked:
            grammar.check(line, protected=self.protected, expect=self.expecting)
        return line

    def expect(self, pattern, timeout=PATIENCE):
        line = self.line(timeout)
        assert line is not None, f"the connection ended where {pattern!r} was expected"
        assert glob(pattern).fullmatch(line), f"{line!r} came where {pattern!r} was expected"
        return line

    def greeting(self):
        return self.expect("* OK [CAPABILITY ...] ...")

    def command(self, text, timeout=PATIENCE):
        """Sends a whole command; returns the untagged lines and the tagged one."""
        text = octets(text)
        tag = text.split(b" ", 1)[0]
        self.send(text + b"\r\n")
        untagged = []
        while True:
            line = self.line(timeout)
            assert line is not None, f"the connection ended instead of an answer to {text[:60]!r}"
            if line.startswith(tag + b" "):
                return untagged, line
            assert line.startswith(b"* "), f"neither untagged nor {tag!r}: {line!r}"
            untagged.append(line)

    def capabilities(self):
        untagged, tagged = self.command("cap CAPABILITY")
        assert tagged.startswith(b"cap OK "), tagged
        assert len(untagged) == 1 and untagged[0].startswith(b"* CAPABILITY "), untagged
        return untagged[0].decode().split(" ")[2:]

    def login(self, user="joe", password="sesame", tag="l"):
        """LOGIN that must succeed; the mailbox program is the recorder."""
        untagged, tagged = self.command(f'{tag} LOGIN {user} "{password}"')
        assert tagged == f"{tag} OK recorder".encode(), tagged
        return untagged

    def rest(self, timeout=PATIENCE):
        """All bytes to the end."""
        while self._more(timeout):
            pass
        data, self.buffer = self.buffer, b""
        return data

    def lines_to_end(self, timeout=PATIENCE):
        lines = []
        while (line := self.line(timeout)) is not None:
            lines.append(line)
        return lines

    def expect_end(self, timeout=PATIENCE):
        left = self.rest(timeout)
        assert left == b"", f"expected the end of the connection, not {left!r}"

    def expect_silence(self, seconds):
        try:
            more = self._more(seconds)
        except Silence:
            return
        raise AssertionError(f"expected silence, not {self.buffer!r}" if more else "the connection ended")

    def hand_over(self):
        """The mailbox program speaks from here on, and what it says is its own affair."""
        self.checked = False

    def record_bytes(self):
        self.wire = Recorded(self.wire)
        return self.wire

    # --- the process

    def status(self, timeout=PATIENCE):
        """The exit status; the process must end by itself. A client that has seen the end closes its side too."""
        self.looked_at_status = True
        if self.at_end:
            self.wire.close()
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"imapgate still runs after {timeout:g} s") from None

    def log_text(self):
        return self.log_path.read_text(errors="backslashreplace")

    def log(self, name=None):
        """The events that were logged so far, or those of one name."""
        listener = getattr(self.process, "listener", None)
        return [event for event in loglines.read(self.log_text(), but=listener) if name in (None, event.name)]

    def logged(self, name, timeout=PATIENCE):
        """Waits for the first event of that name: it may be written just after the client has its answer."""
        end = time.monotonic() + timeout
        while not (found := self.log(name)):
            assert time.monotonic() < end, f"no {name} in the log: {self.log_text()!r}"
            time.sleep(0.005)
        return found[0]

    def logged_end(self):
        """Waits for the process, and returns the one end that it has logged."""
        self.status()
        ends = self.log("end")
        assert len(ends) == 1, self.log_text()
        return ends[0]

    def finish(self):
        """Closes the connection. The process must end, with 0 unless the test has looked at its status itself."""
        self.wire.close()
        if not self.looked_at_status:
            status = self.status()
            assert status == 0, f"exit status {status}, log: {self.log_text()!r}"
        events = self.log()
        assert loglines.concluded(events) or not events, f"not one conclusion: {self.log_text()!r}"
        said = loglines.complaints(self.log_text())
        assert not said, said

    def stop(self):
        self.wire.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        try:
            if kind is None:
                self.finish()
        finally:
            self.stop()
