"""Every code that a PAM module can return, in each phase: what the client hears, and the one line that is logged.

Threat T44: no code is a success by default. The table is the manual's; what
comes before the password is known to be right says less than what comes after.
"""

import unicodedata

import pytest

NAMES = ("SUCCESS OPEN_ERR SYMBOL_ERR SERVICE_ERR SYSTEM_ERR BUF_ERR PERM_DENIED AUTH_ERR CRED_INSUFFICIENT "
         "AUTHINFO_UNAVAIL USER_UNKNOWN MAXTRIES NEW_AUTHTOK_REQD ACCT_EXPIRED SESSION_ERR CRED_UNAVAIL CRED_EXPIRED "
         "CRED_ERR NO_MODULE_DATA CONV_ERR AUTHTOK_ERR AUTHTOK_RECOVERY_ERR AUTHTOK_LOCK_BUSY AUTHTOK_DISABLE_AGING "
         "TRY_AGAIN IGNORE ABORT AUTHTOK_EXPIRED MODULE_UNKNOWN BAD_ITEM CONV_AGAIN INCOMPLETE").split()

# libpam itself makes these of what "required" modules return.
TURNED = {"IGNORE": "PERM_DENIED", "99": "PERM_DENIED"}
# After this one libpam waits for the same call again, and hands no other one on.
FROZEN = {"INCOMPLETE"}

# RFC 5530's words. What is in neither table is UNAVAILABLE.
OLD = {"NEW_AUTHTOK_REQD": "EXPIRED", "AUTHTOK_EXPIRED": "EXPIRED", "CRED_EXPIRED": "EXPIRED"}
AUTHENTICATING = {**OLD, **dict.fromkeys(("AUTH_ERR", "USER_UNKNOWN", "MAXTRIES", "PERM_DENIED", "ACCT_EXPIRED"),
                                         "AUTHENTICATIONFAILED")}
AFTERWARDS = {**OLD, **dict.fromkeys(("USER_UNKNOWN", "MAXTRIES"), "AUTHENTICATIONFAILED"),
              **dict.fromkeys(("AUTH_ERR", "PERM_DENIED", "ACCT_EXPIRED"), "CONTACTADMIN")}
PHASES = {"auth": AUTHENTICATING, "account": AFTERWARDS, "cred": AFTERWARDS, "open": AFTERWARDS}
GUESSES = {"AUTHENTICATIONFAILED"}

CASES = [(phase, name) for phase in PHASES for name in (*NAMES[1:], "99")]


def number(name):
    return NAMES.index(name) if name in NAMES else int(name)


@pytest.mark.parametrize("phase, name", CASES, ids=lambda word: word)
def test_T44_code(stage, phase, name):
    """One answer, one line, no mailbox program; and what was opened before is closed again."""
    report, record = stage.report(), stage.file("reports")
    told = TURNED.get(name, name)
    reason = f"PAM_{told}"
    if (phase, name) == ("cred", "99"):
        # The one phase in which libpam lets a number through that is no code.
        told, reason = name, "unknown-pam-code"
    expected = PHASES[phase].get(told, "UNAVAILABLE")
    with stage.ready("--max-attempts", "1", pam=f"name=joe password=sesame {phase}={number(name)} record={record}",
                     mailbox=stage.mailbox(report=report)) as imap:
        untagged, line = imap.command("a LOGIN joe sesame")
        assert line.startswith(f"a NO [{expected}] ".encode())
        assert untagged == []
        # A password that PAM did not say yes to counts, whatever it said; and behind what was done for one user there is no other.
        if phase != "account" or expected in GUESSES:
            imap.expect("* BYE ...")
            imap.expect_end()
        else:
            assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
        lines = [event for event in imap.log() if event.name != "end"]
        assert [(event.name, event["reason"], event["attempt"]) for event in lines] == [("auth-fail", reason, "1")]
    assert not report.written()
    called = [call.split()[0] for call in record.read_text().splitlines()]
    order = ["auth", "account", "cred", "open"]
    assert called[:order.index(phase) + 1] == order[:order.index(phase) + 1]
    # pam_setcred(PAM_DELETE_CRED) for what pam_setcred(PAM_ESTABLISH_CRED) has made.
    assert called[order.index(phase) + 1:] == (["cred"] if phase == "open" and name not in FROZEN else [])


def test_T44_success_is_success(stage):
    with stage.ready(pam="name=joe password=sesame auth=0 account=0 cred=0 open=0") as imap:
        imap.login()
        assert [event.name for event in imap.log()] == ["auth-ok", "handoff"]


