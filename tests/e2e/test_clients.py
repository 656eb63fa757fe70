"""Real clients before imapgate, real mailbox programs behind it, real users and passwords."""

import contextlib
import subprocess

import pytest

import clients
import maillibraries
import mailprograms
from clients import CLEARTEXT, STARTTLS, TLS, Errand, missing
from superserver import Plain

CLIENTS = {**clients.CLIENTS, **mailprograms.PROGRAMS, **maillibraries.LIBRARIES}
NEEDS = {**clients.NEEDS, **mailprograms.NEEDS, **maillibraries.NEEDS}
# Some can't do all: getmail has no STARTTLS, and that of PHP's c-client is too old (see below). Alpine warns of clear text for seconds,
# and Thunderbird takes three to start.
ABLE = {"s_client": (STARTTLS, TLS), "getmail": (CLEARTEXT, TLS), "php_imap": (CLEARTEXT, TLS), "alpine": (STARTTLS, TLS),
        "thunderbird": (STARTTLS, TLS)}
# What they say of a wrong password: they have understood our answer.
REFUSALS = {
    "curl": "(?s)status 67.*Login denied",
    "mbsync": "Authentication failed",
    "fetchmail": "Authorization failure",
    "neomutt": "Login failed",
    "offlineimap": "Authentication failed",
    "getmail": "login error .*Authentication failed",
    "s_nail": "Authentication failed",
    "alpine": r"Retrying PLAIN authentication after \[AUTHENTICATIONFAILED\]",
    "thunderbird": "dialog: .*imapgt1.* failed",
    "perl_imapclient": r"NO \[AUTHENTICATIONFAILED\]",
    "ruby_net_imap": r"Authentication failed \(Net::IMAP::NoResponseError\)",
    "php_imap": "Can not authenticate to IMAP server: .*Authentication failed",
    "java_mail": "AuthenticationFailedException: .*Authentication failed",
}

COURIER_CAPABILITY = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT SORT QUOTA"


def behind(name, request, stage):
    """imapgate's options and the program, by the name of the combination."""
    if name == "dovecot":
        return [], [stage.dovecot]
    if name == "dovecot-configured":
        return [], [stage.dovecot, "-c", "/etc/dovecot/dovecot.conf"]
    if name == "dovecot-greeting":
        # From 2.4.2 on Dovecot knows no tag; the others behave like it when they are not told.
        return ["--handoff", "greeting"], ["/usr/bin/env", "-u", "IMAPLOGINTAG", stage.dovecot]
    if name == "dovecot-greeting-capability":
        return ["--handoff", "greeting", "--capability-after", "IMAP4rev1 NAMESPACE UIDPLUS"], \
            ["/usr/bin/env", "-u", "IMAPLOGINTAG", stage.dovecot]
    program = [request.getfixturevalue("courier"), "Maildir"]
    options = ["--setenv", f"IMAP_CAPABILITY={COURIER_CAPABILITY}", "--setenv", "IMAP_KEYWORDS=1"]
    if name == "courier-capability":
        options += ["--capability-after", COURIER_CAPABILITY]
    return options, program


DOVECOTS = ("dovecot", "dovecot-configured", "dovecot-greeting", "dovecot-greeting-capability")
# Without a file monitor Courier takes more than two seconds for a login, so each client of clients.py meets one of these.
COURIERS = ("courier", "courier-capability")


@contextlib.contextmanager
def visit(root_stage, request, client, mailbox, security, user="imapgt1", password=None):
    """The server, and an errand to it."""
    if missing(NEEDS.get(client, ())):
        pytest.skip(f"no {missing(NEEDS[client])} on this machine")
    options, program = behind(mailbox, request, root_stage)
    account, certificate = root_stage.users[user], root_stage.certificate("rsa")
    command = [root_stage.program, *root_stage.options("unix"), *certificate.options, *options]
    if security == TLS:
        command.append("--tls-on-connect")
    if security == CLEARTEXT:
        command += ["--allow-cleartext", "loopback"]
    with Plain(root_stage, [*command, "--", *program]) as server:
        yield server, Errand(server.port, security, account.name, password or account.password, certificate,
                             root_stage.file("scratch"))


def go(*where, **more):
    with visit(*where, **more) as (server, errand):
        shown = CLIENTS[where[2]](errand)
    assert "This is the text of message 2." in shown
    return server.log_text()


def securities(client):
    return ABLE.get(client, (CLEARTEXT, STARTTLS, TLS))


def combinations():
    """Every client with every Dovecot, and with every security; each begins with another one."""
    for number, client in enumerate(CLIENTS):
        dovecots = DOVECOTS if client != "thunderbird" else ("dovecot", "dovecot-greeting")
        able = securities(client)
        for turn, mailbox in enumerate([*dovecots, *COURIERS[number % 2:][:client in clients.CLIENTS]]):
            for security in able if mailbox == "dovecot" else able[(number + turn) % len(able):][:1]:
                yield pytest.param(client, mailbox, security, id=f"{client}-{mailbox}-{security}")


@pytest.mark.parametrize("client, mailbox, security", combinations())
def test_client(root_stage, request, client, mailbox, security):
    log = go(root_stage, request, client, mailbox, security)
    assert "auth-ok rip=127.0.0.1 " in log and "handoff rip=127.0.0.1 " in log
    assert ("how=exec" in log) == (security == CLEARTEXT)


def test_password_with_a_space(root_stage, request):
    """Clients that quote, and clients that encode."""
    for client in ("imaplib_login", "curl", "mutt"):
        go(root_stage, request, client, "dovecot", STARTTLS, user="imapgt2")


@pytest.mark.parametrize("client, security", [(client, security) for client in REFUSALS for security in securities(client)
                                              if security != CLEARTEXT])
def test_wrong_password_is_told(root_stage, request, client, security):
    with visit(root_stage, request, client, "dovecot", security, password="mumble") as (server, errand):
        with pytest.raises(AssertionError, match=REFUSALS[client]):
            CLIENTS[client](errand)
    log = server.log_text()
    assert "auth-fail rip=127.0.0.1 " in log and "auth-ok" not in log


def test_starttls_of_c_client_is_too_old(root_stage, request):
    """Behind STARTTLS the library under PHP's extension speaks TLS 1.0 only: it is refused, and no password leaves it."""
    with visit(root_stage, request, "php_imap", "dovecot", STARTTLS) as (server, errand):
        with pytest.raises(AssertionError, match="SSL negotiation failed"):
            CLIENTS["php_imap"](errand)
    log = server.log_text()
    assert "tls-fail " in log and 'reason="unsupported protocol"' in log and "auth-" not in log


def test_curl_refuses_cleartext(root_stage, tmp_path):
    """LOGINDISABLED is understood too: no password leaves the client."""
    command = [root_stage.program, *root_stage.options("unix"), "--", *root_stage.mailbox()]
    with Plain(root_stage, command) as server:
        done = subprocess.run(["curl", "--silent", "--ipv4", "--user", "imapgt1:mumble", f"imap://localhost:{server.port}/"],
                              capture_output=True, timeout=30, cwd=tmp_path)
    assert done.returncode != 0
    assert "auth-fail" not in server.log_text()
