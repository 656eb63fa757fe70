"""OAUTHBEARER (RFC 7628) and XOAUTH2: a second PAM service, to which the token is the secret."""

import base64
import json
import ssl

import pytest

from stage import BUILD
from wire import TlsWire

FAILED = b"a NO [AUTHENTICATIONFAILED] Authentication failed"
TOKEN = "ya29.vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg"
MECHANISMS = ("OAUTHBEARER", "XOAUTH2")


def b64(message):
    return base64.b64encode(message if isinstance(message, bytes) else message.encode()).decode()


def bearer(user="joe", token=TOKEN, *pairs, header=None):
    """The client's message of RFC 7628, 3.1; pairs go before "auth"."""
    header = header if header is not None else (f"n,a={user}," if user else "n,,")
    return "\x01".join([header, *pairs, f"auth=Bearer {token}", "", ""])


def xoauth2(user="joe", token=TOKEN):
    return f"user={user}\x01auth=Bearer {token}\x01\x01"


MESSAGE = {"OAUTHBEARER": bearer, "XOAUTH2": xoauth2}


def confdir(stage, oauth, ordinary="joe"):
    """A private PAM directory with both services: "imapgate" knows passwords, "imapgate-oauth" tokens."""
    folder = stage.file("pam")
    folder.mkdir()
    whole = {"joe": stage.testcode("name=joe password=sesame")}
    (folder / "imapgate").write_text(whole.get(ordinary, ordinary))
    (folder / "imapgate-oauth").write_text(oauth if "\n" in oauth else token_stack(stage, oauth))
    return folder


def token_stack(stage, arguments):
    """The module of pam_testtoken.c, and an account phase that says yes."""
    module = stage.folder / "bin" / "pam_testtoken.so"
    if not module.exists():
        stage._copy(BUILD / "tests" / "pam_testtoken.so")
    return (f"auth required {module} {arguments}\naccount required {module}\n"
            "session required pam_permit.so\n")


def start(stage, oauth=f"token={TOKEN}", *options, on="tls", **more):
    return stage.ready("--pam-confdir", confdir(stage, oauth), "--oauth-service", "imapgate-oauth", *options, on=on, **more)


def authenticate(imap, mechanism, message, answer="AQ==", tag="a"):
    """One exchange with an initial response; returns the failure's JSON (None if there was none) and the tagged line."""
    imap.send(f"{tag} AUTHENTICATE {mechanism} {b64(message) or '='}\r\n")
    line = imap.line()
    told = None
    if line.startswith(b"+ "):
        told = json.loads(base64.b64decode(line[2:], validate=True))
        imap.send(answer + "\r\n")
        line = imap.line()
    assert line.startswith(tag.encode() + b" "), line
    return told, line


def attempt(stage, mechanism, message, *options, oauth=f"token={TOKEN}", answer="AQ==", **more):
    with start(stage, oauth, *options, **more) as imap:
        told, line = authenticate(imap, mechanism, message, answer)
        return told, line, imap.log()


# --- on offer or not

def test_off_by_default(stage):
    with stage.ready(on="tls") as imap:
        assert not [word for word in imap.capabilities() if "OAUTH" in word]
        for mechanism in MECHANISMS:
            assert imap.command(f"a AUTHENTICATE {mechanism} {b64(MESSAGE[mechanism]())}")[1] \
                == b"a NO Unsupported authentication mechanism"
        assert {event.name for event in imap.log()} <= {"auth-refused"}, "PAM was asked"


