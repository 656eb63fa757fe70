"""OpenSSL and PAM are loaded where there is a use for them, and nowhere else; and there is an answer where one is missing."""

import re
import subprocess

import pytest

from libraries import hide, loaded
from listening import Listener
from processes import gate_of


def needed(program):
    """The libraries that it is linked with."""
    said = subprocess.run(["readelf", "--dynamic", program], capture_output=True, text=True, check=True).stdout
    return re.findall(r"NEEDED.*\[(\w+)\.so", said)


@pytest.fixture
def unlinked_stage(root_stage):
    """Where that can't be done, and under the sanitizers, the program is linked with all of them (Makefile, LAZYLOAD)."""
    if "libpam" in needed(root_stage.program):
        pytest.skip("this program is linked with libpam")
    return root_stage


def both(imap):
    monitor = imap.process.pid
    return loaded(monitor) | loaded(gate_of(monitor))


def test_program_needs_the_c_library_only(unlinked_stage):
    assert needed(unlinked_stage.program) == ["libc"]


def test_greeting_needs_neither(unlinked_stage):
    with unlinked_stage.ready(on="tcp") as imap:
        assert {"libssl", "libcrypto", "libpam"}.isdisjoint(both(imap))


def test_configuration_file_needs_neither(unlinked_stage):
    """Nor does a listener, with certificates that others have loaded for it."""
    file = unlinked_stage.file("scratch", ".conf")
    file.write_text("max-attempts = 2\n")
    with unlinked_stage.ready("--config", file, on="tcp") as imap:
        assert {"libssl", "libcrypto", "libpam"}.isdisjoint(both(imap))
    with Listener(unlinked_stage, "--config", file, *unlinked_stage.certificate().options) as server:
        server.connect().wire.close()
        assert {"libssl", "libcrypto", "libpam"}.isdisjoint(loaded(server.pid))


def test_password_needs_pam_and_no_openssl(unlinked_stage):
    """Nor does the encoding of AUTHENTICATE; and it is the monitor alone that has PAM. A wrong one is remembered by its digest."""
    with unlinked_stage.ready(on="unix", pam="name=joe password=sesame account=9") as imap:
        assert imap.command("a AUTHENTICATE PLAIN AGpvZQBzZXNhbWU=")[1].startswith(b"a NO [UNAVAILABLE]")
        assert {"libssl", "libcrypto"}.isdisjoint(both(imap))
    with unlinked_stage.ready(on="unix") as imap:
        _, answer = imap.command("a AUTHENTICATE PLAIN AGpvZQBtdW1ibGU=")
        assert answer.startswith(b"a NO [AUTHENTICATIONFAILED]")
        assert {"libssl", "libcrypto"}.isdisjoint(loaded(gate_of(imap.process.pid)))
        assert "libpam" in loaded(imap.process.pid) and "libpam" not in loaded(gate_of(imap.process.pid))
        imap.login()


def test_certificate_needs_openssl(unlinked_stage):
    """It is loaded before the gate is forked, and the gate that said the greeting does the handshake."""
    certificate = unlinked_stage.certificate()
    with unlinked_stage.ready(*certificate.options, on="tcp") as imap:
        gate = gate_of(imap.process.pid)
        assert "STARTTLS" in imap.capabilities()
        assert "libssl" in loaded(gate) and "libpam" not in both(imap)
        imap.starttls(certificate.context())
        assert gate_of(imap.process.pid) == gate
        imap.login()


def test_tls_needs_openssl_and_no_pam(unlinked_stage):
    with unlinked_stage.ready(on="tls") as imap:
        assert "libssl" in loaded(gate_of(imap.process.pid))
        assert "libpam" not in both(imap)


def test_login_without_pam(unlinked_stage):
    with unlinked_stage.ready(wrap=hide("libpam.so.0")) as imap:
        _, answer = imap.command("a LOGIN joe sesame")
        assert answer.startswith(b"a NO [UNAVAILABLE]")
        assert imap.logged("auth-fail")["reason"] == "no-libpam"


def test_tls_without_openssl(unlinked_stage):
    with unlinked_stage.start(on="tls", handshake=False, wrap=hide("libssl.so.3")) as imap:
        imap.expect_end()
        assert imap.status() == 75
        assert "OpenSSL can't be loaded: " in imap.log("error")[0]["text"]


def test_certificate_without_openssl(unlinked_stage):
    """A server that can't do what --cert says does not fall back to the clear."""
    with unlinked_stage.start(*unlinked_stage.certificate().options, on="tcp", wrap=hide("libssl.so.3")) as imap:
        imap.expect("* BYE [UNAVAILABLE] ...")
        imap.expect_end()
        assert imap.status() == 75
