"""Where secrets are, and where they must not be any more."""

import re
import subprocess

from cases import case, expect, logged_in
from memory import memory_of, relayed, traffic_secrets
from server import PASSWORD


@case
def the_keeper_holds_no_secret(stage):
    keylog = str(stage.folder / "keylog")
    client, session = logged_in(stage, keylog=keylog)
    client.send(b"ECHO hello\r\n")
    client.line()
    secrets = traffic_secrets(keylog)
    expect(len(secrets), 4, "secrets in the key log")
    text = subprocess.run(["openssl", "ec", "-in", stage.key, "-noout", "-text"], capture_output=True, text=True, check=True)
    number = re.search(r"priv:([\s0-9a-f:]+)pub:", text.stdout).group(1)
    private = bytes.fromhex(re.sub(r"[\s:]", "", number))
    secrets |= {"password": PASSWORD.encode(), "private key": private[-32:], "private key, turned": private[-32:][::-1]}
    found = {name for octets in memory_of(session.pid) for name, secret in secrets.items() if secret in octets}
    expect(found, set(), "secrets in the keeper's memory")


@case
def the_relay_has_no_secret_for_having_tried(stage):
    """OpenSSL has some of its own for as long as the session lasts. Those that were kept for the kernel are gone."""
    how, without = relayed(stage, "--ktls", "off", behind=b"ECHO hello\r\n")
    expect(how, "relay off", "handoff")
    how, tried = relayed(stage, behind=b"ECHO hello\r\n")
    expect(how, "relay left-over", "handoff")
    expect(tried, without, "how often the secrets are in memory")
    found = {name for name, times in tried.items() if times}
    expect({name.partition(", ")[2] for name in found}, {"", "key", "nonce"}, "forms that are found")
    assert "password" not in found, "the password is found"
