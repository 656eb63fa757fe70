"""What the listener's processes promise each other, a section for each: how many there are, which of them read, wait, hang and are replaced.

Three more have their tests elsewhere: no gate comes near a secret (test_secrets.py), a pair is good for one signature
(test_hostile_gate.py), and programs of PAM's modules do not have the client (test_attempts.py).
"""

import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path

import pytest

from listening import Listener
from processes import GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, name_of, runs, sleeps, status_of
from stage import SESAME
from test_proxy import V2
from wire import PATIENCE

CLEAR = ("--allow-cleartext", "loopback")
ROLES = (GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER)


def wait_for(condition, what):
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, what
        time.sleep(0.005)
    return found


def close(*sessions):
    for imap in sessions:
        imap.wire.close()


# --- a connection that waits is one process

def test_connection_that_waits_is_one_process(stage):
    """Whatever it says, until it first asks for a login; and a login over TLS is its gate and one more."""
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options) as server:
        several = [server.connect() for _ in range(4)]
        for imap in several:
            imap.command("a NOOP")
        several[1].starttls(certificate.context())
        several[2].command("b LOGIN joe")
        several[3].send("c AUTHENTICATE PLAIN\r\n")
        several[3].expect("+ ...")
        assert len(server.gates()) == len(server.connections()) == 4
        several[0].command("d LOGIN joe mumble")
        assert len(server.gates()) == 4 and len(server.monitors()) == 1
        several[1].login()
        assert len(server.gates()) == 4 and len(server.monitors()) == 2
        close(*several)


# --- who has the log

