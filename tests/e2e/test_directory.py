"""A directory of users that is down: a right password is not called wrong.

The directory is a module of the name service (tests/nss), by an nsswitch.conf of the test's own.
"""

import shutil
import subprocess

import pytest

from processes import need_mounts
from stage import BUILD

NAME, PASSWORD = "imapgtdir", "Diamant-5-imapgtdir"
RIGHT = f"name={NAME} password={PASSWORD}"
FAILED = b"a NO [AUTHENTICATIONFAILED] Authentication failed"
DOWN = ("tryagain", "unavail", "error")


class Directory:
    def __init__(self, stage):
        self.stage, self.folder = stage, stage.file("scratch")
        self.folder.mkdir()
        shutil.copy(BUILD / "tests" / "libnss_testdown.so.2", self.folder)
        self.order("files testdown")
        self.account = stage.users["imapgt1"]
        self.hash = subprocess.run(["openssl", "passwd", "-6", PASSWORD], check=True, capture_output=True, text=True,
                                   timeout=20).stdout.strip()

    def order(self, services):
        (self.folder / "nsswitch.conf").write_text(f"passwd: {services}\ngroup: files\nshadow: files\n")

    def set(self, answer):
        a = self.account
        (self.folder / "testdown").write_text(f"up {NAME} {a.uid} {a.gid} {a.home} {self.hash}\n" if answer == "up" else answer)

    @property
    def wrap(self):
        script = f'mount --bind {self.folder}/nsswitch.conf /etc/nsswitch.conf && exec env LD_LIBRARY_PATH={self.folder} "$@"'
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]

    def answer(self, answer, pam=RIGHT, password=PASSWORD, then=None):
        """A login's answer, and its log line. With `then` the directory answers that at a second login."""
        self.set(answer)
        with self.stage.ready("--max-attempts", "3", pam=pam, virtual=False, wrap=self.wrap) as imap:
            line = imap.command(f"a LOGIN {NAME} {password}")[1]
            if then:
                self.set(then)
                assert imap.command(f"b LOGIN {NAME} {password}")[1].startswith(b"b OK")
            return line, next(event for event in imap.log() if event.name in ("auth-ok", "auth-fail"))


@pytest.fixture
def directory(root_stage):
    need_mounts()
    return Directory(root_stage)


@pytest.mark.parametrize("pam", (RIGHT, "unix"))
def test_directory_that_is_up(directory, pam):
    """The positive control: the account is known by this name service only."""
    line, event = directory.answer("up", pam)
    assert line.startswith(b"a OK") and event.name == "auth-ok"


@pytest.mark.parametrize("how", DOWN)
def test_directory_that_is_down_makes_no_password_wrong(directory, how):
    """PAM, which asks another server, says yes: it is this host's fault, and no guess that is counted."""
    line, event = directory.answer(how)
    assert line.startswith(b"a NO [UNAVAILABLE] ")
    assert (event["code"], event["reason"]) == ("UNAVAILABLE", "no-directory")


def test_directory_that_is_down_behind_another_that_answers(directory):
    """The last name service says that there is no such user, and the C library says no more than that."""
    directory.order("testdown files")
    line, event = directory.answer("unavail")
    assert line.startswith(b"a NO [UNAVAILABLE] ")
    assert (event["code"], event["reason"]) == ("UNAVAILABLE", "unknown-account")


@pytest.mark.parametrize("how", DOWN)
def test_directory_that_comes_back(directory, how):
    """The same connection and the same password: the failure before is not remembered as a wrong one."""
    line, _ = directory.answer(how, then="up")
    assert line.startswith(b"a NO [UNAVAILABLE] ")


@pytest.mark.parametrize("how", ("up", *DOWN))
def test_wrong_password_stays_wrong(directory, how):
    """PAM says no before anybody asks the directory."""
    line, event = directory.answer(how, password="mumble")
    assert line == FAILED and event["reason"] == "PAM_AUTH_ERR"


def test_user_whom_the_directory_does_not_know(directory):
    """It answers, and pam_unix believes it: a name that nobody has is a wrong login as any other."""
    line, event = directory.answer("notfound", pam="unix")
    assert line == FAILED and event["code"] == "AUTHENTICATIONFAILED"


@pytest.mark.parametrize("how, about, what", [
    ("up", "", ""),
    ("notfound", NAME, "there is no such account"),
    *((how, NAME, "the user database can't be read now") for how in DOWN),
])
def test_check_tells_a_directory_that_is_down(directory, how, about, what):
    directory.set(how)
    stage = directory.stage
    done = subprocess.run([*directory.wrap, stage.program, "--check", "--user", NAME, *stage.options(RIGHT, False), "--", "/bin/cat"],
                          capture_output=True, text=True, timeout=60)
    error = [line for line in done.stdout.splitlines() if line.startswith("error")]
    assert any(f"{about}: {what}" in line for line in error) if about else f"ok       {NAME}: uid" in done.stdout, done.stdout
