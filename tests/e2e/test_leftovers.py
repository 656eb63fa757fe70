"""The watch that looks behind each test: it finds what it is there for."""

import subprocess

import pytest

import leftovers
from processes import Process, gate_of, ours, wait_for_ends


@pytest.fixture
def watch(stage):
    found = leftovers.Watch(stage, False)
    found.begin()
    return found


def test_process_that_stays(stage, watch, monkeypatch):
    monkeypatch.setattr(leftovers, "PATIENCE", 0.1)
    imap = stage.ready()
    wrong = watch.end()
    assert [line.split()[:5] for line in wrong] == [["process", str(imap.process.pid), "is", "left", "over:"]]
    imap.looked_at_status = True
    imap.stop()
    assert not wait_for_ends(ours(stage.folder), 10)


def test_processor_time(stage, watch, monkeypatch):
    """Of one that was waited for, and of one that still runs: no process of ours takes none at all."""
    monkeypatch.setattr(leftovers, "OWN", -1.0)
    with stage.ready() as imap:
        again = leftovers.Watch(stage, False)
        again.begin()
        assert [line.split()[1] for line in again.end()] == [str(imap.process.pid)]
    assert any(line.startswith("imapgate has taken ") for line in watch.end())


def test_processor_time_is_measured(watch):
    process = subprocess.Popen(["python3", "-c", "import time\nwhile time.process_time() < 0.2: pass"])
    assert process.wait(20) == 0
    ended = Process.ended[-1]
    assert ended.name.startswith("python") and 0.15 < ended.own < 5


def test_relay_that_was_left_to_us(stage, watch, monkeypatch):
    """Its parent, the mailbox program, has gone before it: it is an orphan, and seen at the second look."""
    with stage.ready(on="tls", mailbox=stage.mailbox("tag", "echo")) as imap:
        relay = gate_of(imap.process.pid)
        imap.login()
        imap.hand_over()
    monkeypatch.setattr(leftovers, "OWN", -1.0)
    Process.ended.clear()
    wait_for_ends([relay], leftovers.PATIENCE)
    assert watch.end() == [] and len(watch.dead) == 1
    assert [line.split()[0] for line in watch.end()] == ["imapgate-gate"]
