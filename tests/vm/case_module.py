"""A kernel without the module, and one that loads it: first of all, while it is not loaded."""

import re
import subprocess
from pathlib import Path

from cases import Skip, case, expect, greeted, logged_in, poured
from memory import relayed
from server import BUILD, read

MODPROBE = "/proc/sys/kernel/modprobe"


def ulp_of_tls():
    return "tls" in read("/proc/sys/net/ipv4/tcp_available_ulp").split()


def asked_and_told(stage, verdict, words):
    """The one place that asks the kernel agrees with what the kernel tells of itself (tests/unit/test_ktls_probe.c); what --check says."""
    test = subprocess.run([BUILD / "tests/test_ktls_probe"], capture_output=True, text=True)
    expect(test.returncode, 0, test.stdout + test.stderr)
    checked = stage.check()
    found = re.search(r"(?m)^(\w+) +kernel TLS: (.*)$", checked)
    assert found, checked
    assert found.group(1) == verdict and words in found.group(2), found.group()


@case
def no_module_is_the_relay(stage):
    before = read(MODPROBE)
    Path(MODPROBE).write_text("/nonexistent")
    try:
        asked_and_told(stage, "note", "no module")
        client, session = greeted(stage)
        client.login(b"POUR 70000\r\n", b"EXIT 3\r\n")
        expect(session.how(), "relay no-module", "handoff")
        expect((client.rest(), client.ended, session.wait()), (poured(70000), "close_notify", 3), "octets, end and status")
        events = [line.split()[1] for line in session.log().splitlines()]
        expect(events, ["auth-ok", "handoff"], "events in the log")
        client, session = greeted(stage, "--ktls", "require")
        expect(client.login()[:20], b"a1 NO [UNAVAILABLE] ", "answer under --ktls require")
        client.rest()
        expect(client.ended, "close_notify", "end")
        expect(session.wait(), 0, "status")
        assert "reason=no-ktls why=no-module" in session.log(), session.log()
    finally:
        Path(MODPROBE).write_text(before)


# As the services under systemd are: they may not load modules.
CONFINED = ["setpriv", "--bounding-set", "-net_admin,-sys_module", "--inh-caps", "-net_admin,-sys_module"]


@case
def a_confined_monitor_does_not_load_the_module(stage):
    client, session = greeted(stage, wrapper=CONFINED)
    client.login()
    expect(session.how(), "relay no-module", "handoff")


@case
def the_monitor_loads_the_module(stage):
    """With the first connection, long before there is a login."""
    assert not ulp_of_tls(), "somebody else has loaded the module"
    client, _ = greeted(stage)
    client.close()
    assert ulp_of_tls(), "the module is not loaded"


@case
def no_cipher_module_is_the_relay(stage):
    before = read(MODPROBE)
    Path(MODPROBE).write_text("/nonexistent")
    try:
        client, session = greeted(stage)
        client.login()
        if session.how() == "ktls":
            raise Skip("this kernel has the cipher built in")
        expect(session.how(), "relay kernel", "handoff")
        client.send(b"POUR 100000\r\n", b"EXIT 5\r\n")
        expect(client.rest(), poured(100000), "octets")
        # Here the keys were derived already.
        expect(relayed(stage), ("relay kernel", relayed(stage, "--ktls", "off")[1]), "how often secrets are in the relay's memory")
    finally:
        Path(MODPROBE).write_text(before)


@case
def the_kernel_loads_the_cipher(stage):
    """It asks nobody's rights for that."""
    logged_in(stage, wrapper=CONFINED)
    asked_and_told(stage, "ok", "supported by this kernel")
