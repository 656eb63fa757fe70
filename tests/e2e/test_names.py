"""Several names, several keys: which certificate a client gets, and what happens while they are renewed.

S12, S13; threats T9 (names that strangers choose), T11 (another protocol's
client), T5 (a certificate that can't be used).
"""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from processes import wait_until_waiting
from wire import TlsWire

MAIL, WEB = "mail.example.org", "web.example.net"


class Pair:
    """A certificate and its key as an administrator has them: files that change."""

    def __init__(self, stage, certificate):
        self.folder = stage.file("keys")
        self.folder.mkdir(mode=0o700)
        self.file, self.key = self.folder / "cert.pem", self.folder / "key.pem"
        self.write(certificate)

    def write(self, certificate):
        self.write_certificate(certificate)
        self.write_key(certificate)

    def write_certificate(self, certificate):
        self._replace(self.file, certificate.file)

    def write_key(self, certificate):
        self._replace(self.key, certificate.key)

    @staticmethod
    def _replace(target, source):
        """As certbot and acme.sh do: a new file under the old name."""
        fresh = target.with_suffix(".new")
        shutil.copyfile(source, fresh)
        fresh.chmod(0o600)
        os.replace(fresh, target)

    @property
    def options(self):
        return ["--cert", str(self.file), "--key", str(self.key)]


def trusting_nobody():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def shown(imap):
    """The certificate that the server has shown, as PEM lines."""
    return ssl.DER_cert_to_PEM_cert(imap.wire.tls.getpeercert(binary_form=True)).split()


def is_shown(imap, certificate):
    return shown(imap) == certificate.file.read_text().split()


def handshake(imap, name, context=None):
    imap.wire = TlsWire(imap.wire, context or trusting_nobody(), name)
    imap.wire.handshake()
    imap.protected = True


def implicit(stage, *pairs, on="tcp"):
    return stage.start("--tls-on-connect", *(word for pair in pairs for word in pair.options), on=on)


# --- by name and by key together

SUITES = {"rsa": "ECDHE-RSA-AES128-GCM-SHA256", "ecdsa": "ECDHE-ECDSA-AES128-GCM-SHA256"}


@pytest.mark.parametrize("kind", SUITES)
@pytest.mark.parametrize("asked, given", [(MAIL, MAIL), (WEB, WEB), ("unknown.example.com", MAIL), (None, MAIL), (WEB.upper(), WEB)])
def test_S12_name_and_key(stage, asked, given, kind):
    """Four certificates: two names, each with both keys. The name decides first, then what the client can verify."""
    pairs = [stage.certificate(key, name) for name in (MAIL, WEB) for key in ("ecdsa", "rsa")]
    context = trusting_nobody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES[kind])
    with implicit(stage, *pairs) as imap:
        handshake(imap, asked, context)
        assert is_shown(imap, stage.certificate(kind, given))
        imap.greeting()
        imap.login()


@pytest.mark.parametrize("order", (("rsa", "ecdsa"), ("ecdsa", "rsa")))
@pytest.mark.parametrize("sigalgs, kind", [
    ("ecdsa_secp256r1_sha256", "ecdsa"), ("rsa_pss_rsae_sha256", "rsa"), ("rsa_pss_rsae_sha512", "rsa"),
    ("ed25519:rsa_pss_rsae_sha256", "rsa"),
])
def test_S12_key_by_signature_algorithms(stage, sigalgs, kind, order):
    """TLS 1.3 has no key in its cipher's name: the client's signature algorithms decide, in any order of --cert."""
    certificates = [stage.certificate(key) for key in order]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", "127.0.0.1:%d" % listening.getsockname()[1], "-tls1_3", "-sigalgs", sigalgs,
             "-servername", "localhost", "-CAfile", stage.certificate(kind).file, "-verify_return_error", "-quiet", "-crlf"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        listening.settimeout(10)
        server = listening.accept()[0]
    command = [stage.program, *stage.options(), "--tls-on-connect", *(word for one in certificates for word in one.options),
               "--", *stage.mailbox()]
    with open(stage.file("logs"), "ab") as log:
        gate = subprocess.Popen(command, stdin=server, stdout=server, stderr=log, cwd="/")
    server.close()
    said, complained = client.communicate(b"a LOGOUT\n", timeout=20)
    assert b"a OK Logout completed" in said, complained
    assert gate.wait(20) == 0


