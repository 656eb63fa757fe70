"""libsystemd: loaded where systemd is about, and nowhere else; and an answer where it is missing."""

import pytest

from libraries import hide, loaded
from test_log import STREAM, standing_in
from test_start import LISTEN_FDS


@pytest.mark.parametrize("target", ("stderr", "syslog", "auto"))
def test_superserver_loads_none_of_it(root_stage, target):
    with root_stage.ready("--log", target, on="tcp") as imap:
        assert {"libsystemd", "libgcrypt", "liblzma"}.isdisjoint(loaded(imap.process.pid))


def test_journal_of_another(root_stage):
    """A service's child has its JOURNAL_STREAM, but perhaps another standard error: inetd's has."""
    with root_stage.ready("--log", "auto", env={"JOURNAL_STREAM": "1:2"}) as imap:
        assert "libsystemd" not in loaded(imap.process.pid)


def test_lines_for_the_journal_need_none_of_it(root_stage):
    with standing_in(root_stage, "journal") as (_, wrap), root_stage.ready(wrap=[*wrap, *STREAM]) as imap:
        assert "libsystemd" not in loaded(imap.process.pid)


def test_loaded_for_sockets_of_systemd(root_stage):
    with root_stage.ready(wrap=["sh", "-c", LISTEN_FDS, "sh"]) as imap:
        assert "libsystemd" in loaded(imap.process.pid)


@pytest.fixture
def without():
    """What to put before a command so that it finds no libsystemd."""
    return hide("libsystemd.so.0")


def test_superserver_without_it(root_stage, without):
    with root_stage.ready(wrap=without) as imap:
        imap.login()


def test_journal_without_it(root_stage, without):
    """The mailbox program has no stream of its own then, and nobody else's."""
    report = root_stage.report()
    with standing_in(root_stage, "journal") as (_, wrap), \
            root_stage.ready("--log", "journal", wrap=[*wrap, *without], mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login()
        assert report.descriptors[2] == "/dev/null"


def test_activated_without_it(root_stage, without):
    with root_stage.start(wrap=[*without, "sh", "-c", LISTEN_FDS, "sh"]) as imap:
        imap.expect_end()
        assert imap.status() == 75
        assert "can't read the sockets passed by systemd: " in imap.log_text()
