"""What is not on the wire: secrets in memory, libraries, drops of privilege that fail, and the files that are shipped."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from processes import gate_of
from stage import BINARY, TREE
from test_tls import memory_of

SANITIZED = "asan" in str(BINARY)
PASSWORD = "Feuerstein-8-wrong"
TOKEN = "ya29.Feuerstein-8-token-" + "".join(f"{number:04d}" for number in range(150))


def traces(pid, secret):
    return memory_of(pid).count(secret if isinstance(secret, bytes) else secret.encode())


# --- T55: secrets are wiped

WAYS = {
    "command": f'a LOGIN imapgt1 "{PASSWORD}"\r\n',
    "literal": f"a LOGIN imapgt1 {{{len(PASSWORD)}+}}\r\n{PASSWORD}\r\n",
    "plain": "a AUTHENTICATE PLAIN BASE64\r\n",
    "wrong syntax": f'a LOGIN imapgt1 "{PASSWORD}" more\r\n',
    "unknown command": f"a LOGON imapgt1 {PASSWORD}\r\n",
}


def real_memory(test):
    """A sanitizer keeps what was freed and will not be traced: in such a build this is no test, rather than a skipped one."""
    test.__test__ = not SANITIZED
    return test


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("on", ("unix", "pipe", "tls"))
@real_memory
def test_T55_password_is_gone_after_the_answer(root_stage, on, way):
    """Neither process has it any more, in the clear or in base64; pam_unix is asked, as in life."""
    import base64

    encoded = base64.b64encode(f"\0imapgt1\0{PASSWORD}".encode()).decode()
    with root_stage.ready(on=on, pam="unix") as imap:
        imap.send(WAYS[way].replace("BASE64", encoded))
        assert imap.line().startswith((b"a NO ", b"a BAD "))
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
        gate, monitor = gate_of(imap.process.pid), imap.process.pid
        for secret in (PASSWORD, PASSWORD[4:], encoded):
            assert traces(gate, secret) == 0, f"{secret} in the gate"
            assert traces(monitor, secret) == 0, f"{secret} in the monitor"


@pytest.mark.superserver("its process is the monitor from the start")
@real_memory
def test_T55_password_is_gone_while_a_failure_is_delayed(root_stage):
    with root_stage.ready("--failure-delay", "3", pam="unix") as imap:
        imap.send(f'a LOGIN imapgt1 "{PASSWORD}"\r\n')
        imap.logged("auth-fail")
        assert traces(imap.process.pid, PASSWORD) == 0 == traces(imap.process.pid, PASSWORD[4:])
        imap.expect("a NO ...")


@real_memory
def test_T55_password_can_be_found_at_all(root_stage):
    """The search is worth something: in the middle of the command it finds it."""
    with root_stage.ready(on="tls", pam="unix") as imap:
        imap.send(f'a LOGIN imapgt1 "{PASSWORD}"')
        gate = gate_of(imap.process.pid)
        for _ in range(200):
            if traces(gate, PASSWORD):
                break
        else:
            raise AssertionError("not found")


@real_memory
def test_T55_relay_has_no_password(root_stage):
    """What stays after the login has forgotten how it was done."""
    account = root_stage.users["imapgt1"]
    with root_stage.ready(on="tls", pam="unix") as imap:
        gate = gate_of(imap.process.pid)
        imap.login(account.name, account.password)
        imap.command("b NOOP")
        assert traces(gate, account.password) == 0


@pytest.mark.parametrize("mechanism", ("OAUTHBEARER", "XOAUTH2"))
@pytest.mark.parametrize("on", ("unix", "pipe", "tls"))
@real_memory
def test_T55_token_is_gone_after_the_answer(root_stage, on, mechanism):
    import base64

    from test_oauth import MESSAGE, start

    message = base64.b64encode(MESSAGE[mechanism](token=TOKEN).encode())
    with start(root_stage, "auth required pam_deny.so\naccount required pam_permit.so\n", on=on) as imap:
        imap.send(f"a AUTHENTICATE {mechanism} ".encode() + message + b"\r\n")
        imap.expect("+ ...")
        imap.send("AQ==\r\n")
        imap.expect("a NO ...")
        gate, monitor = gate_of(imap.process.pid), imap.process.pid
        left = [(process, secret[:20]) for secret in (TOKEN[:64], TOKEN[-64:], message[:64], message[200:264])
                for process, pid in (("gate", gate), ("monitor", monitor)) if traces(pid, secret)]
        assert not left


def test_T55_no_core(root_stage):
    """PR_SET_DUMPABLE is off in both, and the gate may write no core at all."""
    with root_stage.ready() as imap:
        for pid in (imap.process.pid, gate_of(imap.process.pid)):
            # Only root's own files are in /proc/PID of a process that is not dumpable.
            assert Path(f"/proc/{pid}/environ").stat().st_uid == 0
        limits = Path(f"/proc/{gate_of(imap.process.pid)}/limits").read_text()
        assert re.search(r"Max core file size +0 +0", limits)


# --- T48: what is loaded into a process that is root

def test_T48_libraries():
    """Any other would have to be explained. Some are loaded where they are needed only: test_lazyload.py, test_libsystemd.py."""
    needed = subprocess.run(["readelf", "-d", BINARY], capture_output=True, text=True, check=True).stdout
    libraries = {name.split(".so")[0] for name in re.findall(r"\(NEEDED\).*\[(.+)\]", needed)}
    allowed = {"libc", "libcrypto", "libssl", "libpam"}
    if SANITIZED:
        allowed |= {"libasan", "libubsan", "libcrypt", "libm", "libgcc_s", "libresolv", "libpthread", "libdl", "librt"}
    # The loader itself, by name: on arm64 the stack protector's value is there.
    libraries = {name for name in libraries if not name.startswith(("ld-linux", "ld64"))}
    assert libraries <= allowed


# --- T59: a drop of privileges that fails

# The gate's calls are counted for itself. The monitor tries a user's ids before it says OK, goes back, and then becomes the
# user for good: so its second and third call are those that matter most.
DROPS = [("gate", call, 1) for call in ("setresuid", "setresgid", "setgroups", "chroot")] \
    + [("monitor", "setresuid", number) for number in (1, 2, 3)] + [("monitor", "setresgid", number) for number in (1, 2)] \
    + [("monitor", "setgroups", 1), ("monitor", "chdir", 1), ("monitor", "chdir", 2), ("monitor", "chdir", 3)]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("who, call, number", DROPS, ids=str)
@real_memory
def test_T59_drop_that_fails(root_stage, who, call, number):
    """The kernel says EPERM: nobody goes on as root, and the client is told no OK."""
    account, report, trace = root_stage.users["imapgt1"], root_stage.report(), root_stage.file("scratch")
    # With -f the gate's call is the first to fail; without it only the monitor is traced.
    wrap = ["strace", *(["-f"] if who == "gate" else []), "-qq", "-o", str(trace), "-e", f"trace={call}",
            "-e", f"inject={call}:error=EPERM:when={number}"]
    with root_stage.start(pam="unix", mailbox=root_stage.mailbox(report=report), wrap=wrap) as imap:
        imap.hand_over()
        said = b""
        try:
            imap.send(f'a LOGIN {account.name} "{account.password}"\r\n')
            imap.half_close()
            said = imap.rest()
        except OSError:
            pass
        imap.status()
        assert "EPERM" in trace.read_text()
        assert b"a OK" not in said
        assert who == "monitor" or b"* OK" not in said
        assert [event for event in imap.log() if event.name in ("error", "auth-fail", "bug", "end")], imap.log_text()
    assert not report.written()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ("setresuid", "setresgid", "setgroups", "chroot"))
@real_memory
def test_sandbox_that_fails_is_named(root_stage, call):
    """The administrator reads which step it was, not only that the gate has gone; in a container it is some step, some day."""
    trace = root_stage.file("scratch")
    wrap = ["strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:error=EPERM:when=1"]
    with root_stage.start(wrap=wrap) as imap:
        imap.hand_over()
        imap.half_close()
        imap.rest()
        imap.status()
        assert any(event["text"] for event in imap.log("error")), imap.log_text()


@pytest.mark.superserver("its process is the monitor from the start")
@pytest.mark.parametrize("on", ("unix", "tls"))
def test_monitor_has_nowhere_in_place_of_the_client(root_stage, on):
    """Modules and their programs can write to both descriptors, and read their end."""
    with root_stage.ready(on=on) as imap:
        assert imap.command("a LOGIN joe mumble")[1].startswith(b"a NO ")
        for fd in (0, 1):
            assert os.readlink(f"/proc/{imap.process.pid}/fd/{fd}") == "/dev/null"
            flags = Path(f"/proc/{imap.process.pid}/fdinfo/{fd}").read_text().split("flags:")[1].split()[0]
            assert int(flags, 8) & os.O_ACCMODE == os.O_RDWR


# A monitor without a timer would never end, and one without the client's descriptors has nothing to hand over.
CALLS = [("timer_create", 1), ("timer_settime", 1)] + [("dup2", number) for number in (1, 2, 3, 4)]


@pytest.mark.superserver("its process is traced from the start")
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call, number", CALLS, ids=str)
@real_memory
def test_call_of_the_monitor_that_fails(root_stage, call, number):
    trace = root_stage.file("scratch")
    wrap = ["strace", "-qq", "-o", str(trace), "-e", f"trace={call}", "-e", f"inject={call}:error=EAGAIN:when={number}"]
    with root_stage.start(wrap=wrap) as imap:
        imap.hand_over()
        imap.send("a LOGIN joe sesame\r\n")
        imap.half_close()
        assert b"a OK" not in imap.rest()
        assert imap.status() != 0
        assert trace.read_text().count("INJECTED") == 1
        assert [event["text"] for event in imap.log("error")], imap.log_text()


# --- what is shipped

def unit(name):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(TREE / "systemd" / name)
    return parser


@pytest.mark.parametrize("name, port, implicit", [("imapgates", "993", True), ("imapgate", "143", False)])
def test_S16_units(name, port, implicit):
    """RFC 8314: implicit TLS is there for 993; T39, T61: connections are bounded, in all and from one address."""
    socket, service = unit(f"{name}-per-connection.socket")["Socket"], unit(f"{name}-per-connection@.service")["Service"]
    assert socket["ListenStream"].endswith(port)
    assert socket["Accept"] in ("yes", "true")
    assert int(socket["MaxConnections"]) > 0 and int(socket["MaxConnectionsPerSource"]) > 0
    command = service["ExecStart"]
    assert ("--tls-on-connect" in command) == implicit
    assert "--allow-cleartext" not in command
    listening = unit(f"{name}.socket")["Socket"]
    assert listening["ListenStream"].endswith(port) and listening["FileDescriptorName"] == name.replace("gate", "")
    assert "--allow-cleartext" not in unit("imapgate.service")["Service"]["ExecStart"]


def test_S16_file_of_options():
    """Nothing but where things are is set before the administrator has had a say."""
    text = (TREE / "src" / "imapgate.conf").read_text()
    assert [line.split(" = ")[0] for line in text.splitlines() if line and line[0] != "#"] == ["program", "cert", "key"]


@pytest.mark.parametrize("name", ("imapgate", "imapgate.fedora"))
def test_T38_pam_files(name):
    """pam_env's user_readenv lets users decide what root's process reads."""
    lines = [line for line in (TREE / "pam.d" / name).read_text().splitlines() if line and not line.startswith("#")]
    assert lines
    assert not [line for line in lines if "user_readenv" in line or "nullok" in line]
    phases = {"@include common-auth": "auth", "@include common-account": "account",
              "@include common-session-noninteractive": "session"}
    assert {phases.get(line, line.split()[0].lstrip("-")) for line in lines} >= {"auth", "account", "session"}
