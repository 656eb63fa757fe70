"""--pam-session wait: the session and the credentials last as long as the mailbox program, whatever ends it.

A keeper stays for that: the monitor, which is root, and has nothing left but
the PAM handle.
"""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from clientca import authority, email
from processes import children_of, need_mounts, program_of, runs, status_of
from record import pam_calls
from test_preauth import as_user, by_certificate, by_path, preauthenticated
from test_tls import memory_of
from wire import PATIENCE

RELAYED = ("tls", "starttls")
EVERYWHERE = ("unix", "pipe", "tcp", *RELAYED)
WHOLE = ["account", "cred", "open", "close", "cred"]
DELETE_CRED = 4


class Kept:
    """A connection with a session that is written down, logged in already."""

    def __init__(self, stage, *options, on="unix", then="echo", module="", mailbox=None, **more):
        self.record, self.report = stage.file("reports"), stage.report()
        self.imap = stage.ready("--pam-session", "wait", "--allow-cleartext", "all", *options, on=on,
                                pam=f"name=joe password=sesame record={self.record} {module}",
                                mailbox=mailbox or stage.mailbox("tag", then, self.report), **more)

    def login(self):
        try:
            self.imap.login()
            self.imap.hand_over()
        except BaseException:
            self.imap.stop()
            raise
        return self

    @property
    def calls(self):
        return pam_calls(self.record)

    @property
    def phases(self):
        return [call["phase"] for call in self.calls]

    @property
    def program(self):
        return int(self.report.one("pid"))

    def wait_for(self, phase):
        end = time.monotonic() + PATIENCE
        while phase not in self.phases:
            assert time.monotonic() < end, f"no {phase}: {self.phases}"
            time.sleep(0.005)

    def closed(self):
        """All was opened once and closed once, in this order, by one process with the same rights and words."""
        assert self.phases == ["auth", *WHOLE]
        opened, closed, deleted = self.calls[3:]
        for call in (closed, deleted):
            for key in ("user", "rhost", "tty", "service", "pid", "euid"):
                assert call[key] == opened[key], key
        assert int(opened["pid"]) == self.imap.process.pid != self.program
        assert int(deleted["flags"], 16) == DELETE_CRED and int(closed["flags"], 16) == 0
        return closed

    def __enter__(self):
        self.login()
        self.imap.__enter__()
        return self

    def __exit__(self, *exception):
        return self.imap.__exit__(*exception)


# --- what ends a mailbox program

@pytest.mark.parametrize("on", EVERYWHERE)
def test_logout(stage, on):
    with Kept(stage, on=on) as kept:
        assert kept.imap.command("a NOOP")[1] == b"a OK heard NOOP"
        assert kept.phases == ["auth", "account", "cred", "open"], "closed too early"
        kept.imap.send("b LOGOUT\r\n")
        assert kept.imap.rest() == b"* BYE recorder ends\r\nb OK recorder ends\r\n"
        if on in RELAYED:
            assert kept.imap.wire.ended_cleanly
        assert kept.imap.status() == 0
        kept.closed()
        assert [event.name for event in kept.imap.log()] == ["auth-ok", "handoff", "session-end"]


@pytest.mark.parametrize("on", EVERYWHERE)
def test_client_half_closes(stage, on):
    with Kept(stage, on=on, then="copy") as kept:
        kept.imap.send("some words")
        kept.imap.half_close()
        assert kept.imap.rest() == b"some wordsend of input\r\n"
        assert kept.imap.status() == 0
        kept.closed()


@pytest.mark.parametrize("on", EVERYWHERE)
@pytest.mark.parametrize("how", ("close", "reset"))
def test_client_vanishes(stage, on, how):
    """FIN or RST without a word: the program finds it out, and its end is what counts."""
    if how == "reset" and on in ("unix", "pipe"):
        how = "close"
    with Kept(stage, on=on, then="copy") as kept:
        kept.imap.send("last words")
        getattr(kept.imap.wire, how)()
        kept.imap.status()
        kept.closed()


@pytest.mark.parametrize("on", EVERYWHERE)
def test_program_is_killed(stage, on):
    with Kept(stage, on=on, then="sleep") as kept:
        os.kill(kept.program, signal.SIGKILL)
        assert kept.imap.rest() == b""
        assert kept.imap.status() == 128 + signal.SIGKILL
        kept.closed()


