"""Certificates of clients, and the authorities that sign them, made octet by octet.

openssl(1) is too careful to make certificates that an attacker would: a NUL
in a name, a name of 300 octets, a name twice. So the DER is put together
here, and openssl only makes keys and signatures.
"""

import base64
import datetime
import ssl
import subprocess
from pathlib import Path

SEQUENCE, SET = 0x30, 0x31
UTF8, IA5, PRINTABLE, BMP = 0x0c, 0x16, 0x13, 0x1e

ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2"
COMMON_NAME = "2.5.4.3"
ORGANIZATION = "2.5.4.10"
ALTERNATIVE_NAME = "2.5.29.17"
BASIC_CONSTRAINTS = "2.5.29.19"
EXTENDED_USAGE = "2.5.29.37"
UPN = "1.3.6.1.4.1.311.20.2.3"
USAGES = {"clientAuth": "1.3.6.1.5.5.7.3.2", "serverAuth": "1.3.6.1.5.5.7.3.1"}


def der(tag, *parts):
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    octets = bytearray([first * 40 + second])
    for arc in rest:
        groups = [arc & 0x7f]
        while arc := arc >> 7:
            groups.append(arc & 0x7f | 0x80)
        octets += bytes(reversed(groups))
    return der(0x06, bytes(octets))


def integer(number):
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def moment(days):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return der(0x17, when.strftime("%y%m%d%H%M%SZ").encode())


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


def name(*pairs, tag=UTF8):
    """A Name: (type, value) in order."""
    return der(SEQUENCE, *(der(SET, der(SEQUENCE, oid(kind), der(tag, octets(value)))) for kind, value in pairs))


def email(text):
    return der(0x81, octets(text))


def dns(text):
    return der(0x82, octets(text))


def upn(text, tag=UTF8):
    return der(0xa0, oid(UPN), der(0xa0, der(tag, octets(text))))


def extension(kind, value, critical=False):
    return der(SEQUENCE, oid(kind), b"\x01\x01\xff" if critical else b"", der(0x04, value))


def pem(kind, data):
    lines = base64.encodebytes(data).decode().replace("\n", "")
    body = "\n".join(lines[i:i + 64] for i in range(0, len(lines), 64))
    return f"-----BEGIN {kind}-----\n{body}\n-----END {kind}-----\n"


def _openssl(*arguments, given=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True, timeout=60).stdout


class Key:
    def __init__(self, path):
        self.path = Path(path)
        if not self.path.exists():
            _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.path)
            self.path.chmod(0o600)
        self.public = _openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def sign(self, what):
        """What was to be signed, with its signature, as all of X.509 has it."""
        signature = _openssl("dgst", "-sha256", "-sign", self.path, given=what)
        return der(SEQUENCE, what, der(SEQUENCE, oid(ECDSA_WITH_SHA256)), der(0x03, b"\0", signature))


class ClientCertificate:
    def __init__(self, file, key, serial):
        self.file, self.key, self.serial = file, key, serial

    def into(self, context):
        context.load_cert_chain(str(self.file), str(self.key))
        return context


class Authority:
    """Signs certificates of clients. Its own certificate is .file, for --client-ca."""

    def __init__(self, folder, called="Test Authority"):
        self.folder = Path(folder)
        self.name = name((COMMON_NAME, called))
        self.slug = called.replace(" ", "-").lower()
        self.key = Key(self.folder / f"{self.slug}.key")
        self.client_key = Key(self.folder / f"{self.slug}-clients.key")
        self.serial = 0
        self.file = self._write(self._certificate(self.name, self.key, [
            extension(BASIC_CONSTRAINTS, der(SEQUENCE, b"\x01\x01\xff"), critical=True)], (-30, 30)))

    def _write(self, data, kind="CERTIFICATE"):
        path = self.folder / f"{self.slug}-{self.serial}.{'crl' if kind == 'X509 CRL' else 'pem'}"
        path.write_text(pem(kind, data))
        path.chmod(0o644)
        return path

    def _certificate(self, subject, key, extensions, days, issuer=None, signer=None):
        self.serial += 1
        return (signer or self.key).sign(der(
            SEQUENCE, der(0xa0, integer(2)), integer(self.serial), der(SEQUENCE, oid(ECDSA_WITH_SHA256)),
            issuer or self.name, der(SEQUENCE, moment(days[0]), moment(days[1])), subject, key.public,
            der(0xa3, der(SEQUENCE, *extensions))))

    def certificate(self, *names, cn=(), cn_tag=UTF8, usage="clientAuth", days=(-1, 1), self_signed=False):
        """For a client: its alternative names (email(), upn(), dns()) and its common names."""
        subject = name((ORGANIZATION, "imapgate tests"), *((COMMON_NAME, one) for one in cn), tag=cn_tag)
        extensions = []
        if usage:
            extensions.append(extension(EXTENDED_USAGE, der(SEQUENCE, oid(USAGES[usage]))))
        if names:
            extensions.append(extension(ALTERNATIVE_NAME, der(SEQUENCE, *names)))
        own = {"issuer": subject, "signer": self.client_key} if self_signed else {}
        data = self._certificate(subject, self.client_key, extensions, days, **own)
        return ClientCertificate(self._write(data), self.client_key.path, self.serial)

    def authorize(self, other):
        """Makes the other an authority below this one: its certificate, which its clients have to show with theirs."""
        data = self._certificate(other.name, other.key, [extension(BASIC_CONSTRAINTS, der(SEQUENCE, b"\x01\x01\xff"), critical=True)],
                                 (-1, 1))
        return ClientCertificate(self._write(data), None, self.serial)

    def revocations(self, *certificates, days=(-1, 1)):
        """A CRL that names these certificates."""
        self.serial += 1
        gone = [der(SEQUENCE, integer(one.serial), moment(-1)) for one in certificates]
        data = self.key.sign(der(
            SEQUENCE, integer(1), der(SEQUENCE, oid(ECDSA_WITH_SHA256)), self.name, moment(days[0]), moment(days[1]),
            der(SEQUENCE, *gone) if gone else b""))
        return self._write(data, "X509 CRL")


def authority(stage, called="Test Authority"):
    """One of each name for the whole run."""
    kept = stage.certificates
    if ("authority", called) not in kept:
        folder = stage.folder / "keys"
        kept["authority", called] = Authority(folder, called)
    return kept["authority", called]


def context(stage, certificate=None, version=None, key="ecdsa"):
    """A client's context that trusts the stage's certificate and shows its own, if it has one."""
    made = stage.certificate(key).context()
    if version:
        made.minimum_version = made.maximum_version = getattr(ssl.TLSVersion, version.replace(".", "_"))
    return certificate.into(made) if certificate else made
