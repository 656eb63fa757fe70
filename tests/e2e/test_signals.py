"""A signal at each step of a connection, to each process that it has: all of them end within the deadline, and the log says so once.

SIGTERM and SIGKILL come to monitor, gate, relay, mailbox program, listener,
signer and zygotes; a gate that hangs is one that is stopped (SIGSTOP), and so is a
client at each step of its login.
"""

import concurrent.futures
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

import loglines
from listening import Listener
from processes import GATE, GATE_ZYGOTE, MONITOR_ZYGOTE, SIGNER, children_of, connections_of, gate_of, name_of, role_of, runs, wait_for_ends
from record import wait_for_file
from wire import TlsWire

pytestmark = pytest.mark.background

TIMEOUT = 3
# Behind the deadline: the last words, the watchdog, and a machine that has other things to do.
LIMIT = TIMEOUT + 12
STOPPING = Path(__file__).parent / "scripts" / "stopping.py"


def child_of(server):
    """The one connection's process of a listener."""
    end = time.monotonic() + 10
    while not (found := connections_of(server.pid)):
        assert time.monotonic() < end, "nobody was accepted"
        time.sleep(0.002)
    return found[0]


class Place:
    """One connection, and the processes that it has by what they do."""

    def __init__(self, stage, way, on, step):
        self.stage, self.way, self.on, self.step = stage, way, on, step
        self.wanted = roles_at(way, on, step)
        self.asked = stage.file("reports")
        self.server = None

    def __enter__(self):
        pam = f"name=joe password=sesame record={self.asked}" + (" sleep=30" if self.step == "while PAM decides" else "")
        options = ["--timeout", TIMEOUT, "--allow-cleartext", "loopback"]
        if self.way == "superserver":
            self.imap = self.stage.start(*options, on=self.on, pam=pam, handshake=False)
            self.first = self.imap.process.pid
        else:
            if self.on == "tls":
                options += [*self.stage.certificate().options, "--tls-on-connect"]
            self.server = Listener(self.stage, *options, pam=pam)
            self.imap = self.server.connect(greeting=False)
            self.first = child_of(self.server)
        self.port = self.imap.wire.sock.getsockname()[1]
        self._go()
        self.roles = self._roles()
        return self

    def _go(self):
        imap = self.imap
        if self.step == "in a handshake":
            tls = TlsWire(imap.wire, self.stage.certificate().context(), "localhost")
            with pytest.raises(Exception):
                tls.tls.do_handshake()
            imap.send(tls.outgoing.read()[:100])
            self._await_gate()
            return
        if self.on == "tls":
            imap.handshake(self.stage.certificate().context())
        imap.greeting()
        if self.step == "in a command":
            imap.send("a LOG")
        elif self.step == "while PAM decides":
            imap.send("a LOGIN joe sesame\r\n")
            wait_for_file(self.asked)
        elif self.step == "in the session":
            imap.login()
            imap.hand_over()
        elif self.step == "behind the end":
            # The gate waits until its client, who has been told everything, hangs up.
            assert imap.command("x LOGOUT")[1].startswith(b"x OK ")
            imap.logged("end")

    def _await_gate(self):
        end = time.monotonic() + 10
        while not self.server and not children_of(self.first):
            assert time.monotonic() < end, "there is no gate"
            time.sleep(0.002)

    def _roles(self):
        """Under a listener a connection has a monitor from its first login on; until then it is a gate and nothing else."""
        if self.server:
            pid = self.server.pid
            service = {role: pid if role == "listener" else role_of(pid, name) for role, name in SERVICE.items() if role in self.wanted}
            ours = {name_of(child): child for child in connections_of(pid)}
            gate = ours.pop(GATE, None)
            other = ours.get("mailbox-recorde" if self.step == "in the session" else "imapgate")
        else:
            service, gate, other = {}, None, self.first
            if self.step != "in the session" or self.on == "tls":
                gate = gate_of(self.first)
        names = ("relay", "mailbox program") if self.step == "in the session" else ("gate", "monitor")
        return {**service, **{role: pid for role, pid in zip(names, (gate, other)) if pid}}

    def of_the_connection(self):
        return [pid for role, pid in self.roles.items() if role not in SERVICE]

    def log(self):
        return [event for event in loglines.read(self.imap.log_text())]

    def __exit__(self, kind, value, traceback):
        self.imap.wire.close()
        if not self.server:
            self.imap.stop()
            return
        if self.server.process.poll() is not None:
            self.server.status = self.server.process.returncode
        self.server.__exit__(kind, value, traceback)