def test_zygote_and_signer_have_no_descriptor_of_the_log(stage):
    """Nor the listener's standard output, which is the journal under systemd: what they have to say goes through the listener."""
    with Listener(stage, *CLEAR, *stage.certificate().options) as server:
        waiting = server.connect()
        for pid in (server.roles()[GATE_ZYGOTE], server.roles()[SIGNER], *server.gates()):
            links = {int(fd.name): os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
            kept = {number: link for number, link in links.items() if not link.startswith(("socket:", "anon_inode:"))}
            assert set(kept.values()) == {"/dev/null"}, (name_of(pid), links)
        close(waiting)


# --- root never reads what came over the network

READS = "read,readv,pread64,preadv,preadv2,recvfrom,recvmsg,recvmmsg,splice,tee,sendfile,execve,clone,clone3,fork,vfork"


class Trace:
    """System calls of all processes from the start on: as a grandchild strace leaves its tracee where it was."""

    def __init__(self, stage, calls, follow=True):
        if shutil.which("strace") is None:
            pytest.skip("strace is not installed")
        self.path = stage.file("scratch", ".strace")
        self.wrap = ["strace", "-D", *(["-f"] if follow else []), "-qqq", "-yy", "-s", "64", "-o", str(self.path), "-e", f"trace={calls}",
                     "-e", "signal=none"]

    def lines(self):
        """Whole ones: the last may be half written."""
        return self.path.read_text(errors="backslashreplace").rpartition("\n")[0].splitlines()

    def parents(self):
        """{child: parent}, by the answers of clone(2)."""
        found = {}
        for line in self.lines():
            if match := re.match(r"(\d+) +(?:<\.\.\. )?(?:clone3?|v?fork)\b.*= (\d+)(?:<.*>)?$", line):
                found[int(match[2])] = int(match[1])
        return found

    def network_readers(self, port):
        """Those that have read from the client's socket while they ran this program, and their lines."""
        found, gone = {}, set()
        for line in self.lines():
            pid = int(line.split()[0])
            if re.match(r'\d+ +execve\("[^"]*mailbox-recorder"', line):
                gone.add(pid)
            if pid not in gone and re.match(rf"\d+ +(?:read|recv|splice|tee|sendfile|pread)\w*\(\d+<TCP(?:v6)?:\[[^]]*:{port}\b", line):
                found.setdefault(pid, []).append(line)
        return found


def port_of(imap):
    wire = imap.wire
    while not hasattr(wire, "sock"):
        wire = wire.wire
    return wire.sock.getsockname()[1]


def talk(imap, certificate, on, proxy):
    if proxy:
        imap.send(V2)
    if on == "tls":
        imap.handshake(certificate.context())
    imap.greeting()
    if on == "starttls":
        imap.starttls(certificate.context())
    imap.command("a LOGIN joe mumble")
    imap.login()
    assert imap.command("n NOOP")[1] == b"n OK heard NOOP"


ON = ("clear", "starttls", "tls")
WAYS = pytest.mark.parametrize("on, proxy", [(on, proxy) for on in ON for proxy in (False, True)],
                               ids=[f"{on}{', PROXY' * proxy}" for on in ON for proxy in (False, True)])


def options_for(certificate, on, proxy):
    return ["--allow-cleartext", "all", *certificate.options, *["--tls-on-connect"] * (on == "tls"), *["--proxy", "127.0.0.1"] * proxy]


@WAYS
def test_root_reads_nothing_of_the_network_under_a_listener(root_stage, on, proxy):
    """Each role through a whole login: the gate alone reads what the client sends, and it is nobody's child but the gate zygote's."""
    certificate, trace = root_stage.certificate(), Trace(root_stage, READS)
    with Listener(root_stage, *options_for(certificate, on, proxy), wrap=trace.wrap) as server:
        imap = server.connect(greeting=False)
        port, zygote = port_of(imap), server.roles()[GATE_ZYGOTE]
        talk(imap, certificate, on, proxy)
        close(imap)
        wait_for(lambda: not server.connections(), "processes are left")
        readers, parents = trace.network_readers(port), trace.parents()
        assert readers, "the control: nobody has read anything"
        assert all(parents.get(pid) == zygote for pid in readers), readers


@WAYS
def test_root_reads_nothing_of_the_network_under_a_superserver(root_stage, on, proxy):
    certificate, trace = root_stage.certificate(), Trace(root_stage, READS)
    kind = "tcp" if on == "clear" else on
    with root_stage.start(*options_for(certificate, "starttls" if on != "tls" else "tls", proxy), on="tcp", wrap=trace.wrap) as imap:
        talk(imap, certificate, on, proxy)
        port, monitor = port_of(imap), imap.process.pid
        imap.wire.close()
        assert imap.status() == 0, kind
        readers = trace.network_readers(port)
        assert readers, "the control: nobody has read anything"
        assert monitor not in readers and all(trace.parents().get(pid) == monitor for pid in readers), readers


# --- PAM's files are obeyed at each attempt

def service(stage, user="joe", password=SESAME):
    return stage.testcode(f"name={user} password={password}")


def replace(path, text):
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@pytest.mark.parametrize("way", ("listener", "superserver"))
def test_changed_pam_file_is_obeyed_by_the_next_attempt(stage, way):
    """Of the same connection, whose monitor has asked PAM before, and of one that was there before; by a rename and in place."""
    folder = stage.file("scratch", ".pam")
    folder.mkdir()
    file = folder / "imapgate"
    replace(file, service(stage))
    options = ("--allow-cleartext", "all", "--pam-confdir", folder)
    if way == "superserver":
        with stage.ready(*options) as imap:
            imap.command("a LOGIN joe mumble")
            replace(file, service(stage, password="tulip"))
            imap.login(password="tulip")
        return
    with Listener(stage, *options) as server:
        same, waiting = server.connect(), server.connect()
        same.command("a LOGIN joe mumble")
        replace(file, service(stage, password="tulip"))
        same.login(password="tulip")
        assert b" NO " in waiting.command(f"a LOGIN joe {SESAME}")[1]
        file.write_text(service(stage, password="lily"))
        waiting.login(password="lily")
        close(same, waiting)


def test_replaced_module_is_used_by_the_next_connection(stage):
    """The monitor zygote keeps modules in memory, for as long as their files are the same."""
    folder = stage.file("scratch", ".pam")
    folder.mkdir()
    module, deny = folder / "pam_own.so", next(Path("/usr/lib").glob("*-linux-gnu*/security/pam_deny.so"))
    shutil.copy(stage.module, module)
    (folder / "imapgate").write_text(service(stage).replace(str(stage.module), str(module)))
    with Listener(stage, "--allow-cleartext", "all", "--pam-confdir", folder) as server:
        server.connect().login()
        maps = Path(f"/proc/{server.roles()[MONITOR_ZYGOTE]}/maps")
        assert str(module) in maps.read_text()
        waiting = server.connect()
        shutil.copy(deny, folder / "new.so")
        (folder / "new.so").rename(module)
        assert b" NO " in waiting.command(f"a LOGIN joe {SESAME}")[1]
        assert f"{module} (deleted)" not in maps.read_text()
        close(waiting)


def children_faults(pid):
    """The page faults of the children that a process has waited for."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[8])


def test_modules_that_are_the_same_are_kept(stage):
    """Loading takes a child, whose page faults the zygote's statistics show; monitors are the listener's children."""
    folder = stage.file("scratch", ".pam")
    folder.mkdir()
    module = folder / "pam_own.so"
    shutil.copy(stage.module, module)
    (folder / "imapgate").write_text(service(stage).replace(str(stage.module), str(module)))
    with Listener(stage, "--allow-cleartext", "all", "--pam-confdir", folder) as server:
        zygote = server.roles()[MONITOR_ZYGOTE]
        server.connect().login()
        loaded = children_faults(zygote)
        server.connect().login()
        assert 0 < loaded == children_faults(zygote)
        (folder / "new.so").write_text("mumble")
        (folder / "new.so").rename(module)
        for _ in range(3):
            client = server.connect()
            assert b" NO [UNAVAILABLE] " in client.command(f"a LOGIN joe {SESAME}")[1]
            close(client)
            faults, loaded = loaded, children_faults(zygote)
        assert faults == loaded


def test_service_that_can_not_be_read_to_its_end(stage):
    """The child that loads modules is ended, and the listener does without them."""
    folder = stage.file("scratch", ".pam")
    folder.mkdir()
    os.mkfifo(folder / "imapgate")
    with Listener(stage, *CLEAR, "--pam-confdir", folder, "--timeout", "2") as server:
        client = server.connect()
        client.expect("* BYE ...", 20)
        close(client)


# --- processes that hang come to an end

def test_gate_and_monitor_that_hang(stage):
    """The listener kills what overstays its deadline, says so, and goes on; their own timers can't, since they are stopped."""
    with Listener(stage, *CLEAR, "--timeout", "1") as server:
        first = server.connect()
        gate, = server.gates()
        os.kill(gate, signal.SIGSTOP)
        second = server.connect()
        second.command("a LOGIN joe mumble")
        monitor, = server.monitors()
        os.kill(monitor, signal.SIGSTOP)
        served = server.connect()
        served.login()
        first.expect_end()
        second.rest()
        wait_for(lambda: not runs(gate) and not runs(monitor), "they stay")
        assert "gate-hangs" in [event.get("reason") for event in server.log("end")]
        assert served.command("n NOOP")[1] == b"n OK heard NOOP"
        close(first, second, served)
        wait_for(lambda: not server.connections(), "processes are left")


# --- the listener never waits but in epoll_wait, and never forks for a client

# All that it does for connections. None of these waits: what could is named with the flag that forbids it.
HARMLESS = [re.compile(form) for form in (
    r"epoll_wait\(", r"epoll_pwait\(", r"epoll_ctl\(", r"close\(", r"fcntl\(", r"getsockname\(", r"getpeername\(", r"getsockopt\(", r"setsockopt\(",
    r"accept4\(.*SOCK_CLOEXEC", r"socketpair\(", r"fstat\(", r"newfstatat\(", r"statx\(", r"stat\(", r"kill\(", r"shutdown\(", r"getpid\(",
    r"wait4\(.*WNOHANG", r"waitid\(.*WNOHANG", r"poll\(.*, 0\) = ", r"read\(\d+<signalfd", r"read\(\d+<anon_inode:\[signalfd", r"recvmsg\(.*MSG_DONTWAIT", r"recvfrom\(.*MSG_DONTWAIT",
    r"sendmsg\(.*MSG_DONTWAIT", r"sendto\(.*MSG_DONTWAIT", r"brk\(", r"mmap\(", r"munmap\(", r"clock_gettime\(", r"getrandom\(", r"prctl\(",
    # The log, and the service manager's socket.
    r"write\(2<", r"writev\(2<", r"write\(\d+<\S*/logs/", r"writev\(\d+<\S*/logs/", r"socket\(AF_UNIX, SOCK_DGRAM", r"sendmsg\(\d+<UNIX-DGRAM", r"sendto\(\d+<UNIX-DGRAM",
)]


def test_listener_waits_for_nobody(root_stage):
    """Each system call that it makes for clients, through logins of all kinds, is one that can't wait; and none makes a process."""
    certificate, trace = root_stage.certificate(), Trace(root_stage, "all", follow=False)
    with Listener(root_stage, *CLEAR, *certificate.options, wrap=trace.wrap) as server:
        clear, tls, waiting = server.connect(), server.connect(), server.connect()
        clear.login()
        begin = len(trace.lines())
        clear, tls, waiting = [server.connect() for _ in range(3)]
        tls.starttls(certificate.context())
        for imap in (clear, tls):
            imap.command("a LOGIN joe mumble")
            imap.login()
            imap.command("n NOOP")
        waiting.send("x LOGOUT\r\n")
        waiting.rest()
        close(clear, tls, waiting)
        wait_for(lambda: len(server.log("session-end")) >= 2, "sessions go on")
        wait_for(lambda: any("session-end" in line for line in trace.lines()[begin:]), "the trace is behind")
        calls = trace.lines()[begin:]
        assert any("accept4(" in call for call in calls) and any("SCM_RIGHTS" in call for call in calls), "the control"
        others = [call for call in calls if not any(form.match(call) for form in HARMLESS)]
        assert not others
        server.signal(signal.SIGTERM)
        server.end()


# --- a role that is stopped holds up only what needs it

def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: status_of(pid)["State"][0] in "Tt", "it is never stopped")


