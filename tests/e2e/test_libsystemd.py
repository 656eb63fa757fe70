"""libsystemd: loaded where systemd is about, and nowhere else; and an answer where it is missing."""

import pytest

from libraries import hide, loaded
from test_log import STREAM
from test_start import LISTEN_FDS


@pytest.mark.parametrize("target", ("stderr", "syslog", "auto"))
def test_superserver_loads_none_of_it(root_stage, target):
    with root_stage.ready("--log", target, on="tcp") as imap:
        assert {"libsystemd", "libgcrypt", "liblzma"}.isdisjoint(loaded(imap.process.pid))


def test_journal_of_another(root_stage):
    """A service's child has its JOURNAL_STREAM, but perhaps another standard error: inetd's has."""
    with root_stage.ready("--log", "auto", env={"JOURNAL_STREAM": "1:2"}) as imap:
        assert "libsystemd" not in loaded(imap.process.pid)


@pytest.mark.parametrize("options, wrap", [
    (["--log", "journal"], []), (["--log", "auto"], STREAM), ([], ["sh", "-c", LISTEN_FDS, "sh"]),
], ids=("journal", "stream", "activated"))
def test_loaded_for_systemd(root_stage, options, wrap):
    with root_stage.ready(*options, wrap=wrap) as imap:
        assert "libsystemd" in loaded(imap.process.pid)


@pytest.fixture
def without():
    """What to put before a command so that it finds no libsystemd."""
    return hide("libsystemd.so.0")


def test_superserver_without_it(root_stage, without):
    with root_stage.ready(wrap=without) as imap:
        imap.login()


def test_journal_without_it(root_stage, without):
    """What was asked for by name is not replaced by something else; the reason is in syslog, or on standard error."""
    with root_stage.start("--log", "journal", wrap=without) as imap:
        imap.expect_end()
        assert imap.status() == 75


def test_activated_without_it(root_stage, without):
    with root_stage.start(wrap=[*without, "sh", "-c", LISTEN_FDS, "sh"]) as imap:
        imap.expect_end()
        assert imap.status() == 75
        assert "what sockets were passed can't be found out: " in imap.log_text()
