"""A gate that was taken over, at the real monitor (hostile-gate.c): the monitor ends, and nothing was started."""

import os
import signal
import subprocess

import pytest

from processes import ours
from stage import BUILD, TREE

# What is answered as a bug at once, and what ends otherwise.
BUGS = """nonsense one-octet type-only one-octet-short one-octet-long oversize type-zero type-unknown type-negative
    an-answer name-without-end secret-without-end tag-without-end cipher-without-end text-without-end with-descriptor
    launch-before-login launch-after-failure launch-with-login-unanswered launch-in-no-tunnel login-after-login
    sign-after-login login-once-too-often mechanism-zero mechanism-unknown mechanism-external mechanism-preauth mechanism-token
    sign-twice sign-anything sign-too-much sign-with-no-key ask-for-keys ask-for-a-key-for-ever no-tag tag-with-space tag-with-line-end
    log-without-end log-unknown-event log-unknown-reason log-unknown-mechanism log-forged-cipher""".split()
OTHERS = ["honest", "silent", "gone", "killed", "empty", "log-bug-of-mine"]


@pytest.fixture(scope="module")
def hostile(_stage):
    return _stage._copy(BUILD / "tests" / "hostile-gate")


@pytest.fixture
def run(stage, hostile):
    """Starts a case; gives the session and the recorder's report. Gates that are left over are ended."""
    sessions = []

    def start(name, *options, pam="joe"):
        report = stage.report()
        command = [hostile, name, *stage.options(pam, virtual=True), *stage.certificate().options, "--timeout", "1",
                   *map(str, options), "--", *stage.mailbox(report=report)]
        sessions.append(stage.launch(command))
        return sessions[-1], report

    yield start
    for session in sessions:
        session.stop()
    for pid in ours(hostile):
        os.kill(pid, signal.SIGKILL)


def test_all_cases_are_here(hostile):
    listed = subprocess.run([hostile, "--list"], capture_output=True, text=True, check=True, timeout=20).stdout.split()
    assert sorted(listed) == sorted(BUGS + OTHERS)


def test_an_honest_one_is_served(run):
    """Else all the others would prove nothing."""
    session, report = run("honest")
    session.expect("a OK recorder")
    assert report.written()


@pytest.mark.parametrize("name", BUGS)
def test_monitor_ends(run, name):
    session, report = run(name)
    assert session.status() == 70, session.log_text()
    text = session.log_text()
    assert text.count("]: bug ") == 1 and "]: handoff " not in text, text
    assert "rip=192.0.2.1" not in text
    assert "was refused" not in text and "was not let in" not in text, text
    assert not report.written() and session.buffer == b""


@pytest.mark.parametrize("keyholder", (False, True), ids=("alone", "key holder"))
@pytest.mark.parametrize("name, event", [
    ("sign-anything", "sign-refused"), ("sign-too-much", "sign-refused"), ("sign-with-no-key", "sign-refused"),
    ("ask-for-keys", None), ("ask-for-a-key-for-ever", "key-fail"),
])
def test_what_it_asks_of_a_key_has_the_clients_address(run, monkeypatch, name, event, keyholder):
    """The administrator must learn by whom the gate was taken over; it has no second try."""
    if keyholder:
        monkeypatch.setenv("HOSTILE_KEYHOLDER", "yes")
    session, _ = run(name)
    assert session.status() == 70, session.log_text()
    assert {line.name for line in session.log()} == {event, "bug"} - {None}
    assert all("rip" in line for line in session.log())


@pytest.mark.parametrize("listed", ("joe", "jane"))
def test_certificates_are_the_gates_word(stage, run, listed):
    """With --client-ca a gate can be whom the account step lets in, and nobody else: the manual's line, as it stands."""
    manual = (TREE / "src" / "imapgate.8").read_text().partition("account required pam_listfile.so")
    line = (manual[1] + manual[2].partition(".Ed")[0]).replace("\\e\n", "")
    users = stage.file("scratch")
    users.write_text(f"{listed}\n")
    stack = stage.testcode("name=joe password=sesame") + line
    session, report = run("mechanism-external", "--client-ca", stage.certificate().file,
                          pam=stack.replace("/etc/imapgate/cert-users", str(users)))
    session.half_close()
    session.rest()
    session.status()
    if listed == "joe":
        assert session.log("handoff") and report.written()
    else:
        assert session.log("auth-fail")[0]["reason"] == "PAM_AUTH_ERR" and not report.written()


@pytest.mark.parametrize("name", ("gone", "killed", "log-bug-of-mine"))
def test_gate_that_ends(run, name):
    session, report = run(name)
    assert session.status() != 0
    assert not report.written()
    assert "\nimapgate[1]" not in session.log_text()
    session.expect_end()


@pytest.mark.parametrize("name", ("silent", "empty"))
def test_gate_that_waits(run, name):
    """The deadline ends all of them."""
    session, report = run(name)
    session.expect_end(8)
    assert session.status(8) != 0
    assert not report.written()


def test_gate_does_not_outlive_its_monitor(run):
    """One that was taken over would keep the client's connection for itself, if nobody ended it."""
    session, _ = run("nonsense")
    session.status()
    session.expect_end(3)


MECHANISMS = ("mechanism-zero", "mechanism-unknown", "mechanism-external", "mechanism-preauth", "mechanism-token")
# What each of them is switched on by; --preauth peer is no such thing for any of them.
OPTIONS = {
    "none": [], "peer": ["--preauth", "peer"], "cleartext": ["--allow-cleartext", "all"], "kernel": ["--ktls", "off"],
    "wait": ["--pam-session", "wait"], "texts": ["--pam-text", "always"],
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", MECHANISMS)
def test_no_mechanism_is_switched_on_by_another_option(run, name, options):
    session, report = run(name, *OPTIONS[options], pam="permit")
    assert session.status() == 70, session.log_text()
    assert "]: auth-ok " not in session.log_text() and not report.written()