def stopped(server, name):
    """Stops the role; returns its process id."""
    pid = server.roles()[name]
    stop(pid)
    return pid


@pytest.mark.parametrize("name", ROLES)
def test_role_that_is_stopped(stage, name):
    """Sessions go on, a client that needs that role waits, others are served; when it goes on all of them are."""
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options) as server:
        session, waiting = server.connect(), server.connect()
        session.login()
        pid = stopped(server, name)
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        assert waiting.command("n NOOP")[1] == b"n OK NOOP completed"
        if name == GATE_ZYGOTE:
            late = server.connect(greeting=False)
            late.expect_silence(0.2)
            waiting.login()
        elif name == MONITOR_ZYGOTE:
            late = server.connect()
            late.send(f"l LOGIN joe {SESAME}\r\n")
            late.expect_silence(0.2)
            close(server.connect())
        else:
            late = server.connect()
            waiting.login()
            late.send("s STARTTLS\r\n")
            late.expect("s OK ...")
        os.kill(pid, signal.SIGCONT)
        if name == SIGNER:
            late.handshake(certificate.context())
        elif name == GATE_ZYGOTE:
            late.greeting()
        if name == MONITOR_ZYGOTE:
            late.expect("l OK recorder")
        else:
            late.login()
        close(session, waiting, late)


