"""Which libraries a process has loaded, and how to keep one from it."""

import re
import subprocess
from pathlib import Path

from processes import need_mounts


def loaded(pid):
    """What is mapped into a process, by the names of files."""
    return set(re.findall(r"/(lib[\w+-]+)\.so", Path(f"/proc/{pid}/maps").read_text()))


def hide(name):
    """What to put before a command so that it does not find this library."""
    cache = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    hidden = [Path(path).resolve() for path in re.findall(rf"=> (\S*/{re.escape(name)})\n", cache)]
    need_mounts()
    mounts = "".join(f"mount --bind /dev/null {path}; " for path in hidden)
    return ["unshare", "--mount", "sh", "-ec", mounts + 'exec "$@"', "sh"]