def test_S12_client_without_a_common_algorithm(stage):
    """Nobody has a key that it could verify: an alert, not a wrong certificate."""
    context = trusting_nobody()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(SUITES["rsa"])
    with stage.start("--tls-on-connect", *stage.certificate("ecdsa").options, on="tcp") as imap:
        imap.hand_over()
        with pytest.raises(ssl.SSLError):
            handshake(imap, "localhost", context)
        assert imap.logged_end()["reason"] == "tls-failed"


@pytest.mark.parametrize("how", ("tls", "starttls"))
def test_S12_name_with_starttls(stage, how):
    pairs = [stage.certificate("ecdsa", name) for name in (MAIL, WEB)]
    if how == "tls":
        imap = implicit(stage, *pairs)
    else:
        imap = stage.ready(*pairs[0].options, *pairs[1].options, on="tcp")
    with imap:
        if how == "starttls":
            imap.send("s STARTTLS\r\n")
            imap.expect("s OK ...")
        handshake(imap, WEB)
        assert is_shown(imap, pairs[1])


def test_S12_wildcard(stage, tmp_path):
    """RFC 6125, 6.4.3: one label, and only one."""
    wild = stage.file("keys", ".pem")
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-subj", "/CN=wild", "-addext", "subjectAltName=DNS:*.example.net", "-keyout", tmp_path / "key", "-out", wild],
                   check=True, capture_output=True)
    first = stage.certificate("ecdsa", MAIL)
    for asked, is_wild in (("imap.example.net", True), ("a.b.example.net", False), ("example.net", False)):
        with stage.start("--tls-on-connect", *first.options, "--cert", wild, "--key", tmp_path / "key", on="tcp") as imap:
            handshake(imap, asked)
            assert is_shown(imap, first) != is_wild, asked


# --- T9: names that are none

def hello_with(name):
    """A ClientHello of TLS 1.2 whose server name is these octets, as no library would send it."""
    entry = b"\0" + struct.pack(">H", len(name)) + name
    names = struct.pack(">H", len(entry)) + entry
    extensions = struct.pack(">HH", 0, len(names)) + names
    for kind, body in ((10, b"\0\x02\0\x17"), (11, b"\x01\0"), (13, b"\0\x04\x04\x03\x08\x04")):
        extensions += struct.pack(">HH", kind, len(body)) + body
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\x04\xc0\x2b\xc0\x2f" + b"\x01\0" + struct.pack(">H", len(extensions)) + extensions
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


HOSTILE = {
    "path": b"../../etc/passwd", "absolute path": b"/etc/passwd", "255 octets": b"x" * 255, "256 octets": b"x" * 256,
    "60000 octets": b"x" * 60000, "upper case": MAIL.upper().encode(), "a NUL": MAIL.encode() + b"\0.evil", "only a NUL": b"\0",
    "empty": b"", "a dot": b".", "a dot behind": MAIL.encode() + b".", "an address": b"127.0.0.1", "format": b"%s%n%s%n",
    "line ends": b"a\r\nb LOGIN x y\r\n", "no UTF-8": b"\xff\xfe", "a wildcard": b"*.example.org", "quotes": b'"$(id)`id`"',
}


@pytest.mark.parametrize("what", HOSTILE)
def test_T9_hostile_name(stage, what):
    """The first certificate or an alert; never a file, never a word of it in the clear, and an ordinary end."""
    first, second = stage.certificate("ecdsa", WEB), stage.certificate("ecdsa", MAIL)
    hello = hello_with(HOSTILE[what])
    if len(hello) > 16384:
        hello = b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part
                         for part in (hello[5:][i:i + 16000] for i in range(0, len(hello), 16000)))
    with implicit(stage, first, second) as imap:
        imap.hand_over()
        try:
            imap.send(hello)
            imap.half_close()
            said = imap.rest()
        except OSError:
            said = b""
        assert said == b"" or said[0] in (21, 22), said[:40]
        assert b"BYE" not in said and b"imapgate" not in said
        if said[:1] == b"\x16":
            wanted = second if what == "upper case" else first
            der = ssl.PEM_cert_to_DER_cert(wanted.file.read_text())
            assert der in said
        assert imap.logged_end()["reason"] == "tls-failed"
        assert len(imap.log_text()) < 2000


