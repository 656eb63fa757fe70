"""Gates and monitors that were taken over (hostile-gate.c): at the real monitor, at the real listener and at the real signer."""

import os
import re
import signal
import socket
import time

import pytest

import loglines
from listening import Listener
from processes import descriptors_of, ours
from session import Session
from stage import BUILD, TREE
from wire import PATIENCE, SocketWire

ACCEPTED = "login send hear=ok "

# What a gate does, and each is the end of its connection: by the monitor of a superserver, and behind a listener as well.
MESSAGES = {
    # Shapes.
    "nonsense": "type=0xefbeadde size=64 send wait",
    "one octet": "type=2 size=1 send wait",
    "type only": "type=2 size=4 send wait",
    "one octet short": "login size-1 send wait",
    "one octet long": "login size+1 send wait",
    "oversize": "login size=65536 send wait",
    "type zero": "type=0 size=8 send wait",
    "type unknown": "type=99 size=8 send wait",
    "type negative": "type=0xffffffff size=8 send wait",
    "name without end": "login login.authcid~ send wait",
    "name of another without end": "login login.authzid~ send wait",
    "secret without end": "login login.secret~ send wait",
    "tag without end": ACCEPTED + "launch launch.tag~ send wait",
    "cipher without end": ACCEPTED + "launch launch.tls.cipher~ send wait",
    "text without end": "log log.event=2 log.text~ send wait",
    "one descriptor": "login fd=1 send wait",
    "line with a descriptor": "log log.event=2 fd=1 send wait",
    "PROXY with a descriptor": "proxied fd=1 send wait",
    "many descriptors": "login fd=16 send wait",
    # Order and number.
    "launch before the login": "launch send wait",
    "launch after a failure": "login login.secret=mumble send hear launch send wait",
    "launch with the login unanswered": "login login.secret=mumble send launch send wait",
    "launch in no tunnel": ACCEPTED + "launch launch.transport=4 launch.tls.protocol=TLSv1.3 send wait",
    "launch by the kernel that is off": ACCEPTED + "launch launch.transport=2 launch.tls.protocol=TLSv1.3 send wait",
    "launch of no kind": ACCEPTED + "launch launch.transport=0 send wait",
    "login after the login": ACCEPTED + "login send wait",
    "login once too often": "login login.secret=mumble send hear again",
    "sign after the login": ACCEPTED + "sign send wait",
    "no tag": ACCEPTED + "launch launch.tag= send wait",
    "tag with a space": ACCEPTED + "launch launch.tag=a%20OK%20fooled send wait",
    "tag with a line end": ACCEPTED + "launch launch.tag=a%0d%0a* send wait",
    # Mechanisms, and those that need no password where nobody has switched them on.
    "mechanism zero": "login login.mechanism=0 send hear launch send wait",
    "mechanism unknown": "login login.mechanism=99 send hear launch send wait",
    "mechanism external": "login login.mechanism=4 send hear launch send",
    "mechanism token": "login login.mechanism=5 send hear launch send wait",
    "mechanism preauth": "login login.mechanism=7 send hear launch send wait",
    # Lines.
    "lines without end": "log log.event=2 flood",
    "line of an unknown event": "log log.event=99 send wait",
    "line of an unknown reason": "log log.event=3 log.reason=99 send wait",
    "line of an unknown mechanism": "log log.event=6 log.mechanism=99 send wait",
    "line with a forged cipher": "log log.event=1 log.tls.protocol=TLSv1.3 log.tls.cipher=X%0aimapgate[1]:%20auth-ok%20rip=192.0.2.1 send wait",
    # The client of a proxy that there is not.
    "PROXY of one who is not listed": "proxied proxied.client=0 send wait",
    "PROXY twice": "proxied send proxied send wait",
    "PROXY after a line": "log log.event=2 send proxied send wait",
    "PROXY after a login": "login login.secret=mumble send hear proxied send wait",
    # What others say: answers, a relay's word, and the messages of the other boundaries.
    **{f"the message {name}": f"{name} send wait" for name in """login_answer proxied_answer program_output key_answer sign_answer sign_report ready
        spawned failed failed_answer logged_in logged_in_answer gate_end gate_end_answer launched peer_unknown dropped""".split()},
    **{f"the message {name}": f"{name} fd={fds} send wait" for name, fds in
       (("launch_answer", 1), ("pair", 1), ("spawn_gate", 2), ("spawn_monitor", 3))},
}
# Signatures that a superserver's monitor is asked for.
SIGNING = {
    "sign twice": ("certificate sign send hear=15 send wait", None),
    "sign anything": ("certificate sign sign.tbs=xxx send hear=end wait", "sign-refused"),
    "sign too much": ("certificate sign sign.len=0x7fffffff send hear=end wait", "sign-refused"),
    "sign with no key": ("sign sign.index=0xffffffff send hear=end wait", "sign-refused"),
    "ask for keys": ("key key.index=1 send hear=end wait", None),
    "ask for a key for ever": ("key send hear again", "key-fail"),
}
MECHANISMS = [name for name in MESSAGES if name.startswith("mechanism")]


