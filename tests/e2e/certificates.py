"""Self-signed certificates for localhost, one of each kind of key, made by openssl."""

import ssl
import subprocess
from pathlib import Path

KINDS = {
    "rsa": ["rsa:2048"],
    "ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "ed25519": ["ed25519"],
}


class Certificate:
    def __init__(self, folder, kind, name="localhost", days=7):
        self.kind, self.name, self.days = kind, name, days
        self.file = Path(folder) / f"{kind}-{name}.crt"
        self.key = Path(folder) / f"{kind}-{name}.key"
        self.both = Path(folder) / f"{kind}-{name}.pem"
        if not self.both.exists():
            self._make()

    def _make(self):
        names = f"subjectAltName=DNS:{self.name},IP:127.0.0.1,IP:::1"
        subprocess.run(
            ["openssl", "req", "-x509", "-nodes", "-days", str(self.days), "-subj", f"/CN={self.name}", "-addext", names,
             "-newkey", *KINDS[self.kind], "-keyout", self.key, "-out", self.file],
            check=True, capture_output=True, timeout=60)
        self.both.write_bytes(self.file.read_bytes() + self.key.read_bytes())
        for secret in (self.key, self.both):
            secret.chmod(0o600)

    @property
    def options(self):
        return ["--cert", str(self.file), "--key", str(self.key)]

    def context(self, **settings):
        """A client's context that trusts nothing but this certificate."""
        context = ssl.create_default_context(cafile=str(self.file))
        for name, value in settings.items():
            setattr(context, name, value)
        return context

    def private_numbers(self):
        """The secret parts of the key as they would lie in memory: big-endian octets."""
        text = subprocess.run(["openssl", "pkey", "-in", self.key, "-noout", "-text"],
                              check=True, capture_output=True, text=True, timeout=60).stdout
        numbers, current = {}, None
        for line in text.splitlines():
            if line.startswith("    ") and current:
                numbers[current] += line.strip()
            elif line.rstrip().endswith(":"):
                current = line.strip().rstrip(":")
                numbers[current] = ""
        wanted = ("priv", "privateExponent", "prime1", "prime2")
        return {name: bytes.fromhex(hexes.replace(":", "")).lstrip(b"\0")
                for name, hexes in numbers.items() if name in wanted}
