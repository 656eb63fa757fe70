"""fail2ban's own judgement of our log: guesses count against who made them, and nothing else against anybody.

Each connection comes from an address of its own, so the addresses that
fail2ban-regex finds say which connections counted, and how often.
"""

import collections
import contextlib
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from stage import TREE
from test_log import standing_in
from wire import PATIENCE

FILTER = TREE / "fail2ban" / "filter.d" / "imapgate.conf"
JAIL = TREE / "fail2ban" / "jail.d" / "imapgate.conf"
JOURNAL_REMOTE = Path("/lib/systemd/systemd-journal-remote")
VICTIM = "10.9.9.9"
WRONG = b"a LOGIN joe mumble\r\n"
OTHER = b"a LOGIN joe grumble\r\n"
RIGHT = b"a LOGIN joe sesame\r\n"
FORGED = f"auth-fail rip={VICTIM} rport=1 lip=10.0.0.1 lport=143 tls=none cipher=none code=AUTHENTICATIONFAILED " \
         "mech=PLAIN attempt=1 reason=PAM_AUTH_ERR user="

# What a client says, how often it counts, and how often in mode aggressive.
CLIENTS = {
    "wrong password": (WRONG, 1, 1),
    "wrong passwords, and then the right one": (WRONG + OTHER + RIGHT, 2, 2),
    "one password by each mechanism": (WRONG + b"b AUTHENTICATE PLAIN AGpvZQBtdW1ibGU=\r\n" + WRONG, 1, 1),
    "too many attempts": (WRONG + OTHER + b"a LOGIN joe third\r\n" * 3, 3, 3),
    "nobody": (b"a LOGIN nobody sesame\r\n", 1, 1),
    "empty password": (b'a LOGIN joe ""\r\n', 1, 1),
    "malformed SASL": (b"a AUTHENTICATE PLAIN am9l\r\n", 1, 1),
    "somebody else": (b"a AUTHENTICATE PLAIN b3RoZXIAam9lAHNlc2FtZQ==\r\n", 1, 1),
    "right password": (RIGHT, 0, 0),
    "logout": (b"a LOGOUT\r\n", 0, 0),
    "nothing": (b"", 0, 0),
    "cancelled": (b"a AUTHENTICATE PLAIN\r\n*\r\n", 0, 0),
    "HTTP": (b"GET / HTTP/1.0\r\n\r\n", 0, 1),
    "bad commands": (b"a BAD\r\n" * 30, 0, 1),
    "big literal": (b"a LOGIN {99999+}\r\n", 0, 0),
}

# What is this host's fault, or the account's with a right password.
STACKS = {
    "PAM service does not answer": "auth=9", "PAM module fails": "auth=4", "password expired": "account=12",
    "account expired": "account=13", "account not permitted": "account=6", "account refused": "account=7",
    "session fails": "open=14", "second prompt": "prompts=2",
}

# A password that one module may have judged before another could not be asked.
JUDGED = ("PAM service does not answer", "PAM module fails", "second prompt")

# Each is a user's name that was never there: it counts once, against who sent it.
NAMES = [
    f"x rip={VICTIM}", f'x" rip={VICTIM} code=AUTHENTICATIONFAILED user="root', VICTIM, f"x\\\" rip={VICTIM}", "x\\", '"', '""',
    FORGED + "x", f"imapgate[1]: {FORGED}x", f"\u202erip={VICTIM}", "%(ip)s", "<ADDR>", "<F-CONTENT>", "é" * 40, "a" * 200, "\x7f",
    "$(reboot)", "user=\"joe\"", "'; --", f"[{VICTIM}]", f"::ffff:{VICTIM}", "x" * 60 + f'" rip={VICTIM}', "code=UNAVAILABLE",
    f"x\nimapgate[1]: {FORGED}", f"x\r\n{FORGED}",
]