@pytest.fixture(scope="module")
def hostile(_stage):
    return _stage._copy(BUILD / "tests" / "hostile-gate")


def end_leftovers(program):
    for pid in ours(program):
        os.kill(pid, signal.SIGKILL)


# --- a gate at the monitor of a superserver

@pytest.fixture
def run(stage, hostile):
    """Starts one that obeys the script; gives the session and the recorder's report. Gates that are left over are ended."""
    sessions = []

    def start(script, *options, pam="joe", on="unix"):
        report = stage.report()
        command = [hostile, *stage.options(pam, virtual=True), *stage.certificate().options, "--timeout", "1",
                   *map(str, options), "--", *stage.mailbox(report=report)]
        session = stage.launch(command, on=on)
        sessions.append(session)
        session.send(script + "\n")
        return session, report

    yield start
    for session in sessions:
        session.stop()
    end_leftovers(hostile)


def test_an_honest_one_is_served(run):
    """Else all the others would prove nothing."""
    session, report = run(ACCEPTED + "launch send")
    session.expect("a OK recorder")
    assert report.written()


# The bug that is logged for each message of the right shape. A later check that happens to catch the message is not enough.
WHY = {
    "launch before the login": "message type 4 not allowed in phase 1", "launch after a failure": "message type 4 not allowed in phase 1",
    "launch with the login unanswered": "message type 4 not allowed in phase 1",
    "launch in no tunnel": "gate asked for UCSPI-TLS, which the superserver does not offer",
    "launch by the kernel that is off": "transport 2 is not allowed by --ktls",
    "launch of no kind": "gate asked for transport 0 with cleartext", "login after the login": "message type 2 not allowed in phase 2",
    "login once too often": "login after the last allowed attempt", "sign after the login": "message type 14 not allowed in phase 2",
    "no tag": "gate sent an invalid tag", "tag with a space": "gate sent an invalid tag", "tag with a line end": "gate sent an invalid tag",
    "mechanism zero": "unknown mechanism 0", "mechanism unknown": "unknown mechanism 99",
    "mechanism external": "gate claimed a certificate, but --client-ca is off",
    "mechanism token": "gate sent a token, but --oauth-service is off",
    "mechanism preauth": "gate claimed PREAUTH, but --preauth cert is off",
    "lines without end": "too many messages of type 6 from the gate", "line of an unknown event": "invalid log event 99 from the gate",
    "PROXY of one who is not listed": "unexpected PROXY header from the gate",
    "the message ready": "unexpected message type 20 from the gate", "nothing of it": "login before the PROXY header",
    "it twice": "too many messages of type 8 from the gate", "it later": "unexpected PROXY header from the gate",
    "no kind of client": "malformed PROXY header from the gate", "sign twice": "too many messages of type 14 from the gate",
    "sign anything": "gate asked to sign something other than a TLS handshake",
    "ask for keys": "gate sent MSG_KEY to the monitor for key 1", "ask for a key for ever": "too many messages of type 12 from the gate",
}


def look_at_end(session, report, name=None):
    """One bug, and nothing was started or said."""
    assert session.status() == 70, session.log_text()
    text = session.log_text()
    assert text.count("]: bug ") == 1 and "]: handoff " not in text, text
    assert "rip=192.0.2.1" not in text
    assert f'text="{WHY.get(name, "")}' in text, text
    assert not report.written() and session.rest() == b""


@pytest.mark.parametrize("name", MESSAGES)
def test_monitor_ends(run, name):
    look_at_end(*run(MESSAGES[name]), name)


def test_last_login_is_the_last(run):
    """PAM has said yes, and its session no: this process has one user's groups and limits now, so none is logged in by it any more."""
    session, report = run("login send hear login send wait", pam="name=joe password=sesame open=14")
    look_at_end(session, report)
    assert session.log_text().count("]: auth-fail ") == 1, session.log_text()


@pytest.mark.parametrize("name", SIGNING)
def test_what_it_asks_of_a_key_has_the_clients_address(run, name):
    """The administrator must learn by whom the gate was taken over; it has no second try."""
    script, event = SIGNING[name]
    session, report = run(script)
    look_at_end(session, report, name)
    assert {line.name for line in session.log()} == {event, "bug"} - {None}
    assert all("rip" in line for line in session.log())


