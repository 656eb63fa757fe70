"""PAM: what is asked, in which order, with what; and what becomes of each answer."""

import base64
import time

import pytest

from record import pam_calls

FAILED = b"a NO [AUTHENTICATIONFAILED] Authentication failed"

# Linux-PAM's codes (security/_pam_types.h).
NAMES = ("SUCCESS OPEN_ERR SYMBOL_ERR SERVICE_ERR SYSTEM_ERR BUF_ERR PERM_DENIED AUTH_ERR CRED_INSUFFICIENT "
         "AUTHINFO_UNAVAIL USER_UNKNOWN MAXTRIES NEW_AUTHTOK_REQD ACCT_EXPIRED SESSION_ERR CRED_UNAVAIL CRED_EXPIRED "
         "CRED_ERR NO_MODULE_DATA CONV_ERR AUTHTOK_ERR AUTHTOK_RECOVERY_ERR AUTHTOK_LOCK_BUSY AUTHTOK_DISABLE_AGING "
         "TRY_AGAIN IGNORE ABORT AUTHTOK_EXPIRED MODULE_UNKNOWN BAD_ITEM CONV_AGAIN INCOMPLETE").split()
CODE = {name: number for number, name in enumerate(NAMES)}
REFUSALS = {"AUTH_ERR", "USER_UNKNOWN", "MAXTRIES", "PERM_DENIED"}
OLD = {"NEW_AUTHTOK_REQD", "AUTHTOK_EXPIRED", "CRED_EXPIRED"}
# libpam turns this into another code before an application sees it.
TURNED = {"IGNORE": "PERM_DENIED"}


def expected_code(name):
    """The words of RFC 5530 for a PAM code."""
    if name in REFUSALS:
        return {b"AUTHENTICATIONFAILED"}
    if name in OLD:
        return {b"EXPIRED"}
    if name == "ACCT_EXPIRED":
        return {b"CONTACTADMIN"}
    return {b"UNAVAILABLE"}


def attempt(stage, pam, *options, command="a LOGIN joe sesame", **more):
    """One login; returns the untagged lines, the tagged one, and what was logged."""
    report = stage.report()
    with stage.ready(*options, pam=pam, mailbox=stage.mailbox(report=report), **more) as imap:
        untagged, line = imap.command(command)
        log = imap.log()
    assert report.written() == line.startswith(b"a OK"), "a mailbox program for who is not logged in"
    return untagged, line, log


def code_of(line):
    assert line.startswith(b"a NO ["), line
    return line[6:line.index(b"]")]


@pytest.mark.parametrize("name", NAMES[1:])
def test_code_of_authenticate(stage, name):
    _, line, log = attempt(stage, f"auth={CODE[name]}")
    expected = expected_code(TURNED.get(name, name))
    if name == "ACCT_EXPIRED":
        # Before the password is known to be right, the state of the account is nobody's business either.
        expected = {b"CONTACTADMIN", b"AUTHENTICATIONFAILED"}
    assert code_of(line) in expected
    assert log[0].name == "auth-fail"
    assert log[0]["reason"] == f"PAM_{TURNED.get(name, name)}"


@pytest.mark.parametrize("name", NAMES[1:])
def test_code_of_account(stage, name):
    _, line, log = attempt(stage, f"account={CODE[name]}")
    expected = expected_code(TURNED.get(name, name))
    if expected == {b"AUTHENTICATIONFAILED"}:
        # The password was right: the account's refusal may be told as one.
        expected = {b"AUTHENTICATIONFAILED", b"CONTACTADMIN"}
    assert code_of(line) in expected
    assert log[0]["reason"] == f"PAM_{TURNED.get(name, name)}"


@pytest.mark.parametrize("name", ("CRED_ERR", "CRED_UNAVAIL", "SYSTEM_ERR"))
def test_code_of_setcred(stage, name):
    _, line, log = attempt(stage, f"cred={CODE[name]}")
    assert code_of(line) == b"UNAVAILABLE"
    assert log[0]["reason"] == f"PAM_{name}"


@pytest.mark.parametrize("name", ("SESSION_ERR", "SYSTEM_ERR", "BUF_ERR"))
def test_code_of_open_session(stage, name):
    _, line, log = attempt(stage, f"open={CODE[name]}")
    assert code_of(line) == b"UNAVAILABLE"
    assert log[0]["reason"] == f"PAM_{name}"


def test_code_that_is_none(stage):
    """Threat T44: no result has success as its default."""
    _, line, _ = attempt(stage, "auth=99")
    assert line.startswith(b"a NO [")


# --- the four phases

def phases(stage, *options, command="a LOGIN joe sesame", **more):
    """What the module was told: a list of dictionaries, one for each call."""
    record = stage.file("reports")
    with stage.ready(*options, pam=f"name=joe password=sesame record={record}", **more) as imap:
        imap.command(command)
    return pam_calls(record)


