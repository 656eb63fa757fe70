"""What is in a process's memory: the secrets of its client's session, above all."""

import hashlib
import hmac

from cases import TLS13, greeted
from server import PASSWORD, read


def memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            area, rights = line.split()[:2]
            if not rights.startswith("r") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in area.split("-"))
            memory.seek(start)
            yield memory.read(end - start)


def traffic_secrets(keylog):
    """What the client's key log has, by name."""
    return {line.split()[0]: bytes.fromhex(line.split()[2]) for line in read(keylog).splitlines() if "TRAFFIC" in line}


def expand_label(secret, label, size):
    """RFC 8446, 7.1, for TLS_AES_128_GCM_SHA256."""
    label = b"tls13 " + label
    return hmac.new(secret, bytes([0, size, len(label), *label, 0, 1]), hashlib.sha256).digest()[:size]


def relayed(stage, *options, behind=b""):
    """Logs in, with this in the same record: how the relay's line is, and how often each secret is in the relay's memory."""
    keylog = str(stage.folder / f"keylog{next(stage.names)}")
    client, session = greeted(stage, *options, "--tls", "Ciphersuites=TLS_AES_128_GCM_SHA256", version=TLS13, keylog=keylog)
    client.send(b"a1 LOGIN joe " + PASSWORD.encode() + b"\r\n" + behind)
    client.until(rb"a1 OK .*\r\n")
    memory = list(memory_of(session.relay_pid()))
    forms = {"password": PASSWORD.encode()}
    for name, secret in traffic_secrets(keylog).items():
        digits = secret.hex().encode()
        forms |= {f"{name}, digits": digits, f"{name}, capitals": digits.upper(), name: secret}
        forms |= {f"{name}, key": expand_label(secret, b"key", 16), f"{name}, nonce": expand_label(secret, b"iv", 12)}
    return session.how(), {name: sum(octets.count(form) for octets in memory) for name, form in forms.items()}