# Behind a listed proxy: what the gate says of it is accepted once, first, and in plain words.
PROXIED = {
    "nothing of it": "login send wait",
    "it twice": "proxied send hear=9 proxied send wait",
    "it later": "log log.event=2 send proxied send wait",
    "no kind of client": "proxied proxied.client=9 send wait",
    "words that are not plain": "proxied proxied.tls=1 proxied.tls_protocol=TLSv1.3 proxied.tls_cipher=X%0aimapgate[1]:%20auth-ok%20rip=192.0.2.1 send wait",
}


@pytest.mark.parametrize("name", PROXIED)
def test_gate_speaks_for_a_proxy(run, name):
    look_at_end(*run(PROXIED[name], "--proxy", "127.0.0.1", on="tcp"), name)


@pytest.mark.parametrize("listed", ("joe", "jane"))
def test_certificates_are_the_gates_word(stage, run, listed):
    """With --client-ca a gate can be whom the account step lets in, and nobody else: the manual's line, as it stands."""
    manual = (TREE / "src" / "imapgate.8").read_text().partition("account required pam_listfile.so")
    line = (manual[1] + manual[2].partition(".Ed")[0]).replace("\\e\n", "")
    users = stage.file("scratch")
    users.write_text(f"{listed}\n")
    stack = stage.testcode("name=joe password=sesame") + line
    session, report = run(MESSAGES["mechanism external"], "--client-ca", stage.certificate().file,
                          pam=stack.replace("/etc/imapgate/cert-users", str(users)))
    session.half_close()
    session.rest()
    session.status()
    if listed == "joe":
        assert session.log("handoff") and report.written()
    else:
        assert session.log("auth-fail")[0]["reason"] == "PAM_AUTH_ERR" and not report.written()


ENDS = {
    "gone": ("exit=0", 70), "gone with a status": ("exit=3", 3), "killed": ("kill", 70),
    "bug of its own": ("log log.event=5 log.text=x%22%20rip=192.0.2.1%0aimapgate[1]:%20auth-ok send exit=4", 4),
}


@pytest.mark.parametrize("name", ENDS)
def test_gate_that_ends(run, name):
    script, status = ENDS[name]
    session, report = run(script)
    assert session.status() == status
    assert [line["reason"] for line in session.log("end")] == ([] if name == "bug of its own" else ["gate-died"])
    assert not report.written()
    assert "\nimapgate[1]" not in session.log_text()
    session.expect_end()


@pytest.mark.parametrize("script", ("wait", "login size=0 send wait"), ids=("silent", "empty"))
def test_gate_that_waits(run, script):
    """The deadline ends all of them."""
    session, report = run(script)
    session.expect_end(8)
    assert session.status(8) != 0
    assert not report.written()


# The gate's script until it waits, and words of the end's log line.
TIMEOUTS = {
    "behind a failure": ("login login.secret=mumble send hear wait", "tls=none"),
    "behind a handshake": ("log log.event=1 log.tls.protocol=TLSv1.2 log.tls.cipher=MUMBLE send wait", "tls=TLSv1.2 cipher=MUMBLE"),
    "behind a PROXY header": ("proxied proxied.client=1 proxied.tls=1 proxied.tls_protocol=TLSv1.2 proxied.tls_cipher=MUMBLE send hear wait",
                              "tls=TLSv1.2 cipher=MUMBLE"),
}


@pytest.mark.parametrize("name", TIMEOUTS)
def test_end_of_a_gate_that_waits_has_its_line(run, name):
    """The line has what is known by then. No other line follows a login that was answered."""
    script, words = TIMEOUTS[name]
    session, _ = run(script, "--proxy", "127.0.0.1", on="tcp") if "proxied" in script else run(script)
    session.expect_end(8)
    assert session.status(8) == 75
    line = session.log_text().splitlines()[-1]
    assert "]: end " in line and "reason=gate-hangs" in line and words in line, session.log_text()
    assert session.log_text().count("]: auth-fail ") == script.count("login.secret")


def test_gate_does_not_outlive_its_monitor(run):
    """One that was taken over would keep the client's connection for itself, if nobody ended it."""
    session, _ = run(MESSAGES["nonsense"])
    session.status()
    session.expect_end(3)


