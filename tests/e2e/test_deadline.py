"""The login's deadline holds in every state, and what comes too late is told so where it can be.

Each case waits for a second or more, so they all run at the same time; the
test of a case is to look at what became of it.
"""

import concurrent.futures
import ssl
import time

import pytest

from record import wait_for_file
from wire import TlsWire

pytestmark = [pytest.mark.timed, pytest.mark.background]

# One second is the shortest deadline; the slack is for a busy machine.
DEADLINE, SLACK = 1.0, 1.0
# Behind it the last words may still be read, and a module that hangs is waited for a little.
GRACE = 3.0

CASES = {}


def case(name, *arguments):
    """Makes the function below a case, with these arguments behind the stage."""
    def add(function):
        assert name not in CASES
        CASES[name] = lambda stage: function(stage, *arguments)
        return function
    return add


@pytest.fixture(scope="module")
def running(_stage):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        yield {name: pool.submit(function, _stage) for name, function in CASES.items()}


class Clock:
    """Measures from the start of a connection, perhaps another clock's, to its end as the client sees it, or to the end of the process."""

    def __init__(self, grace=0.0, since=None):
        self.latest = DEADLINE + SLACK + grace
        self.since = since

    def __enter__(self):
        self.start = self.since.start if self.since else time.monotonic()
        return self

    def __exit__(self, *exception):
        if exception[0] is None:
            took = time.monotonic() - self.start
            assert DEADLINE - 0.2 <= took <= self.latest, f"{took:.2f} s"


def start(stage, on="unix", **more):
    return stage.start("--timeout", "1", on=on, **more)


def ends_with_bye(imap):
    assert imap.lines_to_end()[-1].startswith(b"* BYE ")
    assert imap.logged_end()["reason"] == "timeout"


# What a client may have sent when it falls silent.
STATES = {
    "after the greeting": b"",
    "in a line": b"a LOG",
    "in a tag": b"a",
    "behind CR": b"a NOOP\r",
    "in a literal": b"a LOGIN {30+}\r\njoe",
    "before an invited literal": b"a LOGIN {3}\r\n",
    "in an invited literal": b"a LOGIN {3}\r\njo",
    "behind a literal": b"a LOGIN {3+}\r\njoe",
    "in authenticate": b"a AUTHENTICATE PLAIN\r\n",
    "in a response": b"a AUTHENTICATE PLAIN\r\nAGpv",
    "in a second challenge": b"a AUTHENTICATE LOGIN\r\nam9l\r\n",
    "after a command": b"a NOOP\r\n",
    "after a failed login": b"a LOGIN joe mumble\r\n",
}


def silence(stage, sent):
    with Clock(), start(stage) as imap:
        imap.greeting()
        imap.send(sent)
        ends_with_bye(imap)


for state, octets in STATES.items():
    case(f"silence {state}", octets)(silence)


@case("silence on a pipe", "pipe")
@case("silence on tcp", "tcp")
@case("silence under tls", "tls")
@case("silence under starttls", "starttls")
def silence_elsewhere(stage, on):
    with Clock(), start(stage, on) as imap:
        if on != "starttls":
            imap.greeting()
        ends_with_bye(imap)


@case("an octet now and then")
def drip(stage):
    """It buys no time: the octets come until the deadline, and not all at once."""
    with Clock(), start(stage) as imap:
        imap.greeting()
        for octet in b"a LOGIN joe":
            imap.send(bytes([octet]))
            time.sleep(0.08)
        ends_with_bye(imap)


@case("commands that are answered")
def busy(stage):
    """They buy no time either, up to the deadline."""
    with Clock(), start(stage) as imap:
        imap.greeting()
        try:
            while b"BYE" not in imap.command("a NOOP")[1]:
                time.sleep(0.05)
        except (OSError, AssertionError):
            pass
        imap.rest()
        assert imap.logged_end()["reason"] == "timeout"


@case("nothing for a handshake", "tls", "nothing")
@case("one octet for a handshake", "tls", "one octet")
@case("half a hello", "tls", "half a hello")
@case("a hello and nothing else", "tls", "hello")
@case("nothing behind starttls", "starttls", "nothing")
@case("one octet behind starttls", "starttls", "one octet")
@case("half a hello behind starttls", "starttls", "half a hello")
@case("a hello and nothing else behind starttls", "starttls", "hello")
def handshake(stage, on, how):
    """Threat T10. There is no language yet to say goodbye in."""
    with Clock(), start(stage, on, handshake=False) as imap:
        if on == "starttls":
            imap.greeting()
            imap.send("a STARTTLS\r\n")
            imap.expect("a OK ...")
        imap.hand_over()
        tls = TlsWire(imap.wire, stage.certificate().context(), "localhost")
        try:
            tls.tls.do_handshake()
        except ssl.SSLWantReadError:
            hello = tls.outgoing.read()
        imap.send({"nothing": b"", "one octet": hello[:1], "half a hello": hello[:100], "hello": hello}[how])
        said = imap.rest()
        # Shorter words come up in encrypted octets by chance.
        assert b"* BYE" not in said and b"* OK" not in said
        assert imap.logged_end()["reason"] in ("timeout", "tls-failed")


