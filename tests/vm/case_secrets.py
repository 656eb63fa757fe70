"""Where secrets are, and where they must not be any more."""

import os
import re
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from cases import case, expect, greeted, logged_in
from client import settled, wait_for
from memory import memory_of, relayed, traffic_secrets
from server import PASSWORD, children_of, read

# The hash of somebody who stands beside joe in /etc/shadow, where it comes into memory whenever joe's is read.
NEIGHBOUR = "$6$Zebra$neighbour-4711"


@case
def the_keeper_holds_no_secret(stage):
    keylog = str(stage.folder / "keylog")
    client, session = logged_in(stage, keylog=keylog)
    client.send(b"ECHO hello\r\n")
    client.line()
    secrets = traffic_secrets(keylog)
    expect(len(secrets), 4, "secrets in the key log")
    text = subprocess.run(["openssl", "ec", "-in", stage.key, "-noout", "-text"], capture_output=True, text=True, check=True)
    number = re.search(r"priv:([\s0-9a-f:]+)pub:", text.stdout).group(1)
    private = bytes.fromhex(re.sub(r"[\s:]", "", number))
    secrets |= {"password": PASSWORD.encode(), "private key": private[-32:], "private key, turned": private[-32:][::-1]}
    found = {name for octets in memory_of(session.pid) for name, secret in secrets.items() if secret in octets}
    expect(found, set(), "secrets in the keeper's memory")


@case
def the_relay_has_no_secret_for_having_tried(stage):
    """OpenSSL has some of its own for as long as the session lasts. Those that were kept for the kernel are gone."""
    how, without = relayed(stage, "--ktls", "off", behind=b"ECHO hello\r\n")
    expect(how, "relay off", "handoff")
    how, tried = relayed(stage, behind=b"ECHO hello\r\n")
    expect(how, "relay left-over", "handoff")
    expect(tried, without, "how often the secrets are in memory")
    found = {name for name, times in tried.items() if times}
    expect({name.partition(", ")[2] for name in found}, {"", "key", "nonce"}, "forms that are found")
    assert "password" not in found, "the password is found"


def shadow(stage, *more):
    """Options for a service that reads joe's hash, with these lines behind that."""
    if not re.search("(?m)^joe:", read("/etc/passwd")):
        hashed = subprocess.run(["openssl", "passwd", "-6", PASSWORD], capture_output=True, text=True, check=True).stdout.strip()
        with open("/etc/passwd", "a") as users, open("/etc/shadow", "a") as hashes:
            users.write("joe:x:30001:65534::/:/bin/sh\njane:x:30002:65534::/:/bin/sh\n")
            hashes.write(f"joe:{hashed}:19000:0:99999:7:::\njane:{NEIGHBOUR}:19000:0:99999:7:::\n")
    folder = stage.folder / f"pam{next(stage.names)}"
    folder.mkdir()
    lines = ["auth required pam_unix.so", "account required pam_unix.so", "session required pam_permit.so", *more]
    (folder / "imapgate").write_text("\n".join(lines) + "\n")
    return ["--pam-confdir", str(folder)]


def has_neighbour(pid):
    return any(NEIGHBOUR.encode() in octets for octets in memory_of(pid))


@case
def a_monitor_that_has_read_a_hash_has_its_neighbours(stage):
    """The control of what follows: while PAM is at work, and not in the gate."""
    script, told = stage.folder / "bin" / "wait", stage.folder / "told-wait"
    script.write_text(f"#!/bin/sh\nread -r told <{told}\n")
    script.chmod(0o755)
    os.mkfifo(told)
    client, session = greeted(stage, *shadow(stage, f"auth required pam_exec.so quiet {script}"))
    gate, = children_of(session.pid)
    client.send(b"a1 LOGIN joe " + PASSWORD.encode() + b"\r\n")
    wait_for(lambda: len(children_of(session.pid)) == 2, what="PAM's program")
    expect((has_neighbour(session.pid), has_neighbour(gate)), (True, False), "the neighbour's hash in monitor and gate")
    told.write_text("told\n")
    client.until(rb"a1 OK .*\r\n")


@case
def the_keeper_has_no_neighbours_hash(stage):
    """It has the user's uid. The same of one behind a guess, when PAM has been asked before."""
    options = shadow(stage)
    for guess in (False, True):
        client, session = greeted(stage, *options)
        if guess:
            client.send(b"g LOGIN joe mumble\r\n")
            client.until(rb"g NO .*\r\n")
        client.login()
        expect(session.how(), "ktls", "handoff")
        program = session.program_pid()
        settled(session.pid)
        expect((has_neighbour(session.pid), has_neighbour(program)), (False, False), "the neighbour's hash in keeper and program")


@contextmanager
def setting(path, value):
    """A setting of the kernel's that is another one for a while."""
    before = read(path)
    Path(path).write_text(value)
    try:
        yield
    finally:
        Path(path).write_text(before)


@case
def the_keeper_is_closed_to_its_user(stage):
    """Also where the kernel would let setresuid(2) make it dumpable (proc(5), fs.suid_dumpable). The control is the mailbox program."""
    with setting("/proc/sys/fs/suid_dumpable", "1"):
        client, session = logged_in(stage)
        program = session.program_pid()
        settled(session.pid)
        uids = [os.stat(f"/proc/{pid}/mem").st_uid for pid in (session.pid, program)]
        expect(uids, [0, 65534], "whose the memory of keeper and program is")


@case
def no_keeper_leaves_a_core(stage):
    """The PAM session's keeper is root's, and stays so; what is in it may not come into a file. The control is a program of root's."""
    unlimited = ["sh", "-c", 'ulimit -c unlimited; exec "$@"', "sh"]
    with setting("/proc/sys/fs/suid_dumpable", "1"), setting("/proc/sys/kernel/core_pattern", f"{stage.folder}/core-%p"):
        control = subprocess.Popen([*unlimited, "sleep", "60"])
        wait_for(lambda: read(f"/proc/{control.pid}/comm") == "sleep\n", what="the control")
        control.send_signal(signal.SIGSEGV)
        control.wait()
        client, session = logged_in(stage, "--pam-session", "wait", wrapper=unlimited)
        program = session.program_pid()
        inner = int(re.search(r"(?m)^PPid:\t(\d+)", read(f"/proc/{program}/status")).group(1))
        expect(children_of(session.pid), [inner], "the PAM keeper's child")
        settled(inner)
        for pid in (session.pid, inner):
            os.kill(pid, signal.SIGSEGV)
            wait_for(lambda: not Path(f"/proc/{pid}/maps").exists() or read(f"/proc/{pid}/maps") == "", what="its end")
        expect(session.wait(), -signal.SIGSEGV, "status")
        client.close()
        cores = sorted(path.name for path in stage.folder.glob("core-*"))
    expect(cores, [f"core-{control.pid}"], "cores")
