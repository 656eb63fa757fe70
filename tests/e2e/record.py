"""Reads what the recorder (mailbox-recorder.c) and the PAM module (pam_testcode.c) wrote down."""

import time

from wire import PATIENCE


def pam_calls(path):
    """What the module was told: a list of dictionaries, one for each call."""
    calls = []
    for line in path.read_text().splitlines():
        phase, *pairs = line.split(" ")
        calls.append({"phase": phase, **dict(pair.split("=", 1) for pair in pairs)})
    return calls


def wait_for_file(path):
    """Waits until somebody has written into it: a PAM module that was asked, a mailbox program that runs."""
    end = time.monotonic() + PATIENCE
    while not path.exists() or path.stat().st_size == 0:
        assert time.monotonic() < end, f"nothing was written into {path.name}"
        time.sleep(0.002)


class Report:
    def __init__(self, path):
        self.path = path
        self._entries = None

    def _wait(self, path):
        end = time.monotonic() + PATIENCE
        while not path.exists():
            assert time.monotonic() < end, f"the mailbox program has not written {path.name}"
            time.sleep(0.002)
        return path.read_bytes()

    @property
    def entries(self):
        """All (key, value) pairs."""
        if self._entries is None:
            texts = self._wait(self.path).decode("utf-8", "surrogateescape").split("\0")[:-1]
            self._entries = [tuple(text.split(" ", 1)) for text in texts]
        return self._entries

    def written(self):
        return self.path.exists()

    def all(self, key):
        return [value for name, value in self.entries if name == key]

    def one(self, key):
        values = self.all(key)
        assert len(values) == 1, f"{key}: {values}"
        return values[0]

    @property
    def arguments(self):
        return self.all("arg")

    @property
    def environment(self):
        pairs = [value.split("=", 1) for value in self.all("env")]
        names = [name for name, _ in pairs]
        assert len(set(names)) == len(names), f"a variable twice: {names}"
        return dict(pairs)

    @property
    def descriptors(self):
        return {int(fd): target for fd, target in (value.split(" ", 1) for value in self.all("fd"))}

    @property
    def status(self):
        """/proc/self/status."""
        pairs = (value.split(":", 1) for value in self.all("status"))
        return {name: value.strip() for name, value in pairs}

    def input(self):
        """All that the program read, when it was told to store its input."""
        return self._wait(self.path.with_name(self.path.name + ".input"))
