"""The virtual machine of `make check-vm`: where it can't be had that is skipped, and said with what is missing."""

import os
import shutil
import subprocess

import pytest

from stage import TREE

ENOUGH = ("apt-get", "bash", "busybox", "cat", "cpio", "dirname", "dpkg-deb", "env", "ldd", "make", "mktemp", "nproc", "realpath", "rm", "sh", "uname")


@pytest.fixture
def run(tmp_path):
    """tests/vm/NAME with no more in its PATH than the tools of a bare system."""
    if os.uname().machine != "x86_64":
        pytest.skip("tests/vm/run is for amd64")
    for name in ENOUGH:
        program = shutil.which(name)
        if program is None:
            pytest.skip(f"no {name}")
        (tmp_path / name).symlink_to(program)

    def run(name, *arguments, **settings):
        return subprocess.run([TREE / "tests" / "vm" / name, *arguments], capture_output=True, text=True, timeout=60,
                              env={"PATH": str(tmp_path), "HOME": str(tmp_path), **settings})
    return run


@pytest.mark.parametrize("settings, words", [
    ({"VM_ARCH": "arm64"}, "no qemu-system-aarch64 (package: qemu-system-arm)"),
    ({"VM_ARCH": "vax"}, "VM_ARCH=vax: there are amd64 and arm64"),
    ({"VM_KERNEL": "linux-image-amd64"}, "no qemu-system-x86_64 (package: qemu-system-x86)"),
], ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "")
def test_machine_that_is_not_there(run, settings, words):
    done = run("run", "true", **settings)
    assert done.returncode == 77 and words in done.stderr, (done.returncode, done.stderr)


def test_compiler_that_is_not_there(run):
    done = run("check", VM_ARCH="arm64")
    assert done.returncode == 0 and "no aarch64-linux-gnu-gcc (package: gcc-aarch64-linux-gnu)" in done.stderr, done.stderr
    assert done.stdout.endswith("0 passed, 0 failed, 1 skipped\n")
