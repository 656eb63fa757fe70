"""Real system users with real passwords and a Maildir of three messages.

They are made at the beginning of a test run as root and removed at its end.
All of their names begin with imapgt, so leftovers of a run that was killed
are known and made anew.
"""

import ctypes
import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000

GROUP = "imapgtg"
GATE_USER = "_imapgate"

# name, password, further options of useradd
USERS = [
    ("imapgt1", "Koralle-7-imapgt1", ["--groups", GROUP]),
    ("imapgt2", "Turmalin 9 imapgt2", []),
    ("imapgtold", "Bernstein-4-imapgtold", []),
    ("imapgtsys", "Obsidian-3-imapgtsys", ["--system"]),
]


def have_own_etc(number):
    """From here on /etc is a copy for this process and all that it starts, with uids that depend on the number.

    It is in memory, and ends with its last process: there are secrets in it.
    """
    if libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _must("mount", "--make-rprivate", "/")
    with tempfile.TemporaryDirectory(prefix="imapgate-etc-", dir="/tmp") as folder:
        _must("mount", "-t", "tmpfs", "-o", "mode=0755", "imapgate-tests", folder)
        _must("cp", "--archive", "/etc/.", folder)
        _must("mount", "--move", folder, "/etc")
    first = 20000 + 100 * number
    with open("/etc/login.defs", "a") as defaults:
        for kind in ("UID", "GID"):
            defaults.write(f"{kind}_MIN {first}\n{kind}_MAX {first + 99}\nSYS_{kind}_MIN 100\nSYS_{kind}_MAX 999\n")


class Account:
    def __init__(self, name, password):
        entry = pwd.getpwnam(name)
        self.name, self.password = name, password
        self.uid, self.gid, self.home = entry.pw_uid, entry.pw_gid, entry.pw_dir


def message(number):
    """One of the three messages that lie in every Maildir."""
    return (f"From: Sender {number} <sender{number}@example.org>\n"
            f"To: Somebody <somebody@example.org>\n"
            f"Subject: message number {number}\n"
            f"Date: Mon, {number} Jan 2024 12:00:00 +0000\n"
            f"Message-ID: <{number}@example.org>\n"
            "\n"
            f"This is the text of message {number}.\n")


def make_maildir(home, uid, gid):
    maildir = Path(home) / "Maildir"
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number in (1, 2, 3):
        (maildir / "cur" / f"170000000{number}.M{number}.localhost:2,").write_text(message(number))
    for path in (maildir, *maildir.rglob("*")):
        os.chown(path, uid, gid)


def _run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def _must(*command, **more):
    done = _run(*command, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def _exists(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


class Accounts:
    """The users, as a dictionary by name; homes are under the given folder."""

    def __init__(self, folder):
        self.homes = Path(folder)
        self.made_gate_user = False

    def make(self):
        # Two runs with one /etc would take each other's users away: the second waits for the first.
        self.lock = os.open("/etc", os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.remove()
        _must("groupadd", GROUP)
        for name, _, more in USERS:
            _must("useradd", "--no-log-init", "--no-create-home", "--home-dir", str(self.homes / name),
                  "--shell", "/bin/sh", "--user-group", *more, name)
        _must("chpasswd", input="".join(f"{name}:{password}\n" for name, password, _ in USERS))
        _must("chage", "--expiredate", "0", "imapgtold")
        accounts = {name: Account(name, password) for name, password, _ in USERS}
        for account in accounts.values():
            os.mkdir(account.home, 0o750)
            os.chown(account.home, account.uid, account.gid)
            make_maildir(account.home, account.uid, account.gid)
        if not _exists(GATE_USER):
            _must("useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent",
                  "--shell", "/usr/sbin/nologin", GATE_USER)
            self.made_gate_user = True
        return accounts

    def remove(self):
        for name, _, _ in USERS:
            if _exists(name):
                _must("userdel", "--force", name)
            shutil.rmtree(self.homes / name, ignore_errors=True)
        _run("groupdel", GROUP)
        if self.made_gate_user:
            _run("userdel", GATE_USER)
