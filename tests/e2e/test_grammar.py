"""The checker that every other test leans on must itself say no."""

import pytest

from grammar import GrammarError, check

GOOD = [
    b"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID STARTTLS LOGINDISABLED] imapgate ready",
    b"* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN",
    b"* BYE [UNAVAILABLE] Come back later",
    b"* BYE Logging out",
    b"* BAD Command line too long",
    b'* ID ("name" "imapgate")',
    b"* ID NIL",
    "* OK [ALERT] läuft ab".encode(),
    b"a OK NOOP completed",
    b"a] NO [AUTHENTICATIONFAILED] Authentication failed",
    b"A.1 BAD Unknown command",
    b"+ ",
    b"+ OK",
]

BAD = [
    b"",
    b"*",
    b"* ",
    b"* OK",
    b"* OK ",
    b"* OK  two spaces",
    b"* OK [CAPABILITY IMAP4rev1]no space",
    b"* OK [CAPABILITY IMAP4rev1",
    b"* OK [CAPABILITY] none",
    b"* OK [CAPABILITY SASL-IR] no version",
    b"* OK [ALERT][EXPIRED] twice",
    b"* OK [FUNNY] code",
    b"* CAPABILITY IMAP4rev1  SASL-IR",
    b"* CAPABILITY IMAP4rev1 ",
    b"* CAPABILITY IMAP4rev1 ID ID",
    b"* CAPABILITY IMAP4rev1 A(B",
    b"* ID (name imapgate)",
    b"* SEARCH 1 2",
    b"* NO [TOOBIG] not here",
    b"* NO [EXPIRED sometime] arguments",
    b"+",
    b"+OK",
    b"a+b OK tag with plus",
    b"a* OK tag with star",
    b"a OK",
    b"a OK ",
    b"a BYE tagged",
    b"a PREAUTH tagged",
    b"a OK [ALERT] tagged alert",
    b"a BAD bare\rCR",
    b"a BAD NUL\x00",
    b"a BAD tab\there",
    "a BAD läuft".encode(),
    b"* OK [ALERT] \xff",
    b"+ [OK",
]


@pytest.mark.parametrize("line", GOOD)
def test_good_line(line):
    check(line)


@pytest.mark.parametrize("line", BAD)
def test_bad_line(line):
    with pytest.raises(GrammarError):
        check(line)


def test_alert_needs_protection():
    check(b"* OK [ALERT] news", protected=True)
    with pytest.raises(GrammarError):
        check(b"* OK [ALERT] news", protected=False)


def test_challenge_is_base64():
    assert check(b"+ VXNlcm5hbWU6", expect="challenge")[0] == "continuation"
    check(b"+ ", expect="challenge")
    for line in (b"+ OK then", b"+ QR==", b"+ QQ"):
        with pytest.raises(GrammarError):
            check(line, expect="challenge")


def test_what_is_told():
    assert check(b"a NO [EXPIRED] Old") == ("tagged", b"a", b"NO", b"EXPIRED")
    assert check(b"* BYE Enough") == ("untagged", None, b"BYE", None)