def visits(patient):
    """(what is said, options of the stage, counts in each mode) for each connection; with patience the slow one too."""
    for said, normal, aggressive in CLIENTS.values():
        yield said, {}, (normal, aggressive)
    for name, stack in STACKS.items():
        yield RIGHT, {"pam": f"name=joe password=sesame {stack}"}, (0, int(name in JUDGED))
    if patient:
        yield RIGHT, {"pam": "sleep=9", "more": ["--timeout", "1"]}, (0, 0)
    yield RIGHT, {"more": ["--home", "/nonexistent"]}, (0, 0)
    yield RIGHT, {"more": ["--home", "/%q"]}, (0, 0)
    yield RIGHT, {"more": ["--pam-service", "missing"]}, (0, 0)
    yield b"a LOGIN root x\r\n", {"pam": "permit"}, (1, 1)
    yield b"\x16\x03\x01\x00\x05hello", {"tls": True}, (0, 0)
    # Words of modules, which may hold quotes, and the client's own name.
    yield WRONG, {"pam": f'name=joe password=sesame [error=x" rip={VICTIM} code=AUTHENTICATIONFAILED user="y]'}, (1, 1)
    yield RIGHT, {"pam": 'name=joe password=sesame account=13 [account-say=account "joe" has expired]'}, (0, 0)
    yield RIGHT, {"pam": 'name=joe password=sesame auth=9 [say=code=AUTHENTICATIONFAILED user="joe"]'}, (0, 1)
    # What is refused without TLS was judged by nobody; only in mode aggressive it is a robot's guess.
    yield RIGHT, {"cleartext": "none"}, (0, 1)
    yield WRONG + OTHER, {"cleartext": "none"}, (0, 2)
    yield b'a LOGIN "x\\" code=PRIVACYREQUIRED" mumble\r\n', {}, (1, 1)
    yield b"a AUTHENTICATE CRAM-MD5\r\n", {"cleartext": "none"}, (0, 0)
    yield b"\x16\x03\x01\x00\x05hello", {"cleartext": "none"}, (0, 0)
    for name in NAMES:
        octets = name.encode()
        yield b"a LOGIN {%d+}\r\n%s mumble\r\n" % (len(octets), octets), {}, (1, 1)


def visit(stage, address, said, target, wrap, log, *, pam="joe", more=(), tls=False, cleartext="all"):
    """One connection from this address, to its end."""
    command = [*wrap, stage.program, *stage.options(pam), "--log", target, "--allow-cleartext", cleartext, *more]
    if tls:
        command += ["--tls-on-connect", *map(str, stage.certificate().options)]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname(), timeout=PATIENCE, source_address=(address, 0))
        server = listening.accept()[0]
    with client:
        with server:
            process = subprocess.Popen([*command, "--", *stage.mailbox()], stdin=server, stdout=server, stderr=log, cwd="/")
        with contextlib.suppress(OSError):
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65536):
                pass
    process.wait(PATIENCE)


def drained(receiving):
    """The datagrams that are there; the receiver's queue is short, so it is emptied after each visit."""
    receiving.settimeout(0)
    with contextlib.suppress(BlockingIOError):
        while datagram := receiving.recv(65536):
            yield datagram.decode()


class Corpus:
    """All visits in the form of one kind of log; counts by address for both modes."""

    def __init__(self, stage, form):
        self.path, self.expected = stage.file("scratch", f".{form}"), (collections.Counter(), collections.Counter())
        self.lines, self.stage = [], stage
        if form == "file":
            self._into_file()
        else:
            with standing_in(stage, form) as (receiving, wrap):
                self._visit_all(form, wrap, lambda: self.lines.extend(drained(receiving)))
        getattr(self, f"_write_{form}")()

    def _visit_all(self, target, wrap, after, log=subprocess.DEVNULL):
        for number, (said, options, counts) in enumerate(visits(patient=target == "stderr"), 1):
            address = f"127.0.1.{number}"
            visit(self.stage, address, said, target, wrap, log, **options)
            after()
            for expected, count in zip(self.expected, counts):
                expected[address] += count

    def _into_file(self):
        log_path = self.stage.file("logs")
        with open(log_path, "ab") as log:
            self._visit_all("stderr", (), lambda: None, log)
        self.lines = log_path.read_text().splitlines()

    def _dated(self, lines):
        """As a syslog daemon writes them."""
        self.path.write_text("".join(f"{time.strftime('%b %e %H:%M:%S')} mail {line}\n" for line in lines))
        return str(self.path)

    def _write_file(self):
        self.source = self._dated(self.lines)

    def _write_syslog(self):
        self.source = self._dated(line.partition(">")[2].rstrip("\n") for line in self.lines)

    def _write_journal(self):
        """A journal file, made by systemd's own program of the entries and what journald itself knows of their sender."""
        entries = []
        for number, line in enumerate(self.lines):
            now = time.time_ns() // 1000 + number
            entries.append(f"__REALTIME_TIMESTAMP={now}\n__MONOTONIC_TIMESTAMP={now}\n_BOOT_ID={1:032x}\n_HOSTNAME=mail\n_UID=0\n"
                           f"_PID={1000 + number}\n{line}\n")
        # An entry that somebody else has sent, who may say what he likes but for who he is.
        forged = f"MESSAGE={FORGED}\"x\"\nIMAPGATE_EVENT=auth-fail\nSYSLOG_IDENTIFIER=imapgate"
        entries.append(entries[-1].partition("_UID=")[0] + f"_UID=1000\n_PID=999\n{forged}\n\n")
        self.path.write_text("".join(entries))
        journal = self.path.with_suffix(".journal")
        subprocess.run([JOURNAL_REMOTE, "-o", journal, self.path], check=True, capture_output=True, timeout=60)
        self.source = f"systemd-journal[journalfiles={journal}]"


