"""The benchmark of tests/bench: what of it can be tested without a stopwatch. No time that was measured is ever a test."""

import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest

from stage import TREE

BENCH = TREE / "tests" / "bench"
WARNINGS = ["-Wall", "-Wextra", "-Wformat=2", "-Wswitch-enum", "-Wshadow", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Werror"]


@pytest.mark.parametrize("source", sorted(BENCH.glob("*.c")), ids=lambda path: path.name)
def test_compiles_without_a_warning(source):
    subprocess.run(["cc", "-std=gnu17", *WARNINGS, "-O2", "-D_GNU_SOURCE", "-c", "-o", "/dev/null", source], check=True)


def test_help():
    said = subprocess.run([sys.executable, "-B", BENCH / "run", "--help"], capture_output=True, text=True, check=True).stdout
    assert "imapgate-listener" in said and "dovecot-performance" in said


@pytest.mark.parametrize("name", ["dovecot-performance", "dovecot-security"])
def test_dovecot_takes_its_settings(tmp_path, monkeypatch, name):
    """Dovecot 2.3 and 2.4 have other names for them: those of the one that is installed."""
    if not shutil.which("doveconf"):
        pytest.skip("no Dovecot: install dovecot-imapd")
    monkeypatch.syspath_prepend(str(BENCH))
    import servers
    server = next(server for server in servers.ALL if server.name == name)
    for file in ("cert", "key"):
        (tmp_path / file).touch()
    stage = SimpleNamespace(folder=tmp_path, cert=tmp_path / "cert", key=tmp_path / "key", port=1143, log=lambda name: tmp_path / name)
    settings = tmp_path / "dovecot.conf"
    settings.write_text(server.configuration(stage, "tls", "/usr/lib/dovecot/imap"))
    done = subprocess.run(["doveconf", "-n", "-c", settings], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "~/Maildir" in done.stdout and "pam" in done.stdout


@pytest.fixture
def figures(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import figures
    return figures


def test_ratios_are_of_medians(figures):
    results = figures.Results(["floor", "gate", "absent"])
    floor, gate = SimpleNamespace(name="floor"), SimpleNamespace(name="gate")
    done = {"logins": 100, "errors": 0, "seconds": 2, "p50_us": 4000, "p99_us": 9000, "greeting_us": 700, "client_us": 0}
    for spent in (100_000, 90_000, 500_000):
        results.add_load(floor, "plain", done, spent, 0, 0.5)
    for spent in (300_000, 350_000, 900_000):
        results.add_load(gate, "plain", done, spent, 0, 0.5)
    text = results.tables()
    assert "| floor | 1.0 (1000) | - | - |" in text
    assert "| gate | 3.5 (3500) | - | - |" in text
    assert "| gate | plain | 50 | 4.0 | 9.0 | 0.7 | 3000 to 9000 | 0 | 0.50 | 0 |" in text
    assert "absent" not in text


def test_memory_is_by_connection(figures):
    results = figures.Results(["gate"])
    results.add_held("memory", SimpleNamespace(name="gate"), "tls", "greeted", {"logins": 50, "errors": 0, "seconds": 1.5}, 1000, 6000,
                     None, None)
    assert "| gate | tls | not logged in | 50 | 100 | - | 1.50 | 1000 |" in results.tables()
