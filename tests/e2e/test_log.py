"""The log: one event, one line, in the frozen form, and nothing in it that a client could have forged.

loglines.py holds the form of every event; each line of each test goes through
it. Here are the values, the order, and the hostile ones.
"""

import contextlib
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from listening import Listener
from loglines import FORMS, parse, unquote
from processes import connections_of, need_mounts
from stage import TREE
from test_preauth import as_user, by_path


def events(imap):
    return [event.name for event in imap.log()]


def test_a_whole_login(stage):
    with stage.ready(on="starttls") as imap:
        port = imap.wire.wire.sock.getsockname()[1]
        cipher = imap.wire.cipher
        imap.command("a LOGIN joe mumble")
        imap.login(tag="b")
        failed, passed, handoff = imap.log()
    for event in (failed, passed, handoff):
        assert list(event)[:6] == ["rip", "rport", "lip", "lport", "tls", "cipher"]
        assert (event["rip"], event["rport"], event["lip"]) == ("127.0.0.1", str(port), "127.0.0.1")
        assert (event["tls"], event["cipher"]) == ("TLSv1.3", cipher)
        assert event["user"] == '"joe"'
    assert (failed.name, failed["attempt"], failed["reason"]) == ("auth-fail", "1", "PAM_AUTH_ERR")
    assert passed.name == "auth-ok"
    assert (handoff.name, handoff["how"], handoff["style"]) == ("handoff", "relay", "tag")


@pytest.mark.parametrize("on", ("unix", "path", "pipe"))
def test_local_connection(stage, on):
    with stage.ready(on=on) as imap:
        imap.login()
        event = imap.logged("auth-ok")
        assert (event["rip"], event["rport"], event["tls"]) == ("local", "0", "none")


@pytest.mark.parametrize("command, mechanism", [
    ("a LOGIN joe mumble", None), ("a AUTHENTICATE PLAIN AGpvZQBt", "PLAIN"),
])
def test_mechanism(stage, command, mechanism):
    with stage.ready() as imap:
        imap.command(command)
        assert mechanism is None or imap.log()[0]["mech"] == mechanism


def test_attempts_are_numbered(stage):
    with stage.ready("--max-attempts", "4") as imap:
        for number in (1, 2, 3):
            imap.command(f"a{number} LOGIN joe mumble")
        assert [event["attempt"] for event in imap.log("auth-fail")] == ["1", "2", "3"]


ENDS = {
    "logout": b"a LOGOUT\r\n",
    "disconnected": b"",
    "too-many-attempts": b"a LOGIN joe mumble\r\n" * 3,
    "too-many-bad-commands": b"a BAD\r\n" * 30,
    "not-imap": b"GET / HTTP/1.0\r\n\r\n",
    "literal-too-big": b"a LOGIN {99999+}\r\n",
}


@pytest.mark.parametrize("reason", ENDS)
def test_every_end_has_its_reason(stage, reason):
    with stage.ready() as imap:
        imap.send(ENDS[reason])
        imap.half_close()
        imap.lines_to_end()
        end = imap.logged_end()
        assert end["reason"] == reason
        assert imap.status() == 0


def test_end_counts_commands(stage):
    with stage.ready() as imap:
        for command in ("a NOOP", "b BAD", "c CAPABILITY", "d LOGIN", "e LOGOUT"):
            imap.command(command)
        imap.expect_end()
        end = imap.logged_end()
        assert (end["commands"], end["bad"]) == ("5", "2")


def test_no_end_after_a_login(stage):
    """After the handoff the connection's end is the mailbox program's affair."""
    with stage.ready() as imap:
        imap.login()
        imap.send("b LOGOUT\r\n")
        imap.rest()
        imap.status()
        assert [name for name in events(imap) if name != "session-end"] == ["auth-ok", "handoff"]


def test_client_goes_before_the_program_starts(stage):
    """Logged in, but nobody is there to be told: the handoff did not come to its end."""
    with stage.ready("--capability-after", "IMAP4rev1", on="pipe") as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.wire.close()
        assert imap.status() == 75
        assert events(imap) == ["auth-ok", "handoff", "error"]
        assert imap.log("error")[0]["text"] == '"Broken pipe"'


def test_refused_peer_has_an_end(root_stage):
    """One BYE in the greeting's place, one end in the log."""
    who = root_stage.users["imapgt1"]
    with by_path(root_stage, who=as_user(who), pam="account=13") as imap:
        imap.hand_over()
        imap.rest()
        assert imap.status() == 0
        assert events(imap) == ["auth-fail", "end"]
        assert imap.log("end")[0]["reason"] == "preauth-refused"


