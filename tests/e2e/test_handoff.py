"""What the mailbox program is given: descriptors, environment, arguments, limits, signals; and who answers whom."""

import base64
import os
import resource

import pytest

from stage import TCP

EVERYWHERE = ("unix", "pipe", "tls", "starttls")

# The one environment that serves all mailbox programs.
VARIABLES = {
    "USER", "LOGNAME", "HOME", "SHELL", "PATH", "UID", "GID", "IMAPLOGINTAG", "AUTHENTICATED", "PROTOCOL", "OPTIONS",
    "BINCIMAP_LOGIN", "BINCIMAP_USERID", "PROTO", "TCPREMOTEIP", "TCPREMOTEPORT", "TCPLOCALIP", "TCPLOCALPORT",
    "REMOTE_ADDR", "REMOTE_PORT", "IP", "LOCAL_IP", "DOVECOT_PRESERVE_ENVS",
}
TLS_VARIABLES = {"SSL_PROTOCOL", "SSL_CIPHER", "SSL_TLS_SNI_SERVER_NAME", "IMAP_TLS"}


def login(stage, *options, user="joe", password="sesame", command=None, **more):
    """Logs in and out; returns what the recorder found."""
    report = stage.report()
    with stage.ready(*options, mailbox=stage.mailbox(more.pop("style", "tag"), report=report), **more) as imap:
        line = imap.command(command or f'tag1 LOGIN {user} "{password}"')[1]
        assert b" OK " in line, line
    return report


@pytest.mark.parametrize("on", EVERYWHERE)
def test_environment_has_nothing_else(stage, on):
    environment = login(stage, on=on, env={**os.environ, "FOO": "bar", "IMAP_CAPABILITY": "x"}).environment
    assert set(environment) == VARIABLES | (TLS_VARIABLES if on in TCP else set())
    assert "sesame" not in str(environment)


@pytest.mark.parametrize("on", EVERYWHERE)
def test_environment_says_who(stage, on):
    environment = login(stage, on=on).environment
    assert environment["USER"] == environment["LOGNAME"] == environment["AUTHENTICATED"] == "joe"
    assert environment["BINCIMAP_USERID"] == "joe"
    assert environment["HOME"] == stage.host_home
    assert environment["IMAPLOGINTAG"] == "tag1"
    assert environment["BINCIMAP_LOGIN"] == "LOGIN+tag1"
    assert environment["PROTOCOL"] == "IMAP" and environment["OPTIONS"] == ""
    assert environment["SHELL"].startswith("/")
    assert all(part.startswith("/") for part in environment["PATH"].split(":"))
    assert environment["DOVECOT_PRESERVE_ENVS"] == "USER HOME IMAPLOGINTAG IP LOCAL_IP"


def test_environment_says_authenticate(stage):
    plain = base64.b64encode(b"\0joe\0sesame").decode()
    environment = login(stage, command=f"zz AUTHENTICATE PLAIN {plain}").environment
    assert environment["BINCIMAP_LOGIN"] == "AUTHENTICATE+zz"
    assert environment["IMAPLOGINTAG"] == "zz"


@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_environment_says_where_from(stage, on):
    report = stage.report()
    with stage.ready(on=on, mailbox=stage.mailbox(report=report)) as imap:
        here = imap.wire.wire.sock.getsockname()
        there = imap.wire.wire.sock.getpeername()
        imap.login()
    environment = report.environment
    assert environment["PROTO"] == "TCP"
    assert environment["TCPREMOTEIP"] == environment["REMOTE_ADDR"] == environment["IP"] == here[0]
    assert environment["TCPREMOTEPORT"] == environment["REMOTE_PORT"] == str(here[1])
    assert environment["TCPLOCALIP"] == environment["LOCAL_IP"] == there[0]
    assert environment["TCPLOCALPORT"] == str(there[1])


def test_environment_ipv6(stage):
    environment = login(stage, "--allow-cleartext", "loopback", on="tcp6").environment
    assert environment["TCPREMOTEIP"] == environment["TCPLOCALIP"] == "::1"


