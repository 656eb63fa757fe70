"""Real clients before imapgate, real mailbox programs behind it, real users and passwords."""

import subprocess

import pytest

from clients import CLEARTEXT, CLIENTS, STARTTLS, TLS, Errand, missing
from superserver import Plain

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
# Without a file monitor Courier takes more than two seconds for a login, so each client meets one of these.
COURIERS = ("courier", "courier-capability")


def go(root_stage, request, client, mailbox, security, user="imapgt1"):
    if missing(client):
        pytest.skip(f"no {missing(client)} on this machine")
    options, program = behind(mailbox, request, root_stage)
    account, certificate = root_stage.users[user], root_stage.certificate("rsa")
    command = [root_stage.program, *root_stage.options("unix"), *certificate.options, *options]
    if security == TLS:
        command.append("--tls-on-connect")
    if security == CLEARTEXT:
        command += ["--allow-cleartext", "loopback"]
    with Plain(root_stage, [*command, "--", *program]) as server:
        errand = Errand(server.port, security, account.name, account.password, certificate, root_stage.file("scratch"))
        shown = CLIENTS[client](errand)
    assert "This is the text of message 2." in shown
    return server.log_text()


def combinations():
    """Every client with every mailbox program, and with every security; each begins with another one."""
    for number, client in enumerate(CLIENTS):
        able = (STARTTLS, TLS) if client == "s_client" else (CLEARTEXT, STARTTLS, TLS)
        for turn, mailbox in enumerate([*DOVECOTS, COURIERS[number % 2]]):
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


def test_wrong_password_is_told(root_stage, tmp_path):
    """A client's own words for it: it has understood our answer."""
    certificate = root_stage.certificate("rsa")
    command = [root_stage.program, *root_stage.options("unix"), *certificate.options, "--", *root_stage.mailbox()]
    with Plain(root_stage, command) as server:
        done = subprocess.run(
            ["curl", "--silent", "--show-error", "--ipv4", "--ssl-reqd", "--cacert", certificate.file, "--user",
             "imapgt1:mumble", f"imap://localhost:{server.port}/INBOX;MAILINDEX=1"],
            capture_output=True, text=True, timeout=30, cwd=tmp_path)
    assert done.returncode == 67, done.stderr
    assert "auth-fail rip=127.0.0.1 " in server.log_text()


def test_curl_refuses_cleartext(root_stage, tmp_path):
    """LOGINDISABLED is understood too: no password leaves the client."""
    command = [root_stage.program, *root_stage.options("unix"), "--", *root_stage.mailbox()]
    with Plain(root_stage, command) as server:
        done = subprocess.run(["curl", "--silent", "--ipv4", "--user", "imapgt1:mumble", f"imap://localhost:{server.port}/"],
                              capture_output=True, timeout=30, cwd=tmp_path)
    assert done.returncode != 0
    assert "auth-fail" not in server.log_text()
