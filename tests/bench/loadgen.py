"""The clients: loadgen.c, on a core of its own."""

import json
import os
import subprocess

CLIENT_CORE = 0
IN_FLIGHT = 32          # connections that are being opened at the same time


def _start(stage, what, mode, *arguments, **pipes):
    command = [stage.loadgen, what, str(stage.port), mode, stage.user, stage.password, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=stage.pin_client, **pipes)


def load(stage, mode, clients, seconds):
    """Logs in and out for so long. Returns what loadgen.c found, and the time that it took itself."""
    process = _start(stage, "load", mode, clients, seconds, stdin=subprocess.DEVNULL)
    line = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status != 0:
        raise RuntimeError(f"loadgen ended with {status}")
    return {**json.loads(line), "client_us": (usage.ru_utime + usage.ru_stime) * 1e6}


class Hold:
    """Connections that are there until the end of the with block."""

    def __init__(self, stage, mode, connections, until):
        self.process = _start(stage, "hold", mode, min(IN_FLIGHT, connections), connections, until, stdin=subprocess.PIPE)

    def __enter__(self):
        self.result = json.loads(self.process.stdout.readline())
        return self

    def __exit__(self, *exception):
        self.process.stdin.close()
        self.process.wait()
