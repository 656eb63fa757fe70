"""Memory, descriptors, processes and room for the log come to an end: a clear answer, a line, and no hang.

The limits are the kernel's own (prlimit(2), the pids control group, a full
file system): from the start on, each a little wider than the last, or from a
step of the connection on. Single calls that fail are in faults/.
"""

import concurrent.futures
import contextlib
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from listening import Listener
from processes import children_of, descriptors_of, gate_of, need_mounts, runs, status_of, wait_for_ends
from stage import BINARY
from test_preauth import as_user

SANITIZED = "asan" in str(BINARY)

TIMEOUT, LIMIT = 5, 20
MB = 1 << 20
CLEAR = ("--allow-cleartext", "loopback", "--timeout", str(TIMEOUT))
FATAL = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGSYS, signal.SIGXFSZ)


def talk(imap, stage, on):
    """A wrong login, a right one and a session; returns what the server said, which may end anywhere."""
    imap.checked = False
    said = []

    def word(start):
        while (line := imap.line(LIMIT)) is not None:
            said.append(line)
            if line.startswith(start):
                return
        raise EOFError

    with contextlib.suppress(EOFError, OSError, ValueError):
        if on == "tls":
            imap.handshake(stage.certificate().context())
        word(b"* ")
        for command in (b"a LOGIN joe mumble", b"b LOGIN joe sesame", b"c NOOP", b"d LOGOUT"):
            imap.send(command + b"\r\n")
            word(command[:2])
    return said


def is_clear(said):
    """Served to the end, told why not, or cut off before a word could be said."""
    return not said or said[-1].startswith((b"d OK", b"* BYE")) or any(b"[UNAVAILABLE]" in line for line in said)


def ends_well(stage, imap, on, may_be_silent=False):
    """Whatever was missing: the client has a clear answer, the process ends and dies of nothing, and there is a line."""
    said = talk(imap, stage, on)
    imap.wire.close()
    pids = [imap.process.pid, *(children_of(imap.process.pid) if runs(imap.process.pid) else [])]
    imap.looked_at_status = True
    status = imap.process.wait(LIMIT)
    assert not wait_for_ends(pids, LIMIT)
    text = imap.log_text()
    assert -status not in FATAL, (status, said, text, imap.process.args[:3])
    # Behind the handoff what is missing is missing for the mailbox program.
    assert is_clear(said) or " handoff " in text, (said, text)
    assert text, "nothing in the log"
    return bool(said) and said[-1] == b"d OK recorder ends"