@pytest.mark.parametrize("name", (GATE_ZYGOTE, MONITOR_ZYGOTE))
def test_role_that_is_stopped_beyond_the_deadline(stage, name):
    """Its client is told, or at least sent away when it goes on again; what it forks too late ends at once."""
    with Listener(stage, *CLEAR, "--timeout", "1") as server:
        imap = server.connect()
        pid = stopped(server, name)
        if name == MONITOR_ZYGOTE:
            imap.send(f"l LOGIN joe {SESAME}\r\n")
            late = imap
        else:
            late = server.connect(greeting=False)
        said = imap.lines_to_end()
        assert said and said[0].startswith((b"* BYE ", b"l NO [UNAVAILABLE] ")), said
        os.kill(pid, signal.SIGCONT)
        assert b"l OK" not in late.rest()
        close(imap, late)
        wait_for(lambda: not server.connections(), "processes are left")
        wait_for(lambda: re.search("^STATUS=0 connections before login, 0 sessions", server.manager.told[-1]), "its place is not free again")
        after = server.connect()
        after.login()
        close(after)


@pytest.mark.parametrize("name", (GATE_ZYGOTE, MONITOR_ZYGOTE))
def test_role_that_is_never_heard_of_again(stage, name):
    """The listener ends it as it ends gates that hang, and starts another: nobody else would."""
    with Listener(stage, *CLEAR, "--timeout", "1") as server:
        session, imap = server.connect(), server.connect()
        session.login()
        pid = stopped(server, name)
        if name == MONITOR_ZYGOTE:
            imap.send(f"l LOGIN joe {SESAME}\r\n")
            late = imap
        else:
            late = server.connect(greeting=False)
        assert late.lines_to_end()[0].startswith((b"* BYE ", b"l NO [UNAVAILABLE] "))
        wait_for(lambda: not runs(pid) and name in server.roles(), f"{name} is not replaced")
        after = server.connect()
        after.login()
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        close(session, imap, late, after)
        wait_for(lambda: not server.connections(), "processes are left")


