"""What all pytest files share: the stage, what is run through a listener, and three rules for the whole run.

In CI (the variable CI is set) a skipped test is a failed one; no log of the
run may hold a password; and no test may leave a process, or one that spins.
"""

import base64
import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "e2e"))

import leftovers  # noqa: E402
from accounts import have_own_etc  # noqa: E402
from processes import Process, ours, wait_for_ends  # noqa: E402

subprocess.Popen = Process

# These build a program of their own, so under the sanitizers they would only be the same once more; or are about what that build is not.
collect_ignore = ["e2e/test_package.py", "e2e/test_readme.py", "e2e/test_lazyload.py"] if os.environ.get("SAN") == "1" else []

PR_SET_CHILD_SUBREAPER = 36

# Run a second time with IMAPGATE_TEST_MODE=listener, and no others: what a listener does in another way than a superserver's child.
LISTENED = (
    "transcripts",      # accepting a connection, and the context of TLS: once each
    "start",            # options, and the status with which it ends
    "deadline",         # counted from accept(2); SIGTERM and the place that is held
    "limits",           # attempts, delays, and failures that an address shares
    "handoff", "relay", # parents, signals, and descriptors that go on to the mailbox program
    "identity", "hygiene", "sandbox",   # two processes more to inherit from
    "tls", "external",  # the signer signs, and the authorities were read before the fork
    "session", "attempts", "proxy",     # what gate and monitor tell the listener, and how it ends both
    "preauth",          # the socket's name decides, and accept(2) tells the peer
    "log",              # the lines that the listener adds to what a connection says
)


def pytest_configure(config):
    config.addinivalue_line("markers", "superserver(why): is not so under a listener")
    config.addinivalue_line("markers", "background: runs its cases beside each other, so processes may outlive a test, but not the file")
    config.addinivalue_line("markers", "timed: says how long something took at most, so it is run when no other test is")
    # As a superserver leaves them to what it starts; a shell in the background ignores two, nohup(1) one more.
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        if signal.getsignal(getattr(signal, name)) == signal.SIG_IGN:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    # Orphans come to us, so that a relay which never ends is seen.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # One of several that pytest-xdist runs side by side: gw0, gw1.
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and os.getuid() == 0:
        have_own_etc(int(worker.removeprefix("gw")))


def pytest_ignore_collect(collection_path):
    """Only saves time: what is left of these files would be deselected below."""
    topic = collection_path.stem.removeprefix("test_")
    ignored = collection_path.suffix == ".py" and topic != collection_path.stem and topic not in LISTENED
    return True if ignored and os.environ.get("IMAPGATE_TEST_MODE") == "listener" else None


# Those that take half a minute and more, the longest first: the last file of several that run side by side is waited for alone.
LONG = ("clients", "recipes", "readme", "package", "coincidence", "listener", "processes", "signals", "secrets", "check", "hostile_gate", "probe")


def pytest_collection_modifyitems(config, items):
    # Files are handed out in this order.
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.stem.removeprefix("test_"), len(LONG)))
    if os.environ.get("IMAPGATE_TEST_MODE") != "listener":
        return
    # item.path is pytest 7's.
    listened = [item for item in items
                if Path(item.location[0]).stem.removeprefix("test_") in LISTENED and not item.get_closest_marker("superserver")
                and item.originalname != "test_bytewise"]
    config.hook.pytest_deselected(items=[item for item in items if item not in listened])
    items[:] = listened


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr}"


# Of the stage, once there is one.
_folders = []


@pytest.fixture(scope="session")
def _stage():
    from stage import BINARY, Stage

    if not BINARY.exists():
        pytest.fail(f"{BINARY} is not there: make tests", pytrace=False)
    stage = Stage()
    _folders.append(stage.folder)
    try:
        yield stage
        _no_password_in_any_log(stage)
    finally:
        stage.remove()


@pytest.fixture(scope="session")
def _watch(_stage):
    return leftovers.Watch(_stage, "asan" in os.environ.get("IMAPGATE_BUILD", ""))


@pytest.fixture(autouse=True)
def nothing_left_by_a_test(request):
    if "_stage" not in request.fixturenames:
        yield
        return
    watch = request.getfixturevalue("_watch")
    watch.begin()
    yield
    if not request.node.get_closest_marker("background"):
        wrong = watch.end()
        assert not wrong, "\n".join(wrong)


@pytest.fixture(autouse=True, scope="module")
def nothing_left_by_a_file():
    """Behind the servers that its tests share."""
    yield
    for folder in _folders:
        left = {pid: leftovers.end_of(pid) for pid in wait_for_ends(ours(folder), leftovers.PATIENCE)}
        assert not left, f"left over behind the file's last test: {left}"


@pytest.fixture
def stage(_stage):
    return _stage


@pytest.fixture
def root_stage(_stage):
    """For tests that need real users, or a monitor that is root."""
    if not _stage.as_root:
        pytest.skip("needs root: it makes system users")
    return _stage


@pytest.fixture(scope="session")
def courier(_stage):
    """Unpacked from its package, as it can't be installed beside Dovecot; where every user may run it."""
    from stage import TREE

    done = subprocess.run([TREE / "tests" / "courier"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"no Courier: {done.stderr.strip()}")
    target = _stage.folder / "courier"
    shutil.copytree(Path(done.stdout.strip()).parent, target, symlinks=True)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)
    return str(target / "imapd")


def _no_password_in_any_log(stage):
    from stage import SESAME

    passwords = [SESAME] + [account.password for account in stage.users.values()]
    spellings = {spelling for password in passwords for spelling in _spellings(password.encode())}
    found = {path.name: spelling for path in (stage.folder / "logs").iterdir()
             for spelling in spellings if spelling in path.read_bytes()}
    assert not found, f"passwords in logs: {found}"


def _spellings(password):
    """As it is, and as it shows in base64 at each of the three offsets."""
    yield password
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + password)
        yield encoded[(shift * 8 + 5) // 6:len(encoded) - 4]