@pytest.mark.parametrize("on", ("tls", "starttls", "unix", "pipe"))
def test_OB1_on_offer_where_it_is_private(stage, on):
    with start(stage, on=on) as imap:
        assert {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2", "AUTH=PLAIN"} <= set(imap.capabilities())
        assert authenticate(imap, "OAUTHBEARER", bearer()) == (None, b"a OK recorder")


@pytest.mark.parametrize("cleartext", ("none", "loopback", "all"))
def test_OB1_never_in_cleartext(stage, cleartext):
    """RFC 7628, 3: TLS; --allow-cleartext is for passwords only. Not invited, not heard."""
    record = stage.file("reports")
    with start(stage, f"record={record}", "--allow-cleartext", cleartext, *stage.certificate().options, on="tcp") as imap:
        assert not [word for word in imap.capabilities() if "OAUTH" in word]
        for mechanism in MECHANISMS:
            assert imap.command(f"a AUTHENTICATE {mechanism}")[1].startswith(b"a NO [PRIVACYREQUIRED] ")
            assert imap.command(f"b AUTHENTICATE {mechanism} {b64(MESSAGE[mechanism]())}")[1].startswith(b"b NO [PRIVACYREQUIRED] ")
        imap.starttls(stage.certificate().context())
        assert "AUTH=OAUTHBEARER" in imap.capabilities()
    assert not record.exists()


def test_passwords_and_tokens_are_judged_apart(stage):
    """Neither is good for the other service."""
    with start(stage) as imap:
        assert authenticate(imap, "OAUTHBEARER", bearer(token="sesame"))[1] == FAILED
        assert imap.command(f'b LOGIN joe "{TOKEN}"')[1].startswith(b"b NO [AUTHENTICATIONFAILED]")
        imap.login()


# --- OB2: the message

@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_OB2_token_and_name_reach_pam(stage, mechanism):
    record = stage.file("reports")
    _, line, log = attempt(stage, mechanism, MESSAGE[mechanism](), oauth=f"token={TOKEN} record={record}")
    assert line == b"a OK recorder"
    assert record.read_text() == f"joe {len(TOKEN)} {TOKEN}\n"
    assert (log[0].name, log[0]["mech"], log[0]["user"]) == ("auth-ok", mechanism, '"joe"')


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_OB2_without_initial_response(stage, mechanism):
    with start(stage) as imap:
        imap.send(f"a AUTHENTICATE {mechanism}\r\n")
        imap.expect("+ ")
        imap.send(b64(MESSAGE[mechanism]()) + "\r\n")
        imap.expect("a OK recorder")


PAIRS = f"auth=Bearer {TOKEN}\x01\x01"
GOOD = {
    "as in RFC 7628": f"n,a=joe,\x01host=localhost\x01port=PORT\x01{PAIRS}",
    "unknown keys": f"n,a=joe,\x01foo=1\x01mthd=POST\x01path=/\x01post=\x01qs=a=b\x01{PAIRS}",
    "unknown keys behind": f"n,a=joe,\x01auth=Bearer {TOKEN}\x01foo=1\x01bar=n,a=eve,\x01\x01",
    "an unknown key that is long": f"n,a=joe,\x01foo={'x' * 3000}\x01{PAIRS}",
    "a key like a known one": f"n,a=joe,\x01hostess=evil\x01authx=Bearer evil\x01xauth=Bearer evil\x01{PAIRS}",
    "host behind the token": f"n,a=joe,\x01auth=Bearer {TOKEN}\x01port=PORT\x01host=localhost\x01\x01",
    "a small scheme": f"n,a=joe,\x01auth=bearer {TOKEN}\x01\x01",
    "a large scheme": f"n,a=joe,\x01auth=BEARER {TOKEN}\x01\x01",
    "a client that could bind": f"y,a=joe,\x01{PAIRS}",
    "a host in capitals": f"n,a=joe,\x01host=LOCALHOST\x01{PAIRS}",
    "a user key as XOAUTH2 has it": f"n,a=joe,\x01user=eve\x01{PAIRS}",
}
BAD = {
    "nothing": "",
    "a lone ^A": "\x01",
    "two ^A": "\x01\x01",
    "no header": PAIRS,
    "no header but ^A": f"\x01{PAIRS}",
    "a header without end": f"n,a=joe\x01{PAIRS}",
    "a header and nothing": "n,a=joe,",
    "a header and ^A": "n,a=joe,\x01",
    "no pair": "n,a=joe,\x01\x01",
    "no ^A behind the header": f"n,a=joe,{PAIRS}",
    "three commas": f"n,a=joe,,\x01{PAIRS}",
    "another attribute": f"n,b=joe,\x01{PAIRS}",
    "a name without its attribute": f"n,joe,\x01{PAIRS}",
    "no last ^A": f"n,a=joe,\x01auth=Bearer {TOKEN}\x01",
    "no ^A at all behind the token": f"n,a=joe,\x01auth=Bearer {TOKEN}",
    "something behind the end": f"n,a=joe,\x01{PAIRS}x",
    "three ^A": f"n,a=joe,\x01{PAIRS}\x01",
    "no token": "n,a=joe,\x01auth=Bearer \x01\x01",
    "no auth": "n,a=joe,\x01host=localhost\x01\x01",
    "auth behind the end": f"n,a=joe,\x01\x01{PAIRS}",
    "another scheme": "n,a=joe,\x01auth=Basic am9lOnNlc2FtZQ==\x01\x01",
    "no scheme": f"n,a=joe,\x01auth={TOKEN}\x01\x01",
    "a scheme without space": f"n,a=joe,\x01auth=Bearer{TOKEN}\x01\x01",
    "a channel binding": f"p=tls-unique,a=joe,\x01{PAIRS}",
    "a channel binding of another type": f"p=tls-exporter,,\x01{PAIRS}",
    "an unknown flag": f"x,a=joe,\x01{PAIRS}",
    "a NUL in the token": f"n,a=joe,\x01auth=Bearer {TOKEN}\0\x01\x01",
    "a NUL in the name": f"n,a=jo\0e,\x01{PAIRS}",
    "a name of 256 octets": f"n,a={'j' * 256},\x01{PAIRS}",
    "a name that is none": f"n,a=-joe,\x01{PAIRS}",
    "a name that is not UTF-8": f"n,a=joe,\x01{PAIRS}".encode().replace(b"joe", b"jo\xff"),
    "a control character in the token": f"n,a=joe,\x01auth=Bearer {TOKEN}\x7f\x01\x01",
    "an escape that is none": f"n,a=jo=2De,\x01{PAIRS}",
    "an equals sign in the name": f"n,a=jo=e,\x01{PAIRS}",
    "half an escape": f"n,a=joe=2,\x01{PAIRS}",
    "an equals sign at the end": f"n,a=joe=,\x01{PAIRS}",
}


@pytest.mark.parametrize("what", GOOD)
def test_OB2_good_messages(stage, what):
    with start(stage) as imap:
        port = imap.wire.wire.sock.getpeername()[1]
        assert authenticate(imap, "OAUTHBEARER", GOOD[what].replace("PORT", str(port))) == (None, b"a OK recorder")
        assert imap.log("auth-ok")[0]["user"] == '"joe"'


@pytest.mark.parametrize("what", BAD)
def test_OB2_bad_messages(stage, what):
    """They fail as a bad token does, and PAM never hears of them; the connection goes on. OB5 is among them."""
    record = stage.file("reports")
    with start(stage, f"record={record}") as imap:
        told, line = authenticate(imap, "OAUTHBEARER", BAD[what])
        assert line == FAILED
        assert told in (None, {"status": "invalid_token"}, {"status": "invalid_request"})
        assert imap.log("auth-fail")[0]["reason"] in ("malformed", "bad-user-name", "password-not-text", "password-too-long")
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
    assert not record.exists()


@pytest.mark.parametrize("escaped, name", [
    ("jo=2Ce", "jo,e"), ("jo=3De", "jo=e"), ("=2C=3D=2C", ",=,"), ("=3D2C", "=2C"), ("j\xf6rg", "j\xf6rg"),
    ("joe@example.org", "joe@example.org"), ("n=2Ca=3Deve", "n,a=eve"),
])
def test_OB2_escapes_in_the_name(stage, escaped, name):
    """RFC 5801, 4: comma and equals sign."""
    record = stage.file("reports")
    assert attempt(stage, "OAUTHBEARER", bearer(escaped), oauth=f"record={record}")[1] == b"a OK recorder"
    assert record.read_text().startswith(f"{name} {len(TOKEN)} ")


@pytest.mark.parametrize("message", [
    "", "\x01", f"user=joe\x01auth=Bearer {TOKEN}\x01", f"user=joe\x01auth=Bearer {TOKEN}", f"auth=Bearer {TOKEN}\x01\x01",
    "user=joe\x01\x01", "user=joe\x01auth=Bearer \x01\x01", f"user=\x01auth=Bearer {TOKEN}\x01\x01",
    f"user=jo\0e\x01auth=Bearer {TOKEN}\x01\x01", f"user=-joe\x01auth=Bearer {TOKEN}\x01\x01",
    f"user={'j' * 256}\x01auth=Bearer {TOKEN}\x01\x01", f"user=joe\x01auth=Basic {TOKEN}\x01\x01",
], ids=repr)
def test_xoauth2_bad_messages(stage, message):
    record = stage.file("reports")
    with start(stage, f"record={record}") as imap:
        assert authenticate(imap, "XOAUTH2", message)[1] == FAILED
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
    assert not record.exists()


# --- OB3: the client says whom it means to speak to

@pytest.mark.parametrize("pairs", [
    ["host=evil.example.org"], ["host=localhost.evil.example.org"], ["host=ocalhost"], ["port=1"], ["port=0"], ["port=99999"],
    ["port=143x"], ["port=999999999999"], ["host=localhost", "port=1"], ["host=" + "h" * 300], ["host=*"],
], ids=str)
def test_OB3_another_host_or_port(stage, pairs):
    """The token was meant for somebody else, who passes it on: refused before PAM."""
    record = stage.file("reports")
    told, line, _ = attempt(stage, "OAUTHBEARER", bearer("joe", TOKEN, *pairs), oauth=f"record={record}")
    assert line == FAILED and told["status"] in ("invalid_token", "invalid_request")
    assert not record.exists()


def test_OB3_host_is_one_of_the_certificates(stage):
    """The name that this connection's certificate has, not that of another one of ours."""
    one, two = stage.certificate("ecdsa", "one.example.org"), stage.certificate("ecdsa", "two.example.org")
    for asked, said, good in (("one.example.org", "one.example.org", True), ("two.example.org", "two.example.org", True),
                              ("one.example.org", "two.example.org", False)):
        with stage.start("--pam-confdir", confdir(stage, f"token={TOKEN}"), "--oauth-service", "imapgate-oauth",
                         "--tls-on-connect", *one.options, *two.options, on="tcp") as imap:
            client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
            imap.wire = TlsWire(imap.wire, client, asked)
            imap.wire.handshake()
            imap.protected = True
            imap.greeting()
            line = authenticate(imap, "OAUTHBEARER", bearer("joe", TOKEN, f"host={said}"))[1]
            assert line.startswith(b"a OK ") == good, (asked, said)


# --- OB4: failure

@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_OB4_failure_is_told_and_acknowledged(stage, mechanism):
    with start(stage) as imap:
        told, line = authenticate(imap, mechanism, MESSAGE[mechanism](token="wrong"))
        assert line == FAILED
        assert told["status"] == {"OAUTHBEARER": "invalid_token", "XOAUTH2": "401"}[mechanism]
        event = imap.log("auth-fail")[0]
        assert (event["mech"], event["attempt"], event["reason"], event["user"]) == (mechanism, "1", "PAM_AUTH_ERR", '"joe"')
        assert authenticate(imap, mechanism, MESSAGE[mechanism]()) == (None, b"a OK recorder")


def test_OB4_challenge_in_its_very_octets(stage):
    with start(stage) as imap:
        imap.send(f"a AUTHENTICATE OAUTHBEARER {b64(bearer(token='wrong'))}\r\n")
        assert imap.line().startswith(b"+ eyJzdGF0dXMi")
        imap.expect_silence(0.05)
        imap.send("AQ==\r\n")
        imap.expect("a NO [AUTHENTICATIONFAILED] Authentication failed")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_OB4_failure_is_cancelled(stage, mechanism):
    """RFC 9051, 6.2.2: "*" is BAD; the failure has been counted all the same."""
    with start(stage, f"token={TOKEN}", "--max-attempts", "2") as imap:
        assert authenticate(imap, mechanism, MESSAGE[mechanism](token="wrong"), answer="*")[1].startswith(b"a BAD ")
        assert authenticate(imap, mechanism, MESSAGE[mechanism](token="wrong"), answer="*", tag="b")[1].startswith(b"b BAD ")
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.logged_end()["reason"] == "too-many-attempts"


@pytest.mark.parametrize("answer", ("", "AQ==", "AQ", "b NOOP", "e30=", "x" * 20000))
def test_OB4_any_answer_ends_the_exchange(stage, answer):
    """Whatever comes instead of ^A is no command: one tagged answer, then the next command."""
    with start(stage) as imap:
        imap.send(f"a AUTHENTICATE OAUTHBEARER {b64(bearer(token='wrong'))}\r\n{answer}\r\nc NOOP\r\n")
        imap.expect("+ ...")
        assert imap.line().startswith((b"a NO ", b"a BAD "))
        imap.expect("c OK NOOP completed")


def test_OB4_pipelined_acknowledgement(stage):
    """When the token is good nobody asks: what the client sent in advance is the mailbox program's."""
    with start(stage) as imap:
        imap.send(f"a AUTHENTICATE OAUTHBEARER {b64(bearer())}\r\nb NOOP\r\n")
        imap.expect("a OK recorder")
        imap.expect("b OK heard NOOP")


def test_OB4_client_goes_instead(stage):
    """T18: a cut in the middle of the exchange is an ordinary end."""
    with start(stage) as imap:
        imap.send(f"a AUTHENTICATE OAUTHBEARER {b64(bearer(token='wrong'))}\r\n")
        imap.expect("+ ...")
        imap.wire.close()
        assert imap.logged_end()["reason"] == "disconnected"


@pytest.mark.parametrize("auth, code", [(9, b"UNAVAILABLE"), (4, b"UNAVAILABLE"), (12, b"EXPIRED")])
def test_what_is_no_failure_of_the_token(stage, auth, code):
    """RC4: no challenge for what the client can't mend by a new token."""
    told, line, _ = attempt(stage, "OAUTHBEARER", bearer(), oauth=stage.testcode(f"auth={auth}"))
    assert told is None and line.startswith(b"a NO [" + code + b"] ")


def test_service_that_is_missing(stage):
    folder = confdir(stage, f"token={TOKEN}")
    with stage.ready("--pam-confdir", folder, "--oauth-service", "nothing", on="tls") as imap:
        told, line = authenticate(imap, "OAUTHBEARER", bearer())
        assert told is None and line.startswith(b"a NO [UNAVAILABLE] ")
        assert imap.log("auth-fail")[0]["reason"] == "no-pam-service"


def test_failures_are_counted_together(stage):
    with start(stage, f"token={TOKEN}", "--max-attempts", "3") as imap:
        authenticate(imap, "OAUTHBEARER", bearer(token="wrong"))
        imap.command("b LOGIN joe mumble")
        assert authenticate(imap, "XOAUTH2", xoauth2(token="wrong"), tag="c")[1].startswith(b"c NO ")
        imap.expect("* BYE ...")
        imap.expect_end()


# --- OB6: whose token it is

@pytest.mark.parametrize("user", ("joe", None))
def test_OB6_identity_is_the_tokens(stage, user):
    """Also where the client does not say who it is; the mailbox is the owner's."""
    report = stage.report()
    _, line, log = attempt(stage, "OAUTHBEARER", bearer(user), oauth=f"token={TOKEN} owner=joe", mailbox=stage.mailbox(report=report))
    assert line == b"a OK recorder"
    assert log[0]["user"] == '"joe"'
    assert report.environment["USER"] == "joe"


@pytest.mark.parametrize("user", ("bob", "Joe", "joe@example.org"))
def test_OB6_somebody_elses_token(stage, user):
    """The module makes PAM_USER the token's owner, so who the client would like to be does not matter."""
    report = stage.report()
    _, line, log = attempt(stage, "OAUTHBEARER", bearer(user), oauth=f"token={TOKEN} owner=joe", mailbox=stage.mailbox(report=report))
    assert line.startswith(b"a NO [AUTHORIZATIONFAILED] ")
    assert log[0]["reason"] == "authzid"
    assert not report.written()


def test_OB6_name_of_the_token_that_is_none(root_stage):
    for owner in ("root", "../joe", "imapgt-no-such-user"):
        line = attempt(root_stage, "OAUTHBEARER", bearer(None), oauth=f"owner={owner}", virtual=False)[1]
        assert line.startswith(b"a NO ["), owner


def test_nobody_is_named_at_all(stage):
    """No name from the client, none from the module: nobody is logged in."""
    line = attempt(stage, "OAUTHBEARER", bearer(None), oauth=f"token={TOKEN}")[1]
    assert line.startswith(b"a NO [")


def test_xoauth2_owner_of_the_token(stage):
    """PAM_USER rewritten by a module is who is logged in, never whom the client has named."""
    report = stage.report()
    _, line, _ = attempt(stage, "XOAUTH2", xoauth2("bob"), oauth=f"token={TOKEN} owner=joe", mailbox=stage.mailbox(report=report))
    assert line.startswith(b"a NO [") or report.environment["USER"] == "joe"


# --- long tokens, and a stack of pam_exec

@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("initial", (True, False))
@pytest.mark.parametrize("on", ("tls", "pipe"))
@pytest.mark.parametrize("length", (2048, 8192))
def test_long_tokens_arrive(stage, on, mechanism, initial, length):
    record = stage.file("reports")
    token = ("0123456789abcdef" * 512)[:length - 3] + "end"
    with start(stage, f"record={record}", on=on) as imap:
        if initial:
            imap.send(f"a AUTHENTICATE {mechanism} {b64(MESSAGE[mechanism](token=token))}\r\nb NOOP\r\n")
        else:
            imap.send(f"a AUTHENTICATE {mechanism}\r\n")
            imap.expect("+ ")
            imap.send(f"{b64(MESSAGE[mechanism](token=token))}\r\nb NOOP\r\n")
        imap.expect("a OK recorder")
        imap.expect("b OK heard NOOP")
    assert record.read_text() == f"joe {length} {token}\n"


def test_tokens_that_are_too_long(stage):
    """One octet over the limit is malformed, a line over the limit is BAD, and both leave the connection in order."""
    record = stage.file("reports")
    with start(stage, f"record={record}") as imap:
        assert authenticate(imap, "OAUTHBEARER", bearer(token="t" * 8193))[1] == FAILED
        assert imap.command(f"b AUTHENTICATE OAUTHBEARER {b64(bearer(token='t' * 16384))}")[1].startswith(b"b BAD ")
        imap.send("c AUTHENTICATE OAUTHBEARER\r\n")
        imap.expect("+ ")
        imap.send(b64(bearer(token="t" * 20000)) + "\r\n")
        imap.expect("c BAD ...")
        assert imap.command("d NOOP")[1] == b"d OK NOOP completed"
    assert not record.exists()


def exec_stack(stage):
    """pam_exec gives the token to a script, as an administrator does who asks an introspection endpoint with curl."""
    out, script = stage.file("reports"), stage.file("scratch", ".sh")
    script.write_text(f'#!/bin/sh\ntoken=$(cat | tr -d "\\000")\necho "$PAM_USER $PAM_SERVICE $PAM_TYPE $token" >> {out}\n'
                      f'[ "$token" = "{TOKEN}" ]\n')
    script.chmod(0o755)
    # pam_exec has nothing to say to setcred, and a stack in which nobody has is a refusal.
    return out, (f"auth requisite pam_exec.so expose_authtok quiet {script}\nauth required pam_permit.so\n"
                 "account required pam_permit.so\nsession required pam_permit.so\n")


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_pam_exec(stage, mechanism):
    out, stack = exec_stack(stage)
    assert attempt(stage, mechanism, MESSAGE[mechanism](), oauth=stack)[1] == b"a OK recorder"
    assert out.read_text() == f"joe imapgate-oauth auth {TOKEN}\n"


def test_pam_exec_says_no(stage):
    """pam_exec calls it a system error if a script fails: no judgement of the token, so no challenge (RC4)."""
    _, stack = exec_stack(stage)
    told, line, log = attempt(stage, "OAUTHBEARER", bearer(token="wrong"), oauth=stack)
    assert told is None and line.startswith(b"a NO [UNAVAILABLE] ")
    assert log[0]["reason"] == "PAM_SYSTEM_ERR"


def test_pam_exec_and_deny(stage):
    """The stack that the manual should show: a failing script makes pam_deny speak, and that is a judgement."""
    _, stack = exec_stack(stage)
    stack = stack.replace("auth requisite pam_exec.so", "auth [success=1 default=ignore] pam_exec.so").replace(
        "auth required pam_permit.so", "auth requisite pam_deny.so\nauth required pam_permit.so")
    told, line, log = attempt(stage, "OAUTHBEARER", bearer(token="wrong"), oauth=stack)
    assert told == {"status": "invalid_token"} and line == FAILED
    assert log[0]["reason"] == "PAM_AUTH_ERR"
    assert attempt(stage, "OAUTHBEARER", bearer(), oauth=stack)[1] == b"a OK recorder"


# --- T54: a token is a secret

def test_tokens_are_not_logged(stage):
    with start(stage) as imap:
        authenticate(imap, "OAUTHBEARER", bearer(token="wr0ng-t0ken"))
        authenticate(imap, "OAUTHBEARER", "n,a=joe,\x01auth=Bearer wr0ng-t0ken\x01")
        authenticate(imap, "XOAUTH2", xoauth2())
        assert "wr0ng-t0ken" not in imap.log_text() and TOKEN not in imap.log_text()


def test_tokens_are_not_in_the_environment(stage):
    report = stage.report()
    attempt(stage, "XOAUTH2", xoauth2(), mailbox=stage.mailbox(report=report))
    assert TOKEN not in str(report.entries)


def test_failure_takes_its_time(stage):
    """L4: the least time of a failure passes before the challenge that tells of it."""
    import time

    with start(stage, f"token={TOKEN}", "--failure-delay", "0.3") as imap:
        began = time.monotonic()
        imap.send(f"a AUTHENTICATE OAUTHBEARER {b64(bearer(token='wrong'))}\r\n")
        imap.expect("+ ...")
        assert time.monotonic() - began >= 0.29
        imap.send("AQ==\r\n")
        imap.expect("a NO [AUTHENTICATIONFAILED] ...")
