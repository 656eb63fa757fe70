"""The Makefile's own steps, where one that fails must not look as if it had not."""

import subprocess

from stage import TREE


def test_library_that_is_not_there(tmp_path):
    """Its functions can't be listed: that ends the build there, not with hundreds of undefined references later."""
    header = tmp_path / "lazyload-pam.h"
    done = subprocess.run(["make", "--no-print-directory", f"BUILD={tmp_path}", "OBJS=", "LAZYLOAD=nowhere pam",
                           "LAZYLOAD_pam=nowhere pam", str(header)], cwd=TREE, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "libnowhere.so" in done.stderr, done.stderr
    assert not header.exists()
