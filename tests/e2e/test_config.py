"""The file of --config, as an administrator writes it; tests/unit/test_config.c has its syntax."""

import re
import subprocess
import sys

import pytest

from processes import need_mounts


@pytest.fixture
def written(stage):
    """Writes a file of these lines; gives the options that name it."""
    def write(*lines):
        path = stage.file("scratch", ".conf")
        path.write_text("".join(f"{line}\n" for line in lines))
        return ["--config", str(path)]
    return write


def run(stage, *arguments):
    return subprocess.run([stage.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=20)


def test_login_with_all_options_from_the_file(stage, written):
    certificate, report = stage.certificate("ecdsa"), stage.report()
    options = stage.options()
    lines = [f'{name[2:]} = "{value}"' for name, value in zip(options[::2], options[1::2])]
    file = written("# port 143", f"cert = {certificate.file}", f"key = {certificate.key}", "tls = MinProtocol=TLSv1.3",
                   "strict = yes", 'setenv = "MAIL=maildir:%h/#mail"', "setenv = WHO=%u", *lines)
    with stage.launch([stage.program, *file, "--", *stage.mailbox(report=report)], "tcp") as imap:
        imap.greeting()
        imap.starttls(certificate.context())
        imap.login()
        assert imap.logged("handoff")["how"] == "relay"
    assert report.environment["WHO"] == "joe"
    assert report.environment["MAIL"].endswith("/#mail")


def test_command_line_wins(stage, written):
    with stage.ready(*written("max-attempts = 5", "strict = yes"), "--max-attempts", "1") as imap:
        imap.send("a LOGIN joe mumble\r\n")
        imap.rest()
        assert imap.logged_end()["reason"] == "too-many-attempts"


def test_every_option_of_help_may_stand_there(stage, written):
    """Each is known: as an option of its own, or as one for the command line."""
    names = re.findall(r"^  --(\S+)", run(stage, "--help").stdout, re.MULTILINE)
    assert len(names) > 25 and "cert" in names
    for name in names:
        done = run(stage, *written(f'{name} = "no such value"'), "--", "/nonexistent")
        assert f": {name} = no such value: unknown option" not in done.stderr
        assert done.returncode in (64, 78), name


def test_a_typo_is_named(stage, written):
    options = written("# all of it", "max-atempts = 5")
    done = run(stage, *options, "--", "/bin/true")
    assert done.returncode == 78 and done.stdout == ""
    assert done.stderr == f"imapgate: {options[1]}:2: max-atempts = 5: unknown option\n"


def test_file_that_is_missing(stage):
    done = run(stage, "--config", "/nonexistent/imapgate.conf", "--", "/bin/true")
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == "imapgate: /nonexistent/imapgate.conf: No such file or directory\n"


# Starts a command as classic inetd does, and prints what came to syslog and to the client.
INETD = """
import socket, subprocess, sys
syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
syslog.bind("/dev/log")
syslog.settimeout(10)
client, server = socket.socketpair()
status = subprocess.run(sys.argv[1:], stdin=server, stdout=server, stderr=server, timeout=10).returncode
server.close()
print(status, client.recv(100), syslog.recv(4096))
"""


def test_under_inetd_a_typo_is_in_the_log(root_stage, written):
    """Standard error is the client's there, who has no use for it."""
    need_mounts()
    own_dev = 'mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9 && exec "$@"'
    done = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", own_dev, "sh", sys.executable, "-c", INETD,
                           root_stage.program, *written("max-atempts = 5"), "--", "/bin/true"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    status, client, syslog = done.stdout.split(" ", 2)
    assert (status, client) == ("78", "b''")
    assert ".conf:1: max-atempts = 5: unknown option" in syslog and "error text=" in syslog


def test_an_unknown_word_names_those_that_are_known(stage):
    done = run(stage, "--handoff", "both", "--", "/bin/true")
    assert done.returncode == 64 and ": must be one of " in done.stderr
