"""How imapgate is started: on what, with which descriptors, and with what command line."""

import os
import subprocess

import pytest

from stage import KINDS

# Connections on which a password may be given.
SAFE = ("unix", "path", "pipe", "tls", "starttls")


def as_user(stage):
    """How to start a process as an ordinary user."""
    account = stage.users["imapgt1"]
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


@pytest.mark.parametrize("on", SAFE)
def test_login_on_every_safe_connection(stage, on):
    with stage.ready(on=on) as imap:
        imap.login()
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"


@pytest.mark.parametrize("on", ("tcp", "tcp6"))
def test_cleartext_tcp_takes_no_password(stage, on):
    report = stage.report()
    with stage.ready(on=on, mailbox=stage.mailbox(report=report)) as imap:
        assert "LOGINDISABLED" in imap.capabilities()
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [PRIVACYREQUIRED] ")
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.logged_end()["rip"] == {"tcp": "127.0.0.1", "tcp6": "::1"}[on]
    assert not report.written()


@pytest.mark.parametrize("word, on, allowed", [
    ("none", "tcp", False), ("loopback", "tcp", True), ("loopback", "tcp6", True), ("all", "tcp", True),
])
def test_allow_cleartext(stage, word, on, allowed):
    with stage.ready("--allow-cleartext", word, on=on) as imap:
        assert ("LOGINDISABLED" not in imap.capabilities()) == allowed
        answer = imap.command("a LOGIN joe sesame")[1]
        assert answer.startswith(b"a OK" if allowed else b"a NO [PRIVACYREQUIRED]")


@pytest.mark.parametrize("on", KINDS)
def test_as_an_ordinary_user(root_stage, on):
    """Without root there is no gate user and no chroot, but the dialogue is the same."""
    account = root_stage.users["imapgt1"]
    # The key has to be readable for who is to sign with it.
    certificate = root_stage.certificate("ecdsa")
    os.chown(certificate.key, account.uid, -1)
    with root_stage.ready(on=on, **as_user(root_stage)) as imap:
        if on.startswith("tcp"):
            imap.command("n NOOP")
        else:
            imap.login()


def test_no_certificate_no_starttls(stage):
    with stage.ready(on="tcp") as imap:
        assert "STARTTLS" not in imap.capabilities()


# --- descriptor 3, as systemd gives it with Accept=yes and no StandardInput=socket

