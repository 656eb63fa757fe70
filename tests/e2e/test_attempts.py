"""What one attempt leaves for the next on the same connection, and for programs that PAM's modules start."""

from pathlib import Path

import pytest

from listening import Listener


def test_same_password_is_asked_of_pam_once(stage):
    """A mail program tries one wrong password by each mechanism; pam_faillock would lock the account by that."""
    record = stage.file("reports")
    with stage.ready("--max-attempts", "5", pam=f"name=joe password=sesame record={record}") as imap:
        for command in ("AUTHENTICATE PLAIN AGpvZQBtdW1ibGU=", "LOGIN joe mumble", 'LOGIN "joe" {6+}\r\nmumble'):
            assert imap.command(f"a {command}")[1] == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
        assert imap.command("b LOGIN joe other")[1].startswith(b"b NO [AUTHENTICATIONFAILED]")
        imap.login()
        failed = imap.log("auth-fail")
    assert [line.get("repeated") for line in failed] == [None, "yes", "yes", None]
    assert [line["attempt"] for line in failed] == ["1", "2", "3", "4"]
    assert record.read_text().count("auth ") == 3


def test_right_password_is_asked_behind_a_repeated_one(stage):
    with stage.ready(pam="name=joe password=sesame") as imap:
        for _ in range(2):
            imap.command("a LOGIN joe mumble")
        imap.login()


def test_unavailable_is_asked_again(stage):
    """What was not the password's fault may be over."""
    record = stage.file("reports")
    with stage.ready(pam=f"auth=9 record={record}") as imap:
        for _ in range(2):
            imap.command("a LOGIN joe sesame")
    assert record.read_text().count("auth ") == 2


def test_no_attempt_behind_a_session_of_another(stage):
    """Limits, niceness and groups that PAM has set for one user would be the next one's."""
    with stage.ready("--max-attempts", "5", pam="name=joe password=sesame open=14") as imap:
        imap.send("a LOGIN joe sesame\r\nb LOGIN joe sesame\r\n")
        assert imap.line().startswith(b"a NO [UNAVAILABLE] ")
        imap.expect("* BYE Please try again later")
        imap.expect_end()
        assert imap.logged_end()["reason"] == "unavailable"


def test_directory_that_is_down_is_no_wrong_password(root_stage):
    """PAM says yes, and the C library finds nobody."""
    with root_stage.ready("--failure-delay", "1", pam="permit", virtual=False) as imap:
        assert imap.command("a LOGIN imapgt-no-such-user sesame")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert imap.log("auth-fail")[0]["code"] == "UNAVAILABLE"


# --- programs of modules

SCRIPT = """#!/bin/sh
in=$(readlink /proc/$$/fd/0) out=$(readlink /proc/$$/fd/1)
echo "said by a program of a module"
read=$(head -c 40)
echo "$in $out $read" > "{taken}.$1"
"""


@pytest.mark.parametrize("session", ("open", "wait"))
@pytest.mark.parametrize("on", ("unix", "tcp", "tls", "starttls"))
def test_programs_of_modules_do_not_have_the_client(root_stage, on, session):
    """Neither what it sends, pipelined commands, nor a way to write to it: at each step, and before anybody is logged in."""
    taken = root_stage.file("scratch", ".taken")
    script = root_stage.file("scratch", ".sh")
    script.write_text(SCRIPT.format(taken=taken))
    script.chmod(0o755)
    with root_stage.ready("--allow-cleartext", "all", "--pam-session", session, on=on,
                          pam=f"name=joe password=sesame run={script}", mailbox=root_stage.mailbox("tag", "echo")) as imap:
        raw = imap.record_bytes() if on in ("unix", "tcp") else None
        imap.send("l LOGIN joe sesame\r\nm NOOP\r\nn NOOP\r\n")
        imap.expect("l OK recorder")
        imap.hand_over()
        for tag in "mn":
            assert imap.line() == f"{tag} OK heard NOOP".encode()
        assert raw is None or b"said by" not in raw.received
        imap.wire.close()
        imap.status()
    steps = ["auth", "account", "cred", "open", *(["close"] if session == "wait" else [])]
    assert {step: Path(f"{taken}.{step}").read_text() for step in steps} == dict.fromkeys(steps, "/dev/null /dev/null \n")


def test_changed_pam_file_is_obeyed_by_the_next_attempt(root_stage):
    """PAM's files are read at each attempt, under a listener too: what was there before is nothing to it."""
    folder = root_stage.file("scratch", ".pam")
    folder.mkdir()
    service = folder / "imapgate"
    permit = root_stage.testcode("name=joe password=sesame")
    service.write_text(permit)
    with Listener(root_stage, "--pam-confdir", folder, "--unlimited", "127.0.0.1", "--allow-cleartext", "all") as listener:
        for _ in range(5):
            imap, other = listener.connect(), listener.connect()
            imap.login()
            service.write_text("auth required pam_deny.so\n" + permit)
            assert other.command("a LOGIN joe sesame")[1].startswith(b"a NO [AUTHENTICATIONFAILED] ")
            service.write_text(permit)
            third = listener.connect()
            third.login()
            for session in (imap, other, third):
                session.wire.close()
