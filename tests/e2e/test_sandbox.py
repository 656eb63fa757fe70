"""The gate's sandbox: a canary inside tries what nobody in there may do (sandbox-canary.c); and a real gate, from outside."""

import os
import pwd
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from processes import gate_of, status_of
from stage import BUILD

FAILED, FINE = 11, 12

ALLOWED = ["talk", "send-and-receive", "tell-time"]
DEEDS = """open-file open-root create-file look-at-file make-directory internet-socket unix-socket accept execute fork
    clone-thread kill-parent signal-self trace-parent read-parent become-root change-root new-namespace
    executable-memory make-memory-executable memory-file copy-descriptor raise-limit dump load-bpf io-ring x32-call
    i386-call""".split()


@pytest.fixture(scope="module")
def canary(_stage):
    return _stage._copy(BUILD / "tests" / "sandbox-canary")


def listed(canary):
    return subprocess.run([canary, "--list"], capture_output=True, text=True, check=True, timeout=20).stdout.split()


def test_all_deeds_are_here(canary):
    assert set(listed(canary)) <= {*ALLOWED, *DEEDS}
    assert len(listed(canary)) >= len(DEEDS)


def try_it(stage, canary, deed, as_root):
    if deed not in listed(canary):
        pytest.skip(f"this machine has no {deed}")
    if as_root:
        gate = pwd.getpwnam("_imapgate")
        who, process = [str(gate.pw_uid), str(gate.pw_gid)], {}
    else:
        who, process = ["0", "0"], {}
        if stage.as_root:
            account = stage.users["imapgt1"]
            process = {"user": account.uid, "group": account.gid, "extra_groups": []}
    ours, its = socket.socketpair()
    with ours, its:
        ours.send(b"x")
        return subprocess.run([canary, deed, *who, str(stage.folder / "gate")], stdin=its, capture_output=True, timeout=20,
                              cwd="/", **process).returncode


def impossible(canary, deed):
    """What it comes to where it can't be done: some kernels have no system calls of i386, and take one for a fault of the program."""
    if deed == "i386-call" and subprocess.run([canary, "--outside", deed], timeout=20).returncode == -signal.SIGSEGV:
        return (-signal.SIGSEGV,)
    return (FAILED, -signal.SIGSYS)


@pytest.mark.parametrize("deed", DEEDS)
def test_forbidden_to_the_gate(root_stage, canary, deed):
    assert try_it(root_stage, canary, deed, as_root=True) in impossible(canary, deed)


@pytest.mark.parametrize("deed", DEEDS)
def test_forbidden_without_root_too(stage, canary, deed):
    assert try_it(stage, canary, deed, as_root=False) in impossible(canary, deed)


@pytest.mark.parametrize("deed", ("execute", "internet-socket", "fork", "kill-parent", "trace-parent", "executable-memory"))
def test_what_kills(stage, canary, deed):
    """No library tries these in vain, so trying is the end."""
    assert try_it(stage, canary, deed, as_root=False) == -signal.SIGSYS


@pytest.mark.parametrize("deed", ALLOWED)
def test_allowed(stage, canary, deed):
    """Else all the others would prove nothing."""
    assert try_it(stage, canary, deed, as_root=False) == FINE
    if stage.as_root:
        assert try_it(stage, canary, deed, as_root=True) == FINE


@pytest.mark.parametrize("on", ("unix", "tls"))
def test_gate_from_outside(root_stage, on):
    """Own uid, no groups, no capabilities, an empty root directory, four descriptors, no core."""
    with root_stage.ready(on=on) as imap:
        pid, user = gate_of(imap.process.pid), pwd.getpwnam("_imapgate")
        gate, status = Path(f"/proc/{pid}"), status_of(pid)
        assert status["Uid"].split() == [str(user.pw_uid)] * 4
        assert status["Gid"].split() == [str(user.pw_gid)] * 4
        assert status["Groups"] == ""
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert all(int(status[name], 16) == 0 for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"))
        assert os.readlink(gate / "root") == str(root_stage.folder / "gate")
        assert os.listdir(gate / "root") == []
        assert sorted(map(int, os.listdir(gate / "fd"))) == [0, 1, 2, 3]
        assert os.readlink(gate / "fd/2") == "/dev/null" or "asan" in str(BUILD)
        limits = (gate / "limits").read_text()
        for name in ("Max core file size", "Max file size"):
            assert next(line for line in limits.splitlines() if line.startswith(name)).split()[-3:-1] == ["0", "0"]
        imap.login()


def test_gate_of_an_ordinary_user(root_stage):
    account = root_stage.users["imapgt1"]
    with root_stage.ready(user=account.uid, group=account.gid, extra_groups=[]) as imap:
        status = status_of(gate_of(imap.process.pid))
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"


def test_monitor_can_not_be_read_by_the_user(root_stage):
    """Before the login it is root's, and no core or ptrace(2) of anybody else's."""
    with root_stage.ready() as imap:
        assert os.stat(f"/proc/{imap.process.pid}/mem").st_uid == 0


def test_gate_that_dies_is_told(root_stage):
    """A gate that its sandbox has killed is a line in the log and an exit status that is not 0."""
    with root_stage.ready() as imap:
        os.kill(gate_of(imap.process.pid), signal.SIGKILL)
        imap.rest()
        assert imap.status() in (70, -signal.SIGKILL)
        assert imap.log("end")[0]["reason"] == "gate-died"