@pytest.mark.parametrize("status", (0, 1, 75, 255))
def test_status_is_the_programs(stage, status):
    with Kept(stage, then=f"exit={status}") as kept:
        assert kept.imap.rest() == b""
        assert kept.imap.status() == status
        kept.closed()


@pytest.mark.parametrize("name", ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2"))
def test_signals_are_the_programs(stage, name):
    """The keeper is the process that a superserver knows, so what it sends arrives there."""
    sig = getattr(signal, f"SIG{name}")
    with Kept(stage, then="sleep", on="tls") as kept:
        assert kept.program
        kept.imap.process.send_signal(sig)
        assert kept.imap.rest() == b""
        assert kept.imap.status() == 128 + sig
        kept.closed()


def test_program_leaves_a_child_behind(stage):
    """The session is the program's, not that of what it has left in the background."""
    script = 'sleep 600 <&- >&- 2>&- & printf "%%s OK recorder\\r\\n* BYE %%s\\r\\n" "$IMAPLOGINTAG" $!'
    with Kept(stage, mailbox=["sh", "-c", script]) as kept:
        child = int(kept.imap.rest().removeprefix(b"* BYE "))
        try:
            assert kept.imap.status() == 0
            assert kept.phases == ["auth", *WHOLE] and runs(child)
        finally:
            os.kill(child, signal.SIGKILL)


def test_program_can_not_be_executed(stage):
    """The client has its NO, and what was opened for nothing is closed."""
    program = stage.file("scratch")
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)
    kept = Kept(stage, mailbox=[program])
    with kept.imap as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.expect("a NO [UNAVAILABLE] ...")
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.status() == 75
        assert kept.phases == ["auth", *WHOLE]


def test_home_can_not_be_used(stage):
    """The modules may make homes, so that is found out with the session open."""
    kept = Kept(stage, "--home", "/nonexistent")
    with kept.imap as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert kept.phases == ["auth", *WHOLE]
        assert imap.log("auth-fail")[0]["reason"] == "home"


def test_without_wait_nothing_is_closed(stage):
    with Kept(stage, "--pam-session", "open") as kept:
        kept.imap.send("b LOGOUT\r\n")
        kept.imap.rest()
        assert kept.imap.status() == 0
        assert kept.program == kept.imap.process.pid
        assert kept.phases == ["auth", "account", "cred", "open"]


# --- other ways in

def test_peer(root_stage):
    record, report = root_stage.file("reports"), root_stage.report()
    with by_path(root_stage, "--pam-session", "wait", who=as_user(root_stage.users["imapgt1"]), pam=f"record={record}",
                 mailbox=root_stage.mailbox("preauth", report=report)) as imap:
        preauthenticated(imap)
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.status() == 0
    assert [call["phase"] for call in pam_calls(record)] == WHOLE
    assert {call["pid"] for call in pam_calls(record)} == {str(imap.process.pid)}
    assert report.one("pid") != str(imap.process.pid)


def test_certificate(stage):
    record = stage.file("reports")
    with by_certificate(stage, authority(stage).certificate(email("joe")), "--pam-session", "wait",
                        pam=f"record={record}") as imap:
        imap.hand_over()
        preauthenticated(imap)
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.status() == 0
    assert [call["phase"] for call in pam_calls(record)] == WHOLE


def test_without_root(root_stage):
    account = root_stage.users["imapgt2"]
    with Kept(root_stage, "--run-as", account.name, "--home", account.home, **as_user(account)) as kept:
        kept.imap.send("b LOGOUT\r\n")
        kept.imap.rest()
        assert kept.imap.status() == 0
        assert kept.closed()["euid"] == str(account.uid)


# --- modules at their end

def test_closing_is_root(root_stage):
    with Kept(root_stage) as kept:
        assert kept.report.one("uid").split()[0] != "0"
        kept.imap.send("b LOGOUT\r\n")
        kept.imap.rest()
        kept.imap.status()
        assert kept.closed()["euid"] == "0"


def test_client_does_not_wait_for_the_modules(stage):
    """Its end comes when the mailbox program has closed the connection."""
    with Kept(stage, on="tls", module="close-sleep=2") as kept:
        kept.imap.send("b LOGOUT\r\n")
        kept.imap.rest()
        assert kept.imap.wire.ended_cleanly and kept.imap.process.poll() is None
        assert kept.imap.status() == 0
        kept.closed()