# What a listener has for all connections, by the name of the process.
SERVICE = {"listener": "imapgate", "signer": SIGNER, "gate zygote": GATE_ZYGOTE, "monitor zygote": MONITOR_ZYGOTE}
STEPS = {"tcp": ("behind the greeting", "in a command", "while PAM decides", "in the session", "behind the end"),
         "tls": ("in a handshake", "behind the greeting", "while PAM decides", "in the session", "behind the end")}


def roles_at(way, on, step):
    monitor = ["monitor"] if way == "superserver" or step == "while PAM decides" else []
    roles = [*monitor, "gate"] if step != "in the session" else ["mailbox program"] + ["relay"] * (on == "tls")
    if way == "listener" and step != "behind the end":
        roles += [role for role in SERVICE if role != "signer" or on == "tls"]
    return roles


CASES = {f"{number.name} to the {role}, {step}, {on}, {way}": (way, on, step, role, number)
         for way in ("superserver", "listener") for on in ("tcp", "tls") for step in STEPS[on] for role in roles_at(way, on, step)
         for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP)
         if number != signal.SIGSTOP or role == "gate"}


def send_signal(stage, way, on, step, role, number):
    with Place(stage, way, on, step) as place:
        began = time.monotonic()
        os.kill(place.roles[role], number)
        if step == "in the session" and role in SERVICE:
            # A session is nobody's but its client's.
            assert place.imap.command("n NOOP")[1] == b"n OK heard NOOP"
            place.imap.send("o LOGOUT\r\n")
        said = place.imap.rest(LIMIT)
        if number != signal.SIGSTOP:
            place.imap.wire.close()
        left = wait_for_ends(place.of_the_connection(), began + LIMIT - time.monotonic())
        assert not left, f"still there: {left}, {place.roles}"
        check_rest(place, role, number)
        check_log(place, role, number)
        check_words(place, role, number, said)


def check_rest(place, role, number):
    """A listener serves on, and replaces what has ended; or it has ended with all that it had."""
    if role == "listener":
        if number == signal.SIGTERM:
            assert place.server.end() == 0
        else:
            assert place.server.process.wait(LIMIT) == -number
        assert not wait_for_ends([pid for name, pid in place.roles.items() if name in SERVICE], LIMIT)
    elif place.server:
        end = time.monotonic() + LIMIT
        while not serves(place):
            assert time.monotonic() < end, "the next client is not served"


def serves(place):
    """One that comes before a signer or a zygote is there again may be sent away."""
    again = place.server.connect(greeting=False)
    try:
        if place.on == "tls":
            again.handshake(place.stage.certificate().context())
        return again.line().startswith(b"* OK ")
    except (OSError, AttributeError):
        return False
    finally:
        again.wire.close()


