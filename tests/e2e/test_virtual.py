"""Virtual users: the manual's recipe, word by word, with pam_pwdfile, Dovecot and Courier.

The paths and the user's name in it are replaced by the stage's; nothing else is.
"""

import base64
import imaplib
import pwd
import shutil
import subprocess
from pathlib import Path

import pytest

import documents
from superserver import Plain
from test_clients import COURIER_CAPABILITY
from wire import PATIENCE

OWNER = "imapgtvmail"
PASSWORDS = {"joe@example.org": "Achat-1-joe", "jane@example.org": "Beryll-2-jane", "joe@example.net": "Citrin-3-joe"}
MESSAGE = "From: joe@example.org\r\nSubject: written over IMAP\r\n\r\nhello, {}\r\n"


class Recipe:
    """The manual's blocks, with the places of this test."""

    def __init__(self, stage):
        self.folder = stage.file("scratch")
        self.folder.mkdir(mode=0o755)
        (self.folder / "pam.d").mkdir()
        places = (("/etc/pam.d", self.folder / "pam.d"), ("/etc/imapgate", self.folder / "etc"), ("/srv/mail", self.folder / "mail"), ("vmail", OWNER))
        texts = [block.text for block in documents.blocks("Virtual users")]
        for theirs, ours in places:
            texts = [text.replace(theirs, str(ours)) for text in texts]
        self.once, service, self.each, settings = texts
        (self.folder / "pam.d" / "imapgate-virtual").write_text(service)
        self.options = [word for line in settings.splitlines() for word in f"--{line}".split(" = ")]
        self.program = [stage.dovecot]

    def sh(self, script, answers=""):
        """In a session of its own, so that openssl reads the password from its input and not from a terminal."""
        done = subprocess.run(["sh", "-ec", script], input=answers, capture_output=True, text=True, timeout=60,
                              start_new_session=True, cwd="/", env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        assert done.returncode == 0, done.stderr
        return done

    def add(self, user):
        home, mail = self.home(user), self.folder / "mail"
        script = self.each.replace("joe@example.org", user).replace(f"{mail}/example.org/joe", str(home))
        self.sh(script.replace(f"{mail}/example.org", str(home.parent)), f"{PASSWORDS[user]}\n" * 2)

    def home(self, user):
        name, _, domain = user.partition("@")
        return self.folder / "mail" / domain / name

    def tree(self):
        """All that is in the mail's folder."""
        return sorted(str(path) for path in (self.folder / "mail").rglob("*"))

    def command(self, stage, *options, program=None, pam=None):
        """The manual's options, on a command line; only the log and the certificate are ours."""
        certificate = stage.certificate("rsa")
        more = ["--log", "stderr", "--failure-delay", "0", "--gate-root", stage.folder / "gate", "--pam-confdir",
                pam or self.folder / "pam.d", *certificate.options, *self.options, *options]
        return [stage.program, *map(str, more), "--", *(program or self.program)]


@pytest.fixture(scope="module")
def recipe(_stage):
    if not _stage.as_root:
        pytest.skip("needs root: it makes system users")
    if not any(Path("/").glob("lib*/**/security/pam_pwdfile.so")):
        pytest.skip("no pam_pwdfile: install libpam-pwdfile")
    subprocess.run(["userdel", "--force", OWNER], capture_output=True, timeout=20)
    made = Recipe(_stage)
    try:
        made.sh(made.once)
        for user in PASSWORDS:
            made.add(user)
        yield made
    finally:
        subprocess.run(["userdel", "--force", OWNER], capture_output=True, timeout=20)


def connected(stage, server, user, password):
    """Logged in over STARTTLS."""
    imap = imaplib.IMAP4("127.0.0.1", server.port, timeout=PATIENCE)
    imap.host = "localhost"
    imap.starttls(stage.certificate("rsa").context())
    imap.login(user, password)
    return imap


def write_and_read(imap, user):
    """One message by APPEND, and all that are there by FETCH."""
    assert imap.append("INBOX", None, None, MESSAGE.format(user).encode())[0] == "OK"
    assert imap.select("INBOX")[0] == "OK"
    data = imap.fetch("1:*", "(BODY[TEXT])")[1]
    assert imap.logout()[0] == "BYE"
    return [part[1].decode().strip() for part in data if isinstance(part, tuple)]


def messages(home):
    return [path for folder in ("cur", "new") for path in (home / "Maildir" / folder).iterdir()]


def each_has_its_own(stage, recipe, server):
    owner = pwd.getpwnam(OWNER)
    for user, password in PASSWORDS.items():
        assert write_and_read(connected(stage, server, user, password), user) == [f"hello, {user}"]
    for user in PASSWORDS:
        message, = messages(recipe.home(user))
        assert user in message.read_text()
        for path in (message, message.parent, recipe.home(user)):
            assert (path.stat().st_uid, path.stat().st_gid) == (owner.pw_uid, owner.pw_gid)


def without_mail(recipe):
    for user in PASSWORDS:
        shutil.rmtree(recipe.home(user) / "Maildir", ignore_errors=True)


def test_dovecot(root_stage, recipe):
    """Three users, two of the same name and two of the same domain; each sees what is its own."""
    without_mail(recipe)
    with Plain(root_stage, recipe.command(root_stage)) as server:
        each_has_its_own(root_stage, recipe, server)
    log = server.log_text()
    assert f'user="joe@example.net" uid={pwd.getpwnam(OWNER).pw_uid}' in log


def test_courier(root_stage, recipe, courier):
    without_mail(recipe)
    for user in PASSWORDS:
        recipe.sh(f"install -d -o {OWNER} -g {OWNER} -m 0700 Maildir Maildir/cur Maildir/new Maildir/tmp".replace(
            "Maildir", str(recipe.home(user) / "Maildir")))
    command = recipe.command(root_stage, "--setenv", f"IMAP_CAPABILITY={COURIER_CAPABILITY}", program=[courier, "Maildir"])
    with Plain(root_stage, command) as server:
        each_has_its_own(root_stage, recipe, server)


def answer(stage, command, user, password):
    """What AUTHENTICATE PLAIN gets, which can carry any name, and the process's log."""
    with stage.launch(command, "unix") as imap:
        imap.greeting()
        plain = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        _, line = imap.command(f"a AUTHENTICATE PLAIN {plain}")
        imap.checked = False
        return line, imap.log()


HOSTILE = ["Joe@example.org", "joe@EXAMPLE.ORG", "joe", "joe@", "@example.org", "example.org", "joe@..", "joe@.", "joe@.org",
           "../joe@example.org", "..@example.org", "joe@../example.org", "x/../joe@example.org", "joe@example.org/",
           "/joe@example.org", "joe@example.org/../example.net", "joe@example.org@example.net", "joe@example.org ",
           " joe@example.org", "nobody@example.org", "joe%example.org", "joe@example.org\t", "*", "jo\u00eb@example.org", "%n@%d"]


@pytest.mark.parametrize("user", HOSTILE, ids=repr)
def test_other_spellings_are_nobody(root_stage, recipe, user):
    """With the right password of the one they look like."""
    before = recipe.tree()
    line, _ = answer(root_stage, recipe.command(root_stage), user, PASSWORDS["joe@example.org"])
    assert line == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
    assert recipe.tree() == before


@pytest.mark.parametrize("user", HOSTILE, ids=repr)
def test_other_spellings_if_pam_says_yes(root_stage, recipe, user):
    """A stack that lets everybody in: nobody gets another's home, and no name leads out of the folder."""
    before = recipe.tree()
    mailbox = root_stage.mailbox(report=root_stage.report())
    pam = root_stage.pam("permit", "imapgate-virtual")
    line, log = answer(root_stage, recipe.command(root_stage, program=mailbox, pam=pam), user, "x")
    failure = next(event for event in log if event.name == "auth-fail")
    name, _, domain = user.partition("@")
    no_folder = not name or name.startswith(".") or not domain or domain.startswith(".") or "/" in user or user.endswith("\t")
    code, reason = ("AUTHENTICATIONFAILED", "bad-user-name") if no_folder else ("UNAVAILABLE", "home")
    assert line.startswith(f"a NO [{code}] ".encode()) and failure["reason"] == reason
    assert recipe.tree() == before


def test_home_is_missing(root_stage, recipe):
    """No home, no session: one clear line. A session module can make it, since it is looked at after that."""
    report, user, script = root_stage.report(), "new@example.org", root_stage.file("scratch", ".sh")
    stack = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
    options = {"program": root_stage.mailbox(report=report), "pam": root_stage.pam(stack, "imapgate-virtual")}
    line, log = answer(root_stage, recipe.command(root_stage, **options), user, "x")
    assert line.startswith(b"a NO [UNAVAILABLE] ") and log[0]["reason"] == "home" and not report.written()
    script.write_text(f'#!/bin/sh\nexec install -d -o {OWNER} -g {OWNER} -m 0700 '
                      f'{recipe.folder}/mail/"${{PAM_USER#*@}}"/"${{PAM_USER%%@*}}"\n')
    script.chmod(0o755)
    options["pam"] = root_stage.pam(f"{stack}session required pam_exec.so quiet type=open_session {script}\n", "imapgate-virtual")
    try:
        assert answer(root_stage, recipe.command(root_stage, **options), user, "x")[0] == b"a OK recorder"
        assert report.one("cwd") == str(recipe.home(user))
    finally:
        shutil.rmtree(recipe.home(user), ignore_errors=True)