def test_signals_do_not_end_the_closing(stage):
    """A superserver that stops everything sends its SIGTERM just now."""
    with Kept(stage, module="close-sleep=1") as kept:
        kept.imap.send("b LOGOUT\r\n")
        kept.wait_for("close")
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            kept.imap.process.send_signal(sig)
        kept.imap.rest()
        assert kept.imap.status() == 0
        kept.closed()


def test_closing_hangs(stage):
    """As long as a login may take, and no longer."""
    with Kept(stage, "--timeout", "3", module="close-sleep=600", then="exit=3") as kept:
        assert kept.imap.rest() == b""
        assert kept.imap.status() == 3
        failure, = kept.imap.log("session-fail")
        assert (failure["reason"], failure["user"]) == ("deadline", '"joe"')


@pytest.mark.parametrize("module, reason", [
    ("close=14", "PAM_SESSION_ERR"), ("close=4", "PAM_SYSTEM_ERR"), ("close=99", "unknown-pam-code"),
])
def test_closing_fails(stage, module, reason):
    """The program's status is told all the same, and the credentials go all the same."""
    with Kept(stage, module=module, then="exit=3") as kept:
        assert kept.imap.rest() == b""
        assert kept.imap.status() == 3
        failure, = kept.imap.log("session-fail")
        assert failure["reason"] == reason
        kept.closed()