def test_T9_library_agrees_with_the_octets(stage):
    """The hello above is a good one: with a name that we have it gets that certificate."""
    first, second = stage.certificate("ecdsa", WEB), stage.certificate("ecdsa", MAIL)
    with implicit(stage, first, second) as imap:
        imap.hand_over()
        imap.send(hello_with(MAIL.encode()))
        said = imap.wire.receive()
        while ssl.PEM_cert_to_DER_cert(second.file.read_text()) not in said:
            said += imap.wire.receive()
        assert said[0] == 22
        imap.wire.close()
        assert imap.logged_end()["reason"] == "tls-failed"


@pytest.mark.parametrize("name", ("x" * 63 + ".example.org", "a" * 60 + "." + "b" * 60, "() { :; }; id"))
def test_T9_name_in_the_environment(stage, name):
    """T28: the client's own words; no value may look like a shell's function."""
    report = stage.report()
    with stage.start("--tls-on-connect", *stage.certificate().options, on="tcp", mailbox=stage.mailbox(report=report)) as imap:
        handshake(imap, name)
        imap.greeting()
        imap.login()
    assert not any(value.startswith("() {") for value in report.environment.values())


# --- ALPN

@pytest.mark.parametrize("how", ("tls", "starttls"))
@pytest.mark.parametrize("version", ("TLSv1_2", "TLSv1_3"))
@pytest.mark.parametrize("offered, chosen", [
    (None, None), (["imap"], "imap"), (["h2", "http/1.1", "imap"], "imap"), (["imap", "h2"], "imap"),
])
def test_S13_alpn(stage, how, version, offered, chosen):
    context = stage.certificate().context()
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    if offered:
        context.set_alpn_protocols(offered)
    with stage.ready(on=how, context=context) as imap:
        assert imap.wire.tls.selected_alpn_protocol() == chosen
        imap.login()


@pytest.mark.parametrize("how", ("tls", "starttls"))
@pytest.mark.parametrize("version", ("TLSv1_2", "TLSv1_3"))
@pytest.mark.parametrize("offered", (["h2"], ["http/1.1", "h2"], ["IMAP"], ["imaps"], ["imap4"], ["pop3", "smtp", "managesieve"]))
def test_S13_alpn_of_another_protocol(stage, how, version, offered):
    """RFC 7301, 3.2: no_application_protocol (120), and no word of IMAP."""
    context = stage.certificate().context()
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    context.set_alpn_protocols(offered)
    with stage.start(on=how, handshake=False) as imap:
        if how == "starttls":
            imap.greeting()
            imap.send("s STARTTLS\r\n")
            imap.expect("s OK ...")
        imap.hand_over()
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            imap.handshake(context)
        imap.wire.close()
        assert imap.logged_end()["reason"] == "tls-failed"


# --- renewal

def login_with(stage, pair, certificate):
    with implicit(stage, pair) as imap:
        handshake(imap, "localhost")
        assert is_shown(imap, certificate)
        imap.greeting()
        imap.login()
        return imap.log("tls-fail")


def test_renewed_certificate_is_used_by_the_next_connection(stage):
    """No signal, no restart; who is connected already keeps what it has."""
    old, new = stage.certificate("ecdsa"), stage.certificate("rsa")
    pair = Pair(stage, old)
    with implicit(stage, pair) as imap:
        handshake(imap, "localhost")
        assert is_shown(imap, old)
        imap.greeting()
        pair.write(new)
        assert not login_with(stage, pair, new)
        imap.login()


def test_renewed_while_a_client_has_not_said_hello(stage):
    """The files are read as the connection begins; what comes between is not half of each."""
    pair = Pair(stage, stage.certificate("ecdsa"))
    with implicit(stage, pair) as imap:
        wait_until_waiting(imap.process.pid)
        pair.write(stage.certificate("rsa"))
        imap.hand_over()
        try:
            handshake(imap, "localhost")
        except ssl.SSLError:
            assert imap.logged("tls-fail")
        else:
            assert is_shown(imap, stage.certificate("ecdsa")) or is_shown(imap, stage.certificate("rsa"))


