"""STARTTLS where the superserver does the TLS (UCSPI-TLS), and what clients and superservers can do wrong there."""

import os
import pwd
from pathlib import Path

import pytest

import documents
import superserver
from clients import STARTTLS
from processes import gate_of
from test_superservers import keys, places, reads_mail, recipe, shell, where_there_is
from ucspitls import Superserver


def ready(imap, stage):
    imap.greeting()
    return imap.starttls(stage.certificate("ecdsa").context())


@pytest.mark.parametrize("one", (False, True), ids=("pipes", "one descriptor"))
def test_login(stage, one):
    """The mailbox program has the superserver's descriptors, and what its TLS is."""
    report = stage.report()
    with Superserver(stage, mailbox=stage.mailbox(report=report), one_descriptor=one) as imap:
        imap.greeting()
        assert "STARTTLS" in imap.capabilities() and "LOGINDISABLED" in imap.capabilities()
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [PRIVACYREQUIRED]")
        tls = imap.starttls(stage.certificate("ecdsa").context())
        assert "STARTTLS" not in imap.capabilities() and "LOGINDISABLED" not in imap.capabilities()
        assert imap.command("b STARTTLS")[1].startswith(b"b BAD")
        imap.login()
        assert imap.command("c NOOP")[1] == b"c OK heard NOOP"
        environment = report.environment
        assert (environment["SSL_PROTOCOL"], environment["SSL_CIPHER"]) == (tls.version, tls.cipher)
        assert environment["SSL_TLS_SNI_SERVER_NAME"] == "localhost"
        assert environment["TCPREMOTEIP"] == "127.0.0.1"
        assert not [name for name in environment if name.endswith("FD")]
        assert sorted(report.descriptors) == [0, 1, 2]
        event = imap.log("handoff")[0]
        assert (event["how"], event["tls"], event["cipher"]) == ("tunnel", tls.version, tls.cipher)


def test_nothing_is_lost_behind_the_login(stage):
    with Superserver(stage) as imap:
        ready(imap, stage)
        imap.send(b"a LOGIN joe sesame\r\nb NOOP\r\nc NOOP\r\n")
        imap.expect("a OK recorder")
        imap.hand_over()
        imap.expect("b OK heard NOOP")
        imap.expect("c OK heard NOOP")


def test_ends_like_any_other(stage):
    with Superserver(stage) as imap:
        ready(imap, stage)
        assert imap.command("a LOGOUT")[1] == b"a OK Logout completed"
        imap.expect_end()
        assert imap.wire.ended_cleanly
        assert imap.logged_end()["reason"] == "logout"


def test_injected_behind_starttls(stage):
    """RFC 9051, 6.2.1; threat T1: it is never run, and no answer to it comes out of the TLS."""
    server = Superserver(stage)
    with server as imap:
        imap.greeting()
        imap.send(b"s STARTTLS\r\nx LOGIN joe sesame\r\ny NOOP\r\n")
        imap.expect("s OK ...")
        assert b"x " not in imap.rest()
        assert imap.logged_end()["reason"] == "tls-failed"
        assert not imap.log("auth-ok") and not imap.log("auth-fail")


def test_client_leaves_in_the_handshake(stage):
    with Superserver(stage) as imap:
        imap.greeting()
        imap.send(b"s STARTTLS\r\n")
        imap.expect("s OK ...")
        imap.half_close()
        assert imap.logged_end()["reason"] == "tls-failed"


def test_deadline_holds_in_the_handshake(stage):
    with Superserver(stage, "--timeout", "1") as imap:
        imap.greeting()
        imap.send(b"s STARTTLS\r\n")
        imap.expect("s OK ...")
        assert imap.logged_end()["reason"] == "tls-failed"


@pytest.mark.parametrize("answer, protocol, cipher", (
    (b"\0\0", "TLS", "unknown"),
    (b"SSL_PROTOCOL=TLSv1.3\0\0", "TLSv1.3", "unknown"),
    (b"A=" + b"x" * 5000 + b"\0SSL_CIPHER=AES\0SSL_TLS_SNI_SERVERNAME\0\0", "TLS", "AES"),
    (b"SSL_PROTOCOL=TLSv1.3 rip=1\0SSL_CIPHER=a\nb\0\0", "TLS", "unknown"),
    (b"SSL_PROTOCOL=" + b"x" * 400 + b"\0SSL_CIPHER=\0\0", "TLS", "unknown"),
    (b"XSSL_CIPHER=x\0SSL_CIPHERS=y\0SSL_PROTOCOL\0\0", "TLS", "unknown"),
), ids=("nothing", "version", "long", "hostile", "too-long", "others"))
def test_what_the_superserver_says(stage, answer, protocol, cipher):
    report = stage.report()
    with Superserver(stage, answer=answer, mailbox=stage.mailbox(report=report)) as imap:
        ready(imap, stage)
        imap.login()
        assert (report.environment["SSL_PROTOCOL"], report.environment["SSL_CIPHER"]) == (protocol, cipher)


@pytest.mark.parametrize("answer", (b"", b"SSL_PROTOCOL=TLSv1.3\0", b"x" * 70000), ids=("none", "cut", "endless"))
def test_answer_that_never_ends(stage, answer):
    """Without the answer nothing is said through the tunnel."""
    with Superserver(stage, "--timeout", "2", answer=answer) as imap:
        ready(imap, stage)
        assert imap.rest() == b""
        assert imap.logged_end()["reason"] == "tls-failed"


def test_with_a_certificate_tls_is_ours(stage):
    server = Superserver(stage, *stage.certificate("ecdsa").options)
    with server as imap:
        ready(imap, stage)
        imap.login()
        assert imap.log("handoff")[0]["how"] == "relay"
    assert server.asked == [b""]


@pytest.mark.parametrize("variables", ({}, {"SSLCTLFD": "x", "SSLREADFD": "0", "SSLWRITEFD": "1"}, {"SSLCTLFD": "9"},
                                       {"SSLCTLFD": "77", "SSLREADFD": "78", "SSLWRITEFD": "79"}))
def test_without_a_superserver(stage, variables):
    """Numbers of descriptors that are not there are no superserver."""
    with stage.ready(on="tcp", env={**os.environ, **variables}) as imap:
        assert "STARTTLS" not in imap.capabilities()
        assert imap.command("a STARTTLS")[1].startswith(b"a BAD")


def test_descriptors_of_the_gate(root_stage):
    """Three more, and their limit."""
    with Superserver(root_stage) as imap:
        imap.greeting()
        gate = Path(f"/proc/{gate_of(imap.process.pid)}")
        assert os.stat(gate).st_uid in (0, pwd.getpwnam("_imapgate").pw_uid)
        assert sorted(map(int, os.listdir(gate / "fd"))) == [0, 1, 2, 3, 5, 6, 7]
        limit = next(line for line in (gate / "limits").read_text().splitlines() if line.startswith("Max open files"))
        assert limit.split()[-3:-1] == ["9", "9"]


# --- the real one

@where_there_is("s6-ucspitlsd")
def test_recipe_s6_ucspitlsd(root_stage):
    port = superserver.free_port()
    text = documents.adapted(recipe("s6 and runit", "shell", 3, "CERTFILE"), places(root_stage, **keys(root_stage), **{
        " 0.0.0.0 143 ": f" 127.0.0.1 {port} "}))
    with shell(root_stage, text, port) as server:
        reads_mail(root_stage, port, STARTTLS)
        assert " how=tunnel " in server.log_text() and " tls=TLSv1." in server.log_text()