# --- each role that is killed is replaced

@pytest.mark.parametrize("name", ROLES)
def test_role_that_is_killed(stage, name):
    """While clients wait, log in and are logged in: sessions go on, each waiting client is served or told, and the next is served."""
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options) as server:
        session, waiting, asking = server.connect(), server.connect(), server.connect()
        session.login()
        pid = stopped(server, name)
        # Asked for, and never answered.
        if name == MONITOR_ZYGOTE:
            asking.send(f"l LOGIN joe {SESAME}\r\n")
        elif name == SIGNER:
            asking.send("s STARTTLS\r\n")
            asking.expect("s OK ...")
        late = server.connect(greeting=False) if name == GATE_ZYGOTE else None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: server.roles().get(name, pid) != pid, f"{name} is not replaced")
        assert session.command("n NOOP")[1] == b"n OK heard NOOP"
        if name == MONITOR_ZYGOTE:
            assert asking.line().startswith((b"l NO [UNAVAILABLE] ", b"l OK recorder"))
            asking.hand_over()
        elif name == SIGNER:
            with pytest.raises((ssl.SSLError, AssertionError)):
                asking.handshake(certificate.context())
        else:
            assert late.line().startswith((b"* BYE", b"* OK"))
        # The listener accepts when it has all that it needs.
        after = server.connect()
        after.starttls(certificate.context())
        after.login()
        assert waiting.command("n NOOP")[1] == b"n OK NOOP completed"
        close(session, waiting, asking, after, *[late] * (late is not None))
        wait_for(lambda: not server.connections(), "processes are left")
        assert set(server.roles()) == set(ROLES)


def ignoring(number):
    """What starts a listener so that this signal is ignored."""
    return [sys.executable, "-c", "import os, signal, sys; signal.signal(int(sys.argv[1]), signal.SIG_IGN); os.execvp(sys.argv[2], sys.argv[2:])",
            str(int(number))]


def test_role_that_hangs_does_not_outlive_its_listener(stage):
    """Nor does the child by which the monitor zygote finds out what PAM loads: here it waits for a file that is written by nobody."""
    folder = stage.file("scratch", ".pam")
    folder.mkdir()
    (folder / "imapgate").write_text(f"@include {folder}/endless\n")
    os.mkfifo(folder / "endless")
    server = Listener(stage, *CLEAR, "--pam-confdir", folder, wrap=ignoring(signal.SIGALRM), wait=False)
    zygote = wait_for(lambda: server.roles().get(MONITOR_ZYGOTE), "there is no monitor zygote")
    reader, = wait_for(lambda: children_of(zygote), "it has no child")
    wait_for(lambda: sleeps(reader), "the child does not wait")
    stop(zygote)
    server.signal(signal.SIGKILL)
    server.end()
    wait_for(lambda: not runs(zygote) and not runs(reader), "they stay")


def test_nothing_outlives_a_listener_that_was_killed(stage):
    """But for sessions: a client that waits is told, or at its next attempt, and each role ends by itself."""
    certificate = stage.certificate()
    with Listener(stage, *CLEAR, *certificate.options) as server:
        clear, relayed, waiting, tried = [server.connect() for _ in range(4)]
        clear.login()
        relayed.starttls(certificate.context())
        relayed.login()
        tried.command("a LOGIN joe mumble")
        gone = [*server.roles().values(), *set(server.connections())]
        os.kill(server.pid, signal.SIGKILL)
        assert server.end() == -signal.SIGKILL
        assert waiting.lines_to_end()[-1].startswith(b"* BYE [UNAVAILABLE] ")
        # Nobody counts sessions any more, so there can be none.
        assert tried.command(f"b LOGIN joe {SESAME}")[1].startswith(b"b NO [UNAVAILABLE] ")
        tried.lines_to_end()
        for imap in (clear, relayed):
            assert imap.command("n NOOP")[1] == b"n OK heard NOOP"
        close(clear, relayed, waiting, tried)
        wait_for(lambda: not any(runs(pid) for pid in gone), f"they stay: {[name_of(pid) for pid in gone if runs(pid)]}")