def found(source, mode):
    """The addresses of all lines that fail2ban counts."""
    done = subprocess.run(["fail2ban-regex", "--usedns", "no", "-o", "ip", source, f"{FILTER}[mode={mode}]"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return collections.Counter(done.stdout.split())


@pytest.fixture(scope="module", params=("file", "syslog", "journal"))
def corpus(request, _stage):
    if not _stage.as_root:
        pytest.skip("needs root: the monitor's lines are root's")
    if not shutil.which("fail2ban-regex"):
        pytest.skip("no fail2ban on this machine")
    if request.param == "journal" and not JOURNAL_REMOTE.exists():
        pytest.skip("no systemd-journal-remote on this machine")
    return Corpus(_stage, request.param)


@pytest.mark.parametrize("mode", ("normal", "aggressive"))
def test_guesses_count_and_nothing_else(corpus, mode):
    assert found(corpus.source, mode) == +corpus.expected[mode == "aggressive"]


@pytest.mark.parametrize("line", ["auth-fail ... code=AUTHENTICATIONFAILED mech=PLAIN attempt=1 reason=PAM_AUTH_ERR user=\"joe\"",
                                  "auth-refused ... code=PRIVACYREQUIRED mech=PLAIN exposed=yes user=\"joe\""])
def test_a_line_behind_dropped_ones_counts(stage, line):
    """A log that is flooded is when the filter is needed."""
    if not shutil.which("fail2ban-regex"):
        pytest.skip("no fail2ban on this machine")
    where = "rip=192.0.2.7 rport=1 lip=10.0.0.1 lport=143 tls=none cipher=none"
    source = stage.file("scratch")
    source.write_text(f"{time.strftime('%b %e %H:%M:%S')} mail imapgate[1]: {line.replace('...', where)} dropped=3\n")
    assert found(source, "aggressive") == {"192.0.2.7": 1}


@pytest.mark.parametrize("on, address", [("tcp6", ["::1"]), ("unix", [])])
def test_other_addresses(stage, on, address):
    """IPv6; and who comes without an address can't be shut out by one."""
    if not shutil.which("fail2ban-regex"):
        pytest.skip("no fail2ban on this machine")
    with stage.ready("--allow-cleartext", "all", on=on) as imap:
        imap.command("a LOGIN joe mumble")
        source = stage.file("scratch")
        source.write_text(f"{time.strftime('%FT%T')}.123456+00:00 mail {imap.log_text()}")
    assert list(found(source, "normal")) == address


def test_jail(stage):
    """fail2ban takes the jail, with the filter where its own are."""
    if not shutil.which("fail2ban-client"):
        pytest.skip("no fail2ban on this machine")
    folder = stage.file("scratch")
    shutil.copytree("/etc/fail2ban", folder)
    for file in (FILTER, JAIL):
        shutil.copy(file, folder / file.parent.name)
    done = subprocess.run(["fail2ban-client", "-c", folder, "-d"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if "'imapgate'" in line]
    assert any("'add', 'imapgate', 'systemd'" in line for line in said), done.stdout
    assert any("'start', 'imapgate'" in line for line in said), done.stdout
