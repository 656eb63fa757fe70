"""SASL EXTERNAL: who a client is by its certificate, and all the certificates that say nothing.

RFC 4422, appendix A. Threats T7 (a name that is missing, there twice, cut by a
NUL) and T8 (the result of verifying ignored): both must fail closed.
"""

import base64
import ssl

import pytest

from clientca import BMP, IA5, PRINTABLE, authority, context, dns, email, upn

VERSIONS = ("TLSv1.2", "TLSv1.3")
PLACES = ("tls", "starttls")
REFUSED = b"a NO Unsupported authentication mechanism"
FAILED = b"a NO [AUTHENTICATIONFAILED] Authentication failed"


def b64(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def start(stage, certificate, *options, on="tls", version="TLSv1.3", **more):
    """A connection on which the client has shown this certificate (None: none)."""
    return stage.ready("--client-ca", authority(stage).file, *options, on=on,
                       context=context(stage, certificate, version), **more)


def external(stage, certificate, *options, command="a AUTHENTICATE EXTERNAL =", **more):
    """One AUTHENTICATE EXTERNAL: the capabilities before it, its answer, the log."""
    with start(stage, certificate, *options, **more) as imap:
        capabilities = imap.capabilities()
        line = imap.command(command)[1]
        return capabilities, line, imap.log()


def joe(stage, field="email"):
    """A certificate whose name is in one place, with somebody else's name in the other places."""
    names = {"email": [email("joe"), upn("eve"), dns("eve")], "upn": [email("eve"), upn("joe")],
             "cn": [email("eve"), upn("eve")]}
    return authority(stage).certificate(*names[field], cn=["joe" if field == "cn" else "eve"])


# --- EX1, EX2: on offer where the identity is, and then it is enough

@pytest.mark.parametrize("field", ("email", "upn", "cn"))
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("on", PLACES)
def test_EX2_identity_of_the_certificate(stage, on, version, field):
    capabilities, line, log = external(stage, joe(stage, field), "--cert-user", field, on=on, version=version)
    assert "AUTH=EXTERNAL" in capabilities
    assert line == b"a OK recorder"
    assert (log[0].name, log[0]["mech"], log[0]["user"], log[0]["tls"]) == ("auth-ok", "EXTERNAL", '"joe"', version)


@pytest.mark.parametrize("on", PLACES)
def test_EX2_empty_response_to_the_challenge(stage, on):
    """Without an initial response: an empty challenge, and an empty line says "by my certificate"."""
    with start(stage, joe(stage), on=on) as imap:
        imap.send("a AUTHENTICATE external\r\n")
        imap.expect("+ ")
        imap.send("\r\n")
        imap.expect("a OK recorder")


def test_EX2_email_is_the_default(stage):
    assert external(stage, joe(stage, "email"))[1] == b"a OK recorder"
    assert external(stage, joe(stage, "cn"))[2][0]["user"] == '"eve"'


@pytest.mark.parametrize("tag", (PRINTABLE, IA5, BMP))
def test_EX2_common_name_of_any_string_type(stage, tag):
    """X.520 lets a name be many kinds of string; it is UTF-8 when PAM hears it."""
    text = "joe".encode("utf-16-be") if tag == BMP else b"joe"
    certificate = authority(stage).certificate(cn=[text], cn_tag=tag)
    assert external(stage, certificate, "--cert-user", "cn")[2][0]["user"] == '"joe"'


@pytest.mark.parametrize("on", PLACES)
def test_EX1_not_on_offer_without_a_certificate(stage, on):
    capabilities, line, log = external(stage, None, on=on)
    assert "AUTH=EXTERNAL" not in capabilities and "AUTH=PLAIN" in capabilities
    assert line == REFUSED
    assert {event.name for event in log} <= {"auth-refused"}


def test_EX1_not_on_offer_where_nobody_asked(stage):
    """Without --client-ca a certificate is not even asked for."""
    certificate = joe(stage)
    with stage.ready(on="tls", context=context(stage, certificate)) as imap:
        assert "AUTH=EXTERNAL" not in imap.capabilities()
        assert imap.command("a AUTHENTICATE EXTERNAL =")[1] == REFUSED


@pytest.mark.parametrize("on", ("unix", "pipe", "tcp"))
def test_EX1_not_on_offer_without_tls(stage, on):
    with stage.ready("--client-ca", authority(stage).file, *stage.certificate().options, on=on) as imap:
        assert "AUTH=EXTERNAL" not in imap.capabilities()
        assert imap.command("a AUTHENTICATE EXTERNAL =")[1] == REFUSED
        assert imap.command(f"b AUTHENTICATE EXTERNAL {b64('joe')}")[1].startswith(b"b NO ")


# --- T7: a certificate that verifies, and names nobody

def nameless(stage):
    """(field, certificate) by what is wrong with it."""
    ca = authority(stage)
    long = "j" * 300
    return {
        "no name at all": ("email", ca.certificate()),
        "no name in the common name": ("cn", ca.certificate(email("joe"), upn("joe"))),
        "no e-mail address": ("email", ca.certificate(upn("joe"), dns("joe"), cn=["joe"])),
        "no principal name": ("upn", ca.certificate(email("joe"), cn=["joe"])),
        "two common names": ("cn", ca.certificate(cn=["joe", "eve"])),
        "two e-mail addresses": ("email", ca.certificate(email("joe"), email("eve"))),
        "the same address twice": ("email", ca.certificate(email("joe"), email("joe"))),
        "two principal names": ("upn", ca.certificate(upn("joe"), upn("eve"))),
        "a NUL in the common name": ("cn", ca.certificate(cn=["joe\0.evil"])),
        "a NUL in the address": ("email", ca.certificate(email("joe\0.evil"))),
        "a NUL in the principal name": ("upn", ca.certificate(upn("joe\0.evil"))),
        "a NUL behind the address": ("email", ca.certificate(email("joe\0"))),
        "a strange address before a good one": ("email", ca.certificate(email("j\0"), email("joe"))),
        "a strange address behind a good one": ("email", ca.certificate(email("joe"), email("j\0"))),
        "300 octets of common name": ("cn", ca.certificate(cn=[long])),
        "300 octets of address": ("email", ca.certificate(email(long))),
        "300 octets of principal name": ("upn", ca.certificate(upn(long))),
        "256 octets of address": ("email", ca.certificate(email("j" * 256))),
        "an empty common name": ("cn", ca.certificate(cn=[""])),
        "an empty address": ("email", ca.certificate(email(""))),
        "an empty principal name": ("upn", ca.certificate(upn(""))),
        "a principal name of another type": ("upn", ca.certificate(upn("joe", tag=IA5))),
        "a NUL in sixteen bits": ("cn", ca.certificate(cn=["joe\0".encode("utf-16-be")], cn_tag=BMP)),
    }


@pytest.fixture(scope="module")
def bad(_stage):
    return nameless(_stage)


WRONG_NAMES = (
    "no name at all", "no name in the common name", "no e-mail address", "no principal name", "two common names",
    "two e-mail addresses", "the same address twice", "two principal names", "a NUL in the common name",
    "a NUL in the address", "a NUL in the principal name", "a NUL behind the address", "a strange address before a good one",
    "a strange address behind a good one", "300 octets of common name", "300 octets of address",
    "300 octets of principal name", "256 octets of address", "an empty common name", "an empty address",
    "an empty principal name", "a principal name of another type", "a NUL in sixteen bits",
)


@pytest.mark.parametrize("what", WRONG_NAMES)
def test_T7_no_identity_is_nobody(stage, bad, what):
    """Not on offer, not accepted, and the client's own word for who it is counts for nothing (CVE-2019-3814)."""
    field, certificate = bad[what]
    record = stage.file("reports")
    with start(stage, certificate, "--cert-user", field, pam=f"name=joe password=sesame record={record}") as imap:
        assert "AUTH=EXTERNAL" not in imap.capabilities()
        assert imap.command("a AUTHENTICATE EXTERNAL =")[1] == REFUSED
        assert imap.command(f"a AUTHENTICATE EXTERNAL {b64('joe')}")[1] == REFUSED
        assert not record.exists() and {event.name for event in imap.log()} <= {"auth-refused"}
        imap.login()


def test_T7_255_octets_are_a_name(stage):
    """The limit itself is still inside."""
    certificate = authority(stage).certificate(email("j" * 255))
    capabilities, line, log = external(stage, certificate)
    assert "AUTH=EXTERNAL" in capabilities
    assert line == b"a OK recorder"


@pytest.mark.parametrize("called, reason", [
    ("-froot", "bad-user-name"), ("../joe", "bad-user-name"), ("joe:x", "bad-user-name"), ("jo\ne", "bad-user-name"), (b"jo\xffe", "bad-user-name"), ("root", "uid"),
    ("imapgt-no-such-user", "unknown-account"),
])
def test_T7_names_that_no_user_has(root_stage, called, reason):
    """What is verified is not thereby a user."""
    certificate = authority(root_stage).certificate(upn(called))
    capabilities, line, log = external(root_stage, certificate, "--cert-user", "upn", virtual=False)
    if "AUTH=EXTERNAL" in capabilities:
        assert line.startswith(b"a NO [UNAVAILABLE] ") if reason == "unknown-account" else line == FAILED
        assert (log[0].name, log[0]["reason"]) == ("auth-fail", reason)
    else:
        assert line == REFUSED


# --- T8: a certificate that does not verify ends the handshake

def refused(stage, certificate, *options, version="TLSv1.3", on="tls"):
    """The client is told by TLS, not by IMAP; returns OpenSSL's words in the log."""
    with stage.start("--client-ca", authority(stage).file, *options, on=on, handshake=False) as imap:
        if on == "starttls":
            imap.greeting()
            imap.send("s STARTTLS\r\n")
            imap.expect("s OK ...")
        imap.hand_over()
        # TLS 1.3: the client hears of it when it first reads.
        with pytest.raises(ssl.SSLError, match="(?i)alert"):
            imap.handshake(context(stage, certificate, version))
            imap.send("a AUTHENTICATE EXTERNAL =\r\nb LOGIN joe sesame\r\n")
            raise AssertionError(f"the handshake went well, and then {imap.rest()!r}")
        failure = imap.logged("tls-fail")
        imap.wire.close()
        assert imap.logged_end()["reason"] == "tls-failed"
        assert not imap.log("auth-ok")
    return failure["reason"]


def unverified(stage):
    ca, other = authority(stage), authority(stage, "Another Authority")
    revoked = ca.certificate(email("joe"))
    return {
        "self-signed": (ca.certificate(email("joe"), self_signed=True), []),
        "expired": (ca.certificate(email("joe"), days=(-9, -2)), []),
        "not yet valid": (ca.certificate(email("joe"), days=(2, 9)), []),
        "for servers only": (ca.certificate(email("joe"), usage="serverAuth"), []),
        "of another authority": (other.certificate(email("joe")), []),
        "revoked": (revoked, ["--client-crl", ca.revocations(revoked)]),
        "with an old list": (ca.certificate(email("joe")), ["--client-crl", ca.revocations(days=(-9, -2))]),
        "with another authority's list": (ca.certificate(email("joe")), ["--client-crl", other.revocations()]),
        "with the same name by another key": (_namesake(stage).certificate(email("joe")), []),
    }


def _namesake(stage):
    """Another authority that calls itself as ours does."""
    false = authority(stage, "False Authority")
    false.name = authority(stage).name
    return false


@pytest.fixture(scope="module")
def unsound(_stage):
    return unverified(_stage)


UNSOUND = ("self-signed", "expired", "not yet valid", "for servers only", "of another authority", "revoked",
           "with an old list", "with another authority's list", "with the same name by another key")


@pytest.mark.parametrize("what", UNSOUND)
@pytest.mark.parametrize("version", VERSIONS)
def test_T8_certificate_that_does_not_verify(stage, unsound, version, what):
    certificate, options = unsound[what]
    assert len(refused(stage, certificate, *options, version=version)) > 4


@pytest.mark.parametrize("what", ("self-signed", "revoked"))
def test_T8_certificate_that_does_not_verify_behind_starttls(stage, unsound, what):
    certificate, options = unsound[what]
    refused(stage, certificate, *options, on="starttls")


def test_T8_who_is_not_on_the_list_is_let_in(stage):
    """The list is looked at, so it must also let in who is not on it."""
    ca = authority(stage)
    crl = ca.revocations(ca.certificate(email("joe")))
    assert external(stage, ca.certificate(email("joe")), "--client-crl", crl)[1] == b"a OK recorder"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("revoked", (True, False))
def test_T8_intermediate_authority_that_is_revoked(stage, version, revoked):
    """The key of a revoked authority may be in anybody's hands, so its clients are nobody; each authority has a list of its own."""
    root, below = authority(stage), authority(stage, "Authority Below")
    middle = root.authorize(below)
    certificate = below.certificate(email("joe"))
    with open(certificate.file, "a") as chain:
        chain.write(middle.file.read_text())
    lists = stage.file("scratch")
    lists.write_text(root.revocations(*([middle] if revoked else [])).read_text() + below.revocations().read_text())
    if revoked:
        refused(stage, certificate, "--client-crl", lists, version=version)
    else:
        assert external(stage, certificate, "--client-crl", lists)[1] == b"a OK recorder"


def test_T8_certificate_without_usage(stage):
    """RFC 5280, 4.2.1.12: without the extension any purpose is meant."""
    assert external(stage, authority(stage).certificate(email("joe"), usage=None))[1] == b"a OK recorder"


@pytest.mark.parametrize("option", ("--client-ca", "--client-crl"))
@pytest.mark.parametrize("fault", ("missing", "no certificate in it", "a directory"))
def test_T8_no_verifying_no_tls(stage, option, fault):
    """Where clients can't be verified nobody is let in unverified: on 993 there is nothing but the end."""
    file = stage.file("keys", ".pem")
    if fault == "a directory":
        file.mkdir()
    elif fault != "missing":
        file.write_text("nothing\n")
    options = ["--client-ca", authority(stage).file] if option == "--client-crl" else []
    with stage.start(*options, option, file, on="tls", handshake=False) as imap:
        imap.expect_end()
        assert imap.status() == 78
        assert "client" in imap.log_text()


@pytest.mark.superserver("a listener does not start")
@pytest.mark.parametrize("fault", ("missing", "no certificate in it"))
def test_T8_no_verifying_no_starttls(stage, fault):
    """S3: NO [UNAVAILABLE] where it can't work, at once."""
    file = stage.file("keys", ".pem")
    if fault != "missing":
        file.write_text("nothing\n")
    with stage.ready("--client-ca", file, *stage.certificate().options, on="tcp") as imap:
        assert "STARTTLS" not in imap.capabilities()
        assert imap.command("a STARTTLS")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert "client-ca" in imap.logged("tls-fail")["reason"]


# --- EX3: authzid

@pytest.mark.parametrize("response, answer, reason", [
    (b"joe", b"a OK recorder", None),
    (b"bob", b"a NO [AUTHORIZATIONFAILED] You may not act as that user", "authzid"),
    (b"Joe", b"a NO [AUTHORIZATIONFAILED] You may not act as that user", "authzid"),
    (b"joe ", b"a NO [AUTHORIZATIONFAILED] You may not act as that user", "authzid"),
    (b"joe\0", FAILED, "malformed"), (b"\0", FAILED, "malformed"), (b"j" * 256, FAILED, "malformed"),
    (b"-joe", FAILED, "bad-user-name"), (b"jo\xff", FAILED, "bad-user-name"),
], ids=repr)
@pytest.mark.parametrize("initial", (True, False))
def test_EX3_authzid(stage, response, answer, reason, initial):
    with start(stage, joe(stage)) as imap:
        if initial:
            imap.send(f"a AUTHENTICATE EXTERNAL {b64(response)}\r\n")
        else:
            imap.send("a AUTHENTICATE EXTERNAL\r\n")
            imap.expect("+ ")
            imap.send(f"{b64(response)}\r\n")
        assert imap.line() == answer
        if reason:
            event = imap.log("auth-fail")[0]
            assert (event["mech"], event["reason"]) == ("EXTERNAL", reason)


def test_EX3_cancelled_and_garbled(stage):
    """A2 and A3 hold for EXTERNAL too, and cost no attempt."""
    with start(stage, joe(stage), "--max-attempts", "1") as imap:
        imap.send("a AUTHENTICATE EXTERNAL\r\n")
        imap.expect("+ ")
        imap.send("*\r\n")
        imap.expect("a BAD ...")
        assert imap.command("b AUTHENTICATE EXTERNAL ====")[1].startswith(b"b BAD ")
        assert imap.command("c AUTHENTICATE EXTERNAL =")[1] == b"c OK recorder"


def test_EX3_failures_are_counted(stage):
    with start(stage, joe(stage), "--max-attempts", "2") as imap:
        imap.command(f"a AUTHENTICATE EXTERNAL {b64('bob')}")
        imap.command(f"b AUTHENTICATE EXTERNAL {b64('eve')}")
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.logged_end()["reason"] == "too-many-attempts"


# --- EX4: a certificate is no login

@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("on", PLACES)
def test_EX4_still_not_authenticated(stage, on, version):
    """RFC 9051, 6.2.1: TLS with a certificate changes no state; on port 993 neither."""
    report = stage.report()
    with start(stage, joe(stage), on=on, version=version, mailbox=stage.mailbox(report=report)) as imap:
        assert imap.command("a SELECT INBOX")[1].startswith(b"a BAD ")
        assert imap.command("b AUTHENTICATE EXTERNAL =")[1] == b"b OK recorder"
        assert imap.command("c SELECT INBOX")[1] == b"c OK heard SELECT INBOX"
    assert report.environment["IMAPLOGINTAG"] == "b"
    assert report.environment["BINCIMAP_LOGIN"] == "AUTHENTICATE+b"


def test_EX4_who_has_a_certificate_may_use_a_password(stage):
    """And is then who the password is for."""
    with start(stage, authority(stage).certificate(email("eve"))) as imap:
        imap.login()
        assert imap.logged("auth-ok")["user"] == '"joe"'


# --- EX5: the account is asked for, the password is not

def test_EX5_phases(stage):
    record = stage.file("reports")
    assert external(stage, joe(stage), pam=f"auth=7 record={record}")[1] == b"a OK recorder"
    assert [line.split()[0] for line in record.read_text().splitlines()] == ["account", "cred", "open"]


@pytest.mark.parametrize("account, code, reason", [
    (12, b"EXPIRED", "PAM_NEW_AUTHTOK_REQD"), (13, b"CONTACTADMIN", "PAM_ACCT_EXPIRED"), (6, b"CONTACTADMIN", "PAM_PERM_DENIED"),
    (27, b"EXPIRED", "PAM_AUTHTOK_EXPIRED"), (10, b"AUTHENTICATIONFAILED", "PAM_USER_UNKNOWN"), (9, b"UNAVAILABLE", "PAM_AUTHINFO_UNAVAIL"),
])
def test_EX5_account_is_not_well(stage, account, code, reason):
    report = stage.report()
    _, line, log = external(stage, joe(stage), pam=f"account={account}", mailbox=stage.mailbox(report=report))
    assert line.startswith(b"a NO [" + code + b"] ")
    assert [event["reason"] for event in log] == [reason]
    assert not report.written()


def test_EX5_text_of_the_account_phase(stage):
    with start(stage, joe(stage), pam="[account-say=Your certificate is old.]") as imap:
        untagged, line = imap.command("a AUTHENTICATE EXTERNAL =")
        assert (untagged, line) == ([b"* OK [ALERT] Your certificate is old."], b"a OK recorder")


def test_EX5_expired_account_of_the_system(root_stage):
    """chage -E 0, with pam_unix."""
    for name, answer in (("imapgtold", b"a NO [CONTACTADMIN] "), ("imapgt1", b"a OK recorder")):
        certificate = authority(root_stage).certificate(email(name))
        assert external(root_stage, certificate, pam="unix")[1].startswith(answer)


def test_EX5_uid_of_the_mailbox_program(root_stage):
    account, report = root_stage.users["imapgt2"], root_stage.report()
    certificate = authority(root_stage).certificate(email("imapgt2"))
    assert external(root_stage, certificate, pam="unix", mailbox=root_stage.mailbox(report=report))[1] == b"a OK recorder"
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert report.environment["AUTHENTICATED"] == "imapgt2"