def test_a_module_that_hangs_has_an_end(stage):
    """Written by a signal handler, since the monitor itself can't go on: the attempt, and the end."""
    with stage.ready("--timeout", "1", pam="open-sleep=9") as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.lines_to_end()
        assert imap.status() == 75
        failed, end = (event for event in imap.log() if event.name != "exit")
        assert (failed.name, failed["code"], failed["reason"]) == ("auth-fail", "UNAVAILABLE", "deadline")
        assert (end.name, end["reason"]) == ("end", "deadline")


HOSTILE = [
    'x rip=1.2.3.4', 'x" rip=1.2.3.4 user="root', "x\\", "%n%s%d", "\u202erip", "é" * 40, "a" * 200, "\x7f",
    "x' OR 1=1", "$(reboot)", "{ } ;",
]


@pytest.mark.parametrize("name", HOSTILE, ids=repr)
def test_hostile_name(stage, name):
    """Threat T53: it is one quoted value of one line, and what follows it is nothing."""
    octets = name.encode()
    with stage.ready() as imap:
        imap.send(b"a LOGIN {%d+}\r\n%s mumble\r\n" % (len(octets), octets))
        imap.expect("a NO [AUTHENTICATIONFAILED] Authentication failed")
        failed, = imap.log()
        assert failed["rip"] == "local"
        assert failed.text.count("rip=") == 1 or "rip=" in name
        shown = unquote(failed["user"])
        # Shown as it was, or cut, or not at all where it was no name.
        assert shown == b"" or octets.startswith(shown.removesuffix(b"..."))


@pytest.mark.parametrize("name", ["x\nimapgate[1]: auth-fail rip=1.2.3.4", "x\r\ny", "x\0y"], ids=repr)
def test_line_end_in_a_name(stage, name):
    octets = name.encode()
    with stage.ready() as imap:
        imap.send(b"a LOGIN {%d+}\r\n%s mumble\r\n" % (len(octets), octets))
        assert imap.line().startswith((b"a NO ", b"a BAD "))
        imap.half_close()
        imap.rest()
        imap.status()
        assert "1.2.3.4" not in re.sub(r'"[^"]*"', "", imap.log_text())
        assert all("1.2.3.4" not in event["rip"] for event in imap.log())


def test_nothing_is_logged_of_bad_commands(stage):
    """Threat T54: a password that was typed in the wrong place stays out of the log."""
    with stage.ready() as imap:
        for command in ("sesame", "a sesame", "a LOGIN sesame", "a LOGIN joe joe sesame", "sesame LOGIN", "a ID sesame",
                        "a AUTHENTICATE sesame", "a AUTHENTICATE PLAIN sesame", "a NOOP sesame"):
            imap.send(command + "\r\n")
            assert imap.line().split()[1] in (b"BAD", b"NO")
        imap.half_close()
        imap.rest()
        imap.status()
        assert "sesame" not in imap.log_text()


def test_lines_are_bounded(stage):
    """Threat T53: a client can cause as many lines as attempts, and its end."""
    with stage.ready("--max-attempts", "3") as imap:
        imap.send(b"a NOOP\r\n" * 200 + b"b LOGIN joe mumble\r\n" * 10 + b"c NOOP\r\n" * 100)
        imap.half_close()
        imap.rest()
        imap.status()
        assert events(imap) == ["auth-fail"] * 3 + ["end"]


@pytest.mark.superserver("a listener has lines of its own")
def test_prefix_is_the_process(stage):
    """Whose line it is: the process that the superserver started."""
    with stage.ready() as imap:
        imap.login()
        prefixes = set(re.findall(r"^imapgate\[(\d+)\]: ", imap.log_text(), re.MULTILINE))
        assert prefixes == {str(imap.process.pid)}


def test_fields_are_those_of_the_manual():
    """What a line may have is named there, and what is named there some line has."""
    source = "".join(path.read_text() for path in (TREE / "src").rglob("*.c"))
    used = set(re.findall(r'\blog_(?:field|quoted|text)\(&?\w+, "(\w+)"', source)) \
        | set(re.findall(r'\blog_context\("(\w+)"', source)) | {"event"}
    manual = (TREE / "src" / "imapgate.8").read_text().partition(".Ss Journal fields")[2].partition(".Sh ")[0]
    named = re.findall(r"\bIMAPGATE_([A-Z]+)\b", manual)
    assert sorted(named) == sorted(name.upper() for name in used)


def test_events_are_those_of_the_manual():
    logs = (TREE / "src" / "imapgate.8").read_text().partition(".Sh LOGS")[2].partition(".Sh ")[0]
    assert sorted(re.findall(r"(?m)^\.It Li ([a-z-]+)$", logs)) == sorted(FORMS)