# What each of them is switched on by; --preauth peer is no such thing for any of them.
OPTIONS = {
    "none": [], "peer": ["--preauth", "peer"], "cleartext": ["--allow-cleartext", "all"], "kernel": ["--ktls", "off"],
    "wait": ["--pam-session", "wait"], "texts": ["--pam-text", "always"],
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MECHANISMS)
def test_no_mechanism_is_switched_on_by_another_option(run, name, options):
    session, report = run(MESSAGES[name], *OPTIONS[options], pam="permit")
    assert session.status() == 70, session.log_text()
    assert "]: auth-ok " not in session.log_text() and not report.written()


# What a relay may say to the keeper of a PAM session: one word. The session ends as it would all the same, and nothing is forged.
RELAYS = {
    "no word of ours": "program_output program_output.output=99 send",
    "another's message": "login send",
    "half a word": "program_output size-1 send",
    "a descriptor": "program_output fd=1 send",
    "words without end": "program_output flood",
    "nothing": "wait",
}


@pytest.mark.parametrize("name", RELAYS)
def test_relay_at_the_keeper(run, name):
    session, report = run(ACCEPTED + "launch launch.transport=3 launch.tls.protocol=TLSv1.3 send hear=5 " + RELAYS[name], "--pam-session", "wait")
    assert session.status() == 0, session.log_text()
    assert report.written() and [event.name for event in session.log()] == ["auth-ok", "handoff", "session-end"]


# --- a gate and a monitor under a listener

# Clients from there get a hostile gate, and a hostile monitor (hostile-gate.c).
GATE, MONITOR = "127.0.0.66", "127.0.0.67"


class Hostile:
    """One listener for all cases, and its log from where the case begins."""

    def __init__(self, server):
        self.server, self.begin = server, 0

    def connect(self, source, script=None):
        listening = self.server.sockets[0]
        client = socket.create_connection(listening.getsockname(), timeout=5, source_address=(source, 0))
        imap = Session(self.server.process, SocketWire(client), self.server.log_path, protected=False)
        if script is not None:
            imap.send(script)
        return imap

    def log(self):
        return loglines.read(self.server.log_text()[self.begin:])

    def wait_for(self, condition, what):
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{what}: {self.server.log_text()[self.begin:]!r}"
            time.sleep(0.005)

    def look_at_end(self, imap, source, names=("bug",)):
        """The connection ends, one bug says by whom, nothing is left, and the next client is served."""
        said = imap.rest()
        imap.wire.close()
        assert b"wrong:" not in said, said
        self.wait_for(lambda: not self.server.connections(), "processes are left")
        events = [event for event in self.log() if event.name not in ("exit", "auth-ok", "auth-fail", "tls-fail", "session-end")]
        assert [event.name for event in events] == list(names), self.server.log_text()[self.begin:]
        assert all(event["rip"] == source for event in events)
        assert "imapgate[1]" not in re.sub(r'"[^"]*"', "", self.server.log_text()[self.begin:])
        assert not self.server.descriptors_left()
        honest = self.connect("127.0.0.1")
        honest.greeting()
        honest.login()
        honest.wire.close()
        self.wait_for(lambda: not self.server.connections(), "the honest one's processes are left")
        return said


@pytest.fixture(scope="module")
def _hostile_listener(_stage, hostile):
    with Listener(_stage, *_stage.certificate().options, "--allow-cleartext", "loopback", "--timeout", "8", program=hostile) as server:
        yield Hostile(server)
    end_leftovers(hostile)


@pytest.fixture
def under_listener(_hostile_listener):
    _hostile_listener.begin = len(_hostile_listener.server.log_text())
    before = _hostile_listener.server.roles()
    yield _hostile_listener
    assert _hostile_listener.server.roles() == before, "a role has ended"


@pytest.mark.parametrize("name", MESSAGES)
def test_gate_at_the_listener(under_listener, name):
    imap = under_listener.connect(GATE, MESSAGES[name] + "\n")
    said = under_listener.look_at_end(imap, GATE)
    assert said == b""


SIGNER = {
    "anything": "sign sign.tbs=xxx send hear=end wait",
    "too much": "sign sign.len=0x7fffffff send hear=end wait",
    "with no key": "sign sign.index=0xffffffff send hear=end wait",
    "by no scheme": "sign sign.scheme=0 send hear=end wait",
    "one octet short": "sign size-1 send hear=end wait",
    "one octet": "sign size=1 send hear=end wait",
    "with a descriptor": "sign fd=1 send hear=end wait",
    "with many descriptors": "sign fd=16 send hear=end wait",
    "another's question": "login send hear=end wait",
    "a key": "key send hear=end wait",
    "a pair": "pair fd=1 send hear=end wait",
    "an answer": "sign_answer send hear=end wait",
    "a report": "sign_report send hear=end wait",
}


