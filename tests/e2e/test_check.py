"""--check: each of its lines, made to come by a real cause, against a setting where all is well."""

import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

import clientca
from processes import need_mounts

LINE = re.compile(r"^(ok      |note    |warning |error   ) ([^:]+|/[^:]+:\d+): (.+)$|^         (\w+=.*)$")


class Check:
    """What --check has said, line by line."""

    def __init__(self, done):
        self.status, self.text, self.said = done.returncode, done.stdout, []
        assert done.stderr == "", done.stderr
        for line in done.stdout.splitlines():
            found = LINE.match(line)
            assert found, line
            if found[1]:
                self.said.append((found[1].strip(), found[2], found[3]))
        worst = max(({"note": 0, "ok": 0, "warning": 1, "error": 2}[kind] for kind, _, _ in self.said), default=0)
        assert self.status == worst, self.text

    def says(self, kind, about, what=""):
        """Is there such a line? Fails with all of them otherwise."""
        assert any(kind == k and about in a and what in w for k, a, w in self.said), f"no {kind} {about}: {what}\n{self.text}"


class Setting:
    """A host where --check finds nothing wrong; its authority is trusted by this host while a check runs."""

    def __init__(self, stage):
        self.stage = stage
        self.authority = clientca.authority(stage, "Authority of the host")
        self.trusted = stage.file("scratch")
        self.trusted.mkdir()
        shutil.copy(self.authority.file, self.trusted / "authority.pem")
        subprocess.run(["openssl", "rehash", self.trusted], check=True, timeout=20)
        self.server = self.certificate()

    def certificate(self, *names, days=(-1, 60), **more):
        return self.authority.certificate(*(names or (clientca.dns("mail.example.org"),)), usage=more.pop("usage", "serverAuth"),
                                          days=days, **more)

    def options(self, certificate=None):
        certificate = certificate or self.server
        return [*self.stage.options(), "--cert", str(certificate.file), "--key", str(certificate.key), "--ktls", "off"]

    def run(self, *options, base=None, mailbox=None, namespaces=("-m",), before="true", **process):
        """Runs --check in a mount namespace, after a few words of shell, with options that come after the good ones."""
        words = [*(self.options() if base is None else base), *options]
        script = f'mount --bind "{self.trusted}" /etc/ssl/certs && {before} && exec "$@"'
        command = [self.stage.program, "--check", *map(str, words), "--", *map(str, mailbox or ["/bin/cat"])]
        enter = ["unshare", *namespaces, "--propagation", "private", "sh", "-c", script, "sh"]
        if "user" in process:
            enter, process["cwd"] = [], "/"
        return Check(subprocess.run([*enter, *command], capture_output=True, text=True, timeout=60, **process))


@pytest.fixture
def host(root_stage):
    need_mounts()
    return Setting(root_stage)


def test_all_is_well(host):
    checked = host.run()
    assert checked.status == 0, checked.text
    cert, key = str(host.server.file), str(host.server.key)
    checked.says("ok", cert, "for mail.example.org, until 20")
    checked.says("ok", cert, "signed by an authority that this host trusts")
    checked.says("ok", cert, "a handshake with it gives TLSv1.3")
    checked.says("ok", key, "the private key of the certificate")
    checked.says("ok", "PAM service imapgate", "3 modules can be loaded")
    checked.says("ok", "--gate-user", "_imapgate, uid ")
    checked.says("ok", "--gate-root")
    checked.says("ok", "sandbox")
    checked.says("ok", "kernel TLS", "not wanted")
    checked.says("ok", "--log", "standard error")
    checked.says("ok", "--run-as")
    checked.says("ok", "mailbox program", "/bin/cat can be executed by")