def check_log(place, role, number):
    """One conclusion for the connection. A monitor that was killed can't say anything: the listener does, or the superserver.

    A listener writes the lines of gates that have no monitor yet: behind its own SIGKILL there are none of theirs.
    """
    port = str(place.port)
    events = [event for event in place.log() if event.get("rport") == port]
    if role == "monitor" and number == signal.SIGKILL:
        ended = [event for event in place.log() if event.name == "exit"]
        assert not place.server or (str(place.roles["monitor"]), "9") in [(event["pid"], event["signal"]) for event in ended]
        assert [event.name for event in events if event.name in loglines.CONCLUSIONS] == ["end"] * (place.step == "behind the end")
        return
    if role == "listener" and number == signal.SIGKILL and "monitor" not in place.roles and not events:
        return
    assert loglines.concluded(events), events
    if role == "gate" and number != signal.SIGTERM and place.step != "behind the end":
        # A monitor that PAM has not answered yet learns of it no sooner than the deadline.
        reason = "deadline" if place.step == "while PAM decides" else "gate-died" if number == signal.SIGKILL else "gate-hangs"
        assert [event["reason"] for event in events if event.name == "end"] == [reason]


def check_words(place, role, number, said):
    """In the clear the client is told, unless the very process that talks to it was killed."""
    if place.on == "tls" or number != signal.SIGTERM or place.step in ("in the session", "behind the end"):
        return
    assert b"* BYE " in said, said


# --- a client that stops

STOPS = {"starttls": ("connected", "STARTTLS, answer unread", "STARTTLS", "half a hello", "hello", "handshake", "half a command",
                      "wrong login, answer unread", "login, answer unread", "session"),
         "tls": ("connected", "half a hello", "hello", "handshake", "half a command", "wrong login, answer unread", "login, answer unread",
                 "session")}


def stop_client(stage, way, on, step):
    """Before the login all processes end by the deadline; behind it nobody's time is limited, until the client is no more."""
    options = ["--timeout", TIMEOUT, *stage.certificate().options] + ["--tls-on-connect"] * (on == "tls")
    ours, its = socket.socketpair()
    with ours:
        with its:
            client = subprocess.Popen(["python3", STOPPING, on, step], stdin=its)
        ours.settimeout(20)
        assert ours.recv(5) == b"ready"
        if way == "superserver":
            imap = stage.start(*options, on="tcp", certificate=None, handshake=False)
            stopped_at(imap, imap.process.pid, client, ours, step)
            imap.looked_at_status = True
            imap.finish()
            return
        with Listener(stage, *options) as server:
            imap = server.connect(greeting=False)
            stopped_at(imap, child_of(server), client, ours, step)


def stopped_at(imap, first, client, control, step):
    began = time.monotonic()
    socket.send_fds(control, [b"x"], [imap.wire.sock.fileno()])
    imap.wire.close()
    try:
        assert os.waitid(os.P_PID, client.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT).si_code == os.CLD_STOPPED, imap.log_text()
        in_session = step == "session" or step == "login, answer unread" and imap.logged("handoff")
        if in_session:
            assert runs(first)
        else:
            assert not wait_for_ends([first], began + LIMIT - time.monotonic())
    finally:
        client.kill()
        client.wait()
    assert not wait_for_ends([first], LIMIT)
    conclusions = [event for event in loglines.read(imap.log_text()) if event.name in loglines.CONCLUSIONS]
    assert loglines.concluded(conclusions), conclusions
    assert (conclusions[0].name == "handoff") == bool(in_session)


for way in ("superserver", "listener"):
    for on, steps in STOPS.items():
        CASES.update({f"SIGSTOP of a client, {step}, {on}, {way}": (way, on, step, None, None) for step in steps})


def run_case(stage, way, on, step, role, number):
    if role:
        send_signal(stage, way, on, step, role, number)
    else:
        stop_client(stage, way, on, step)


@pytest.fixture(scope="module")
def running(_stage, request):
    """All that were asked for, beside each other: most of their time is waiting."""
    wanted = {item.callspec.params["name"] for item in request.session.items if item.path == request.path}
    _stage.certificate()
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        yield {name: pool.submit(run_case, _stage, *case) for name, case in CASES.items() if name in wanted}


@pytest.mark.parametrize("name", CASES)
def test_signal(running, name):
    running[name].result()