def test_module_that_starts_a_program_at_the_end(root_stage):
    """pam_exec's program has its signals as any, and sees that the mailbox program is gone."""
    out, script, report = root_stage.file("reports"), root_stage.file("scratch", ".sh"), root_stage.report()
    script.write_text(f'#!/bin/sh\nset -e\nbusy=no; [ ! -e /proc/$(cat {out}.pid) ] || busy=yes\n'
                      # By the shell itself, which blocks all signals while it starts something.
                      f'while read -r line; do case $line in SigBlk:*|SigIgn:*) echo "$line";; esac; done </proc/$$/status >{out}.signals\n'
                      f'echo "$PAM_TYPE $PAM_USER $(id -u) $busy" >{out}\n')
    script.chmod(0o755)
    stack = root_stage.testcode("name=joe password=sesame") + \
        f"session [default=ignore success=ok] pam_exec.so quiet type=close_session {script}\n"
    with root_stage.ready("--pam-session", "wait", pam=stack, mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login()
        Path(f"{out}.pid").write_text(report.one("pid"))
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.status() == 0
    assert out.read_text() == "close_session joe 0 no\n"
    blocked, ignored = (int(line.split()[1], 16) for line in Path(f"{out}.signals").read_text().splitlines())
    assert blocked == 0
    assert ignored & ~int(status_of("self")["SigIgn"], 16) & ~(1 << signal.SIGPIPE - 1) == 0


@pytest.fixture
def newcomer(root_stage):
    """A user without a home: name, password and where the home shall be."""
    name, password, home = "imapgtnew", "Diamant-5-imapgtnew", root_stage.file("homes")
    subprocess.run(["userdel", "--force", name], capture_output=True, timeout=20)
    subprocess.run(["useradd", "--no-log-init", "--no-create-home", "--home-dir", home, "--user-group", name], check=True,
                   timeout=20)
    try:
        subprocess.run(["chpasswd"], input=f"{name}:{password}\n", text=True, check=True, timeout=20)
        yield name, password, home
    finally:
        subprocess.run(["userdel", "--force", name], capture_output=True, timeout=20)


def test_modules_of_a_debian_system(root_stage, newcomer):
    """pam_unix, pam_limits, pam_env and pam_mkhomedir: a home that is made at the first login, limits, variables."""
    name, password, home = newcomer
    limits, variables = root_stage.file("scratch", ".limits"), root_stage.file("scratch", ".env")
    limits.write_text(f"{name} - nofile 123\n")
    variables.write_text("COLOUR DEFAULT=blue\n")
    stack = ("auth required pam_unix.so\naccount required pam_unix.so\nsession required pam_unix.so\n"
             f"session required pam_limits.so conf={limits}\nsession required pam_env.so conffile={variables}\n"
             "session required pam_mkhomedir.so umask=0077\n")
    report = root_stage.report()
    with root_stage.ready("--pam-session", "wait", pam=stack, virtual=False, mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login(name, password)
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.status() == 0
    assert str(home.stat().st_uid) == report.one("uid").split()[0] and home.stat().st_mode & 0o777 == 0o700
    assert report.one("cwd") == str(home) and report.environment["COLOUR"] == "blue"
    assert "7 123 123" in report.all("limit")


def test_module_that_mounts(root_stage):
    """What pam_mount does: the home is there as long as the session, which is what the mailbox program has of it."""
    need_mounts()
    home, out, script = root_stage.file("homes"), root_stage.file("reports"), root_stage.file("scratch", ".sh")
    home.mkdir()
    script.write_text(f'#!/bin/sh\nset -e\ncase $PAM_TYPE in\nopen_session) mount -t tmpfs -o mode=0777 tmpfs {home};;\n'
                      f'close_session) ls {home}; umount {home};;\nesac >>{out}\necho "$PAM_TYPE" >>{out}\n')
    script.chmod(0o755)
    stack = root_stage.testcode("name=joe password=sesame") + f"session required pam_exec.so quiet {script}\n"
    mailbox = ["sh", "-c", f'echo kept >letter; printf "%%s OK recorder\\r\\n" "$IMAPLOGINTAG"']
    with root_stage.ready("--pam-session", "wait", "--home", home, pam=stack, mailbox=mailbox,
                          wrap=["unshare", "--mount"]) as imap:
        imap.login()
        assert imap.rest() == b"" and imap.status() == 0
    assert out.read_text() == "open_session\nletter\nclose_session\n"


# --- what the keeper is

def file_of(pid, fd):
    return os.readlink(f"/proc/{pid}/fd/{fd}")


def datagram_sockets(pid):
    """Those of the Unix domain in a process's network, as /proc/PID/fd names them."""
    rows = (line.split() for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:])
    return {f"socket:[{row[6]}]" for row in rows if row[4] == "0002"}


@pytest.mark.parametrize("on", EVERYWHERE)
def test_keeper_has_nothing_of_the_connection(root_stage, on):
    """Neither the client's socket nor the relay's: root to which a relay can say one word, and nobody else any."""
    with Kept(root_stage, on=on) as kept:
        pid = kept.imap.process.pid
        assert kept.program in children_of(pid)
        descriptors = {int(fd): file_of(pid, fd) for fd in os.listdir(f"/proc/{pid}/fd")}
        log = str(kept.imap.log_path)
        # Where there is a syslog, libpam has spoken to it, and syslog(3) keeps its socket: a datagram's, so neither of the two.
        others = {fd: descriptors.pop(fd) for fd in list(descriptors) if fd > 3}
        syslog = set(others.values()) & datagram_sockets(pid)
        assert len(syslog) <= os.path.exists("/dev/log")
        assert len(set(others.values()) - syslog) == (on in ("tls", "starttls")), "the relay's pair"
        assert descriptors == {0: "/dev/null", 1: "/dev/null", 2: log, 3: log}
        status = status_of(pid)
        assert status["Name"] == "imapgate-keeper" and status["Uid"].split() == ["0"] * 4
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert program_of(pid) == root_stage.program


@pytest.mark.parametrize("kind", ("ecdsa", "rsa"))
def test_keeper_has_no_secrets(root_stage, kind):
    """Neither the password nor the server's key, after a handshake and a login that have used both."""
    account, certificate = root_stage.users["imapgt2"], root_stage.certificate(kind)
    text = subprocess.run(["openssl", "pkey", "-in", certificate.key, "-noout", "-text"], check=True, capture_output=True,
                          text=True, timeout=20).stdout
    label = "priv:" if kind == "ecdsa" else "prime1:"
    digits = text.partition(label)[2].partition("\npub" if kind == "ecdsa" else "\nprime2")[0]
    number = bytes.fromhex("".join(digits.replace(":", "").split())).lstrip(b"\0")
    with root_stage.ready("--pam-session", "wait", on="tls", pam="unix", certificate=kind) as imap:
        imap.login(account.name, account.password)
        for needle in (account.password.encode(), number, number[::-1]):
            assert needle not in memory_of(imap.process.pid)
        assert account.name.encode() in memory_of(imap.process.pid), "nothing can be found there"


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_session_outlives_the_deadline_of_the_login(stage, on):
    """Neither the PAM keeper nor the relay keeps the monitor's timer."""
    with stage.ready("--pam-session", "wait", "--timeout", "1", on=on) as imap:
        imap.login()
        # The monitor's timer has three seconds of grace.
        time.sleep(4.5)
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
        imap.command("o LOGOUT")
        imap.hand_over()
        imap.rest()
        assert imap.status() == 0
