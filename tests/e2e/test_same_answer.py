"""Who guesses learns nothing: one text and one least time, whatever was wrong.

RFC 9051, 11.7 (L3, L4), threats T31, T32. Times are looked at from below, and
from above only so far that PAM's own two seconds would be seen.
"""

import base64
import concurrent.futures
import time

import pytest

pytestmark = pytest.mark.timed

DELAY = 0.3
# Between the least time and the answer there is a busy machine.
SLACK = 1.2


def b64(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def plain(user, password, authzid=""):
    return f"AUTHENTICATE PLAIN {b64(authzid + chr(0) + user + chr(0) + password)}"


def failures(stage):
    """Commands that fail, by why: the stack is pam_unix, so users and their uids are real."""
    known, old, system = (stage.users[name] for name in ("imapgt1", "imapgtold", "imapgtsys"))
    long = "x" * 600
    return {
        "wrong password": f"LOGIN {known.name} mumble",
        "unknown user": "LOGIN imapgt-no-such-user mumble",
        "root, wrong password": "LOGIN root mumble",
        "low uid, right password": f'LOGIN {system.name} "{system.password}"',
        "low uid, wrong password": f"LOGIN {system.name} mumble",
        "account that has expired, wrong password": f"LOGIN {old.name} mumble",
        "empty password": f'LOGIN {known.name} ""',
        "empty user": 'LOGIN "" mumble',
        "overlong password": f"LOGIN {known.name} {long}",
        "overlong user": f"LOGIN {long} mumble",
        "option as user": "LOGIN -froot mumble",
        "path as user": "LOGIN ../imapgt1 mumble",
        "user that is not UTF-8": b'LOGIN "\xff" mumble',
        "control character": 'LOGIN "imapgt1\x01" mumble',
        "message without NUL": f"AUTHENTICATE PLAIN {b64('imapgt1')}",
        "message with three": f"AUTHENTICATE PLAIN {b64(chr(0) + known.name + chr(0) + known.password + chr(0))}",
        "empty message": "AUTHENTICATE PLAIN =",
        "PLAIN, wrong password": plain(known.name, "mumble"),
        "PLAIN, unknown user": plain("imapgt-no-such-user", "mumble"),
        "PLAIN, somebody else's authzid and a wrong password": plain(known.name, "mumble", "root"),
        "PLAIN, overlong password": plain(known.name, long),
        "LOGIN mechanism": f"AUTHENTICATE LOGIN\r\n{b64(known.name)}\r\n{b64('mumble')}",
    }


WHY = (
    "wrong password", "unknown user", "root, wrong password", "low uid, right password", "low uid, wrong password",
    "account that has expired, wrong password", "empty password", "empty user", "overlong password", "overlong user",
    "option as user", "path as user", "user that is not UTF-8", "control character", "message without NUL",
    "message with three", "empty message", "PLAIN, wrong password", "PLAIN, unknown user",
    "PLAIN, somebody else's authzid and a wrong password", "PLAIN, overlong password", "LOGIN mechanism",
)


def answer(imap, command):
    """All octets up to the answer's end without challenges, and how long it took."""
    command = command if isinstance(command, bytes) else command.encode()
    began = time.monotonic()
    imap.send(b"a " + command + b"\r\n")
    while (line := imap.line()).startswith(b"+ "):
        pass
    return line, time.monotonic() - began


def one_failure(stage, command):
    with stage.ready("--failure-delay", str(DELAY), pam="unix") as imap:
        line, took = answer(imap, command)
        assert line == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
        assert DELAY - 0.01 <= took < DELAY + SLACK
        assert imap.log()[0].name == "auth-fail"
        imap.expect_silence(0.02)


@pytest.fixture(scope="module")
def running(_stage):
    """Some at a time: nearly all of their time is the delay."""
    if not _stage.as_root:
        pytest.skip("needs root: it makes system users")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield {why: pool.submit(one_failure, _stage, command) for why, command in failures(_stage).items()}


@pytest.mark.background
@pytest.mark.parametrize("why", WHY)
def test_L3_one_text_one_least_time(running, why):
    running[why].result()


def test_L3_table_is_complete(root_stage):
    assert set(failures(root_stage)) == set(WHY)


@pytest.mark.parametrize("on", ("tls", "starttls", "pipe"))
def test_L3_on_other_connections(root_stage, on):
    """The same octets also there."""
    with root_stage.ready("--max-attempts", "9", on=on, pam="unix") as imap:
        lines = {answer(imap, failures(root_stage)[why])[0] for why in WHY[:6]}
    assert lines == {b"a NO [AUTHENTICATIONFAILED] Authentication failed"}


def test_L4_time_grows_with_each_attempt(root_stage):
    """Over all commands and causes together; what is no guess neither waits nor counts."""
    causes = ("wrong password", "unknown user", "overlong password", "low uid, right password")
    with root_stage.ready("--failure-delay", str(DELAY), "--max-attempts", "4", pam="unix") as imap:
        for number, why in enumerate(causes, 1):
            assert answer(imap, "NOOP")[1] < DELAY
            assert answer(imap, "AUTHENTICATE KERBEROS_V4")[1] < DELAY
            line, took = answer(imap, failures(root_stage)[why])
            assert line == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
            assert number * DELAY - 0.01 <= took < number * DELAY + SLACK
            assert imap.log("auth-fail")[-1]["attempt"] == str(number)
        imap.expect("* BYE ...")
        imap.expect_end()


def test_L4_pipelined_guesses_wait_too(stage):
    """Sent at once, answered one after the other."""
    with stage.ready("--failure-delay", "0.2", "--max-attempts", "3") as imap:
        began = time.monotonic()
        imap.send("a LOGIN joe m1\r\nb LOGIN joe m2\r\nc LOGIN joe m3\r\n")
        lines = imap.lines_to_end()
        assert len(lines) == 4 and lines[-1].startswith(b"* BYE ")
        assert time.monotonic() - began >= 0.2 + 0.4 + 0.6 - 0.03


def test_L4_new_connection_begins_anew(stage):
    for _ in range(2):
        with stage.ready("--failure-delay", "0.2") as imap:
            assert 0.19 <= answer(imap, "LOGIN joe mumble")[1] < 0.2 + SLACK


def test_L4_success_does_not_wait(root_stage):
    account = root_stage.users["imapgt1"]
    with root_stage.ready("--failure-delay", "5", pam="unix") as imap:
        line, took = answer(imap, f'LOGIN {account.name} "{account.password}"')
        assert line == b"a OK recorder" and took < 4


@pytest.mark.parametrize("name", ("imapgt1", "imapgt-no-such-user"))
@pytest.mark.parametrize("delay", ("0", "0.5"))
def test_L4_delay_of_pam_is_not_added(root_stage, name, delay):
    """pam_unix wants libpam to sleep for two seconds (pam_fail_delay(3)); ours is the only waiting."""
    with root_stage.ready("--failure-delay", delay, pam="unix") as imap:
        line, took = answer(imap, f"LOGIN {name} mumble")
        assert line.startswith(b"a NO [AUTHENTICATIONFAILED]")
        assert float(delay) - 0.01 <= took < 1.5


def test_L4_delay_of_pam_faildelay_is_not_added(root_stage):
    """The module that has nothing else to do."""
    stack = "auth optional pam_faildelay.so delay=3000000\n" + root_stage.testcode("name=joe password=sesame")
    with root_stage.ready(pam=stack, virtual=True) as imap:
        assert answer(imap, "LOGIN joe mumble")[1] < 1.5


def test_L4_time_that_pam_takes_is_no_extra(stage):
    """The least time counts from the beginning of the attempt."""
    with stage.ready("--failure-delay", "1.5", pam="password=sesame sleep=1") as imap:
        assert 1.49 <= answer(imap, "LOGIN joe mumble")[1] < 2.4


@pytest.mark.parametrize("user, right", [("joe", True), ("nobody", False)])
def test_T32_pam_is_asked_for_everybody_alike(stage, user, right):
    """Who is refused by the uid has been through PAM with the same password."""
    record = stage.file("reports")
    with stage.ready(pam=f"name=joe password=sesame record={record}") as imap:
        answer(imap, f"LOGIN {user} mumble")
    call, = record.read_text().splitlines()
    assert call.startswith(f"auth user={user} ") and call.endswith("secret=" + b"mumble".hex())


def test_L3_locked_account(root_stage):
    """passwd -l: what pam_unix says of it is the ordinary failure."""
    import subprocess

    account = root_stage.users["imapgt2"]
    subprocess.run(["usermod", "--lock", account.name], check=True, capture_output=True)
    try:
        with root_stage.ready("--failure-delay", str(DELAY), pam="unix") as imap:
            line, took = answer(imap, f'LOGIN {account.name} "{account.password}"')
            assert line == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
            assert DELAY - 0.01 <= took < DELAY + SLACK
    finally:
        subprocess.run(["usermod", "--unlock", account.name], check=True, capture_output=True)


def test_L3_texts_of_modules_are_told_apart_by_nobody_else(stage):
    """A module's own text is the administrator's choice; without one there is nothing but the answer."""
    with stage.ready(pam="name=joe password=sesame") as imap:
        for user in ("joe", "nobody"):
            assert imap.command(f"a LOGIN {user} mumble")[0] == []