def test_order_of_phases(stage):
    assert [call["phase"] for call in phases(stage)] == ["auth", "account", "cred", "open"]


def test_no_session_if_not_wanted(stage):
    assert "open" not in [call["phase"] for call in phases(stage, "--pam-session", "none")]


def test_wrong_password_ends_after_authenticate(stage):
    assert [call["phase"] for call in phases(stage, command="a LOGIN joe mumble")] == ["auth"]


@pytest.mark.parametrize("on, address", [("tls", "127.0.0.1"), ("starttls", "127.0.0.1")])
def test_remote_host_is_numeric(stage, on, address):
    """Threat T37: an address, never a name that somebody else chose."""
    for call in phases(stage, on=on):
        assert call["rhost"] == address and call["tty"] == "imap" and call["service"] == "imapgate"


@pytest.mark.parametrize("on", ("unix", "pipe"))
def test_remote_host_of_a_local_connection(stage, on):
    """Nothing that libpam or a module would look up: libpam's audit asks the DNS for whatever is no address."""
    assert {call["rhost"] for call in phases(stage, on=on)} <= {"-", "127.0.0.1"}


def test_remote_host_ipv6(stage):
    assert {call["rhost"] for call in phases(stage, "--allow-cleartext", "all", on="tcp6")} == {"::1"}


def test_phases_run_as_root(root_stage):
    assert {call["euid"] for call in phases(root_stage)} == {"0"}


def test_null_passwords_are_disallowed(stage):
    """Threat T34: PAM_DISALLOW_NULL_AUTHTOK, in both phases that know it."""
    flags = {call["phase"]: int(call["flags"], 16) for call in phases(stage)}
    assert flags["auth"] & 1 and flags["account"] & 1
    assert flags["cred"] & 2, "PAM_ESTABLISH_CRED"


