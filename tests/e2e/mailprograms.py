"""More clients: mail readers in a terminal, and programs that fetch mail."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from urllib.parse import quote

from clients import STARTTLS, TLS, read_with_mutt
from thunderbird import thunderbird
from wire import PATIENCE


def neomutt(errand):
    return read_with_mutt(errand, "neomutt")


def offlineimap(errand):
    near = errand.folder / "near"
    settings = errand.file("offlineimaprc", f"""
[general]
accounts = here
metadata = {errand.folder}/metadata
ui = basic
socktimeout = 20
[Account here]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = {near}
[Repository far]
type = IMAP
remotehost = localhost
remoteport = {errand.port}
remoteuser = {errand.user}
remotepass = {errand.password}
ssl = {"yes" if errand.security == TLS else "no"}
starttls = {"yes" if errand.security == STARTTLS else "no"}
sslcacertfile = {errand.certificate.file}
folderfilter = lambda name: name == "INBOX"
""")
    errand.run("offlineimap", "-1", "-o", "-c", settings)
    return _message_2(near)


def getmail(errand):
    """It has no STARTTLS."""
    fetched = errand.file("fetched")
    tls = f"type = SimpleIMAPSSLRetriever\nca_certs = {errand.certificate.file}"
    settings = errand.file("getmailrc", f"""
[retriever]
{tls if errand.security == TLS else "type = SimpleIMAPRetriever"}
server = localhost
port = {errand.port}
username = {errand.user}
password = {errand.password}
timeout = 10
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >> {fetched}")
allow_root_commands = true
[options]
read_all = true
delete = false
""")
    for left in (2, 1, 0):
        fetched.write_text("")
        try:
            errand.run("getmail", "--getmaildir", errand.folder, "--rcfile", settings)
            break
        except AssertionError as error:
            # Its version 6.19 misses the end of a child that is quicker than its own wait, and then waits for nothing.
            if not left or "waiting child pid" not in str(error):
                raise
    text = fetched.read_text()
    assert text.count("Subject: message number") == 3, text
    return text


def _message_2(maildir):
    texts = [path.read_text() for path in maildir.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")]
    assert len(texts) == 3, texts
    return next(text for text in texts if "message number 2" in text)


def s_nail(errand):
    scheme = "imaps" if errand.security == TLS else "imap"
    starttls = ["-S", "imap-use-starttls"] if errand.security == STARTTLS else []
    return errand.run("s-nail", "-n", "-R", "-S", "v15-compat", *starttls, "-S", "tls-verify=strict",
                      "-S", f"tls-ca-file={errand.certificate.file}", "-S", "tls-ca-no-defaults", "-Y", "type 2", "-Y", "exit",
                      "-f", f"{scheme}://{quote(errand.user)}:{quote(errand.password)}@localhost:{errand.port}/INBOX")


def alpine(errand):
    security = {STARTTLS: "/tls", TLS: "/ssl"}[errand.security]
    # It would make the folder, and wait until that has been read.
    (errand.folder / "mail").mkdir()
    settings = errand.file("pinerc", """
last-version-used=9.99
user-domain=example.org
feature-list=quit-without-confirm
""")
    folder = f"{{localhost:{errand.port}/imap{security}/user={errand.user}}}INBOX"
    with Terminal(errand, "alpine", "-p", settings, "-i", "-n", "2", "-f", folder,
                  SSL_CERT_FILE=str(errand.certificate.file)) as terminal:
        terminal.wait_for("ENTER PASSWORD: ")
        terminal.press(errand.password + "\r")
        terminal.wait_for("Preserve password")
        terminal.press("n")
        answer = terminal.wait_for("opened with 3 messages", "DONE]", "[AUTHENTICATIONFAILED]")
        # It would show its notice for some seconds and then ask again.
        assert answer != "[AUTHENTICATIONFAILED]", terminal.shown()
        terminal.press("\r")
        terminal.wait_for("text of message 2.")
        terminal.press("q")
        terminal.wait_for_end()
    return terminal.shown()


class Terminal:
    """A terminal with a program in it, which is ended with the block."""

    def __init__(self, errand, *command, **environment):
        self.screen, self.seen, self.end = b"", 0, time.monotonic() + PATIENCE
        self.terminal, child_side = pty.openpty()
        fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        self.process = subprocess.Popen([str(word) for word in command], stdin=child_side, stdout=child_side, stderr=child_side,
                                        cwd=errand.folder, env=errand.environment(**environment))
        os.close(child_side)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.close(self.terminal)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def press(self, keys):
        os.write(self.terminal, keys.encode())

    def wait_for(self, *texts):
        """Reads until one of them is shown behind what was seen before; returns it."""
        while True:
            for text in texts:
                found = self.screen.find(text.encode(), self.seen)
                if found >= 0:
                    self.seen = found + len(text)
                    return text
            assert self._read(), f"not shown: {texts}\n{self.shown()}"

    def wait_for_end(self):
        while self._read():
            pass
        assert self.process.wait(PATIENCE) == 0, self.shown()

    def _read(self):
        """Returns False once the program has closed its side; fails at the deadline."""
        assert select.select([self.terminal], [], [], max(0, self.end - time.monotonic()))[0], f"silent:\n{self.shown()}"
        try:
            data = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.screen += data
        return bool(data)

    def shown(self):
        """The text without what moves the cursor."""
        return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[()][0-9A-B]|.)", " ", self.screen.decode(errors="replace"))


PROGRAMS = {function.__name__: function for function in (neomutt, offlineimap, getmail, s_nail, alpine, thunderbird)}

NEEDS = {"s_nail": ("s-nail",), **{name: (name,) for name in ("neomutt", "offlineimap", "getmail", "alpine", "thunderbird")}}