# --- where lines go

def test_standard_error_is_the_client(stage):
    """Under classic inetd descriptor 2 is the connection: no line may get there."""
    with stage.ready("--log", "stderr", wrap=["sh", "-c", 'exec "$@" 2>&0', "sh"]) as imap:
        imap.command("a LOGIN joe mumble")
        imap.command("b NOOP")
        imap.send("c LOGOUT\r\n")
        imap.expect("* BYE Logging out")
        imap.expect("c OK Logout completed")
        imap.expect_end()


# The machine's own syslog and journal are not to be disturbed, so imapgate sees others in their places.
SYSLOG = """
dev=$1 socket=$2; shift 2
mount -t tmpfs none /run
mount -t tmpfs none "$dev"
touch "$dev/null" "$dev/log"
mount --bind /dev/null "$dev/null"
mount --bind "$socket" "$dev/log"
mount --rbind "$dev" /dev
exec "$@"
"""
JOURNAL = """
socket=$2; shift 2
mount -t tmpfs none /run
mkdir -p /run/systemd/journal
touch /run/systemd/journal/socket
mount --bind "$socket" /run/systemd/journal/socket
exec "$@"
"""


PLACES = {"syslog": ("/dev/log", SYSLOG), "journal": ("/run/systemd/journal/socket", JOURNAL)}


@contextlib.contextmanager
def standing_in(stage, name):
    """A datagram socket in the place of the syslog's or the journal's, and what to put before imapgate's command for it."""
    place, script = PLACES[name]
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, timeout=20).returncode == 0:
        path, dev = stage.file("scratch", ".sock"), stage.file("scratch", ".dev")
        dev.mkdir()
        wrap = ["unshare", "--mount", "sh", "-ec", script, "sh", str(dev), str(path)]
    elif not any(os.path.exists(other) for other, _ in PLACES.values()):
        # In a plain chroot there are no mounts to be had, but nobody to be disturbed either.
        # The wrap does nothing, but with one it is a superserver's child that starts: a listener would tell the socket that it is ready.
        path, wrap = Path(place), ["env"]
        path.parent.mkdir(parents=True, exist_ok=True)
    else:
        pytest.skip(f"this machine's own {name} is not ours to take, and unshare(1) can't hide it")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(path))
        try:
            path.chmod(0o666)
            receiving.settimeout(5)
            yield receiving, wrap
        finally:
            path.unlink()


def next_event(syslog, pid):
    """The next line of ours, and its priority; libpam writes lines of its own to the same socket."""
    while True:
        line = syslog.recv(4096).decode()
        if own := re.fullmatch(rf"<(\d+)>imapgate\[{pid}\]: (.*?)\n?", line):
            return int(own[1]), parse(own[2])


@pytest.mark.parametrize("target", ("syslog", "auto"))
def test_syslog(root_stage, target):
    with standing_in(root_stage, "syslog") as (syslog, wrap), \
            root_stage.ready("--log", target, wrap=wrap) as imap:
        imap.command("a LOGIN joe mumble")
        priority, failed = next_event(syslog, imap.process.pid)
        imap.half_close()
        imap.rest()
        imap.status()
        _, end = next_event(syslog, imap.process.pid)
        assert imap.log_text() == ""
    assert priority >> 3 == 2, "facility mail"
    assert failed["reason"] == "PAM_AUTH_ERR"
    assert end["reason"] == "disconnected"


# What systemd says of a service whose standard error is the journal (systemd.exec(5)).
STREAM = ["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "$@"', "sh"]


@pytest.mark.parametrize("target, who", [("journal", []), ("auto", STREAM)])
def test_journal(root_stage, target, who):
    """The journal's native protocol: datagrams of KEY=value lines."""
    with standing_in(root_stage, "journal") as (journal, wrap), \
            root_stage.ready("--log", target, wrap=[*wrap, *who]) as imap:
        imap.command('a LOGIN "j\\"oe" mumble')
        entry = journal.recv(65536).decode()
        assert imap.log_text() == ""
    fields = dict(line.split("=", 1) for line in entry.splitlines() if "=" in line)
    assert fields["MESSAGE"].startswith("auth-fail rip=local ")
    assert fields["IMAPGATE_EVENT"] == "auth-fail"
    assert fields["IMAPGATE_RIP"] == "local"
    assert fields["IMAPGATE_REASON"] == "PAM_USER_UNKNOWN"
    assert fields["IMAPGATE_ATTEMPT"] == "1"
    assert fields["SYSLOG_IDENTIFIER"] == "imapgate"
    assert fields["PRIORITY"].isdigit()


@pytest.mark.parametrize("target", ("journal", "syslog"))
def test_daemon_that_is_not_there(root_stage, target):
    """The journal that was asked for by name is not replaced by something else; for syslog(3) standard error does."""
    hidden = ["unshare", "--mount", "sh", "-ec", "mount -t tmpfs none /run; mount -t tmpfs none /dev; mknod -m 666 /dev/null c 1 3; "
              "exec \"$@\"", "sh"]
    need_mounts()
    with root_stage.start("--log", target, wrap=hidden) as imap:
        if target == "syslog":
            imap.greeting()
        else:
            imap.expect_end()
            assert imap.status() == 75
            assert "--log journal: " in imap.log_text()


# --- a log that nobody reads

def fill(writing):
    os.set_blocking(writing, False)
    for size in (4096, 1):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writing, b"x" * size)
    os.set_blocking(writing, True)