@pytest.mark.parametrize("code", (-1, 32, 33, 99, 1000, 2147483647))
@pytest.mark.parametrize("phase", PHASES)
def test_T44_codes_that_there_are_not(stage, phase, code):
    report = stage.report()
    with stage.ready(pam=f"{phase}={code}", mailbox=stage.mailbox(report=report)) as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [")
        assert [event.name for event in imap.log()][0] == "auth-fail"
    assert not report.written()


@pytest.mark.parametrize("name", ("ACCT_EXPIRED", "PERM_DENIED", "AUTH_ERR", "NEW_AUTHTOK_REQD"))
def test_state_of_the_account_is_for_who_knows_the_password(stage, name):
    """RC3: with a wrong password there is no difference between an account that is closed and one that is not."""
    with stage.ready(pam=f"name=joe password=sesame account={number(name)}") as imap:
        assert imap.command("a LOGIN joe mumble")[1] == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
        assert imap.log()[0]["reason"] == "PAM_AUTH_ERR"


@pytest.mark.parametrize("name", ("SYSTEM_ERR", "ACCT_EXPIRED", "NEW_AUTHTOK_REQD"))
def test_logins_that_are_no_guesses_have_an_end_too(stage, name):
    """RC4: not counted as attempts, but ten of them are enough for one connection."""
    with stage.ready("--max-attempts", "1", pam=f"account={number(name)}") as imap:
        for attempt in range(10):
            assert imap.command(f"a{attempt} LOGIN joe sesame")[1].startswith(f"a{attempt} NO [".encode())
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.logged_end()["reason"] == "unavailable"


# --- RC10: what modules say

SAYING = {
    "auth": "[say=Read me.]",
    "account": "[account-say=Read me.]",
    "session": "",
}


def stack_that_says(stage, phase, arguments="name=joe password=sesame", text="Read me."):
    """Texts of the session phase are pam_echo's, as pam_motd and pam_lastlog are."""
    stack = stage.testcode(f"{arguments} {SAYING[phase]}")
    return stack + f"session optional pam_echo.so {text}\n" if phase == "session" else stack


@pytest.mark.parametrize("phase", SAYING)
@pytest.mark.parametrize("on", ("tls", "starttls", "unix", "pipe"))
def test_RC10_text_comes_before_the_answer(stage, on, phase):
    """Also when the login succeeds."""
    with stage.ready(on=on, pam=stack_that_says(stage, phase)) as imap:
        assert imap.command("a LOGIN joe sesame") == ([b"* OK [ALERT] Read me."], b"a OK recorder")


@pytest.mark.parametrize("phase", SAYING)
@pytest.mark.parametrize("on", ("tcp", "tcp6"))
def test_RC10_text_never_in_the_clear(stage, on, phase):
    """RFC 9051, 11.3; --allow-cleartext is no word about alerts."""
    with stage.ready("--allow-cleartext", "all", on=on, pam=stack_that_says(stage, phase)) as imap:
        raw = imap.record_bytes()
        assert imap.command("a LOGIN joe mumble")[0] == []
        assert imap.command("b LOGIN joe sesame") == ([], b"b OK recorder")
        assert b"Read me" not in raw.received and b"ALERT" not in raw.received


@pytest.mark.parametrize("phase, code, answer", [
    ("account", 12, b"EXPIRED"), ("account", 13, b"CONTACTADMIN"), ("account", 9, b"UNAVAILABLE"), ("auth", 7, b"AUTHENTICATIONFAILED"),
    ("auth", 11, b"AUTHENTICATIONFAILED"), ("open", 14, b"UNAVAILABLE"),
])
def test_RC10_text_of_a_refusal(stage, phase, code, answer):
    """RC2, RC11: a line of its own, because a line has one code."""
    say = "account-say" if phase == "account" else "error"
    with stage.ready("--pam-text", "always", on="tls", pam=f"{phase}={code} [{say}=Your account is locked.]") as imap:
        untagged, line = imap.command("a LOGIN joe sesame")
        assert untagged == [b"* NO [ALERT] Your account is locked."]
        assert line.startswith(b"a NO [" + answer + b"] ")


def test_RC10_texts_of_several_modules(stage):
    """One alert with all of them, in order."""
    stack = stage.testcode("[say=One.] [error=Two.] [account-say=Three.]") + "session optional pam_echo.so Four.\n"
    with stage.ready(on="tls", pam=stack) as imap:
        assert imap.command("a LOGIN joe sesame")[0] == [b"* OK [ALERT] One. Two. Three. Four."]


def test_RC10_texts_do_not_stay(stage):
    """What was said of one attempt is not said again of the next."""
    stack = "auth optional pam_echo.so Attempt.\n" + stage.testcode("name=joe password=sesame")
    with stage.ready("--pam-text", "always", on="tls", pam=stack) as imap:
        assert imap.command("a LOGIN joe mumble")[0] == [b"* NO [ALERT] Attempt."]
        assert imap.command('b LOGIN joe ""')[0] == []
        assert imap.command("c LOGIN joe sesame")[0] == [b"* OK [ALERT] Attempt."]


HOSTILE = {
    "lines": (b"one\r\ntwo\rthree\nfour", b"one two three four"),
    "a tagged answer": (b"x\r\na OK you are in\r\n", b"x a OK you are in"),
    "an escape sequence": (b"\x1b[31mred\x1b[0m", b"[31mred [0m"),
    "a bell and a tab": (b"a\x07\tb", b"a b"),
    "delete": (b"a\x7fb", b"a b"),
    "another code": (b"[CAPABILITY IMAP4rev1] x", b"[CAPABILITY IMAP4rev1] x"),
    "UTF-8": ("gr\u00fc\u00dfe \u20ac \U0001f512".encode(), "gr\u00fc\u00dfe \u20ac \U0001f512".encode()),
    "no UTF-8": (b"\xff\xc0\xafx", b"???x"),
    "a surrogate": (b"\xed\xa0\x80x", b"???x"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_RC10_text_is_cleaned(stage, what):
    """T2, G8: nothing of a module's text can become a line of its own or move a terminal's cursor."""
    given, shown = HOSTILE[what]
    words = stage.file("scratch", ".txt")
    words.write_bytes(given)
    words.chmod(0o644)
    stack = f"auth optional pam_echo.so file={words}\n" + stage.testcode("name=joe password=sesame")
    with stage.ready(on="tls", pam=stack) as imap:
        assert imap.command("a LOGIN joe sesame") == ([b"* OK [ALERT] " + shown], b"a OK recorder")


@pytest.mark.parametrize("characters", (range(1, 32), range(127, 128), range(0x80, 0xa0)), ids=("C0", "DEL", "C1"))
def test_RC10_no_control_character_passes(stage, characters):
    """C0 and DEL, and C1 as the UTF-8 that a terminal obeys all the same."""
    words = stage.file("scratch", ".txt")
    words.write_bytes("a".join(map(chr, characters)).encode() + b"z")
    words.chmod(0o644)
    stack = f"auth optional pam_echo.so file={words}\n" + stage.testcode("name=joe password=sesame")
    with stage.ready(pam=stack) as imap:
        imap.hand_over()
        (alert,), line = imap.command("a LOGIN joe sesame")
        assert line == b"a OK recorder"
        assert not [character for character in alert.decode() if unicodedata.category(character) == "Cc"], alert


def test_RC10_text_is_bounded(stage):
    """A module that never stops talking costs the client one line of moderate length."""
    stack = "".join(f"auth optional pam_echo.so {number:03d} {'word ' * 30}\n" for number in range(50))
    with stage.ready(on="tls", pam=stack + stage.testcode("name=joe password=sesame")) as imap:
        untagged, line = imap.command("a LOGIN joe sesame")
        assert line == b"a OK recorder"
        assert len(untagged) == 1 and 200 <= len(untagged[0]) <= 600
        assert untagged[0].startswith(b"* OK [ALERT] 000 word word ")


def test_RC10_text_is_cut_between_characters(stage):
    """The limit falls into a character of three octets at one of three offsets."""
    for shift in range(3):
        words = stage.file("scratch", ".txt")
        words.write_bytes(b"x" * shift + "\u20ac".encode() * 400)
        words.chmod(0o644)
        stack = f"auth optional pam_echo.so file={words}\n" + stage.testcode("name=joe password=sesame")
        with stage.ready(on="tls", pam=stack) as imap:
            (alert,), line = imap.command("a LOGIN joe sesame")
            assert line == b"a OK recorder"
            assert set(alert[len(b"* OK [ALERT] "):].decode().lstrip("x")) == {"\u20ac"}


@pytest.mark.parametrize("text", (b"\r\n", b"   ", b"\x01\x02"))
def test_RC10_text_of_nothing(stage, text):
    """An alert that says nothing is none."""
    words = stage.file("scratch", ".txt")
    words.write_bytes(text)
    words.chmod(0o644)
    stack = f"auth optional pam_echo.so file={words}\n" + stage.testcode("name=joe password=sesame")
    with stage.ready(on="tls", pam=stack) as imap:
        assert imap.command("a LOGIN joe sesame") == ([], b"a OK recorder")