LISTEN_FDS = 'LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=connection exec "$@" 3<&0 </dev/null >/dev/null'


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_descriptor_three(stage, on):
    report = stage.report()
    with stage.ready(on=on, wrap=["sh", "-c", LISTEN_FDS, "sh"], mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
    assert sorted(report.descriptors) == [0, 1, 2]
    assert "LISTEN_FDS" not in report.environment


def test_listen_fds_of_somebody_else(stage):
    """sd_listen_fds(3): the variables count only for the process that LISTEN_PID names."""
    with stage.ready(env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"}) as imap:
        imap.login()


# --- descriptors that are missing

def test_without_standard_error(stage):
    report = stage.report()
    with stage.ready(wrap=["sh", "-c", 'exec "$@" 2>&-', "sh"], mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
    assert report.descriptors[2] == "/dev/null"


@pytest.mark.parametrize("closed", ("<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"))
def test_without_a_connection(stage, closed):
    """Nobody to talk to: an end, at once, and no file of ours is taken for the connection."""
    report = stage.report()
    with stage.start(wrap=["sh", "-c", f'exec "$@" {closed}', "sh"], mailbox=stage.mailbox(report=report)) as imap:
        imap.half_close()
        assert imap.status() in (0, 75, 78)
    assert not report.written()


def test_on_a_file(stage, tmp_path):
    """Descriptor 0 is a file: it ends, and what it ends with is an ordinary end."""
    commands = tmp_path / "commands"
    commands.write_text("a NOOP\r\nb LOGOUT\r\n")
    with open(commands, "rb") as stdin:
        done = subprocess.run([stage.program, *stage.options(), "--", *stage.mailbox()], stdin=stdin,
                              capture_output=True, timeout=20)
    assert done.returncode in (0, 75, 78)


# --- a superserver that does the TLS, on pipes

UCSPI = {"PROTO": "TCP", "TCPREMOTEIP": "192.0.2.7", "TCPREMOTEPORT": "4711", "TCPLOCALIP": "192.0.2.1",
         "TCPLOCALPORT": "143"}


def test_pipe_of_a_tcp_superserver(stage):
    """A pipe that says it comes from TCP is no safer than TCP."""
    with stage.ready(on="pipe", env={**os.environ, **UCSPI}) as imap:
        imap.protected = False
        assert "LOGINDISABLED" in imap.capabilities()
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [PRIVACYREQUIRED]")
        imap.half_close()
        end = imap.logged_end()
        assert (end["rip"], end["rport"], end["lip"], end["lport"]) == ("192.0.2.7", "4711", "192.0.2.1", "143")


def test_pipe_with_remote_addr(stage):
    with stage.ready(on="pipe", env={**os.environ, "REMOTE_ADDR": "192.0.2.9", "REMOTE_PORT": "99"}) as imap:
        assert "LOGINDISABLED" in imap.capabilities()
        imap.half_close()
        assert imap.logged_end()["rip"] == "192.0.2.9"


def test_pipe_of_a_tls_superserver(stage):
    report = stage.report()
    tls = {"SSL_PROTOCOL": "TLSv1.3", "SSL_CIPHER": "TLS_AES_256_GCM_SHA384"}
    with stage.ready(*stage.certificate().options, on="pipe", env={**os.environ, **UCSPI, **tls},
                     mailbox=stage.mailbox(report=report)) as imap:
        assert {"STARTTLS", "LOGINDISABLED"}.isdisjoint(imap.capabilities())
        imap.login()
    environment = report.environment
    assert environment["TCPREMOTEIP"] == "192.0.2.7"
    assert environment["SSL_PROTOCOL"] == "TLSv1.3"
    assert environment["SSL_CIPHER"] == "TLS_AES_256_GCM_SHA384"


@pytest.mark.parametrize("address", ("not an address", "::1 user=\"x\"", "192.0.2.1\nauth-ok", "x" * 300))
def test_pipe_with_a_bad_address(stage, address):
    """What a superserver says is checked too: no line of the log may be broken by it."""
    with stage.start(on="pipe", env={**os.environ, **UCSPI, "TCPREMOTEIP": address}) as imap:
        imap.half_close()
        imap.rest()
        assert imap.status() in (0, 75, 78)
        assert all("user=" not in event.text for event in imap.log())


def test_socket_beats_variables(stage):
    """Where the kernel knows the address, the environment has no say (threat T56)."""
    with stage.ready(on="tcp", env={**os.environ, **UCSPI, "SSL_PROTOCOL": "TLSv1.3"}) as imap:
        assert "LOGINDISABLED" in imap.capabilities()
        imap.half_close()
        assert imap.logged_end()["rip"] == "127.0.0.1"


# --- the command line

def run(stage, *arguments):
    return subprocess.run([stage.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20)


@pytest.mark.parametrize("arguments", [
    [],
    ["--"],
    ["--no-such-option", "--", "/bin/true"],
    ["--timeout", "0", "--", "/bin/true"],
    ["--timeout", "-1", "--", "/bin/true"],
    ["--timeout", "soon", "--", "/bin/true"],
    ["--timeout", "99999999999999999999", "--", "/bin/true"],
    ["--max-attempts", "0", "--", "/bin/true"],
    ["--max-attempts", "3x", "--", "/bin/true"],
    ["--failure-delay", "-1", "--", "/bin/true"],
    ["--failure-delay", "nan", "--", "/bin/true"],
    ["--min-uid", "-1", "--", "/bin/true"],
    ["--min-uid", "0", "--", "/bin/true"],
    ["--allow-cleartext", "some", "--", "/bin/true"],
    ["--handoff", "both", "--", "/bin/true"],
    ["--pam-session", "maybe", "--", "/bin/true"],
    ["--log", "paper", "--", "/bin/true"],
    ["--setenv", "NOVALUE", "--", "/bin/true"],
    ["--tls", "NOVALUE", "--", "/bin/true"],
    ["--key", "/nonexistent", "--", "/bin/true"],
    ["--tls-on-connect", "--", "/bin/true"],
    ["--timeout"],
], ids=lambda arguments: " ".join(arguments) or "nothing")
def test_usage(stage, arguments):
    done = run(stage, *arguments)
    assert done.returncode == 64
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("imapgate: "), done.stderr


def test_help(stage):
    done = run(stage, "--help")
    assert done.returncode == 0 and done.stderr == ""
    for option in ("--tls-on-connect", "--cert", "--key", "--tls", "--allow-cleartext", "--max-attempts", "--timeout",
                   "--failure-delay", "--gate-user", "--gate-root", "--min-uid", "--handoff", "--capability",
                   "--capability-after", "--setenv", "--pam-service", "--pam-confdir", "--pam-session", "--run-as",
                   "--home", "--log", "--strict"):
        assert f"{option} " in done.stdout, option


def test_version(stage):
    done = run(stage, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("imapgate ")


def test_without_arguments_at_all(stage):
    """Threat T58: execve with an empty argv; the kernel makes it one empty string."""
    import ctypes

    child = os.fork()
    if child == 0:
        os.dup2(os.open("/dev/null", os.O_RDWR), 2)
        nothing = (ctypes.c_char_p * 1)(None)
        ctypes.CDLL(None).execve(stage.program.encode(), nothing, nothing)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 64
