"""Logins that are refused before anybody is asked: without TLS, or by a mechanism that is not on offer.

The client's answer is in the transcripts; here is what the administrator learns:
whose password has travelled in the clear, and what clients want that is not there.
"""

import base64
import socket
import ssl

import pytest

from listening import Listener
from loglines import unquote


def b64(text):
    return base64.b64encode(text.encode()).decode()


CLEAR = {
    "LOGIN": ("a LOGIN joe sesame", "LOGIN-command", "yes", b"joe"),
    "LOGIN, quoted": ('a LOGIN "jo\\"e" "sesame"', "LOGIN-command", "yes", b'jo"e'),
    "LOGIN, password not sent yet": ("a LOGIN joe {6}", "LOGIN-command", "no", b"joe"),
    "LOGIN, nothing sent yet": ("a LOGIN {3}", "LOGIN-command", "no", b""),
    "LOGIN, a name that is too long": (f"a LOGIN {'x' * 300} sesame", "LOGIN-command", "yes", b""),
    "PLAIN": (f"a AUTHENTICATE PLAIN {b64(chr(0) + 'joe' + chr(0) + 'sesame')}", "PLAIN", "yes", b"joe"),
    "PLAIN, nothing sent yet": ("a AUTHENTICATE PLAIN", "PLAIN", "no", b""),
    "PLAIN, nothing sent": ("a AUTHENTICATE PLAIN =", "PLAIN", "no", b""),
    "PLAIN, no base64": ("a AUTHENTICATE PLAIN sesame", "PLAIN", "no", b""),
    "mechanism LOGIN": ("a AUTHENTICATE LOGIN", "LOGIN", "no", b""),
    "mechanism LOGIN, name sent": (f"a AUTHENTICATE LOGIN {b64('joe')}", "LOGIN", "no", b"joe"),
    "OAUTHBEARER": (f"a AUTHENTICATE OAUTHBEARER {b64('n,a=joe,' + chr(1) + 'auth=Bearer sesame' + chr(1) * 2)}", "OAUTHBEARER", "yes", b"joe"),
}


@pytest.mark.parametrize("case", CLEAR)
def test_login_without_tls(stage, case):
    command, mechanism, exposed, user = CLEAR[case]
    with stage.ready("--oauth-service", "imapgate", on="tcp") as imap:
        assert imap.command(command)[1].startswith(b"a NO [PRIVACYREQUIRED] ")
        imap.send("b LOGOUT\r\n")
        imap.lines_to_end()
        end = imap.logged_end()
        refused, = imap.log("auth-refused")
        assert (refused["code"], refused["mech"], refused["exposed"]) == ("PRIVACYREQUIRED", mechanism, exposed)
        assert unquote(refused["user"]) == user
        assert refused["rip"] == "127.0.0.1"
        assert end["refused"] == "1"


@pytest.mark.parametrize("word, mechanism", [
    ("CRAM-MD5", "CRAM-MD5"), ("scram-sha-256", "SCRAM-SHA-256"), ("KERBEROS_V4", "KERBEROS_V4"), ("EXTERNAL =", "EXTERNAL"),
    ("OAUTHBEARER", "OAUTHBEARER"), ("sesame", "other"), ("M" * 300, "other"),
])
def test_mechanism_that_is_not_there(stage, word, mechanism):
    """Threat T54: a word that is no mechanism may be a password in the wrong place."""
    with stage.ready() as imap:
        imap.command(f"a AUTHENTICATE {word}")
        refused = imap.logged("auth-refused")
        assert (refused["reason"], refused["mech"]) == ("unsupported-mechanism", mechanism)
        assert "sesame" not in imap.log_text().lower()


def test_lines_of_a_connection_are_bounded(stage):
    """Threat T53: three lines, and the end says how many there were."""
    with stage.ready(on="tcp") as imap:
        for number in range(40):
            imap.command(f"a{number} LOGIN joe sesame")
        imap.send("b LOGOUT\r\n")
        imap.lines_to_end()
        assert imap.logged_end()["refused"] == "40"
        assert len(imap.log("auth-refused")) == 3


@pytest.mark.parametrize("name", ['x" rip=192.0.2.1', "x rip=192.0.2.1 user=", "\x7f", "é"], ids=repr)
def test_hostile_name(stage, name):
    """Threat T53: one quoted value."""
    octets = name.encode()
    with stage.ready(on="tcp") as imap:
        imap.send(b"a LOGIN {%d+}\r\n%s mumble\r\n" % (len(octets), octets))
        imap.expect("a NO [PRIVACYREQUIRED] ...")
        refused = imap.logged("auth-refused")
        assert refused["rip"] == "127.0.0.1" and unquote(refused["user"]) == octets


def test_what_is_allowed_has_no_line(stage):
    with stage.ready("--allow-cleartext", "loopback", on="tcp") as imap:
        imap.login()
        assert [event.name for event in imap.log()] == ["auth-ok", "handoff"]


def test_tls_on_a_clear_port(stage):
    """A mail program that was told "SSL/TLS" for port 143, with a real ClientHello."""
    with stage.ready(on="tcp") as imap:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
        imap.send(outgoing.read())
        imap.hand_over()
        imap.rest()
        assert imap.logged_end()["reason"] == "tls-on-clear-port"


def test_tls_within_tls_is_another_thing(stage):
    with stage.ready(on="tls") as imap:
        imap.send(b"\x16\x03\x01\x00\x05hello\r\n")
        imap.hand_over()
        imap.rest()
        assert imap.logged_end()["reason"] == "not-imap"


def test_a_listener_counts_them_together(stage):
    """Of one network ten are written within a minute."""
    with Listener(stage) as listener:
        for _ in range(14):
            imap = listener.connect()
            imap.command("a LOGIN joe sesame")
            imap.wire.close()
        listener.logged("end", 14)
        assert len(listener.log("auth-refused")) == 10