# What each limit goes through, until a whole dialogue fits.
WIDER = {
    "as": [str(n * MB) for n in (2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 64, 96, 128, 256)],
    "data": [str(n * MB // 4) for n in (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 16, 24, 32, 64, 128)],
    # Arguments and the loader's own frames need some pages before anything is ours.
    "stack": [str(n << 10) for n in (64, 96, 128, 160, 192, 256, 512, 1024)],
    "nofile": [str(n) for n in range(3, 24)],
    "memlock": ["0", "65536"],
}


def under_limit(stage, name, value, on):
    limit = ["prlimit", f"--{name}={value}", "--"]
    if subprocess.run([*limit, stage.program, "--version"], capture_output=True, timeout=LIMIT).returncode != 0:
        return None     # the kernel can't execute it, or the linker load it
    with stage.start(*CLEAR, on=on, handshake=False, wrap=limit) as imap:
        return ends_well(stage, imap, on)


@pytest.mark.skipif(SANITIZED, reason="a sanitizer reserves address space for itself")
@pytest.mark.parametrize("on", ("tcp", "tls"))
@pytest.mark.parametrize("name", WIDER)
def test_limit_from_the_start(stage, name, on):
    stage.certificate()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        served = list(pool.map(lambda value: under_limit(stage, name, value, on), WIDER[name]))
    assert served[-1], "the widest limit is too narrow"
    assert not all(served) or name in ("stack", "memlock"), "the narrowest limit is too wide"


# --- from a step of the connection on

def narrow(pid, name):
    """What the process has is all that it will get."""
    status = status_of(pid)
    limits = {
        "address space": ("as", lambda: int(status["VmSize"].split()[0]) << 10),
        "data": ("data", lambda: int(status["VmData"].split()[0]) << 10),
        "descriptors": ("nofile", lambda: min(set(range(len(descriptors_of(pid)) + 1)) - descriptors_of(pid).keys())),
    }
    which, soft = limits[name]
    # Root needs a capability for the limits of others, which it may not have in a container.
    uid, gid = int(status["Uid"].split()[0]), int(status["Gid"].split()[0])
    subprocess.run(["prlimit", "--pid", str(pid), f"--{which}={soft()}:"], check=True, user=uid, group=gid, extra_groups=[])


STEPS = {"greeted": b"", "logged in wrongly": b"a LOGIN joe mumble\r\n"}


@pytest.mark.parametrize("name", ("address space", "data", "descriptors"))
@pytest.mark.parametrize("who", ("monitor", "gate"))
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("on", ("tcp", "tls"))
def test_limit_from_a_step_on(root_stage, on, step, who, name):
    """The login that follows is served, or refused by a word of this host's: no client waits, and none is cut off."""
    if SANITIZED and name != "descriptors":
        pytest.skip("a sanitizer reserves address space for itself")
    with root_stage.ready(*CLEAR, on=on) as imap:
        if STEPS[step]:
            imap.send(STEPS[step])
            imap.expect("a NO ...")
        narrow(imap.process.pid if who == "monitor" else gate_of(imap.process.pid), name)
        imap.checked = False
        imap.send(b"b LOGIN joe sesame\r\n")
        answer = imap.line(LIMIT)
        assert answer is None and imap.logged("handoff") or answer.startswith((b"b OK recorder", b"b NO [UNAVAILABLE] ", b"* BYE [UNAVAILABLE] ")), answer
        with contextlib.suppress(OSError):
            imap.send("c LOGOUT\r\n")
        imap.rest(LIMIT)
        assert -imap.status(LIMIT) not in FATAL
        assert imap.log("handoff") or imap.log("auth-fail") or imap.log("error")


@pytest.mark.skipif(SANITIZED, reason="a sanitizer reserves address space for itself")
@pytest.mark.parametrize("name", ("address space", "data", "descriptors"))
def test_listener_without(root_stage, name):
    """It lives, its clients hear of it or wait, and it serves as soon as there is room again."""
    with Listener(root_stage, *CLEAR) as server:
        # By then nothing is open that was only for its start.
        server.manager.wait_for("^STATUS=")
        kinds = {"address space": resource.RLIMIT_AS, "data": resource.RLIMIT_DATA, "descriptors": resource.RLIMIT_NOFILE}
        before = resource.prlimit(server.pid, kinds[name])
        narrow(server.pid, name)
        clients = [server.connect(greeting=False) for _ in range(5)]
        if name == "descriptors":
            server.logged("resource-shortage")
        else:
            for imap in clients:
                assert (line := imap.line(LIMIT)).startswith((b"* OK ", b"* BYE [UNAVAILABLE] ")), line
        resource.prlimit(server.pid, kinds[name], before)
        for imap in clients:
            imap.wire.close()
        again = server.connect()
        again.login()
        again.send("x LOGOUT\r\n")
        again.rest()
        again.wire.close()
        assert len(server.log("resource-shortage")) <= 1


# --- processes: the control group's limit, which root has too

GROUPS = ("/sys/fs/cgroup/pids", "/sys/fs/cgroup")


@contextlib.contextmanager
def process_group(most):
    """A control group that may have so many processes: its folder."""
    for top in GROUPS:
        folder = Path(top) / f"imapgate-tests-{os.getpid()}"
        try:
            folder.mkdir()
            (folder / "pids.max").write_text(str(most))
            break
        except OSError:
            with contextlib.suppress(OSError):
                folder.rmdir()
    else:
        pytest.skip("no control group for processes can be made here")
    try:
        yield folder
    finally:
        end = time.monotonic() + LIMIT
        while (folder / "cgroup.procs").read_text():
            assert time.monotonic() < end, "processes are left in the control group"
            time.sleep(0.02)
        folder.rmdir()


def within(group):
    return ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group)]


@pytest.mark.parametrize("on", ("unix", "tcp", "tls"))
def test_no_process_for_a_gate(root_stage, on):
    with process_group(1) as group, root_stage.start(*CLEAR, on=on, handshake=False, wrap=within(group)) as imap:
        if on == "tls":
            imap.expect_end()
        else:
            imap.expect("* BYE [UNAVAILABLE] ...")
            imap.rest()
        assert imap.status(LIMIT) == 75
        assert "Resource temporarily unavailable" in imap.log("error")[0]["text"]


