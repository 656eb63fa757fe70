"""Real IMAP clients. Each logs in, shows message 2 and logs out; what it has shown is returned."""

import fcntl
import glob
import imaplib
import os
import pty
import select
import shutil
import socket
import struct
import subprocess
import termios
import time
from pathlib import Path

from wire import PATIENCE, SocketWire, TlsWire

CLEARTEXT, STARTTLS, TLS = "cleartext", "starttls", "tls"


class Errand:
    """Where to go, as whom, and a folder to work in."""

    def __init__(self, port, security, user, password, certificate, folder):
        self.port, self.security = port, security
        self.user, self.password = user, password
        self.certificate = certificate
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    def file(self, name, text="", mode=0o600):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return path

    def environment(self, **more):
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C", "TERM": "vt100", **more}

    def run(self, *command, **environment):
        done = subprocess.run([str(word) for word in command], env=self.environment(**environment), cwd=self.folder,
                              timeout=PATIENCE * 2, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0, f"{command[0]}: status {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _imaplib(errand, log_in):
    context = errand.certificate.context()
    if errand.security == TLS:
        imap = imaplib.IMAP4_SSL("localhost", errand.port, ssl_context=context, timeout=PATIENCE)
    else:
        imap = imaplib.IMAP4("127.0.0.1", errand.port, timeout=PATIENCE)
        imap.host = "localhost"
    if errand.security == STARTTLS:
        imap.starttls(context)
    log_in(imap)
    assert imap.select("INBOX")[0] == "OK"
    status, data = imap.fetch("2", "(BODY[])")
    assert status == "OK", data
    assert imap.logout()[0] == "BYE"
    return data[0][1].decode()


def imaplib_login(errand):
    return _imaplib(errand, lambda imap: imap.login(errand.user, errand.password))


def imaplib_authenticate(errand):
    plain = f"\0{errand.user}\0{errand.password}".encode()
    return _imaplib(errand, lambda imap: imap.authenticate("PLAIN", lambda _: plain))


def _curl(errand, *options):
    scheme = "imaps" if errand.security == TLS else "imap"
    security = ["--ssl-reqd"] if errand.security == STARTTLS else []
    return errand.run("curl", "--silent", "--show-error", "--ipv4", "--max-time", "20", "--cacert", errand.certificate.file,
                      *security, *options, "--user", f"{errand.user}:{errand.password}",
                      f"{scheme}://localhost:{errand.port}/INBOX;MAILINDEX=2")


def curl(errand):
    return _curl(errand)


def curl_plain_at_once(errand):
    return _curl(errand, "--login-options", "AUTH=PLAIN", "--sasl-ir")


def curl_login_mechanism(errand):
    return _curl(errand, "--login-options", "AUTH=LOGIN")


def mbsync(errand):
    near = errand.folder / "near"
    security = {CLEARTEXT: "None", STARTTLS: "STARTTLS", TLS: "IMAPS"}[errand.security]
    near.mkdir()
    settings = errand.file("mbsyncrc", f"""
IMAPAccount here
Host localhost
Port {errand.port}
User {errand.user}
Pass "{errand.password}"
SSLType {security}
SystemCertificates no
CertificateFile {errand.certificate.file}
AuthMechs LOGIN
Timeout 20

IMAPStore far
Account here

MaildirStore near
Path {near}/
Inbox {near}/INBOX

Channel all
Far :far:
Near :near:
Patterns INBOX
Sync Pull
Create Near
SyncState *
""")
    errand.run("mbsync", "-c", settings, "-a")
    texts = [path.read_text() for path in near.rglob("*") if path.is_file() and path.parent.name in ("cur", "new")]
    assert len(texts) == 3, texts
    return next(text for text in texts if "message number 2" in text)


def fetchmail(errand):
    fetched = errand.file("fetched")
    security = {CLEARTEXT: "sslproto ''", STARTTLS: "sslproto 'TLS1.2+'", TLS: "ssl"}[errand.security]
    settings = errand.file("fetchmailrc", f"""
poll localhost service {errand.port} protocol IMAP auth password
  user "{errand.user}" password "{errand.password}"
  {security} sslcertck sslcertfile "{errand.certificate.file}"
  keep fetchall no rewrite mda "cat >> {fetched}"
""")
    errand.run("fetchmail", "-f", settings, "--nodetach", "--pidfile", errand.folder / "pid", "--nosyslog", "--timeout", "20")
    text = fetched.read_text()
    assert text.count("Subject: message number") == 3, text
    return text


def mutt(errand):
    return read_with_mutt(errand, "mutt")


def read_with_mutt(errand, program):
    """It wants a terminal to show things on, and keys to be pressed."""
    shown = errand.folder / "shown"
    scheme = "imaps" if errand.security == TLS else "imap"
    password = errand.password.replace("\\", "\\\\").replace('"', '\\"')
    settings = errand.file("muttrc", f"""
set imap_user="{errand.user}" imap_pass="{password}"
set ssl_starttls={"yes" if errand.security == STARTTLS else "no"}
set ssl_force_tls={"no" if errand.security == CLEARTEXT else "yes"}
set certificate_file="{errand.certificate.file}"
set folder="{errand.folder}" header_cache="" message_cachedir="" record="" postponed="" mbox_type=Maildir
set wait_key=no pipe_decode=no quit=yes move=no confirmappend=no beep=no imap_keepalive=300 sleep_time=0
push "<jump>2<enter><pipe-message>cat > {shown}<enter><exit>"
""")
    terminal, child_side = pty.openpty()
    # Since ncurses 6.5 no terminal is without a size.
    fcntl.ioctl(child_side, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = subprocess.Popen([program, "-n", "-F", settings, "-f", f"{scheme}://localhost:{errand.port}/INBOX"],
                               stdin=child_side, stdout=child_side, stderr=child_side, cwd=errand.folder,
                               env=errand.environment())
    os.close(child_side)
    screen = _watch(terminal, process)
    assert process.returncode == 0 and shown.exists(), screen
    return shown.read_text()


def _watch(terminal, process):
    """Reads the terminal until the process has ended, so that it never waits for us."""
    screen, end = b"", time.monotonic() + PATIENCE
    try:
        while process.poll() is None and time.monotonic() < end:
            if select.select([terminal], [], [], 0.05)[0]:
                screen += os.read(terminal, 65536)
    except OSError:
        pass
    finally:
        os.close(terminal)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return screen


def s_client(errand):
    """openssl, with a human at the keyboard."""
    assert errand.security != CLEARTEXT
    screen = errand.file("screen")
    starttls = ["-starttls", "imap"] if errand.security == STARTTLS else []
    with open(screen, "wb") as out:
        process = subprocess.Popen(
            ["openssl", "s_client", "-crlf", "-quiet", "-no_ign_eof", "-connect", f"127.0.0.1:{errand.port}",
             "-servername", "localhost", "-verify_return_error", "-CAfile", errand.certificate.file, *starttls],
            stdin=subprocess.PIPE, stdout=out, stderr=out, bufsize=0)
    try:
        process.stdin.write(f'a LOGIN {errand.user} "{errand.password}"\nb SELECT INBOX\nc FETCH 2 BODY[]\nd LOGOUT\n'.encode())
        assert process.wait(PATIENCE) == 0, screen.read_text()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdin.close()
    text = screen.read_text()
    assert "d OK" in text, text
    return text


def netcat(errand):
    """Everything in one segment, then only listening: the crudest of clients."""
    wire = SocketWire(socket.create_connection(("127.0.0.1", errand.port), timeout=5))
    try:
        if errand.security == TLS:
            wire = TlsWire(wire, errand.certificate.context(), "localhost")
            wire.handshake()
        elif errand.security == STARTTLS:
            wire = _starttls(wire, errand.certificate.context())
        wire.send(f'a LOGIN {errand.user} "{errand.password}"\r\nb SELECT INBOX\r\nc FETCH 2 BODY[]\r\nd LOGOUT\r\n'.encode())
        text = b""
        while data := wire.receive():
            text += data
    finally:
        wire.close()
    lines = [line[:4] for line in text.splitlines()]
    assert [line for line in lines if line in (b"a OK", b"b OK", b"c OK", b"d OK")] == [b"a OK", b"b OK", b"c OK", b"d OK"]
    return text.decode()


def _starttls(wire, context):
    wire.receive()
    wire.send(b"s STARTTLS\r\n")
    assert wire.receive().startswith(b"s OK")
    wire = TlsWire(wire, context, "localhost")
    wire.handshake()
    return wire


CLIENTS = {function.__name__: function for function in (
    imaplib_login, imaplib_authenticate, curl, curl_plain_at_once, curl_login_mechanism, mbsync, fetchmail, mutt,
    s_client, netcat)}

# What must be here for it: programs in PATH, and files by their paths, where * stands for a version.
NEEDS = {"curl": ("curl",), "curl_plain_at_once": ("curl",), "curl_login_mechanism": ("curl",), "mbsync": ("mbsync",),
         "fetchmail": ("fetchmail",), "mutt": ("mutt",), "s_client": ("openssl",)}


def missing(needed):
    """Returns the first of these that is not on this machine, or None."""
    return next((name for name in needed if not (glob.glob(name) if name.startswith("/") else shutil.which(name))), None)
