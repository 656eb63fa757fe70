"""The README's commands, each block as it stands, one after the other, in one booted machine.

In a layer above this system they find what they want installed; `make
check-bare` runs them in a Debian that has nothing (IMAPGATE_BARE), and then
those too that .ci/run has steps of its own for.
"""

import os
import pwd
import re
import subprocess

import pytest

from machine import Machine
from stage import TREE
from wire import PATIENCE

BARE = os.environ.get("IMAPGATE_BARE")
PASSWORD = "Amethyst 6 joe"
# Not where this tree is, which a machine above this system shows at its own path.
FOLDER = "/root/imapgate" if str(TREE) != "/root/imapgate" else "/root/again/imapgate"

# What the tests make beside this file's: the commands that only a bare system is given, and who has them here.
ELSEWHERE = {
    "./tests/setup build && make demo": "step demo of .ci/run",
    "make demo MAILBOX=": "test_clients.py runs Dovecot behind it",
    "./tests/setup check && make check": "the steps setup and tests of .ci/run",
    "make check-vm": "the last step of .ci/run",
    "systemctl stop inetd.service": "test_install.py and test_package.py",
}
# No virtual machine in a machine. What wants packages of its own comes when the walk from nothing is over.
NOT_IN_BARE = ("make check-vm",)
LAST_IN_BARE = ("make demo MAILBOX=", "./tests/setup check && make check")
# What is typed when a block asks, and what it has to show in the end.
TYPED = {"passwd joe": f"{PASSWORD}\n{PASSWORD}\n", "curl ": f"{PASSWORD}\n"}
SHOWN = {"curl ": "It works.", "systemctl status": "active (running)", "imapgate --check": "ok",
         "./tests/setup check": ", 0 failed, "}


def blocks():
    """The fenced blocks that are commands; all else that looks like one is indented."""
    return re.findall(r"^```sh\n(.*?)^```$", (TREE / "README.md").read_text(), re.MULTILINE | re.DOTALL)


def found(table, block):
    return next((value for start, value in table.items() if block.startswith(start)), None)


def to_run():
    if BARE:
        return sorted((block for block in blocks() if not block.startswith(NOT_IN_BARE)),
                      key=lambda block: block.startswith(LAST_IN_BARE))
    return [block for block in blocks() if found(ELSEWHERE, block) is None]


def walked_already():
    """Has somebody gone this way on the system below? Its first steps can't be gone twice."""
    return os.path.exists("/etc/imapgate") or any(entry.pw_name == "joe" for entry in pwd.getpwall())


@pytest.fixture(scope="module")
def machine():
    if not BARE and walked_already():
        pytest.skip("the README's commands were run on this system already; make check-bare runs them on one that has nothing")
    machine = Machine(BARE, network="shared") if BARE else Machine()
    try:
        if BARE:
            # What an installer writes, and debootstrap does not.
            machine.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
            with open("/etc/resolv.conf") as names:
                machine.write("/etc/resolv.conf", names.read())
        else:
            # What is installed is the newest there is: without lists, apt wants to fetch nothing.
            machine.run("rm", "-rf", "/var/lib/apt/lists")
        tree = subprocess.Popen(["tar", "-c", "-C", TREE, "--exclude=./build", "--exclude=./.git", "."], stdout=subprocess.PIPE)
        machine.shell(f"mkdir -p {FOLDER} && tar -x -C {FOLDER} --no-same-owner", stdin=tree.stdout)
        assert tree.wait() == 0
        yield machine
    finally:
        machine.end()


def in_terminal(machine, script, dialogue):
    """A program with a screen: waits for each text and then presses the keys behind it. Gives all that was shown."""
    program = machine.popen("timeout", f"{PATIENCE * 2:g}", "script", "-qec", f"stty rows 24 cols 80; {script}", "/dev/null")
    shown = b""
    with program:
        for text, keys in dialogue:
            while text not in shown:
                data = os.read(program.stdout.fileno(), 65536)
                assert data, shown
                shown += data
            program.stdin.write(keys)
        shown += program.stdout.read()
    assert program.returncode == 0, shown
    return shown.decode(errors="replace")


@pytest.mark.parametrize("block", to_run(), ids=lambda block: block.splitlines()[0][:60])
def test_commands(machine, block):
    script = f"cd {FOLDER}; {block}"
    if block.startswith("mutt"):
        shown = in_terminal(machine, script, [(b"assword", f"{PASSWORD}\r".encode()), (b"Hello", b"q")])
        assert "Hello" in shown
    else:
        done = machine.process("bash", "-e", "-c", f"export DEMO_ONCE=1; {script}", input=found(TYPED, block) or "", timeout=1500)
        assert done.returncode == 0 and (found(SHOWN, block) or "") in done.stdout, done.stdout


def test_every_exception_is_a_block():
    """No block is left out that is not there, so none is left out that has changed."""
    starts = [start for table in (ELSEWHERE, TYPED, SHOWN) for start in table]
    assert all(any(block.startswith(start) for block in blocks()) for start in starts)
