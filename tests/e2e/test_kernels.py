"""Kernels and containers that lack a system call of newer ones: logins work all the same, and --check tries what a login uses."""

import errno
import os
import subprocess

import pytest

from denied import without
from listening import Listener

CLOSE_RANGE_CLOEXEC = 4
KERNELS = {
    "before-5.9": ("close_range", errno.ENOSYS),
    "container": ("close_range", errno.EPERM),
    "before-5.11": ("close_range", errno.EINVAL, CLOSE_RANGE_CLOEXEC),
}


@pytest.fixture(params=KERNELS)
def wrap(request):
    return without(*KERNELS[request.param])


def test_versions(stage):
    """What a report of a fault has to name."""
    certificate = stage.certificate()
    said = subprocess.run([stage.program, "--check", *map(str, certificate.options), "--", "/bin/true"], capture_output=True, text=True, timeout=60).stdout
    line, = (line for line in said.splitlines() if "versions: " in line)
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.split()[1]
    assert line.startswith("ok") and f"Linux {os.uname().release} {os.uname().machine}" in line
    assert f", OpenSSL {openssl};" in line and f"glibc {os.confstr('CS_GNU_LIBC_VERSION').split()[1]}" in line


@pytest.mark.parametrize("on", ("unix", "tls", "starttls"))
def test_login_without_close_range(stage, wrap, on):
    report = stage.report()
    with stage.ready(on=on, wrap=wrap, mailbox=stage.mailbox("tag", "echo", report=report)) as imap:
        imap.login()
        imap.hand_over()
        assert sorted(report.descriptors) == [0, 1, 2]


def test_listener_without_close_range(stage, wrap):
    certificate = stage.certificate()
    with Listener(stage, *certificate.options, wrap=wrap) as listener:
        imap = listener.connect()
        imap.starttls(certificate.context())
        imap.login()
        imap.wire.close()


def test_check_is_content_without_close_range(root_stage, wrap):
    said = subprocess.run([*wrap, root_stage.program, "--check", *root_stage.options("joe"), "--", "/bin/true"],
                          capture_output=True, text=True, timeout=30).stdout
    line, = (line for line in said.splitlines() if " sandbox" in line)
    assert line.startswith("ok"), said