HALF = ("new certificate, old key", "new key, old certificate", "empty certificate", "empty key", "half a certificate",
        "half a key", "no certificate", "no key", "certificate is its key")


def half_write(pair, what, new):
    if what == "new certificate, old key":
        pair.write_certificate(new)
    elif what == "new key, old certificate":
        pair.write_key(new)
    elif what == "empty certificate":
        pair.file.write_bytes(b"")
    elif what == "empty key":
        pair.key.write_bytes(b"")
    elif what == "half a certificate":
        pair.file.write_bytes(new.file.read_bytes()[:300])
    elif what == "half a key":
        pair.key.write_bytes(new.key.read_bytes()[:80])
    elif what == "no certificate":
        pair.file.unlink()
    elif what == "no key":
        pair.key.unlink()
    elif what == "certificate is its key":
        pair.write_certificate(type("Key", (), {"file": pair.key}))


@pytest.mark.parametrize("what", HALF)
def test_T5_half_written_renewal_and_starttls(stage, what):
    """NO [UNAVAILABLE] at once, with a line in the log; the connection stays, and the next one is well again."""
    new = stage.certificate("ecdsa", MAIL)
    pair = Pair(stage, stage.certificate("ecdsa"))
    half_write(pair, what, new)
    with stage.ready(*pair.options, on="tcp") as imap:
        began = time.monotonic()
        assert imap.command("a STARTTLS")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert time.monotonic() - began < 1
        assert imap.logged("tls-fail")["reason"].count(str(pair.folder)) <= 1
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
        assert b"LOGINDISABLED" in imap.command("c CAPABILITY")[0][0]
    pair.write(new)
    assert not login_with(stage, pair, new)


@pytest.mark.parametrize("what", HALF)
def test_T5_half_written_renewal_and_implicit_tls(stage, what):
    """On 993 there is nothing to say it in: the end, at once, also for a client that says nothing itself."""
    new = stage.certificate("ecdsa", MAIL)
    pair = Pair(stage, stage.certificate("ecdsa"))
    half_write(pair, what, new)
    began = time.monotonic()
    with implicit(stage, pair) as imap:
        imap.hand_over()
        imap.expect_end()
        assert time.monotonic() - began < 5
        assert imap.status() == 78
        assert imap.log("tls-fail") or imap.log("error")
        assert not imap.log("bug")


@pytest.mark.parametrize("what", HALF)
@pytest.mark.parametrize("broken", ("first", "second"))
def test_one_broken_of_two(stage, broken, what):
    """The other one goes on working, for every name; the log says which file it is."""
    good, new = stage.certificate("ecdsa", WEB), stage.certificate("ecdsa", MAIL)
    pair = Pair(stage, stage.certificate("ecdsa", MAIL) if what.startswith("certificate") else stage.certificate("rsa", MAIL))
    half_write(pair, what, new)
    pairs = (pair, good) if broken == "first" else (good, pair)
    for asked in (WEB, MAIL, None):
        with implicit(stage, *pairs) as imap:
            handshake(imap, asked)
            assert is_shown(imap, good)
            imap.greeting()
            imap.login()
            reasons = [event["reason"] for event in imap.log("tls-fail")]
            named = pair.key if what == "no key" else pair.file
            assert len(reasons) == 1 and str(named) in reasons[0], reasons


def test_certificate_without_names(stage, tmp_path):
    """Only a common name, as old certificates have: it is found by that, and serves all other names too."""
    old = stage.file("keys", ".pem")
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-subj", f"/CN={MAIL}", "-keyout", tmp_path / "key", "-out", old], check=True, capture_output=True)
    for asked in (MAIL, "unknown.example.com", None):
        with stage.start("--tls-on-connect", "--cert", old, "--key", tmp_path / "key", *stage.certificate("ecdsa", WEB).options,
                         on="tcp") as imap:
            handshake(imap, asked)
            assert shown(imap) == old.read_text().split(), asked


def test_sixteen_certificates(stage):
    """As many as there may be; the last one is found by its name."""
    certificates = [stage.certificate("ecdsa", f"n{number}.example.org") for number in range(16)]
    with implicit(stage, *certificates) as imap:
        handshake(imap, "n15.example.org")
        assert is_shown(imap, certificates[15])
        imap.greeting()