def empty(reading):
    os.set_blocking(reading, False)
    with contextlib.suppress(BlockingIOError):
        while os.read(reading, 65536):
            pass


@contextlib.contextmanager
def full_pipe(full=True):
    reading, writing = os.pipe()
    try:
        if full:
            fill(writing)
        yield reading, writing
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_pipe_that_nobody_reads(root_stage, on):
    """Logins go on, deadlines hold, and no process waits."""
    with full_pipe() as (reading, writing):
        full = ["bash", "-c", f'exec 2>&{writing}; exec "$@"', "bash"]
        with root_stage.ready(on=on, wrap=full, pass_fds=[writing]) as imap:
            assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO [AUTHENTICATIONFAILED]")
            imap.login()
            imap.hand_over()
        with root_stage.ready("--timeout", "1", on=on, wrap=full, pass_fds=[writing]) as imap:
            imap.expect("* BYE Too slow...")
            imap.rest()
            imap.status()
        with root_stage.ready("--timeout", "1", on=on, wrap=full, pass_fds=[writing], pam="name=joe password=sesame sleep=30") as imap:
            imap.send("a LOGIN joe sesame\r\n")
            imap.rest()
            assert imap.status() == 75
        empty(reading)
        with root_stage.ready(on=on, wrap=full, pass_fds=[writing]) as imap:
            imap.command("a LOGIN joe mumble")
        assert b"]: auth-fail " in os.read(reading, 65536)


def end_of(first, second, listener):
    """The first of two connections ends, while the second is served."""
    first.wire.close()
    while len(connections_of(listener.process.pid)) > 1:
        assert second.command("a NOOP")[1] == b"a OK NOOP completed"


def test_listener_whose_log_nobody_reads(root_stage):
    """It accepts, refuses and serves; what was not logged meanwhile is counted in the next line."""
    with full_pipe(full=False) as (reading, writing):
        with Listener(root_stage, "--unlimited", "192.0.2.1", "--max-connections-per-address", "2", stderr=writing) as listener:
            fill(writing)
            first, second = listener.connect(), listener.connect()
            refused = listener.connect(greeting=False)
            refused.expect("* BYE [UNAVAILABLE] ...")
            refused.wire.close()
            # The end of the first is not said either: nobody reads until its process has gone.
            end_of(first, second, listener)
            # From here on there is room, and nothing to say before the second one's end.
            empty(reading)
            second.wire.close()
        assert re.search(rb" dropped=[2-9]\n", os.read(reading, 65536))


def test_monitor_tells_the_listener_of_lines_that_were_dropped(root_stage):
    """The monitor logs the end of its connection. A monitor whose last line is dropped reports the number to the listener."""
    with full_pipe(full=False) as (reading, writing):
        with Listener(root_stage, "--allow-cleartext", "all", stderr=writing) as listener:
            first, second = listener.connect(), listener.connect()
            first.command("a LOGIN joe mumble")
            fill(writing)
            end_of(first, second, listener)
            empty(reading)
            second.wire.close()
        assert re.search(rb"]: end .* dropped=1\n", os.read(reading, 65536))


def test_monitor_of_a_listener_knows_the_tls_before_it(stage):
    """The monitor starts after the handshake, and gets protocol and cipher from the listener."""
    certificate = stage.certificate()
    with Listener(stage, *certificate.options, names=["imaps"]) as listener:
        imap = listener.connect(context=certificate.context())
        imap.command("a LOGIN joe mumble")
        version, cipher = imap.wire.tls.version(), imap.wire.tls.cipher()[0]
        line = listener.logged("auth-fail")
        assert (line["tls"], line["cipher"]) == (version, cipher)
        imap.wire.close()
