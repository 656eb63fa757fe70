"""What a gate that takes another's place at STARTTLS must not find in its memory: it is forked from the monitor."""

import subprocess

from processes import children_of
from test_tls import memory_of


def test_no_second_gate_behind_a_login(root_stage):
    """PAM's modules have read the user's hash in the monitor by then."""
    account = root_stage.users["imapgt1"]
    line = subprocess.run(["getent", "shadow", account.name], capture_output=True, check=True).stdout
    shadow = line.split(b":")[1]
    with root_stage.ready("--allow-cleartext", "all", *root_stage.certificate().options, pam="unix", on="tcp") as imap:
        assert "STARTTLS" in imap.capabilities()
        assert imap.command(f"a LOGIN {account.name} mumble")[1].startswith(b"a NO")
        assert "STARTTLS" not in imap.capabilities()
        assert imap.command("b STARTTLS")[1].startswith(b"b NO [UNAVAILABLE]")
        gate, = children_of(imap.process.pid)
        assert shadow not in memory_of(gate)
        assert imap.command(f"c LOGIN {account.name} {account.password.split()[0]}")[1].startswith(b"c OK")