@pytest.mark.parametrize("on", ("unix", "path", "pipe"))
def test_environment_of_a_local_connection(stage, on):
    """Courier ends without a word if it is not told an address."""
    environment = login(stage, on=on).environment
    assert environment["TCPREMOTEIP"] == environment["TCPLOCALIP"] == "127.0.0.1"
    assert environment["TCPREMOTEPORT"] == "0"


@pytest.mark.parametrize("version", ("TLSv1.2", "TLSv1.3"))
def test_environment_says_tls(stage, version):
    report = stage.report()
    with stage.ready("--tls", f"MinProtocol={version}", "--tls", f"MaxProtocol={version}", on="tls",
                     mailbox=stage.mailbox(report=report)) as imap:
        cipher = imap.wire.cipher
        imap.login()
        handoff = imap.logged("handoff")
    environment = report.environment
    assert environment["SSL_PROTOCOL"] == version == handoff["tls"]
    assert environment["SSL_CIPHER"] == cipher == handoff["cipher"]
    assert environment["SSL_TLS_SNI_SERVER_NAME"] == "localhost"
    assert environment["IMAP_TLS"] == "1"


# --- arguments and --setenv

@pytest.mark.parametrize("number", (64, 65))
def test_most_arguments(stage, number):
    """The first arguments are short, so that a write over them would change several."""
    last = [f"{i}" for i in range(4, number)]
    with stage.ready(mailbox=["sh", "-c", 'printf "l OK %%s\\r\\n" "$*"', "sh", *last]) as imap:
        imap.hand_over()
        imap.send("l LOGIN joe sesame\r\n")
        if number == 64:
            imap.expect("l OK " + " ".join(last))
        else:
            imap.expect("l NO [UNAVAILABLE] ...")
            assert imap.logged("auth-fail")["reason"] == "arguments"
        imap.wire.close()


def test_arguments_are_substituted(stage):
    report = stage.report()
    arguments = ["%u", "-o", "home=%h", "%n at %d", "100%%", "%%u", "%n%n", ""]
    with stage.ready(pam="name=joe@example.org password=sesame",
                     mailbox=[*stage.mailbox(report=report), *arguments]) as imap:
        imap.login("joe@example.org")
    assert report.arguments[4:] == ["joe@example.org", "-o", f"home={stage.host_home}", "joe at example.org", "100%",
                                    "%u", "joejoe", ""]


# Beside what they stand for they would be a folder above, the folder of all, or an option of the mailbox program's.
NAMES = [("joe", "%d"), ("joe@..", "/srv/%d/%n"), ("@example.org", "/srv/%d/%n"), ("joe@-o", "%d"), ("joe@", "%d")]


@pytest.mark.parametrize("where", ("argument", "setenv"))
@pytest.mark.parametrize("name, template", NAMES)
def test_names_that_are_no_folders(stage, where, name, template):
    report = stage.report()
    options = ["--setenv", f"X={template}"] if where == "setenv" else []
    mailbox = [*stage.mailbox(report=report), *([template] if where == "argument" else [])]
    with stage.ready(*options, pam=f"name={name} password=sesame", mailbox=mailbox) as imap:
        assert imap.command(f'a LOGIN "{name}" sesame')[1] == b"a NO [AUTHENTICATIONFAILED] Authentication failed"
        assert imap.log("auth-fail")[0]["reason"] == "bad-user-name"
    assert not report.written()


def test_argument_zero_is_the_absolute_path(stage):
    assert login(stage).arguments[0] == stage.recorder


def test_setenv(stage):
    environment = login(stage, "--setenv", "MAIL=maildir:%h/Maildir", "--setenv", "WHO=%u", "--setenv", "EMPTY=",
                        "--setenv", "PERCENT=50%%", "--setenv", "EQUAL=a=b").environment
    assert environment["MAIL"] == f"maildir:{stage.host_home}/Maildir"
    assert (environment["WHO"], environment["EMPTY"], environment["PERCENT"], environment["EQUAL"]) \
        == ("joe", "", "50%", "a=b")


