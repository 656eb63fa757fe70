"""The listener starts PAM before there is a client, and sees when PAM's files have changed."""

import os
import re
import resource
import shutil
import time
from pathlib import Path

import pytest

import listening
from listening import Listener
from stage import BUILD, JOE, SESAME
from test_oauth import bearer, b64

CLEAR = ("--allow-cleartext", "loopback")
OK, FAILED = b"a OK recorder", b"a NO [AUTHENTICATIONFAILED] Authentication failed"
UNAVAILABLE = b"a NO [UNAVAILABLE]"


class Stack:
    """A PAM service directory that nobody else uses, so that a test may change what is in it."""

    def __init__(self, stage):
        self.stage = stage
        self.record = stage.file("reports")
        self.lines = self.wants(SESAME)
        self.folder = Path(stage.pam(self.lines))
        self.service = self.folder / "imapgate"

    def wants(self, password):
        return self.stage.testcode(f"name={JOE} password={password} record={self.record}")


@pytest.fixture
def stack(stage):
    return Stack(stage)


def in_place(path, text):
    path.write_text(text)


def by_rename(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def answer(imap, password=SESAME):
    return imap.command(f"a LOGIN {JOE} {password}")[1]


def login(server, password=SESAME):
    imap = server.connect()
    line = answer(imap, password)
    imap.wire.close()
    return line


def reasons(server):
    return [event["reason"] for event in server.log("auth-fail")]


def until_it_looks():
    time.sleep(1.1)


def test_one_login_after_the_other(stage, stack):
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        for password, line in ((SESAME, OK), ("mumble", FAILED), (SESAME, OK)):
            assert login(server, password) == line


def test_modules_are_told_what_they_are_told_elsewhere(stage, stack):
    """Items that are set later are the same to them as those that PAM is started with."""
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
    ours = stack.record.read_text()
    stack.record.unlink()
    with stage.ready(*CLEAR, on="tcp", pam=stack.lines) as imap:
        assert answer(imap) == OK
    assert re.sub("pid=[0-9]+", "", ours) == re.sub("pid=[0-9]+", "", stack.record.read_text())


def test_attempts_after_the_first_start_pam_by_themselves(stage, stack):
    """What the listener has started is for the first one, and is what the files were when the client came."""
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        before = server.connect()
        in_place(stack.service, stack.wants("mumble"))
        assert answer(before, "mumble") == FAILED
        assert answer(before, "mumble") == OK
        before.wire.close()


@pytest.mark.parametrize("change", (in_place, by_rename))
def test_changed_service(stage, stack, change):
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
        # The size stays as it is.
        change(stack.service, stack.wants("mumble"))
        until_it_looks()
        assert login(server) == FAILED
        change(stack.service, stack.lines)
        until_it_looks()
        assert login(server) == OK


def from_anywhere(path):
    """A relative name: where libpam looks for what a service in a directory of ours includes depends on its version."""
    return "../" * str(path).count("/") + str(path).lstrip("/")


def including(name, how="include"):
    return f"auth {how} {name}\naccount {how} {name}\nsession include {name}\n"


@pytest.mark.parametrize("change", (in_place, by_rename))
@pytest.mark.parametrize("lines", (
    lambda path: including(path),
    lambda path: including(from_anywhere(path)),
    lambda path: including(from_anywhere(path), "substack"),
    lambda path: f"AUTH Include \\\n# not the end\n  {path}\naccount\tinclude\t{path}# nor include this\nsession include [{path}]\n",
), ids=("path", "name", "substack", "syntax"))
def test_changed_file_that_is_included(stage, stack, lines, change):
    """By a file that is included itself."""
    middle, last = stage.file("pam"), stage.file("pam")
    stack.service.write_text(including(from_anywhere(middle)))
    middle.write_text(lines(last))
    last.write_text(stack.lines)
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
        change(last, stack.wants("mumble"))
        until_it_looks()
        assert login(server) == FAILED
        assert login(server, "mumble") == OK


@pytest.mark.skipif(not Path("/etc/debian_version").exists(), reason="Debian's addition")
def test_changed_file_that_is_included_as_debian_does_it(stage, stack):
    last = stage.file("pam")
    stack.service.write_text(f"@include {last}\n")
    last.write_text(stack.lines)
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
        in_place(last, stack.wants("mumble"))
        until_it_looks()
        assert login(server, "mumble") == OK


def test_more_files_than_it_can_keep_in_mind(stage, stack):
    files = [stage.file("pam") for _ in range(80)]
    for file in files:
        file.write_text("")
    files[-1].write_text(stack.lines)
    stack.service.write_text("".join(including(file) for file in files))
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
        in_place(files[-1], stack.wants("mumble"))
        until_it_looks()
        assert login(server, "mumble") == OK


def test_service_that_is_removed_and_comes_back(stage, stack):
    """That it is missing is seen at once: PAM would go by "other"."""
    (stack.folder / "other").write_text(stack.lines)
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        waiting = server.connect()
        stack.service.unlink()
        assert answer(waiting).startswith(UNAVAILABLE)
        waiting.wire.close()
        until_it_looks()
        assert login(server).startswith(UNAVAILABLE)
        assert reasons(server) == ["no-pam-service"] * 2
        in_place(stack.service, stack.wants("mumble"))
        # Nothing was started meanwhile that could be taken for it.
        assert login(server, "mumble") == OK
        until_it_looks()
        assert login(server, "mumble") == OK


@pytest.mark.parametrize("broken", ("nonsense\n", "auth include nowhere\n", "", "auth required /nowhere/pam_nothing.so\n"))
def test_broken_service_is_what_it_is_elsewhere(stage, stack, broken):
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server) == OK
        in_place(stack.service, broken)
        until_it_looks()
        line = login(server)
        with stage.ready(*CLEAR, on="tcp", pam=stack.lines) as imap:
            assert answer(imap) == line != OK
            assert reasons(server) == [imap.logged("auth-fail")["reason"]]
        in_place(stack.service, stack.lines)
        until_it_looks()
        assert login(server) == OK


