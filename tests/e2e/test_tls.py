"""TLS: versions, keys, names, what is refused, and where the private key is not."""

import os
import re
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from listening import Listener
from processes import gate_of
from wire import TlsWire

KEYS = ("rsa", "ecdsa", "ed25519")
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


def only(certificate, version):
    return certificate.context(minimum_version=VERSIONS[version], maximum_version=VERSIONS[version])


# --- handshakes that work

@pytest.mark.parametrize("on", ("tls", "starttls"))
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("key", KEYS)
def test_login(stage, on, key, version):
    with stage.ready(on=on, certificate=key, context=only(stage.certificate(key), version)) as imap:
        assert imap.wire.version == version
        imap.login()
        event = imap.logged("auth-ok")
        assert (event["tls"], event["cipher"]) == (version, imap.wire.cipher)
        assert imap.command("b NOOP")[1] == b"b OK heard NOOP"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("curve", ("prime256v1", "secp384r1", "secp521r1"))
def test_curves(stage, version, curve):
    """Also those that need a second ClientHello, and those with long parameters to sign."""
    context = only(stage.certificate("rsa"), version)
    context.set_ecdh_curve(curve)
    with stage.ready(on="tls", certificate="rsa", context=context) as imap:
        imap.login()


def _type(client, script, screen_path):
    """Line by line, as a human would, who waits for what comes of the last one: s_client has to read each by itself."""
    try:
        for line in script.splitlines():
            time.sleep(0.1)     # s_client says to nobody that it has shown all and reads again
            seen, end = screen_path.stat().st_size, time.monotonic() + 5
            client.stdin.write(line.encode() + b"\n")
            while screen_path.stat().st_size == seen and client.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
    except BrokenPipeError:
        pass  # A client that has ended meanwhile has said why.


def s_client(stage, *arguments, options=(), key="rsa", script="a LOGOUT", on="tls", mailbox=None, greeted=False):
    """openssl s_client against one imapgate; returns what it printed, its exit status, and the log.

    With greeted nothing is typed before the greeting is there.
    """
    certificate = stage.certificate(key)
    command = [stage.program, *stage.options(), *certificate.options, *options]
    if on == "tls":
        command.append("--tls-on-connect")
    command += ["--", *map(str, mailbox or stage.mailbox())]
    log_path, screen_path = stage.file("logs"), stage.file("scratch", ".screen")
    with socket.create_server(("127.0.0.1", 0)) as listening, open(log_path, "ab") as log, \
            open(screen_path, "wb") as screen:
        port = listening.getsockname()[1]
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", certificate.file, "-crlf",
             "-verify_return_error", *(["-starttls", "imap"] if on == "starttls" else []), *arguments],
            stdin=subprocess.PIPE, stdout=screen, stderr=subprocess.STDOUT,
            bufsize=0)
        listening.settimeout(10)
        server = listening.accept()[0]
        gate = subprocess.Popen(command, stdin=server, stdout=server, stderr=log, cwd="/")
        server.close()
    try:
        end = time.monotonic() + 10
        while greeted and b"imapgate ready" not in screen_path.read_bytes() and time.monotonic() < end:
            time.sleep(0.02)
        _type(client, script, screen_path)
        # It ends when the server does; the end of its input would end it too early.
        client.wait(20)
        gate.wait(20)
    finally:
        for process in (client, gate):
            if process.poll() is None:
                process.kill()
                process.wait()
        client.stdin.close()
    return screen_path.read_text(errors="replace"), gate.returncode, log_path.read_text()


@pytest.mark.parametrize("scheme, version, key", [
    ("rsa_pkcs1_sha256", "-tls1_2", "rsa"), ("rsa_pkcs1_sha384", "-tls1_2", "rsa"), ("rsa_pkcs1_sha512", "-tls1_2", "rsa"),
    ("rsa_pss_rsae_sha256", "-tls1_2", "rsa"), ("rsa_pss_rsae_sha512", "-tls1_2", "rsa"),
    ("rsa_pss_rsae_sha256", "-tls1_3", "rsa"), ("rsa_pss_rsae_sha384", "-tls1_3", "rsa"),
    ("rsa_pss_rsae_sha512", "-tls1_3", "rsa"),
    ("ecdsa_secp256r1_sha256", "-tls1_2", "ecdsa"), ("ecdsa_secp256r1_sha256", "-tls1_3", "ecdsa"),
    ("ed25519", "-tls1_2", "ed25519"), ("ed25519", "-tls1_3", "ed25519"),
])
def test_signature_schemes(stage, scheme, version, key):
    """Each signature is the monitor's; the client has checked it when it says that the certificate verified."""
    said, status, _ = s_client(stage, version, "-sigalgs", scheme, key=key)
    assert "Verify return code: 0 (ok)" in said or "Verification: OK" in said, said
    assert "a OK Logout completed" in said
    assert status == 0


