"""Thunderbird without a window. It obeys Marionette: commands in JSON over a port of its own."""

import itertools
import json
import os
import socket
import ssl
import subprocess
import time
from base64 import b64encode
from pathlib import Path

from wire import PATIENCE

# It is a hundred times as large as all that is tested here, and others run beside it.
START = 3 * PATIENCE

SCRIPT = Path(__file__).parent / "scripts" / "thunderbird.js"


class Marionette:
    """What is sent: length, colon, [0, number, command, arguments]; what comes: [1, number, error, result]."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.stream = self.socket.makefile("rb")
        self.numbers = itertools.count(1)
        self._receive()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.stream.close()
        self.socket.close()

    def __call__(self, command, **arguments):
        request = json.dumps([0, next(self.numbers), command, arguments]).encode()
        self.socket.sendall(b"%d:%b" % (len(request), request))
        _, _, error, result = self._receive()
        assert not error, error
        return result

    def _receive(self):
        length = b""
        while (octet := self.stream.read(1)) != b":":
            assert octet, "Thunderbird has gone"
            length += octet
        return json.loads(self.stream.read(int(length)))


def thunderbird(errand):
    profile = errand.folder / "profile"
    profile.mkdir()
    (profile / "user.js").write_text('user_pref("marionette.port", 0);\nuser_pref("app.update.enabled", false);\n')
    with open(errand.folder / "screen", "wb") as screen:
        process = subprocess.Popen(
            ["thunderbird", "--headless", "--no-remote", "--marionette", "--remote-allow-system-access", "--profile", profile],
            stdin=subprocess.DEVNULL, stdout=screen, stderr=screen, cwd=errand.folder,
            env=errand.environment(MOZ_CRASHREPORTER_DISABLE="1"))
    try:
        with Marionette(_port(profile, process)) as marionette:
            shown = _read(marionette, errand)
            marionette("Marionette:Quit", flags=["eForceQuit"])
        process.wait(PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    assert not shown.startswith(("dialog: ", "error: ")), shown
    return shown


def _port(profile, process):
    """It writes its port to this file when it is ready."""
    file, end = profile / "MarionetteActivePort", time.monotonic() + START
    while not (file.exists() and file.read_text()):
        assert process.poll() is None and time.monotonic() < end, (profile.parent / "screen").read_text()
        time.sleep(0.02)
    return int(file.read_text())


def _read(marionette, errand):
    marionette("WebDriver:NewSession")
    marionette("WebDriver:SetTimeouts", script=PATIENCE * 1000)
    marionette("Marionette:SetContext", value="chrome")
    certificate = b64encode(ssl.PEM_cert_to_DER_cert(errand.certificate.file.read_text())).decode()
    arguments = [errand.port, errand.security, errand.user, errand.password, certificate]
    shown = marionette("WebDriver:ExecuteAsyncScript", script=SCRIPT.read_text(), args=arguments)["value"]
    # A dialog ends the script without a result.
    return shown or f"dialog: {marionette('WebDriver:GetAlertText')['value']}"