def test_setenv_beats_our_own(stage):
    assert login(stage, "--setenv", "OPTIONS=disableshared").environment["OPTIONS"] == "disableshared"


def test_what_pam_sets(stage):
    """Modules may say where a ticket lies, but not how programs are loaded or found (threat T38)."""
    wanted = "env=KRB5CCNAME=FILE:/tmp/ticket env=XDG_RUNTIME_DIR=/run/user/1"
    unwanted = " ".join(f"env={name}=/evil" for name in (
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "IFS", "ENV", "BASH_ENV", "GCONV_PATH", "PATH", "SHELL", "USER",
        "HOME", "IMAPLOGINTAG", "UID", "TCPREMOTEIP"))
    environment = login(stage, pam=f"name=joe password=sesame {wanted} {unwanted}").environment
    assert environment["KRB5CCNAME"] == "FILE:/tmp/ticket"
    assert environment["XDG_RUNTIME_DIR"] == "/run/user/1"
    assert "/evil" not in environment.values(), environment
    assert set(environment) == VARIABLES | {"KRB5CCNAME", "XDG_RUNTIME_DIR"}


def test_shell_function_in_an_environment_value(stage):
    """Threat T28: a value that an old shell would run."""
    environment = login(stage, pam="name=joe password=sesame [env=X=() { :; }; touch /tmp/x]").environment
    assert not any(value.startswith("() {") for value in environment.values())


# --- descriptors

@pytest.mark.parametrize("on", ("unix", "path", "pipe", "tls", "starttls"))
def test_descriptors(stage, on):
    report = login(stage, on=on)
    descriptors = report.descriptors
    assert sorted(descriptors) == [0, 1, 2]
    assert descriptors[2] == "/dev/null", "the log is not the user's"
    kind = "pipe:" if on == "pipe" else "socket:"
    assert descriptors[0].startswith(kind) and descriptors[1].startswith(kind)
    assert (descriptors[0] == descriptors[1]) == (on != "pipe")


@pytest.mark.parametrize("on", ("unix", "pipe", "tls"))
def test_descriptors_block(stage, on):
    """O_NONBLOCK is the open file's, so it would be the mailbox program's too."""
    for value in login(stage, on=on).all("fdflags"):
        assert int(value.split()[1], 8) & os.O_NONBLOCK == 0, value


def test_many_open_descriptors_are_closed(stage):
    report = login(stage, wrap=["sh", "-c", 'exec "$@" 3</dev/null 4</dev/null 9</dev/null', "sh"])
    assert sorted(report.descriptors) == [0, 1, 2]


def test_nodelay(stage):
    """Some mailbox programs write a response in pieces; Nagle would hold back each second one for 40 ms."""
    assert login(stage, "--allow-cleartext", "all", on="tcp").one("nodelay") == "1"