@case("a module hangs in auth", "unix", "sleep")
@case("a module hangs in auth, under tls", "tls", "sleep")
@case("a module hangs in account", "unix", "account-sleep")
@case("a module hangs in session", "unix", "open-sleep")
def module_hangs(stage, on, phase):
    """Threat T51: whatever signals come; the client is told, and the process is gone."""
    with Clock(GRACE) as clock, start(stage, on, pam=f"name=joe password=sesame {phase}=30") as imap:
        imap.greeting()
        with Clock(since=clock):
            imap.send("a LOGIN joe sesame\r\n")
            lines = imap.lines_to_end()
        assert lines and any(b"[UNAVAILABLE]" in line for line in lines), lines
        assert not any(b" OK" in line for line in lines)
        assert imap.status() == 75
        assert imap.log("auth-fail")[0]["reason"] == "deadline"
        assert not imap.log("handoff")


@case("a module's program hangs")
def program_hangs(stage):
    """pam_exec waits for its child."""
    stack = "auth required pam_exec.so quiet /bin/sleep 4\naccount required pam_permit.so\n"
    with Clock(GRACE) as clock, start(stage, pam=stack, virtual=True) as imap:
        imap.greeting()
        with Clock(since=clock):
            imap.send("a LOGIN joe sesame\r\n")
            assert any(b"[UNAVAILABLE]" in line for line in imap.lines_to_end())
        assert imap.status() == 75


@case("a module hangs and the client goes")
def client_goes(stage):
    """Nobody waits any more, and still nothing stays behind for long."""
    asked = stage.file("reports")
    with Clock(GRACE), start(stage, pam=f"sleep=30 record={asked}") as imap:
        imap.greeting()
        imap.send("a LOGIN joe sesame\r\n")
        wait_for_file(asked)
        imap.wire.close()
        assert imap.status() in (0, 75)


@pytest.mark.parametrize("password", ("sesame", "mumble"))
def test_attempt_whose_delay_does_not_fit_is_not_judged(stage, password):
    """Threat T33: cut off by the deadline, the time of the answer would say how long PAM took, and so whether there is such a user."""
    record = stage.file("reports")
    with stage.ready("--timeout", "2", "--failure-delay", "1", pam=f"name=joe password=sesame record={record}") as imap:
        time.sleep(1.2)     # more of the deadline has to be over than the delay leaves
        assert imap.command(f"a LOGIN joe {password}")[1].startswith(b"a NO [UNAVAILABLE] ")
        imap.expect("* BYE ...")
        imap.expect_end()
        assert imap.logged("auth-fail")["reason"] == "deadline"
        # No other attempt would fit, so the end comes at once.
        assert imap.logged("end")["reason"] == "unavailable"
    assert not record.exists(), "PAM was asked"


def test_attempts_behind_the_deadline_are_not_judged(stage):
    """Several that are sent at once are answered no sooner than one after the other, and not beyond it."""
    record = stage.file("reports")
    with stage.ready("--timeout", "2", "--failure-delay", "0.5", "--max-attempts", "100",
                     pam=f"name=joe password=sesame record={record}") as imap:
        imap.send("".join(f"a{i} LOGIN joe mumble{i}\r\n" for i in range(20)))
        imap.lines_to_end()
        imap.status()
    assert 1 <= record.read_text().count("auth ") <= 3


@case("a client that never reads", "unix")
@case("a client that never reads, on tcp", "tcp")
@case("a client that never reads, on a pipe", "pipe")
@case("a client that never reads, under tls", "tls")
def never_reads(stage, on):
    """Threat T51: a writer that is blocked has a deadline too."""
    with Clock(GRACE), start(stage, on) as imap:
        try:
            for _ in range(3000):
                imap.wire.send(b"a CAPABILITY\r\n" * 100, timeout=0.3)
        except (AssertionError, OSError):
            pass
        assert imap.status() == 0
        assert imap.log("end")[0]["reason"] in ("timeout", "disconnected")


@pytest.mark.parametrize("name", CASES)
def test_deadline(running, name):
    running[name].result()


def test_deadline_is_not_met_early(stage):
    """Two seconds are two seconds, and after the login there is none."""
    with stage.start("--timeout", "2") as imap:
        imap.greeting()
        time.sleep(1.4)     # only time shows that it is not over
        assert imap.command("a NOOP")[1] == b"a OK NOOP completed"
        imap.login()
        time.sleep(1)       # likewise: the two seconds are over now
        assert imap.command("b NOOP")[1] == b"b OK heard NOOP"
