"""What is advertised is what can be done: every mechanism on every kind of connection, and no other words.

RFC 9051, 6.2.2 and 7.2.2: rules C4, C5, C8, C9, G2.
"""

import base64

import pytest

from clientca import authority, context, email

# What is registered with IANA (imap-capabilities) and may stand in a list of ours; AUTH= has a registry of its own.
REGISTERED = {"IMAP4rev1", "SASL-IR", "LITERAL+", "LITERAL-", "ID", "STARTTLS", "LOGINDISABLED"}
MECHANISMS = ("PLAIN", "LOGIN", "EXTERNAL", "OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
              "SCRAM-SHA-256-PLUS", "GSSAPI", "GS2-KRB5", "NTLM", "ANONYMOUS", "PLAIN-CLIENTTOKEN", "KERBEROS_V4", "SKEY", "APOP")
OFFERED = ("PLAIN", "LOGIN", "EXTERNAL", "OAUTHBEARER", "XOAUTH2")


def message(mechanism):
    text = {"EXTERNAL": "joe", "OAUTHBEARER": "n,a=joe,\x01auth=Bearer sesame\x01\x01",
            "XOAUTH2": "user=joe\x01auth=Bearer sesame\x01\x01"}.get(mechanism, "\0joe\0sesame")
    return base64.b64encode(text.encode()).decode()


def everything(stage):
    """Options that switch on all there is."""
    folder = stage.file("pam")
    folder.mkdir()
    for service in ("imapgate", "imapgate-oauth"):
        (folder / service).write_text(stage.testcode("name=joe password=sesame"))
    return ["--pam-confdir", folder, "--oauth-service", "imapgate-oauth", "--client-ca", authority(stage).file]


def open_session(stage, on, options, certificate):
    ours = authority(stage).certificate(email("joe")) if certificate else None
    own = [] if on in ("tls", "starttls") else stage.certificate().options
    return stage.ready(*options, *own, on=on, context=context(stage, ours) if on in ("tls", "starttls") else None)


def works(imap, mechanism):
    if mechanism == "LOGIN":
        imap.send("x AUTHENTICATE LOGIN\r\n")
        line = imap.line()
        if not line.startswith(b"+ "):
            return False
        imap.send("am9l\r\n")
        imap.line()
        imap.send("c2VzYW1l\r\n")
        return imap.line().startswith(b"x OK ")
    return imap.command(f"x AUTHENTICATE {mechanism} {message(mechanism)}")[1].startswith(b"x OK ")


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("on, certificate", [("tcp", False), ("unix", False), ("tls", False), ("tls", True), ("starttls", True)])
@pytest.mark.parametrize("switched_on", (True, False), ids=("all", "default"))
def test_C4_listed_if_and_only_if_it_works(stage, on, certificate, mechanism, switched_on):
    options = everything(stage) if switched_on else []
    with open_session(stage, on, options, certificate) as imap:
        listed = f"AUTH={mechanism}" in imap.capabilities()
        assert works(imap, mechanism) == listed
        assert listed == (mechanism in OFFERED and on != "tcp" and (mechanism in ("PLAIN", "LOGIN") or switched_on)
                          and (mechanism != "EXTERNAL" or certificate))


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp", "tls", "starttls"))
def test_C5_registered_names_only(stage, on):
    """C8, C9 too: no IMAP4rev2 that we would have to keep, no mechanism that we have not."""
    with open_session(stage, on, everything(stage), certificate=True) as imap:
        words = imap.capabilities()
        assert {word for word in words if not word.startswith("AUTH=")} <= REGISTERED
        assert {word[5:] for word in words if word.startswith("AUTH=")} <= set(OFFERED)
        assert "IMAP4rev1" in words and "IMAP4rev2" not in words
        assert len({"LITERAL+", "LITERAL-"} & set(words)) == 1


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp", "tcp6", "tls"))
@pytest.mark.parametrize("cleartext", ("none", "all"))
def test_G2_greeting_and_answer_agree(stage, on, cleartext):
    """Word for word, in the same order."""
    own = [] if on == "tls" else stage.certificate().options
    with stage.start("--allow-cleartext", cleartext, *everything(stage), *own, on=on,
                     context=context(stage, authority(stage).certificate(email("joe"))) if on == "tls" else None) as imap:
        greeting = imap.greeting()
        assert greeting == f"* OK [CAPABILITY {' '.join(imap.capabilities())}] imapgate ready".encode()


def test_C3_order_and_exclusion(stage):
    """STARTTLS and LOGINDISABLED where passwords are not taken, AUTH= where they are."""
    with open_session(stage, "tcp", [], False) as imap:
        before = imap.capabilities()
        imap.starttls(stage.certificate().context())
        after = imap.capabilities()
    assert {"STARTTLS", "LOGINDISABLED"} <= set(before) and not [word for word in before if word.startswith("AUTH=")]
    assert not {"STARTTLS", "LOGINDISABLED"} & set(after) and {"AUTH=PLAIN", "AUTH=LOGIN"} <= set(after)