def test_cipher_that_every_client_has(stage):
    """RFC 9051, 11.1 asks for this one."""
    said, status, _ = s_client(stage, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    assert "Cipher is ECDHE-RSA-AES128-GCM-SHA256" in said
    assert status == 0


def test_s_client_starttls(stage):
    said, status, _ = s_client(stage, on="starttls")
    assert "a OK Logout completed" in said and status == 0


def test_rsa_and_ecdsa_together(stage):
    """The client's taste decides which certificate it gets."""
    rsa, ecdsa = stage.certificate("rsa"), stage.certificate("ecdsa")
    for ciphers, certificate in (("ECDHE-RSA-AES128-GCM-SHA256", rsa), ("ECDHE-ECDSA-AES128-GCM-SHA256", ecdsa)):
        context = only(certificate, "TLSv1.2")
        context.set_ciphers(ciphers)
        with stage.ready(*rsa.options, on="tls", certificate="ecdsa", context=context) as imap:
            assert imap.wire.cipher == ciphers
            imap.login()


def test_certificate_and_key_in_one_file(stage):
    certificate = stage.certificate("ecdsa")
    with stage.ready("--cert", certificate.both, on="tcp") as imap:
        imap.starttls(certificate.context())
        imap.login()


def test_file_with_a_byte_order_mark(stage):
    """Editors write it (RFC 3629, 6), and OpenSSL passes over it."""
    certificate = stage.certificate("ecdsa")
    marked = stage.file("scratch", ".pem")
    marked.write_bytes(b"\xef\xbb\xbf" + certificate.file.read_bytes())
    with stage.ready("--cert", marked, "--key", certificate.key, on="tcp") as imap:
        imap.starttls(certificate.context())
        imap.login()


def test_files_under_a_limit_of_memory(stage):
    """softlimit(8) and LimitAS= are usual under superservers; a small file wants little."""
    certificate = stage.certificate("ecdsa")
    limited = ["sh", "-c", 'ulimit -v 60000; exec "$@"', "sh"]
    with stage.ready(*certificate.options, "--client-ca", certificate.file, on="tcp", wrap=limited) as imap:
        imap.starttls(certificate.context())
        imap.login()


@pytest.mark.parametrize("asked, given", [
    ("one.example.org", "one.example.org"), ("two.example.org", "two.example.org"), ("TWO.example.org", "two.example.org"),
    ("three.example.org", "one.example.org"), (None, "one.example.org"),
])
def test_certificate_by_name(stage, asked, given):
    """Further certificates of one kind are chosen by the name that the client asks for; the first is for all others."""
    one, two = (stage.certificate("ecdsa", f"{name}.example.org") for name in ("one", "two"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with stage.start("--tls-on-connect", *one.options, *two.options, on="tcp") as imap:
        imap.wire = TlsWire(imap.wire, context, asked)
        imap.wire.handshake()
        imap.protected = True
        imap.greeting()
        theirs = ssl.DER_cert_to_PEM_cert(imap.wire.tls.getpeercert(binary_form=True))
        assert theirs.split() == {"one.example.org": one, "two.example.org": two}[given].file.read_text().split()
        imap.login()


@pytest.mark.parametrize("name", ("../../etc/passwd", "x" * 255, "() { :; }", "a b", "%s%n"))
def test_name_that_is_none(stage, name):
    """Threat T9: a name is compared with names and nothing else."""
    report = stage.report()
    script = "a LOGIN joe sesame\nb LOGOUT"
    said, status, _ = s_client(stage, "-servername", name, script=script, mailbox=stage.mailbox(report=report))
    assert "b OK recorder ends" in said and status == 0
    told = report.environment.get("SSL_TLS_SNI_SERVER_NAME", "")
    assert told in (name, "") and not told.startswith("() {")


def test_name_is_told_to_the_mailbox_program(stage):
    report = stage.report()
    with stage.start("--tls-on-connect", *stage.certificate().options, on="tcp", mailbox=stage.mailbox(report=report)) as imap:
        context = stage.certificate().context(check_hostname=False)
        imap.wire = TlsWire(imap.wire, context, "imap.example.org")
        imap.wire.handshake()
        imap.protected = True
        imap.greeting()
        imap.login()
    assert report.environment["SSL_TLS_SNI_SERVER_NAME"] == "imap.example.org"


# --- what is refused

@pytest.mark.parametrize("arguments", [
    ["-tls1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "AES128-SHA"], ["-tls1_2", "-cipher", "AES256-GCM-SHA384"],
    ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"], ["-tls1_2", "-cipher", "NULL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "ADH:AECDH:@SECLEVEL=0"],
], ids=" ".join)
def test_old_and_weak_is_refused(stage, arguments):
    """RFC 9325: TLS 1.2 and up, forward secrecy, authenticated ciphers."""
    said, status, log = s_client(stage, *arguments)
    assert "imapgate ready" not in said
    assert "tls-fail rip=127.0.0.1 " in log
    assert status == 0


@pytest.mark.parametrize("offered, chosen", [
    (None, None), (["imap"], "imap"), (["http/1.1", "imap"], "imap"),
])
def test_alpn(stage, offered, chosen):
    context = stage.certificate().context()
    if offered:
        context.set_alpn_protocols(offered)
    with stage.ready(on="tls", context=context) as imap:
        assert imap.wire.tls.selected_alpn_protocol() == chosen


def test_alpn_of_another_protocol(stage):
    """Threat T11: a client that was sent to the wrong port must not get IMAP."""
    context = stage.certificate().context()
    context.set_alpn_protocols(["http/1.1", "h2"])
    with stage.start(on="tls", handshake=False) as imap:
        imap.hand_over()
        # Python 3.10 has no name for this alert.
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol" if sys.version_info >= (3, 11) else "unknown error"):
            imap.handshake(context)
        assert imap.logged("tls-fail")


def test_alpn_is_no_matter_for_starttls_clients_without(stage):
    with stage.ready(on="starttls") as imap:
        assert imap.wire.tls.selected_alpn_protocol() is None


def test_no_compression_no_tickets(stage):
    """A process for each connection has nobody who would know a ticket again."""
    said, _, _ = s_client(stage, "-tls1_2")
    assert "Compression: NONE" in said
    assert "TLS session ticket:" not in said
    said, _, _ = s_client(stage, "-tls1_3")
    assert "New Session Ticket arrived" not in said


def test_renegotiation_is_refused(stage):
    """Threat T12. "R" makes s_client ask for it; the connection may go on or end, but not renegotiate."""
    said, status, _ = s_client(stage, "-tls1_2", script="R\na LOGOUT", greeted=True)
    assert "no renegotiation" in said or "NO_RENEGOTIATION" in said.upper().replace(" ", "_"), said
    assert status == 0


def test_key_update(stage):
    """TLS 1.3 may change its keys at any time, before and after the login."""
    said, status, _ = s_client(stage, "-tls1_3", script="K\na NOOP\nb LOGIN joe sesame\nK\nc NOOP\nd LOGOUT", greeted=True)
    assert "KEYUPDATE" in said
    for line in ("a OK NOOP completed", "b OK recorder", "c OK heard NOOP", "d OK recorder ends"):
        assert line in said, said
    assert status == 0


def test_settings_by_name(stage):
    with stage.start("--tls", "MinProtocol=TLSv1.3", on="tls", handshake=False) as imap:
        imap.hand_over()
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            imap.handshake(only(stage.certificate(), "TLSv1.2"))
    with stage.ready("--tls", "Ciphersuites=TLS_CHACHA20_POLY1305_SHA256", on="tls",
                     context=only(stage.certificate(), "TLSv1.3")) as imap:
        assert imap.wire.cipher == "TLS_CHACHA20_POLY1305_SHA256"


@pytest.mark.parametrize("junk", [
    b"a NOOP\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\0" * 64, b"\0" * 64, b"\x80\x2e\x01\x00\x02",
    b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x10" + b"x" * 16,
], ids=repr)
@pytest.mark.parametrize("how", ("implicit", "starttls"))
def test_no_handshake_no_imap(stage, junk, how):
    """RFC 2595, 2.5: a handshake that fails never falls back to cleartext."""
    with stage.start(on="tls" if how == "implicit" else "starttls", handshake=False) as imap:
        if how == "starttls":
            imap.greeting()
            imap.send("a STARTTLS\r\n")
            imap.expect("a OK Begin TLS negotiation now")
        imap.hand_over()
        imap.send(junk)
        imap.half_close()
        said = imap.rest()
        # An alert (content type 21) or nothing.
        assert said == b"" or said[0] == 21, said
        assert b"OK" not in said and b"BYE" not in said
        assert imap.logged("tls-fail")["rip"] == "127.0.0.1"
        assert imap.logged_end()["reason"] == "tls-failed"


def test_implicit_tls_says_nothing_in_clear(stage):
    """RFC 8314, 3.2: the first octets of the server are TLS."""
    with stage.start(on="tls", handshake=False) as imap:
        raw = imap.record_bytes()
        imap.expect_silence(0.2)
        imap.handshake(stage.certificate().context())
        imap.greeting()
        assert raw.received[0] == 22
        assert b"imapgate" not in raw.received


@pytest.mark.parametrize("pieces", [
    [b"a STARTTLS\r\nb NOOP\r\n"],
    [b"a STARTTLS\r\n", b"b NOOP\r\n"],
    [b"a STARTTLS\r", b"\nb NOOP\r\n"],
    [b"a STARTTLS\r\nb", b" NOOP\r\n"],
    [b"a STARTTLS\nb NOOP\r\n"],
    [b"a STARTTLS\r\nb LOGIN joe sesame\r\nc NOOP\r\n"],
], ids=repr)
def test_injection_behind_starttls(stage, pieces):
    """Threat T1: what came in cleartext is never run as if it had come under TLS."""
    with stage.ready(*stage.certificate().options, on="tcp") as imap:
        imap.hand_over()
        for piece in pieces:
            imap.send(piece)
        imap.half_close()
        said = imap.rest()
        assert said.startswith(b"a OK Begin TLS negotiation now\r\n")
        behind = said.split(b"\r\n", 1)[1]
        assert behind == b"" or behind[0] == 21, behind
        assert b"b " not in behind
        assert imap.logged("tls-fail")
        assert imap.logged_end()["reason"] == "tls-failed"


def test_injection_before_a_real_handshake(stage):
    """Somebody between puts a command in front of the client's ClientHello: the handshake breaks."""
    with stage.ready(*stage.certificate().options, on="tcp") as imap:
        imap.send(b"a STARTTLS\r\nb NOOP\r\n")
        imap.expect("a OK Begin TLS negotiation now")
        imap.hand_over()
        with pytest.raises((ssl.SSLError, OSError)):
            imap.handshake(stage.certificate().context())
        assert imap.logged("tls-fail")


def test_client_hello_in_the_same_segment(stage):
    """RFC 9051, 6.2.1: octets behind STARTTLS are TLS; a client may hurry."""
    client_context = stage.certificate().context()
    with stage.ready(*stage.certificate().options, on="tcp") as imap:
        class Hurry:
            """Holds back what is sent first, to put it behind the STARTTLS line."""
            def __init__(self, wire):
                self.wire, self.hello = wire, False

            def send(self, data, timeout=20):
                self.wire.send(data if self.hello else b"a STARTTLS\r\n" + data, timeout)
                self.hello = True

            def receive(self, timeout=20):
                data = self.wire.receive(timeout)
                return data.replace(b"a OK Begin TLS negotiation now\r\n", b"", 1) or self.wire.receive(timeout)

            def __getattr__(self, name):
                return getattr(self.wire, name)

        imap.wire = TlsWire(Hurry(imap.wire), client_context, "localhost")
        imap.wire.handshake()
        imap.protected = True
        imap.login()


def test_ok_is_the_last_cleartext(stage):
    """RFC 9051, 6.2.1: the server says nothing more in clear behind the OK."""
    with stage.ready(*stage.certificate().options, on="tcp") as imap:
        raw = imap.record_bytes()
        imap.starttls(stage.certificate().context())
        line, _, rest = bytes(raw.received).partition(b"\r\n")
        assert line == b"s OK Begin TLS negotiation now"
        assert rest[0] == 22


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ("logout", "attempts", "deadline", "mailbox"))
def test_close_notify(stage, version, how):
    """RFC 8446, 6.1: who ends says so, and the client can tell an end from a cut."""
    options = {"attempts": ["--max-attempts", "1"], "deadline": ["--timeout", "1"]}.get(how, [])
    with stage.ready(*options, on="tls", context=only(stage.certificate(), version)) as imap:
        if how == "attempts":
            imap.send("a LOGIN joe mumble\r\n")
        elif how == "mailbox":
            imap.login()
        if how in ("logout", "mailbox"):
            imap.send("b LOGOUT\r\n")
        imap.lines_to_end()
        assert imap.wire.ended_cleanly


# --- one signature, and no key in the gate

def memory_of(pid):
    """All of a process's memory that it may read."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, end, flags = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            if "r" not in flags or line.endswith(("[vvar]", "[vvar_vclock]", "[vsyscall]")):
                continue
            # A sanitizer's shadow is terabytes of address space, and bytes about bytes.
            if int(end, 16) - int(start, 16) > 1 << 30:
                continue
            try:
                memory.seek(int(start, 16))
                parts.append(memory.read(int(end, 16) - int(start, 16)))
            except (OSError, OverflowError):
                continue
    return b"\0".join(parts)


@pytest.mark.parametrize("state", ("handshake", "login"))
@pytest.mark.parametrize("on", ("tls", "starttls"))
@pytest.mark.parametrize("key", KEYS)
def test_private_key_is_not_in_the_gate(root_stage, on, key, state):
    """Design: the gate asks for signatures. Neither the number nor the file is in its memory."""
    certificate = root_stage.certificate(key)
    with root_stage.ready(on=on, certificate=key) as imap:
        if state == "login":
            pid = gate_of(imap.process.pid)
            imap.login()
        else:
            pid = gate_of(imap.process.pid)
            imap.command("n NOOP")
        memory = memory_of(pid)
        assert b"imapgate ready" in memory or len(memory) > 100_000, "this is not the memory of a gate"
        pem = [line for line in certificate.key.read_bytes().splitlines() if len(line) > 32]
        for name, number in certificate.private_numbers().items():
            assert number not in memory and number[::-1] not in memory, name
        assert not any(line in memory for line in pem)


def test_private_key_is_found_where_it_is(root_stage):
    """The search above is worth nothing if it can't find a key: here is one to be found."""
    certificate = root_stage.certificate("rsa")
    number = certificate.private_numbers()["privateExponent"]
    memory = memory_of(os.getpid())
    assert number in memory or number[::-1] in memory


def test_handshake_that_stops_half_way(stage):
    """Only a ClientHello, then nothing: the client's fault, so an ordinary end."""
    with stage.start(on="tls", handshake=False) as imap:
        raw = imap.record_bytes()
        outgoing = TlsWire(raw, stage.certificate().context(), "localhost")
        try:
            outgoing.tls.do_handshake()
        except ssl.SSLWantReadError:
            raw.send(outgoing.outgoing.read())
        assert raw.receive()
        imap.wire.close()
        assert imap.logged_end()["reason"] in ("tls-failed", "disconnected")


def test_client_that_does_not_trust_us(stage):
    """Its alert is one line in the log, in OpenSSL's words."""
    with stage.start(on="tls", handshake=False) as imap:
        imap.hand_over()
        with pytest.raises(ssl.SSLCertVerificationError):
            imap.handshake(ssl.create_default_context())
        imap.wire.close()
        assert len(imap.logged("tls-fail")["reason"]) > 4


def test_state_before_tls_is_forgotten(stage):
    """Threat T4: half a dialogue before TLS has no part in what comes after."""
    report = stage.report()
    with stage.ready(*stage.certificate().options, on="tcp", mailbox=stage.mailbox(report=report)) as imap:
        imap.command('i ID ("name" "injected")')
        imap.send("x AUTHENTICATE PLAIN\r\n")
        imap.expect("x NO [PRIVACYREQUIRED] ...")
        imap.starttls(stage.certificate().context())
        imap.login(tag="after")
    assert report.environment["IMAPLOGINTAG"] == "after"
    assert "injected" not in str(report.environment)


# --- --tls: each setting is obeyed or refused

REFUSED = """PrivateKey=x Certificate=x ChainCAFile=x ChainCAPath=x VerifyCAFile=x VerifyCAPath=x VerifyCAStore=x RequestCAFile=x
    ClientCAFile=x VerifyMode=Require VerifyMode=Peer DHParameters=x ECDHParameters=P-256 ServerInfoFile=x Options=KTLS Options=Compression
    Options=SessionTicket,Compression Options=UnsafeLegacyRenegotiation Groups=brainpoolP256r1:P-256 Curves=secp256k1 Groups=P-256:sect571r1
    MinProtocol=TLSv1 MinProtocol=TLSv1.1 MinProtocol=None CipherString=DHE+AESGCM:ECDHE+AESGCM CipherString=AES128-SHA CipherString=ALL:aNULL
    CipherString=ALL Nonsense=x Groups=nonsense MaxProtocol=nonsense""".split()
OBEYED = ("MinProtocol=TLSv1.3", "MaxProtocol=TLSv1.2", "CipherString=ECDHE+AESGCM", "Ciphersuites=TLS_AES_128_GCM_SHA256", "Groups=P-256:X25519",
          "Curves=P-384:P-256", "Options=SessionTicket", "Options=-SessionTicket", "NumTickets=1", "RecordPadding=512",
          "SignatureAlgorithms=ECDSA+SHA256", "Options=PrioritizeChaCha,ServerPreference")


def check(stage, *options):
    command = [stage.program, "--check", *stage.options(), *map(str, stage.certificate().options), *options, "--", *stage.mailbox()]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL).stdout


@pytest.mark.superserver("a listener does not start")
@pytest.mark.parametrize("setting", REFUSED)
def test_setting_that_can_not_work_is_refused(stage, setting):
    """By --check and at the start, with the reason."""
    said = check(stage, "--tls", setting)
    assert f"--tls {setting} can't be used: " in said, said
    with stage.start("--tls", setting, on="tls", handshake=False) as imap:
        imap.rest()
        assert imap.status() == 78
        assert "can't be used: " in imap.log("error")[0]["text"]


@pytest.mark.parametrize("setting", ("Options=SessionTicket", "NumTickets=2"))
def test_no_tickets_with_client_certificates(stage, setting):
    """A resumed session would not be looked up in the list of revoked certificates."""
    assert f"--tls {setting} can't be used: " in check(stage, "--tls", setting, "--client-ca", stage.certificate().file)


@pytest.mark.parametrize("setting", OBEYED)
def test_setting_is_obeyed(stage, setting):
    assert "can't be used" not in check(stage, "--tls", setting)
    context = stage.certificate().context()
    with stage.ready("--tls", setting, on="tls", context=context) as imap:
        imap.login()


def openssl_version():
    return tuple(map(int, re.search(r"OpenSSL (\d+)\.(\d+)", subprocess.run(["openssl", "version"], capture_output=True, text=True).stdout).groups()))


def test_post_quantum_key_exchange_is_preferred(stage):
    """Where both sides have it: OpenSSL from 3.5 on. Before that it must not be in the way."""
    wanted = b"X25519MLKEM768" if openssl_version() >= (3, 5) else b"X25519"
    with Listener(stage, *stage.certificate().options, names=["imaps"]) as listener:
        port = listener.sockets[0].getsockname()[1]
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}"], input=b"a LOGOUT\r\n", capture_output=True, timeout=20)
    assert wanted in done.stdout, done.stdout


@pytest.mark.superserver("a listener does not start")
def test_key_that_is_missing_is_named(stage):
    missing = stage.file("scratch", ".key")
    with stage.ready("--cert", str(stage.certificate("ecdsa").file), "--key", str(missing)) as imap:
        imap.send("a STARTTLS\r\n")
        assert imap.logged("tls-fail")["reason"].strip('"') == f"{missing}: No such file or directory"