def test_no_process_for_a_connection(root_stage):
    """The listener tells its client, says so once, and serves when there is room again."""
    with process_group("max") as group, Listener(root_stage, *CLEAR, wrap=within(group)) as server:
        server.manager.wait_for("^STATUS=")
        (group / "pids.max").write_text(str(len((group / "cgroup.procs").read_text().split())))
        for _ in range(3):
            imap = server.connect(greeting=False)
            imap.expect("* BYE [UNAVAILABLE] Too many connections; please try again later")
            imap.wire.close()
        assert [event["what"] for event in server.log("resource-shortage")] == ["gate"]
        (group / "pids.max").write_text("max")
        imap = server.connect()
        imap.login()
        imap.send("x LOGOUT\r\n")
        imap.rest()
        imap.wire.close()


def test_no_process_for_a_keeper(root_stage):
    """It is forked behind PAM's yes: the client is told, and no session begins."""
    report = root_stage.report()
    options = (*CLEAR, "--pam-session", "wait")
    with process_group(2) as group, root_stage.ready(*options, wrap=within(group), mailbox=root_stage.mailbox(report=report)) as imap:
        gate = gate_of(imap.process.pid)
        (group / "pids.max").write_text("1")
        imap.checked = False
        imap.send("a LOGIN joe sesame\r\n")
        assert b"[UNAVAILABLE]" in imap.line(LIMIT)
        imap.rest(LIMIT)
        assert imap.status(LIMIT) != 0 and not wait_for_ends([gate], LIMIT)
        assert imap.log("error")
    assert not report.written()


# --- no room for the log

FULL = 'mount -t tmpfs -o size=4k none "$0" && { cat /dev/zero > "$0/filler"; :; } 2>/dev/null; exec 2>>"$0/log"; exec "$@"'


@pytest.mark.parametrize("on", ("tcp", "tls"))
def test_log_on_a_full_disk(root_stage, on):
    """Logins go on, and the first line that has room again says how many are missing."""
    need_mounts()
    folder = root_stage.file("scratch", ".full")
    folder.mkdir()
    with root_stage.ready(*CLEAR, on=on, wrap=["unshare", "--mount", "sh", "-c", FULL, str(folder)]) as imap:
        assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO [AUTHENTICATIONFAILED]")
        assert imap.command("b LOGIN joe mumble")[1].startswith(b"b NO [AUTHENTICATIONFAILED]")
        there = Path(f"/proc/{imap.process.pid}/root{folder}")
        assert (there / "log").read_text() == ""
        (there / "filler").unlink()
        imap.login()
        imap.hand_over()
        lines = (there / "log").read_text().splitlines()
        assert " auth-ok " in lines[0] and lines[0].endswith(" dropped=2"), lines
        assert " handoff " in lines[1]


def test_log_on_a_device_that_is_always_full(root_stage):
    with root_stage.ready(*CLEAR, wrap=["sh", "-c", 'exec 2>/dev/full; exec "$@"', "sh"]) as imap:
        imap.command("a LOGIN joe mumble")
        imap.login()
        assert imap.command("n NOOP")[1] == b"n OK heard NOOP"


def test_no_file_may_grow(root_stage):
    """RLIMIT_FSIZE: a write beyond it is a signal (SIGXFSZ), which ends nobody."""
    with root_stage.ready(*CLEAR, wrap=["prlimit", "--fsize=0", "--"]) as imap:
        assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO [AUTHENTICATIONFAILED]")
        imap.send("b LOGOUT\r\n")
        imap.rest()
        assert imap.status(LIMIT) == 0


def test_no_file_of_a_listener_may_grow(root_stage):
    """Its log is as large as a file may be; there is room for its table, which is a file too."""
    with open(root_stage.file("scratch", ".log"), "ab") as log:
        log.truncate(65 * MB)
        with Listener(root_stage, *CLEAR, stderr=log, wrap=["prlimit", f"--fsize={64 * MB}", "--"]) as server:
            for _ in range(2):
                imap = server.connect()
                assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO [AUTHENTICATIONFAILED]")
                imap.wire.close()
        assert os.fstat(log.fileno()).st_size == 65 * MB


def test_no_room_for_the_gates_root(root_stage):
    need_mounts()
    folder = root_stage.file("scratch", ".inodes")
    folder.mkdir()
    full = 'mount -t tmpfs -o nr_inodes=1 none "$0" && exec "$@"'
    with root_stage.start(*CLEAR, "--gate-root", folder / "gate", on="tcp", wrap=["unshare", "--mount", "sh", "-c", full, str(folder)]) as imap:
        imap.expect("* BYE [UNAVAILABLE] ...")
        imap.rest()
        assert imap.status(LIMIT) == 78
        assert "No space left on device" in imap.log("error")[0]["text"]