@pytest.mark.parametrize("password", [
    "x", " leading", "trailing ", "p~w[", 'a"b\\c', "ünïcödé €", "%n%s", "p" * 255, "p" * 511, "*", "=", "\u0430",
])
@pytest.mark.parametrize("how", ("literal", "plain", "login"))
def test_password_arrives_unchanged(stage, password, how):
    record = stage.file("reports")
    octets = password.encode()
    with stage.ready(pam=f"record={record}") as imap:
        if how == "literal":
            imap.send(b"a LOGIN joe {%d+}\r\n%s\r\n" % (len(octets), octets))
        elif how == "plain":
            imap.send(b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\0joe\0" + octets) + b"\r\n")
        else:
            imap.send("a AUTHENTICATE LOGIN\r\n")
            imap.expect("+ VXNlcm5hbWU6")
            imap.send("am9l\r\n")
            imap.expect("+ UGFzc3dvcmQ6")
            imap.send(base64.b64encode(octets) + b"\r\n")
        imap.expect("a OK recorder")
    assert f"secret={octets.hex()}" in record.read_text().split("\n")[0]


@pytest.mark.parametrize("length", (512, 4096, 8000))
def test_password_too_long_for_pam(stage, length):
    """Threat T33: refused before PAM, in the ordinary words."""
    record = stage.file("reports")
    with stage.ready(pam=f"record={record}") as imap:
        secret = b"p" * length
        imap.send(b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\0joe\0" + secret) + b"\r\n")
        imap.expect(FAILED)
    assert not record.exists()


def test_names_of_255_octets_arrive(stage):
    """RFC 4616, 2: a server must take 255 octets of each."""
    record = stage.file("reports")
    name, secret = b"n" * 255, b"s" * 255
    with stage.ready(pam=f"record={record}") as imap:
        imap.send(b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\0".join((name, name, secret))) + b"\r\n")
        imap.expect("a OK recorder")
    assert f"user={name.decode()} " in record.read_text()


def test_one_authenticate_for_each_attempt(stage):
    """Threat T42: a leading space is part of the password, and no reason to try twice."""
    record = stage.file("reports")
    with stage.ready(pam=f"name=joe password=sesame record={record}") as imap:
        assert imap.command('a LOGIN joe " sesame"')[1] == FAILED
    assert len(record.read_text().splitlines()) == 1


# --- the conversation

def test_module_that_asks_the_name(stage):
    record = stage.file("reports")
    _, line, _ = attempt(stage, f"name=joe password=sesame echo-prompt record={record}")
    assert line == b"a OK recorder"
    assert f"secret={b'joe'.hex()}" in record.read_text().splitlines()[0]


def test_module_that_asks_nothing(stage):
    assert attempt(stage, "prompts=0")[1] == b"a OK recorder"


def test_second_prompt_gets_no_password(stage):
    """Nobody knows what it asks for; the password is not for whoever asked."""
    _, line, log = attempt(stage, "name=joe password=sesame prompts=2")
    assert line.startswith(b"a NO [")
    assert log[0]["reason"] == "second-prompt"


def test_prompt_of_an_unknown_style(stage):
    _, line, log = attempt(stage, "binary-prompt")
    assert code_of(line) == b"UNAVAILABLE"
    assert log[0]["reason"] == "PAM_CONV_ERR"


@pytest.mark.parametrize("text", [
    b"one\r\ntwo\n", b"\x1b[31mred\x07", b"[ALERT] twice", b"\xff\xfe not UTF-8", "schön".encode(), b" spaces  ",
    b"a0 OK fooled you", b"* BYE fooled you", b"x" * 300, b"\t", b"",
], ids=repr)
def test_texts_never_break_a_login(stage, text):
    """They are cleaned for the wire; the grammar of every line is checked as always."""
    words = stage.file("scratch", ".txt")
    words.write_bytes(text)
    words.chmod(0o644)
    stack = f"auth optional pam_echo.so file={words}\n" + stage.testcode("name=joe password=sesame")
    untagged, line, _ = attempt(stage, stack)
    assert line == b"a OK recorder"
    assert all(said.startswith((b"* OK [ALERT] ", b"* NO [ALERT] ")) for said in untagged), untagged


def test_many_texts(stage):
    stack = "auth optional pam_echo.so Text number 1234567890 of very many that a module says\n" * 60
    _, line, _ = attempt(stage, stack + stage.testcode("name=joe password=sesame"))
    assert line == b"a OK recorder"


def test_error_text_of_a_refusal(stage):
    """Whether an account is locked is not told to those who only guess."""
    untagged, line, _ = attempt(stage, "[error=The account is locked.] auth=6")
    assert line == FAILED and untagged == []


def test_error_text_where_the_password_was_right(stage):
    untagged, line, _ = attempt(stage, "name=joe password=sesame [account-say=It is closed.] account=13")
    assert line.startswith(b"a NO [CONTACTADMIN] ") and untagged == [b"* NO [ALERT] It is closed."]


def test_error_text_of_a_refusal_if_wanted(stage):
    untagged, line, _ = attempt(stage, "[error=The account is locked.] auth=6", "--pam-text", "always")
    assert line == FAILED
    assert untagged in ([b"* NO [ALERT] The account is locked."], [b"* OK [ALERT] The account is locked."])


# --- the name that PAM ends with

def test_module_that_renames(root_stage):
    report, account = root_stage.report(), root_stage.users["imapgt2"]
    with root_stage.ready(pam="name=imapgt1 become=imapgt2", virtual=False,
                          mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login("imapgt1")
        assert imap.logged("handoff")["user"] == '"imapgt2"'
    assert report.environment["USER"] == report.environment["AUTHENTICATED"] == "imapgt2"
    assert report.one("uid").split()[0] == str(account.uid)


def test_module_that_renames_to_root(root_stage):
    _, line, log = attempt(root_stage, "become=root", virtual=False)
    assert line == FAILED
    assert log[0]["reason"] == "uid"


def test_module_that_renames_to_nonsense(stage):
    for name in ("../joe", "-joe", "a:b"):
        _, line, _ = attempt(stage, f"become={name}")
        assert line.startswith(b"a NO [")


@pytest.mark.parametrize("authzid, accepted", [("josephine", True), ("joe", True), ("jo", False)])
def test_authzid_of_the_renamed(stage, authzid, accepted):
    """The authzid may be the name that was sent or the name that PAM made of it."""
    plain = base64.b64encode(f"{authzid}\0joe\0sesame".encode()).decode()
    _, line, _ = attempt(stage, "become=josephine", command=f"a AUTHENTICATE PLAIN {plain}")
    assert line.startswith(b"a OK recorder" if accepted else b"a NO [AUTHORIZATIONFAILED] ")


# --- real stacks

def test_pam_unix(root_stage):
    for name in ("imapgt1", "imapgt2"):
        account = root_stage.users[name]
        _, line, log = attempt(root_stage, "unix", command=f'a LOGIN {name} "{account.password}"')
        assert line == b"a OK recorder"
        assert [event.name for event in log] == ["auth-ok", "handoff"]


def test_pam_unix_wrong(root_stage):
    for name, reason in (("imapgt1", "PAM_AUTH_ERR"), ("imapgt-no-such-user", "PAM_USER_UNKNOWN")):
        _, line, log = attempt(root_stage, "unix", command=f'a LOGIN {name} "mumble"')
        assert line == FAILED
        assert log[0]["reason"] == reason


def test_pam_unix_expired_account(root_stage):
    account = root_stage.users["imapgtold"]
    _, line, log = attempt(root_stage, "unix", command=f'a LOGIN {account.name} "{account.password}"')
    assert code_of(line) == b"CONTACTADMIN"
    assert log[0]["reason"] == "PAM_ACCT_EXPIRED"
    assert attempt(root_stage, "unix", command=f'a LOGIN {account.name} "mumble"')[1] == FAILED


def test_pam_deny_and_permit(root_stage):
    assert attempt(root_stage, "deny", command="a LOGIN imapgt1 x")[1] == FAILED
    assert attempt(root_stage, "permit", command="a LOGIN imapgt1 x")[1] == b"a OK recorder"


def test_pam_exec(stage):
    """A module that forks and waits: nothing of us may take its child's status away."""
    out, script = stage.file("reports"), stage.file("scratch", ".sh")
    script.write_text(f'#!/bin/sh\nread -r password || :\n[ "$password" = sesame ] || exit 1\n'
                      f'echo "$PAM_USER $PAM_RHOST $PAM_TTY $PAM_SERVICE $PAM_TYPE" > {out}\n')
    script.chmod(0o755)
    # pam_exec has nothing to say to setcred, and a stack in which nobody has is a refusal.
    stack = f"auth requisite pam_exec.so expose_authtok quiet {script}\nauth required pam_permit.so\n" \
            "account required pam_permit.so\nsession required pam_permit.so\n"
    assert attempt(stage, stack, on="starttls")[1] == b"a OK recorder"
    assert out.read_text() == "joe 127.0.0.1 imap imapgate auth\n"
    # Whatever else than 0 the script says, pam_exec calls it a system error.
    assert code_of(attempt(stage, stack, command="a LOGIN joe mumble")[1]) == b"UNAVAILABLE"


def test_pam_env_and_limits_modules(stage):
    """Session modules of a usual system do their work and hinder nobody."""
    stack = stage.testcode("name=joe password=sesame") + "session optional pam_limits.so\nsession optional pam_env.so\n"
    assert attempt(stage, stack)[1] == b"a OK recorder"


# --- time

def seconds(imap, command):
    start = time.monotonic()
    imap.command(command)
    return time.monotonic() - start


@pytest.mark.timed
def test_failures_take_their_time(stage):
    """Least time of a failure times its number, whatever failed; nothing else waits."""
    with stage.ready("--failure-delay", "0.2", "--max-attempts", "9") as imap:
        assert 0.19 <= seconds(imap, "a LOGIN joe mumble") < 0.4
        assert 0.39 <= seconds(imap, "b LOGIN nobody mumble") < 0.6
        assert 0.59 <= seconds(imap, 'c LOGIN joe ""') < 0.8
        assert seconds(imap, "d NOOP") < 0.1
        assert seconds(imap, "e AUTHENTICATE NOTHING") < 0.1
        assert seconds(imap, "f LOGIN joe sesame") < 0.2


@pytest.mark.timed
def test_account_that_is_unavailable_does_not_wait(stage):
    with stage.ready("--failure-delay", "2", pam="account=9") as imap:
        assert seconds(imap, "a LOGIN joe sesame") < 1


@pytest.mark.parametrize("pam", ("auth=9", "auth=4"))
def test_password_that_was_judged_waits_and_counts(stage, pam):
    """A guess is not free because a second module is down: the first one has judged it."""
    with stage.ready("--failure-delay", "1", "--max-attempts", "2", pam=pam) as imap:
        assert seconds(imap, "a LOGIN joe mumble") > 0.9
        imap.send("b LOGIN joe mumble2\r\n")
        assert imap.line().startswith(b"b NO [UNAVAILABLE] ")
        imap.expect("* BYE ...")
        imap.expect_end()


@pytest.mark.timed
def test_delay_of_modules_is_ours(root_stage):
    """pam_unix asks libpam to wait two seconds after a wrong password; the least time is the option's."""
    with root_stage.ready(pam="unix") as imap:
        assert seconds(imap, "a LOGIN imapgt1 mumble") < 1


def test_pam_is_not_asked_in_cleartext(stage):
    record = stage.file("reports")
    with stage.ready(on="tcp", pam=f"record={record}") as imap:
        for command in ("a LOGIN joe sesame", "b AUTHENTICATE PLAIN AGpvZQBzZXNhbWU="):
            assert b" NO [PRIVACYREQUIRED] " in imap.command(command)[1]
    assert not record.exists()


def test_too_many_attempts_are_counted_over_all_methods(stage):
    record = stage.file("reports")
    with stage.ready("--max-attempts", "2", pam=f"name=joe password=sesame record={record}") as imap:
        imap.send("a LOGIN joe mumble\r\nb AUTHENTICATE PLAIN AGpvZQBt\r\nc LOGIN joe sesame\r\n")
        imap.expect(FAILED)
        imap.expect("b NO [AUTHENTICATIONFAILED] Authentication failed")
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.logged_end()["reason"] == "too-many-attempts"
    assert len(record.read_text().splitlines()) == 2