def test_module_that_is_installed_later(stage, stack):
    module = stage.file("scratch", ".so")
    in_place(stack.service, stack.lines.replace(stage.module, str(module)))
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        assert login(server).startswith(UNAVAILABLE)
        shutil.copy(stage.module, module)
        until_it_looks()
        assert login(server) == OK


def test_changed_service_of_tokens(stage, stack):
    module = stage._copy(BUILD / "tests" / "pam_testtoken.so")
    lines = f"auth required {module} token={{}}\naccount required {module}\nsession required pam_permit.so\n"
    tokens = stack.folder / "tokens"
    tokens.write_text(lines.format("one"))
    with Listener(stage, "--oauth-service", "tokens", pam=stack.lines, sockets=[listening.path(stage)]) as server:
        def token(text):
            imap = server.connect()
            line = imap.command(f"a AUTHENTICATE OAUTHBEARER {b64(bearer(JOE, text))}")[1]
            imap.wire.close()
            return line

        assert token("one") == OK
        in_place(tokens, lines.format("two"))
        until_it_looks()
        assert token("two") == OK
        assert login(server) == OK


def test_no_descriptors_left_to_read_the_files(stage, stack):
    """It reads them when there are some again, though the files do not change once more."""
    with Listener(stage, *CLEAR, pam=stack.lines) as server:
        server.manager.wait_for("^STATUS=")
        limits = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        used = {int(fd) for fd in os.listdir(f"/proc/{server.pid}/fd")}
        in_place(stack.service, stack.wants("mumble"))
        until_it_looks()
        free = min(set(range(len(used) + 1)) - used)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (free, limits[1]))
        waiting = server.connect(greeting=False)
        server.logged("listener-trouble")
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, limits)
        waiting.greeting()
        assert answer(waiting, "mumble") == OK
        waiting.wire.close()
        until_it_looks()
        before = server.connect()
        in_place(stack.service, stack.lines)
        assert answer(before, "mumble") == OK
        before.wire.close()
