"""Process titles: ps(1) tells what each process is and for whom; nothing of the command line, and nothing of a password."""

import os
import re
import signal
import socket
import time
from pathlib import Path

import pytest

from listening import Listener, tcp
from processes import GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, gate_of, keeping
from wire import PATIENCE


def shown(pid):
    """What ps(1) shows: NULs as spaces, and those at the end not at all."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()


def wait_for(pid, title):
    end = time.monotonic() + PATIENCE
    while shown(pid) != title:
        assert time.monotonic() < end, f"{shown(pid)!r} where {title!r} was expected"
        time.sleep(0.005)


@pytest.mark.parametrize("on, address", [("tcp", "127.0.0.1"), ("tcp6", "::1"), ("path", "local"), ("tls", "127.0.0.1")])
def test_before_the_login(stage, on, address):
    with stage.ready(on=on) as imap:
        gate = gate_of(imap.process.pid)
        wait_for(imap.process.pid, f"imapgate: monitor {address}")
        wait_for(gate, f"imapgate: gate {address}")


@pytest.mark.parametrize("on", ("tls", "starttls"))
def test_relay(stage, on):
    """The gate that stays: it sets its title within the sandbox. What is executed has a command line of its own."""
    report = stage.report()
    with stage.ready(on=on, mailbox=stage.mailbox(report=report)) as imap:
        gate = gate_of(imap.process.pid)
        imap.login()
        wait_for(gate, "imapgate: relay joe 127.0.0.1")
        assert shown(imap.process.pid).startswith(stage.recorder)


def test_keeper_of_a_pam_session(stage):
    with stage.ready("--pam-session", "wait", "--allow-cleartext", "all", on="tcp") as imap:
        imap.login()
        wait_for(imap.process.pid, "imapgate: pam-keeper joe 127.0.0.1")


def test_keeper_of_kernel_tls(root_stage):
    """It has arguments that it needs as long as it lives."""
    with keeping(root_stage) as (keeper, child, client):
        wait_for(keeper.pid, "imapgate: keeper joe 192.0.2.7")
        os.kill(child, signal.SIGTERM)
        client.close()
        assert keeper.wait(PATIENCE) == 128 + signal.SIGTERM


@pytest.mark.parametrize("name, title", [("joe mumble", "joe?mumble"), ("j\x1b[2J", None), ("é", "??"), ("n" * 200, "n" * 64)], ids=repr)
def test_hostile_name(stage, name, title):
    """Threat T53: a name is one word of printable ASCII, and is cut."""
    octets = name.encode()
    with stage.ready(on="tls", pam="permit", virtual=True) as imap:
        gate = gate_of(imap.process.pid)
        imap.send(b"l LOGIN {%d+}\r\n%s {6+}\r\nsesame\r\n" % (len(octets), octets))
        if title is None:
            assert imap.line().startswith(b"l NO ")
            assert shown(gate) == "imapgate: gate 127.0.0.1"
        else:
            imap.expect("l OK recorder")
            wait_for(gate, f"imapgate: relay {title} 127.0.0.1")


def test_nothing_of_the_options(stage):
    """Threat T54: --setenv may have a secret, and a gate has no use for it; nor has whoever runs ps."""
    with stage.ready("--setenv", "KEY=geheim", on="tls") as imap:
        for pid in (imap.process.pid, gate_of(imap.process.pid)):
            for file in ("cmdline", "environ"):
                assert b"geheim" not in Path(f"/proc/{pid}/{file}").read_bytes()


def test_options_are_still_there(stage):
    """The program's arguments, which are read after the login, are copies."""
    script = 'printf "%%s OK %%s %%s\\r\\n" "$IMAPLOGINTAG" "$1" "$KEY"'
    with stage.ready("--setenv", "KEY=%u-value", "--allow-cleartext", "all", on="tcp", mailbox=["sh", "-c", script, "sh", "last-%u"]) as imap:
        imap.hand_over()
        imap.send("l LOGIN joe sesame\r\n")
        assert imap.rest() == b"l OK last-joe joe-value\r\n"


def test_short_command_line(stage):
    """With an empty environment there may be less room than a title needs."""
    with stage.ready(on="tcp", env={}) as imap:
        assert shown(imap.process.pid).startswith("imapgate: monitor 127.0.0.1")


@pytest.mark.superserver("makes listeners itself")
def test_listener(root_stage):
    """It counts, as in the service's status; it starts itself anew with the arguments that it was given."""
    with Listener(root_stage, "--allow-cleartext", "all", *root_stage.certificate().options) as listener:
        wait_for(listener.pid, "imapgate: listener (0 waiting, 0 sessions)")
        for name, title in ((GATE_ZYGOTE, "gate zygote"), (MONITOR_ZYGOTE, "monitor zygote"), (SIGNER, "signer")):
            wait_for(listener.roles()[name], f"imapgate: {title}")
        imap, other = listener.connect(), listener.connect()
        imap.login()
        wait_for(listener.pid, "imapgate: listener (1 waiting, 1 sessions)")
        listener.signal(1)
        listener.logged("listener-ready", 2)
        wait_for(listener.pid, "imapgate: listener (1 waiting, 1 sessions)")
        assert re.search("reload", listener.log_text())
        imap.wire.close()
        other.wire.close()
        wait_for(listener.pid, "imapgate: listener (0 waiting, 0 sessions)")


@pytest.mark.superserver("makes listeners itself")
def test_under_a_listener_there_is_room_for_a_title(root_stage):
    """Gates are forked from a process that was executed with few words."""
    certificate = root_stage.certificate()
    options = [*certificate.options, "--run-as", root_stage.host_user, "--home", root_stage.host_home]
    name = "n" * 80
    with Listener(root_stage, *options, sockets=[tcp("::1", socket.AF_INET6)], names=["imaps"], pam="permit") as listener:
        imap = listener.connect(context=certificate.context())
        imap.login(name)
        relay, = (pid for pid in children_of(listener.pid) if shown(pid).startswith("imapgate: relay "))
        wait_for(relay, f"imapgate: relay {name[:64]} ::1")
        imap.wire.close()