@pytest.mark.parametrize("name", SIGNER)
def test_gate_at_the_signer(under_listener, name):
    """What is no part of a TLS handshake has no answer; the gate is killed, and the next one has its signature."""
    signer = under_listener.server.signer()
    descriptors = descriptors_of(signer)
    imap = under_listener.connect(GATE, "to=signer " + SIGNER[name] + "\n")
    under_listener.look_at_end(imap, GATE, ("sign-refused", "bug"))
    under_listener.wait_for(lambda: descriptors_of(signer) == descriptors, "the signer's descriptors")


def test_one_signature_for_each_pair(under_listener):
    """The second question has no answer, whether the first one's was heard or not; no gate of ours asks twice."""
    for script in ("to=signer sign send hear=15 send hear=end say=done", "to=signer sign send send hear=15 hear=end say=done"):
        imap = under_listener.connect(GATE, script + "\n")
        assert imap.rest() == b"done\r\n"
        imap.wire.close()
        under_listener.wait_for(lambda: not under_listener.server.connections(), "processes are left")


def test_signature_of_the_monitor(under_listener):
    """Under a listener no monitor has a key, and no gate of ours asks it for one."""
    for script in ("sign send wait", "key send wait"):
        under_listener.begin = len(under_listener.server.log_text())
        imap = under_listener.connect(GATE, script + "\n")
        under_listener.look_at_end(imap, GATE)


@pytest.mark.parametrize("name", PROXIED)
def test_gate_speaks_for_a_proxy_at_the_listener(stage, hostile, name):
    with Listener(stage, "--proxy", GATE, "--allow-cleartext", "loopback", program=hostile) as server:
        under = Hostile(server)
        imap = under.connect(GATE, PROXIED[name] + "\n")
        assert imap.rest() == b""
        imap.wire.close()
        under.wait_for(lambda: not server.connections(), "processes are left")
        assert [event.name for event in under.log() if event.name in ("bug", "end", "auth-ok", "handoff")] == ["bug"]
        assert not server.descriptors_left()


# A monitor at the listener: what it does, and each is the end of its connection.
MONITORS = {
    "launches without a login": "launched send wait",
    "is logged in twice": "logged_in logged_in.name=joe send hear=31 send wait",
    "fails without end": "failed flood",
    "is logged in without end": "logged_in flood",
    "wants a second gate": "peer_unknown send wait",
    "type zero": "type=0 size=8 send wait",
    "type unknown": "type=99 size=8 send wait",
    "one octet": "type=28 size=1 send wait",
    "one octet short": "failed size-1 send wait",
    "one octet long": "logged_in size+1 send wait",
    "name without end": "logged_in logged_in.name~ send wait",
    "oversize": "failed size=65536 send wait",
    "with a descriptor": "failed fd=1 send wait",
    "with many descriptors": "logged_in fd=16 send wait",
    **{f"the message {name}": f"{name} send wait" for name in """login login_answer launch log proxied proxied_answer program_output key key_answer sign
        sign_answer sign_report ready spawned failed_answer logged_in_answer gate_end_answer""".split()},
    **{f"the message {name}": f"{name} fd={fds} send wait" for name, fds in
       (("launch_answer", 1), ("pair", 1), ("spawn_gate", 2), ("spawn_monitor", 3))},
}


def log_in(under_listener, script):
    imap = under_listener.connect(MONITOR)
    imap.greeting()
    imap.send(f'a LOGIN joe "{script}"\r\n')
    imap.hand_over()
    return imap


@pytest.mark.parametrize("name", MONITORS)
def test_monitor_at_the_listener(under_listener, name):
    imap = log_in(under_listener, MONITORS[name])
    under_listener.look_at_end(imap, MONITOR)


def test_monitor_that_launches_twice(under_listener):
    """The listener hears nothing more of a monitor that has launched: it is a session, and lives as long as that."""
    imap = log_in(under_listener, "logged_in send hear=31 launched launched.transport=1 send send hear=end say=done wait")
    assert imap.line() == b"done"
    monitor, = under_listener.server.monitors()
    os.kill(monitor, signal.SIGKILL)
    under_listener.look_at_end(imap, MONITOR, ())


def test_monitor_that_asks_for_the_gates_end_twice(under_listener):
    """The answer comes when the gate has ended, and nothing comes of the second question."""
    imap = log_in(under_listener, "gate_end send send say=asked hear=33 say=ended")
    assert imap.line() == b"asked"
    gate, = under_listener.server.gates()
    os.kill(gate, signal.SIGKILL)
    assert imap.line() == b"ended"
    imap.wire.close()
    under_listener.wait_for(lambda: not under_listener.server.connections(), "processes are left")