def test_standard_error_is_never_the_client(stage):
    """Classic inetd puts the connection on 2 as well."""
    report = stage.report()
    with stage.ready(wrap=["sh", "-c", 'exec "$@" 2>&1', "sh"], mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
        imap.half_close()
        imap.expect_end()
    descriptors = report.descriptors
    assert sorted(descriptors) == [0, 1, 2]
    assert descriptors[2] != descriptors[0]


# --- process

def test_same_process_in_cleartext(stage):
    """One process for each connection: the superserver's child is the mailbox program."""
    report = stage.report()
    with stage.ready(mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
        assert int(report.one("pid")) == imap.process.pid
        assert imap.logged("handoff")["how"] == "exec"


def test_same_process_with_relay(stage):
    report = stage.report()
    with stage.ready(on="starttls", mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
        assert int(report.one("pid")) == imap.process.pid
        assert imap.logged("handoff")["how"] == "relay"


def test_nothing_of_the_gate_is_left_in_cleartext(stage):
    """The gate ends with the login; nothing waits for it, so it must not stay as a zombie either."""
    with stage.ready() as imap:
        imap.login()
        with open(f"/proc/{imap.process.pid}/task/{imap.process.pid}/children") as children:
            left = children.read().split()
        assert [pid for pid in left if "zombie" not in open(f"/proc/{pid}/status").read()] == []


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_exit_status_is_the_mailbox_programs(stage, on):
    with stage.ready(on=on, mailbox=stage.mailbox(then="exit=7")) as imap:
        imap.login()
        assert imap.status() == 7


# 32 and 33 are the C library's own: what make(1) starts by posix_spawn(3) has them ignored.
SIGNALS = (1 << 31) - 1


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_signals_are_as_found(stage, on):
    status = login(stage, on=on).status
    for signals in ("SigBlk", "SigIgn", "SigPnd", "ShdPnd"):
        assert int(status[signals], 16) & SIGNALS == 0, signals
    assert status["NoNewPrivs"] == "0" and status["Seccomp"] == "0"


def test_ignored_signal_stays_ignored(stage):
    report = login(stage, wrap=["sh", "-c", 'trap "" HUP; exec "$@"', "sh"])
    assert int(report.status["SigIgn"], 16) & SIGNALS == 1


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_umask_and_limits_are_as_found(stage, on):
    report = login(stage, on=on, wrap=["sh", "-c", 'umask 027; ulimit -n 345; ulimit -S -s 4096; exec "$@"', "sh"])
    assert report.one("umask") == "027"
    limits = {int(which): (soft, hard) for which, soft, hard in map(str.split, report.all("limit"))}
    expected = {which: tuple(str(value) for value in resource.getrlimit(which)) for which in limits}
    expected[resource.RLIMIT_NOFILE] = ("345", "345")
    expected[resource.RLIMIT_STACK] = ("4194304", expected[resource.RLIMIT_STACK][1])
    assert limits == expected


def test_core_limit_is_as_found(stage):
    """Monitor and gate leave no core; the mailbox program may. A sanitizer would set this limit itself."""
    script = 'printf "%%s OK core %%s\\r\\n" "$IMAPLOGINTAG" "$(ulimit -S -c)"'
    sanitizer = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":disable_coredump=0"}
    with stage.ready(wrap=["sh", "-c", 'ulimit -S -c 8; exec "$@"', "sh"], env={**os.environ, **sanitizer},
                     mailbox=["/bin/sh", "-c", script]) as imap:
        assert imap.command("a LOGIN joe sesame")[1] == b"a OK core 8"


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_working_directory_is_home(stage, on):
    assert login(stage, on=on).one("cwd") == stage.host_home


# --- styles

@pytest.mark.parametrize("on", EVERYWHERE)
def test_greeting_style_has_no_tag_to_answer(stage, on):
    """A program that greets by itself would answer the login a second time if it knew the tag, as Dovecot 2.4.1 does."""
    report = stage.report()
    with stage.ready("--handoff", "greeting", on=on, mailbox=stage.mailbox("preauth", report=report)) as imap:
        assert imap.command("a LOGIN joe sesame")[1] == b"a OK * PREAUTH recorder"
        assert imap.command("b NOOP")[1] == b"b OK heard NOOP"
    assert not {"IMAPLOGINTAG", "BINCIMAP_LOGIN"} & set(report.environment)


def test_greeting_in_one_segment(stage):
    """MSG_MORE keeps the prefix until the mailbox program speaks: real clients read lines, poor ones segments."""
    with stage.ready("--handoff", "greeting", "--allow-cleartext", "all", on="tcp",
                     mailbox=stage.mailbox("preauth")) as imap:
        imap.send("a LOGIN joe sesame\r\n")
        assert imap.wire.receive() == b"a OK * PREAUTH recorder\r\n"


def test_nothing_is_said_before_the_tagged_answer(stage):
    with stage.ready(mailbox=stage.mailbox("mute")) as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.logged("handoff")
        imap.expect_silence(0.2)


def test_capability_after_comes_with_every_method(stage):
    with stage.ready("--capability-after", "IMAP4rev1 IDLE") as imap:
        untagged, _ = imap.command("a AUTHENTICATE PLAIN " + base64.b64encode(b"\0joe\0sesame").decode())
        assert untagged == [b"* CAPABILITY IMAP4rev1 IDLE"]
