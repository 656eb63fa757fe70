"""What a failed login's line says beyond the code: the step, the module's words, and the file that is in the way."""

import os

import pytest

from loglines import unquote
from processes import need_mounts

JOE = "name=joe password=sesame"


def failed(stage, *options, command="a LOGIN joe sesame", **more):
    with stage.ready(*options, **more) as imap:
        assert imap.command(command)[1].startswith(b"a NO ")
        return imap.logged("auth-fail")


@pytest.mark.parametrize("stack, step", [
    ("auth=9", "authenticate"), ("prompts=2", "authenticate"), ("account=13", "account"), ("cred=15", "credentials"), ("open=14", "session"),
])
def test_step(stage, stack, step):
    assert failed(stage, pam=f"{JOE} {stack}")["step"] == step


def test_what_pam_was_not_asked_has_no_step(stage):
    assert "step" not in failed(stage, command='a LOGIN joe ""')


@pytest.mark.parametrize("stack, step", [("sleep=9", "authenticate"), ("account-sleep=9", "account"), ("open-sleep=9", "session")])
def test_step_that_hangs(stage, stack, step):
    """Written by a signal handler: the line was made ready when the step began."""
    with stage.ready("--timeout", "1", pam=f"{JOE} {stack}") as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.lines_to_end()
        assert imap.status() == 75
        line, end = imap.log()
        assert (line["reason"], line["step"], unquote(line["user"])) == ("deadline", step, b"joe")
        assert end["reason"] == "deadline"


@pytest.mark.parametrize("stack, text", [
    ("account=13 [account-say=Your account has expired]", b"Your account has expired"), ("[error=Locked; ask 4711]", b"Locked; ask 4711"),
    ("[say=x\" rip=192.0.2.1 user=\"y]", b'x" rip=192.0.2.1 user="y'), ("[error=Gespërrt]", "Gespërrt".encode()),
])
def test_what_modules_say(stage, stack, text):
    """Also where the client is not told, since it may not have the password."""
    line = failed(stage, pam=f"{JOE} {stack}", command="a LOGIN joe mumble" if "account" not in stack else "a LOGIN joe sesame")
    assert unquote(line["text"]) == text
    assert line["rip"] == "local" and unquote(line["user"]) == b"joe"


@pytest.mark.parametrize("password, said", [("mumble-4711", "you said mumble-4711"), ("mumble  4711", "you said: mumble  4711"), (" z", "fooz"), ("x" * 500, "x" * 500)])
def test_a_module_that_repeats_the_password(stage, password, said):
    """Threat T54."""
    line = failed(stage, pam=f"{JOE} [error={said}]", command=f'a LOGIN joe "{password}"')
    assert unquote(line["text"]) == b"(not shown: the password is in it)"
    assert password not in line.text


def test_long_words_leave_the_user(stage):
    """A field that has no room in the line is left out: it must not be the one that says who."""
    user = "é" * 100
    line = failed(stage, pam=f"{JOE} [error={'é' * 200}]", command=f'a LOGIN "{user}" mumble')
    assert unquote(line["user"]).removesuffix(b"...") == user.encode()[:64]


def test_home(stage):
    line = failed(stage, "--home", "/nonexistent/of-joe")
    assert (line["reason"], unquote(line["path"]), unquote(line["error"])) == ("home", b"/nonexistent/of-joe", b"No such file or directory")


@pytest.mark.superserver("has an /etc of its own")
@pytest.mark.parametrize("folder", (False, True))
def test_one_file_for_all_services(root_stage, folder):
    """PAM reads /etc/pam.conf where there is no /etc/pam.d."""
    need_mounts()
    lines = "".join(f"imapgate {line}\n" for line in root_stage.testcode(JOE).splitlines())
    etc = root_stage.file("scratch")
    etc.mkdir()
    script = f"mount -t tmpfs etc {etc} && cp -a /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache {etc} && " \
        f"echo '{lines}' > {etc}/pam.conf && {'mkdir' if folder else 'true'} {etc}/pam.d && mount --move {etc} /etc && exec \"$@\""
    options = root_stage.options()
    at = options.index("--pam-confdir")
    command = [root_stage.program, *options[:at], *options[at + 2:], "--", *root_stage.mailbox()]
    with root_stage.launch(command, wrap=["unshare", "--mount", "sh", "-c", script, "sh"]) as imap:
        imap.greeting()
        imap.command("a LOGIN joe sesame")
        # PAM may fail because a vendor's folder exists; only the check before PAM is tested.
        assert [event["reason"] == "no-pam-service" for event in imap.log("auth-fail")] in ([[True]] if folder else [[False], []])


@pytest.mark.superserver("has a folder of its own")
@pytest.mark.skipif(not os.path.isdir("/usr/lib/pam.d"), reason="this PAM has no folder of its vendor's")
def test_service_of_the_vendor(root_stage):
    need_mounts()
    service = root_stage.file("scratch")
    service.write_text(root_stage.testcode(JOE))
    script = f'mount -t tmpfs vendor /usr/lib/pam.d && cp {service} /usr/lib/pam.d/imapgt-vendor && exec "$@"'
    options = root_stage.options()
    at = options.index("--pam-confdir")
    command = [root_stage.program, *options[:at], *options[at + 2:], "--pam-service", "imapgt-vendor", "--", *root_stage.mailbox()]
    with root_stage.launch(command, wrap=["unshare", "--mount", "sh", "-c", script, "sh"]) as imap:
        imap.greeting()
        imap.login()


def test_home_that_is_too_long(stage):
    line = failed(stage, "--home", "/" + "%u" * 1500)
    assert line["reason"] == "home"


def test_home_and_program_are_both_wrong(root_stage):
    """The home is named, and why."""
    program = root_stage.file("scratch")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    line = failed(root_stage, "--home", "/nonexistent", mailbox=[program])
    assert (line["reason"], unquote(line["path"]), unquote(line["error"])) == ("home", b"/nonexistent", b"No such file or directory")


def test_home_that_can_not_be_made(stage):
    line = failed(stage, "--home", "/%q")
    assert (line["reason"], unquote(line["path"])) == ("home", b"/%q")


def test_program_of_another_user(root_stage):
    program = root_stage.file("scratch")
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    line = failed(root_stage, mailbox=[program])
    assert (line["reason"], unquote(line["path"])) == ("program", str(program).encode()[:200])
    assert unquote(line["error"]) == b"Permission denied"


def test_pam_service(stage):
    folder = stage.pam("joe")
    line = failed(stage, "--pam-service", "missing")
    assert (line["reason"], unquote(line["path"])) == ("no-pam-service", f"{folder}/missing".encode())


def test_uid(root_stage):
    line = failed(root_stage, "--min-uid", "1", command="a LOGIN root x", pam="permit")
    assert line["reason"] == "uid" and unquote(line["error"]) == b"its uid is 0, --min-uid 1"
