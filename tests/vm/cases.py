"""What all cases stand on: the list of them, and how most begin."""

import functools
import hashlib
import ssl

from client import Client

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SUITES = [
    (TLS13, "TLS_AES_128_GCM_SHA256"), (TLS13, "TLS_AES_256_GCM_SHA384"), (TLS13, "TLS_CHACHA20_POLY1305_SHA256"),
    (TLS12, "ECDHE-ECDSA-AES128-GCM-SHA256"), (TLS12, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (TLS12, "ECDHE-ECDSA-CHACHA20-POLY1305"),
]
PATTERN = bytes(ord("!") + i * 31 % 89 for i in range(1 << 16))
TRAILER = hashlib.shake_256(b"trailer").digest(4 << 20)

cases = []


def case(function, *arguments):
    words = [function.__name__, *(getattr(argument, "__name__", None) or getattr(argument, "name", None) or str(argument)
                                  for argument in arguments)]
    cases.append((" ".join(words).replace("_", " "),
                  functools.partial(function, *arguments)))
    return function


class Skip(Exception):
    pass


def expect(got, wanted, what):
    if got != wanted:
        raise AssertionError(f"{what}: {repr(got):.200} instead of {repr(wanted):.200}")


def poured(octets):
    return (PATTERN * (octets // len(PATTERN) + 1))[:octets]


def suite_options(version, suite):
    setting = "Ciphersuites" if version == TLS13 else "CipherString"
    return ["--tls", f"{setting}={suite}"]


def greeted(stage, *options, version=None, ciphers=None, keylog=None, certificate=None, resumed=None, **starting):
    """A client that has read the greeting, and its session."""
    sock, session = stage.start(*options, **starting)
    client = Client(sock, version, ciphers, keylog, certificate, resumed).handshake()
    client.line()
    return client, session


def logged_in(stage, *options, **starting):
    client, session = greeted(stage, *options, **starting)
    client.login()
    expect(session.how(), "ktls", "handoff")
    return client, session