def test_a_check_serves_nobody(root_stage):
    """Nothing is read from the connection, and nothing but findings is written."""
    here, there = socket.socketpair()
    with here, there:
        here.sendall(b"a LOGIN joe sesame\r\n")
        done = subprocess.run([root_stage.program, "--check", *root_stage.options(), "--", "/bin/cat"], stdin=there,
                              capture_output=True, timeout=60)
        assert done.returncode == 1 and b"sesame" not in done.stdout
        assert there.recv(100) == b"a LOGIN joe sesame\r\n"


def test_options_are_understood_first(stage):
    done = subprocess.run([stage.program, "--check", "--timeout", "soon", "--", "/bin/cat"], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (64, "") and "--timeout soon" in done.stderr
    done = subprocess.run([stage.program, "--user", "joe", "--", "/bin/cat"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and "--user needs" in done.stderr


# --- certificates and keys

def test_certificate_that_is_missing(host):
    checked = host.run(base=[*host.stage.options(), "--cert", "/nonexistent/cert.pem"])
    checked.says("error", "/nonexistent/cert.pem", "can't be read: No such file or directory")
    checked.says("error", "TLS", "a listener will not start; under a superserver every login over TCP will be refused")


def test_certificate_of_an_own_authority(host):
    """Clients are told to trust it, which is no fault to be mended."""
    own = clientca.authority(host.stage, "Authority of the house")
    certificate = own.certificate(clientca.dns("mail.example.org"), usage="serverAuth", days=(-1, 60))
    certificate.file.write_text(certificate.file.read_text() + own.file.read_text())
    checked = host.run(base=host.options(certificate))
    checked.says("note", str(certificate.file), "self-signed certificate in certificate chain; each client must be told")
    assert checked.status == 0


def test_certificate_that_is_none(host):
    checked = host.run(base=[*host.stage.options(), "--cert", "/etc/passwd"])
    checked.says("error", "/etc/passwd", "no certificate in it; expected PEM")


def test_certificate_that_is_damaged(host):
    damaged = host.stage.file("scratch", ".pem")
    damaged.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    host.run(base=[*host.stage.options(), "--cert", damaged]).says("error", str(damaged), "certificate 1 in it can't be read")


@pytest.mark.parametrize("days, kind, what", [
    ((-10, -1), "error", "expired on 20"), ((1, 60), "error", "not valid before 20"), ((-1, 13), "warning", "expires on 20"),
])
def test_certificate_at_the_wrong_time(host, days, kind, what):
    certificate = host.certificate(days=days)
    checked = host.run(base=host.options(certificate))
    checked.says(kind, str(certificate.file), what)
    assert checked.status == {"warning": 1, "error": 2}[kind]
    checked.says("ok", str(certificate.file), "a handshake with it gives")
    assert "will be refused" not in checked.text
    assert ("mail.example.org, until" in checked.text) == ("expired" not in what)


def test_certificate_that_lives_long_enough(host):
    assert host.run(base=host.options(host.certificate(days=(-1, 16)))).status == 0


def test_certificate_without_a_name(host):
    certificate = host.certificate(clientca.email("postmaster@example.org"), cn=("mail.example.org",))
    host.run(base=host.options(certificate)).says("warning", str(certificate.file), "no DNS name")


def test_name_that_would_move_the_terminal(host):
    certificate = host.certificate(clientca.dns(b"a\x1b[2Jb\nok"))
    checked = host.run(base=host.options(certificate))
    checked.says("ok", str(certificate.file), "for a?[2Jb?ok, until")


def test_name_with_control_characters_of_another_kind(host):
    """U+009B begins a control sequence too (ECMA-48), and so does its octet in Latin-1."""
    certificate = host.certificate(clientca.dns(b"a\xc2\x9b2Jb\x9bc"))
    checked = host.run(base=host.options(certificate))
    assert "\x9b" not in checked.text and "for a?2Jb?c, until" in checked.text, checked.text


def test_certificate_that_nobody_knows(host):
    certificate = host.stage.certificate("ecdsa")
    checked = host.run(base=host.options(certificate))
    checked.says("note", str(certificate.file), "self-signed certificate; each client must be told")


def test_certificate_for_clients(host):
    certificate = host.certificate(usage="clientAuth")
    host.run(base=host.options(certificate)).says("warning", str(certificate.file), "it is not for servers")


def test_chain_in_the_wrong_order(host):
    """The right certificate is first, but who signed it is behind a stranger."""
    chain = host.stage.file("scratch", ".pem")
    chain.write_text(host.server.file.read_text() + host.stage.certificate("rsa").file.read_text() + host.authority.file.read_text())
    host.server.file = chain
    host.run(base=host.options(host.server)).says("warning", str(chain), "certificate 2 in it did not sign the one before")


def test_chain_that_begins_with_the_authority(host):
    chain = host.stage.file("scratch", ".pem")
    chain.write_text(host.authority.file.read_text() + host.server.file.read_text())
    host.server.file = chain
    checked = host.run(base=host.options(host.server))
    checked.says("error", str(host.server.key), f"private key of certificate 2 in {chain}; the server's must be the first")


def test_key_of_another(host):
    checked = host.run(base=[*host.stage.options(), "--cert", host.server.file, "--key", host.stage.certificate("rsa").key])
    checked.says("error", str(host.stage.certificate("rsa").key), "the key does not belong to the certificate")


def test_key_that_is_missing(host):
    host.run(base=[*host.stage.options(), "--cert", host.server.file, "--key", "/nonexistent/key.pem"]).says(
        "error", "/nonexistent/key.pem", "No such file or directory")


def test_key_with_a_passphrase(host):
    encrypted = host.stage.file("keys", ".key")
    subprocess.run(["openssl", "pkey", "-in", host.server.key, "-aes128", "-passout", "pass:x", "-out", encrypted], check=True,
                   capture_output=True, timeout=20)
    host.run(base=[*host.stage.options(), "--cert", host.server.file, "--key", encrypted]).says(
        "error", str(encrypted), "without a passphrase")


@pytest.mark.parametrize("mode, what", [(0o640, "read"), (0o604, "read"), (0o620, "changed")])
def test_key_that_others_can_reach(host, mode, what):
    key = host.stage.file("keys", ".key")
    shutil.copy(host.server.key, key)
    key.chmod(mode)
    checked = host.run(base=[*host.stage.options(), "--cert", host.server.file, "--key", key, "--ktls", "off"])
    checked.says("warning", str(key), f"can be {what} by users other than its owner")
    assert checked.status == 1
    assert "PRIVATE" not in checked.text


# --- TLS

def test_setting_that_openssl_does_not_know(host):
    checked = host.run("--tls", "MinProtocol=nonsense")
    checked.says("error", "TLS settings", "--tls MinProtocol=nonsense can't be used")
    checked.says("error", "TLS", "no certificate can be used")


@pytest.mark.parametrize("name", ("PrivateKey", "privatekey", "Certificate"))
def test_setting_that_would_bring_a_key(host, name):
    """The context is the gate's, and no private key may be there."""
    certificate = host.stage.certificate("rsa")
    path = certificate.file if name == "Certificate" else certificate.key
    checked = host.run("--tls", f"{name}={path}")
    checked.says("error", "TLS settings", f"--tls {name}={path} can't be used")


def test_settings_that_leave_nothing(host):
    """Each is right by itself; only a handshake shows it."""
    checked = host.run("--tls", "MaxProtocol=TLSv1.2", "--tls", "CipherString=ECDHE-RSA-AES128-GCM-SHA256")
    checked.says("error", str(host.server.file), "a handshake with it fails: ")


def test_neither_tls_nor_cleartext(host):
    checked = host.run(base=host.stage.options())
    checked.says("warning", "TLS", "over TCP nobody can log in, unless the superserver terminates TLS")
    assert checked.status == 1
    host.run(base=[*host.stage.options(), "--allow-cleartext", "loopback"]).says("warning", "TLS", "only clients on this host")


def test_cleartext_for_all(host):
    host.run("--allow-cleartext", "all").says("warning", "--allow-cleartext", "without TLS")


def test_authorities_of_clients(host):
    certificates = ["--client-ca", host.authority.file, "--client-crl", host.authority.revocations(days=(-1, 1))]
    checked = host.run(*certificates)
    checked.says("ok", str(host.authority.file), "certificates of 1 authorities")
    checked.says("ok", str(certificates[-1]), "revocation list of 20")
    assert checked.status == 0


def test_authorities_that_are_none(host):
    host.run("--client-ca", "/nonexistent").says("error", "/nonexistent", "No such file")
    host.run("--client-ca", host.server.file).says("warning", str(host.server.file), "may not sign certificates")


def test_revocations_that_are_old(host):
    old = host.authority.revocations(days=(-9, -2))
    checked = host.run("--client-ca", host.authority.file, "--client-crl", old)
    checked.says("error", str(old), "out of date since 20")
    checked = host.run("--client-ca", host.authority.file, "--client-crl", host.authority.file)
    checked.says("error", str(host.authority.file), "no revocation list in it can be read")


# --- PAM

def stack(host, text, service="imapgate"):
    return ["--pam-confdir", host.stage.pam(text, service)]


def test_service_that_is_missing(host):
    host.run("--pam-service", "nobody-has-this").says("error", "PAM service nobody-has-this", "unavailable; put one there, or name another service with "
                                                                                              "--pam-service")
    host.run("--oauth-service", "nor-this").says("error", "PAM service nor-this", "another service with --oauth-service")


@pytest.mark.parametrize("control, kind", [("required", "error"), ("requisite", "error"), ("optional", "warning"),
                                           ("[success=1 default=ignore]", "warning")])
def test_module_that_is_missing(host, control, kind):
    text = f"# login\nauth {control} pam_nothing.so debug\naccount required pam_permit.so\nsession required pam_permit.so\n"
    host.run(*stack(host, text)).says(kind, "/imapgate:2", f"pam_nothing.so ({control}): ")


def test_module_that_may_be_missing(host):
    text = "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n-session optional pam_nothing.so\n"
    assert host.run(*stack(host, text)).status == 0


def test_module_that_is_none(host):
    """It is a library, but no module; and one that is none at all."""
    text = "auth required /lib/{}/libc.so.6\naccount required /etc/passwd\nsession required pam_permit.so\n"
    checked = host.run(*stack(host, text.format(os.uname().machine + "-linux-gnu")))
    checked.says("error", "/imapgate:1", "has no pam_sm_authenticate")
    checked.says("error", "/imapgate:2", "/etc/passwd (required): ")


def test_type_that_is_missing(host):
    """PAM takes the service "other" for it, silently."""
    text = "auth required pam_permit.so\nsession required pam_permit.so\n"
    host.run(*stack(host, text)).says("warning", "/imapgate", 'no "account" line: PAM uses the service "other" for it')
    text = "auth required pam_permit.so\naccount required pam_permit.so\n"
    assert host.run(*stack(host, text), "--pam-session", "none").status == 0


def test_what_a_service_includes(host):
    """All ways to include, lines that go on, and the line that is wrong in an included file."""
    folder = host.stage.file("scratch")
    folder.mkdir()
    (folder / "imapgate").write_text("@include common\nauth \\\n  include more\nauth substack more\nsession required pam_permit.so\n")
    (folder / "common").write_text("account required pam_permit.so # all\n")
    (folder / "more").write_text("account required pam_nothing.so\nAUTH required pam_permit.so\n")
    checked = host.run("--pam-confdir", folder)
    checked.says("ok", "PAM service imapgate", "4 modules")
    (folder / "common").write_text("account required pam_permit.so\naccount required pam_nothing.so\n")
    host.run("--pam-confdir", folder).says("error", f"{folder}/common:2", "pam_nothing.so")
    (folder / "common").write_text("@include imapgate\n")
    host.run("--pam-confdir", folder).says("error", str(folder), "includes are nested too deep")
    (folder / "common").write_text("@include elsewhere\n")
    host.run("--pam-confdir", folder).says("error", f"{folder}/common:1", "included file elsewhere does not exist")
    # A service outside --pam-confdir is included by its whole path.
    other = folder.with_name("other.pam")
    other.write_text("auth required pam_nowhere.so\n")
    (folder / "common").write_text(f"@include {other}\n")
    host.run("--pam-confdir", folder).says("error", f"{other}:1", "pam_nowhere.so")
    (folder / "common").write_text("account required\n")
    host.run("--pam-confdir", folder).says("error", f"{folder}/common:1", 'expected "type control module"')


# --- this host

def test_gate_user(host):
    host.run("--gate-user", "imapgt-nobody").says("error", "--gate-user", "there is no user imapgt-nobody; useradd --system")
    host.run("--gate-user", "root").says("error", "--gate-user", "root is root")
    host.run("--gate-user", "imapgt2").says("warning", "--gate-user", "which --min-uid lets log in")


@pytest.mark.parametrize("name", ["nobody", "daemon", "www-data"])
def test_gate_user_who_is_not_the_gates_alone(host, name):
    checked = host.run("--gate-user", name)
    checked.says("warning", "--gate-user", f"{name} belongs to other programs too")
    assert checked.status == 1


def test_sandbox_that_is_not_tried_is_named(host):
    host.run("--gate-user", "imapgt-nobody").says("note", "sandbox", "not tried; correct --gate-user")


def test_gate_root(host):
    folder = host.stage.file("scratch")
    checked = host.run("--gate-root", folder)
    checked.says("ok", "--gate-root", "does not exist yet")
    checked.says("ok", "sandbox")
    assert not folder.exists()
    folder.mkdir()
    host.run("--gate-root", folder).says("ok", "--gate-root", "is empty and root's")
    (folder / "something").touch()
    host.run("--gate-root", folder).says("warning", "--gate-root", "is not empty")
    (folder / "something").unlink()
    folder.chmod(0o777)
    host.run("--gate-root", folder).says("error", "--gate-root", "users other than root can write to")
    host.run("--gate-root", "/etc/passwd").says("error", "--gate-root", "is not a usable directory")
    host.run("--gate-root", "/proc/imapgate").says("error", "sandbox", "/proc/imapgate")


# prctl(PR_SET_SECCOMP): a filter that refuses filters, as containers have them.
NO_FILTERS = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
steps = [(0x20, 0, 0, 0), (0x15, 0, 4, int(sys.argv[1])), (0x20, 0, 0, 16), (0x15, 1, 0, 22), (0x06, 0, 0, 0x7fff0000),
         (0x06, 0, 0, 0x00050016), (0x06, 0, 0, 0x7fff0000)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
buffer = ctypes.create_string_buffer(code)
program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.create_string_buffer(program)) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="it knows one number of prctl(2)")
def test_without_seccomp(host):
    command = [host.stage.program, "--check", *host.options(), "--", "/bin/cat"]
    done = subprocess.run(["python3", "-c", NO_FILTERS, "157", *command], capture_output=True, text=True, timeout=60)
    Check(done).says("error", "sandbox", "gate: seccomp: Invalid argument; a kernel with seccomp filters is needed")


@pytest.mark.parametrize("word, kind, status", [("auto", "note", 0), ("require", "error", 2)])
def test_kernel_tls_that_is_not_there(host, word, kind, status):
    """In a network of its own that is down there is no loopback connection to try it on."""
    checked = host.run("--ktls", word, namespaces=("-m", "-n"))
    checked.says(kind, "kernel TLS", "say --ktls auto" if word == "require" else "say --ktls off")
    assert checked.status == status


JOURNAL = """mount -t tmpfs none /run && mkdir -p /run/systemd/journal
python3 -c 'import socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("/run/systemd/journal/socket")
time.sleep(5)' >/dev/null 2>&1 &
until [ -S /run/systemd/journal/socket ]; do sleep 0.01; done"""


def test_log(host):
    host.run("--log", "journal", before="mount -t tmpfs none /run").says("error", "--log", "the journal can't be reached")
    host.run("--log", "journal", before=JOURNAL).says("ok", "--log", "the journal")
    host.run("--log", "auto", before=JOURNAL).says("ok", "--log", "the journal where systemd starts it")
    bare = "mount -t tmpfs none /run && mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3"
    host.run("--log", "syslog", before=bare).says("error", "--log", "syslog can't be reached")
    host.run("--log", "auto", before=bare).says("warning", "--log", "neither journal nor syslog can be reached")


def test_uids(host):
    checked = host.run("--min-uid", "100")
    checked.says("warning", "--min-uid", "100 lets accounts of the system log in; users begin at 1000 here")
    host.run("--run-as", "imapgtsys").says("error", "--run-as", "below --min-uid 1000, so its login is refused; give it")
    host.run("--run-as", "root", "--min-uid", "1").says("error", "--run-as", "root never logs in here")
    host.run("--run-as", "imapgt-nobody").says("error", "--run-as", "there is no user imapgt-nobody")


def test_config_file(host):
    path = host.stage.file("scratch", ".conf")
    path.write_text("strict = yes\n")
    path.chmod(0o644)
    host.run("--config", path).says("ok", str(path))
    account = host.stage.users["imapgt1"]
    os.chown(path, account.uid, -1)
    done = subprocess.run([host.stage.program, "--check", "--config", path, "--", "/bin/cat"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (78, "") and "users other than root can change it" in done.stderr
    other = host.stage.users["imapgt2"]
    checked = host.run(base=["--config", path], user=other.uid, group=other.gid, extra_groups=[])
    checked.says("warning", str(path), "root refuses to read it")


def test_proxies(host):
    host.run("--proxy", "192.0.2.7", "--proxy", "2001:db8::/48", "--proxy", "unix").says(
        "ok", "--proxy", "2 addresses or networks, and Unix-domain sockets, must send a header")
    for everybody in ("0.0.0.0/0", "::/0", "128.0.0.0/1"):
        host.run("--proxy", "192.0.2.7", "--proxy", everybody).says("warning", "--proxy", "network 2 is so large")


def test_limits(host):
    checked = host.run("--max-connections", "10", "--max-sessions", "20", "--max-sessions-per-address", "20",
                       "--max-sessions-per-user", "20")
    checked.says("warning", "--max-connections", "10 is less than --max-connections-per-address")
    assert checked.status == 1 and "--max-sessions" not in checked.text
    host.run("--max-sessions", "20").says("warning", "--max-sessions", "20 is less than --max-sessions-per-address")
    host.run("--max-sessions", "20").says("warning", "--max-sessions", "20 is less than --max-sessions-per-user")


# --- the mailbox program

def test_program_that_is_missing(host):
    host.run(mailbox=["/nonexistent/imap"]).says("error", "mailbox program", "/nonexistent/imap: No such file")
    host.run(mailbox=["/etc/passwd"]).says("error", "mailbox program", "/etc/passwd: ")
    host.run(mailbox=["/tmp"]).says("error", "mailbox program", "/tmp: ")


def test_program_found_by_path(host):
    host.run(mailbox=["cat"]).says("warning", "mailbox program", "cat is /usr/bin/cat from here; give its absolute path")


@pytest.mark.parametrize("virtual, kind", [(True, "error"), (False, "warning")])
def test_program_that_users_can_not_reach(host, virtual, kind):
    folder = host.stage.file("scratch")
    folder.mkdir(mode=0o755)
    program = folder / "imap"
    shutil.copy("/bin/cat", program)
    program.chmod(0o750)
    base = [*host.stage.options("unix", virtual), "--cert", host.server.file, "--key", host.server.key]
    host.run(base=base, mailbox=[program]).says(kind, "mailbox program", f"can't execute {program}: Permission denied")
    program.chmod(0o755)
    folder.chmod(0o700)
    host.run(base=base, mailbox=[program]).says(kind, "mailbox program", f"can't enter the directory {folder}: Permission denied")


def test_script_whose_interpreter_is_missing(host):
    program = host.stage.file("scratch")
    program.write_text("#! /nonexistent/shell -e\n")
    program.chmod(0o755)
    host.run(mailbox=[program]).says("error", str(program), "its first line names /nonexistent/shell: No such file")


def test_templates(host):
    host.run(mailbox=["/bin/cat", "%h/%x"]).says("error", "arguments", '%h/%x: unknown "%"')
    checked = host.run("--setenv", "TOKEN=s3cret-%z")
    checked.says("error", "--setenv", 'TOKEN: unknown "%"')
    assert "s3cret" not in checked.text
    host.run("--home", "/var/mail/%").says("error", "--home", '/var/mail/%: unknown "%"')


def test_run_as_with_a_domain_in_home(host):
    checked = host.run("--run-as", "imapgt2", "--home", "/srv/mail/%d/%n")
    checked.says("ok", "mailbox program", "/bin/cat can be executed by imapgt2")


# --- without root

def test_as_an_ordinary_user(host):
    account = host.stage.users["imapgt2"]
    certificate = host.certificate()
    key = host.stage.file("keys", ".key")
    shutil.copy(certificate.key, key)
    os.chown(key, account.uid, -1)
    base = ["--log", "stderr", "--pam-confdir", host.stage.pam("permit"), "--cert", certificate.file, "--key", key]
    checked = host.run(base=base, user=account.uid, group=account.gid, extra_groups=[])
    checked.says("warning", "not root", "true of this user")
    checked.says("warning", "not tried", "--gate-user, --gate-root: only root can")
    checked.says("ok", "sandbox")
    checked.says("ok", "mailbox program", "can be executed by this user")
    assert checked.status == 1
    checked = host.run("--user", "imapgt1", base=base, user=account.uid, group=account.gid, extra_groups=[])
    checked.says("error", "imapgt1", "without root no other user can log in")


# --- one user

def real(host, *more):
    """Options for accounts of the system."""
    return [*host.stage.options("unix"), "--cert", str(host.server.file), "--key", str(host.server.key), "--ktls", "off", *more]


def test_user(host):
    """What --check shows is what a login gives."""
    account = host.stage.users["imapgt1"]
    report = host.stage.report()
    command = host.stage.mailbox(report=report) + ["%u", "%n and more", "100%%"]
    host.run("--user", "imapgt1", base=real(host), mailbox=[*command, "%d"]).says("error", "imapgt1", "this name leaves that part empty")
    checked = host.run("--user", "imapgt1", base=real(host, "--setenv", "MAIL=%h/Maildir"), mailbox=command)
    assert checked.status == 0, checked.text
    checked.says("ok", "imapgt1", f"uid {account.uid}, gid {account.gid}, groups")
    assert "(imapgtg)" in checked.text
    checked.says("ok", "PAM", "may be used (pam_acct_mgmt, asked without a password)")
    checked.says("ok", "home", f"{account.home}, and shell /bin/sh")
    checked.says("ok", "runs", f'{command[0]} {report.path} tag echo imapgt1 "imapgt1 and more" 100%')
    shown = dict(line.strip().split("=", 1) for line in checked.text.splitlines() if line.startswith("         "))
    with host.stage.ready("--setenv", "MAIL=%h/Maildir", on="starttls", pam="unix", mailbox=command) as imap:
        imap.login(account.name, account.password)
    there = report.environment
    assert set(shown) | {"SSL_TLS_SNI_SERVER_NAME"} == set(there) | {"SSL_TLS_SNI_SERVER_NAME"}
    for name in ("USER", "HOME", "SHELL", "PATH", "UID", "GID", "MAIL", "AUTHENTICATED", "DOVECOT_PRESERVE_ENVS"):
        assert shown[name] == there[name], name
    assert (shown["TCPREMOTEIP"], shown["IMAPLOGINTAG"]) == ("CLIENT-ADDRESS", "TAG")


def test_user_under_another_uid(host):
    """--run-as: there is no such account, and it may log in all the same."""
    home = host.stage.folder / "homes" / "virtual"
    (home / "joe").mkdir(parents=True, exist_ok=True)
    checked = host.run("--home", f"{home}/%n", "--user", "joe@example.org")
    checked.says("ok", "joe@example.org", f"uid {host.stage.users['imapgt1'].uid}")
    checked.says("warning", "home", "belongs to uid 0")
    assert f"HOME={home}/joe\n" in checked.text and "USER=joe@example.org\n" in checked.text


@pytest.mark.parametrize("user, about, what", [
    ("root", "root", "root has uid 0, and root never logs in here"),
    ("imapgtsys", "imapgtsys", "below --min-uid 1000, so its login is refused; give it another uid, or a smaller --min-uid"),
    ("imapgt-nobody", "imapgt-nobody", "there is no such account"),
    ("imapgtold", "PAM", "the account may not be used: PAM_ACCT_EXPIRED"),
])
def test_user_who_can_not_log_in(host, user, about, what):
    host.run("--user", user, base=real(host)).says("error", about, what)


def test_home_that_is_not_there_beside_another_error(host):
    """Nothing is said of an owner that could not be asked for."""
    home = host.stage.file("scratch")
    checked = host.run("--home", home, "--user", "joe", mailbox=["/bin/cat", "%x"])
    checked.says("warning", "home", f"{home}: No such file or directory")
    assert "belongs to uid" not in checked.text


def test_user_whose_home_is_closed(host):
    home = host.stage.file("scratch")
    home.mkdir(mode=0o700)
    checked = host.run("--home", home, "--user", "joe")
    checked.says("error", "home", f"{home} can't be entered by uid")


def test_user_who_may_not_execute_the_program(host):
    program = host.stage.file("scratch")
    shutil.copy("/bin/cat", program)
    program.chmod(0o700)
    host.run("--user", "imapgt1", base=real(host), mailbox=[program]).says("error", "mailbox program", f"{program} can't be executed by uid")


def test_program_of_a_module_has_neither_input_nor_output(host):
    """As at a login, it can't read root's terminal nor write among the findings."""
    report, script = host.stage.file("reports"), host.stage.file("scratch", ".sh")
    script.write_text(f'#!/bin/sh\necho "ok      forged: line"\nread -r line && echo "read $line" >>{report}\n'
                      f'zero=$(readlink /proc/$$/fd/0)\necho "$1 $zero" >>{report}\n')
    script.chmod(0o755)
    checked = host.run(*stack(host, host.stage.testcode(f"run={script}")), "--user", "joe", input="typed\n")
    checked.says("ok", "PAM", "may be used")
    assert "account /dev/null\n" in report.read_text() and "typed" not in report.read_text()
    assert "forged" not in checked.text


@pytest.mark.parametrize("closes", ["", " closes=yes"])
def test_pam_module_that_never_comes_back(host, closes):
    """The check ends all the same, also where a module has closed what it is waited for by."""
    text = (f"auth required {host.stage.module}\naccount required {host.stage.module} account-sleep=30{closes}\n"
            "session required pam_permit.so\n")
    said = "killed by signal 14" if closes else "did not finish within 10 seconds"
    host.run(*stack(host, text), "--user", "joe").says("error", "PAM", said)
