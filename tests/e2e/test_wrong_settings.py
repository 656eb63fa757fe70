"""Settings that can't work: the start, --check and --probe say which one it is, and why, in words that can be acted upon."""

import os
import re
import shutil
import socket
import subprocess
import time

import pytest

import clientca
import loglines
from listening import Listener
from wire import PATIENCE


def run(stage, *arguments, **process):
    return subprocess.run([stage.program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, **process)


# --- the command line and the file

@pytest.mark.parametrize("line, words", [
    ("cert =", "cert = : must not be empty"),
    ('pam-service = ""', "pam-service = : must not be empty"),
    ('pam-service = "imapgate', "pam-service: a quote is not closed"),
    ("home = srv/%n", "home = srv/%n: must be an absolute path"),
    ("home = /srv/%h", "home = /srv/%h: %h is not allowed"),
])
def test_file_with_a_value_that_is_none(stage, line, words):
    file = stage.file("scratch", ".conf")
    file.write_text(f"# all of it\n{line}\nrun-as = root\n")
    for question in ((), ("--check",)):
        done = run(stage, *question, "--config", file, "--", "/bin/true")
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.startswith(f"imapgate: {file}:2: {words}"), done.stderr


@pytest.mark.parametrize("option", ["--cert", "--key", "--pam-service", "--run-as", "--home", "--gate-user"])
def test_value_that_is_empty(stage, option):
    done = run(stage, option, "", "--", "/bin/true")
    assert done.returncode == 64 and f"{option} : must " in done.stderr


@pytest.mark.parametrize("home", ["srv/%n", "./%n", "~/%n", "%h/%n", "/srv/%h/%n", "/srv/%%%h"])
def test_home_that_can_not_be_one(stage, home):
    done = run(stage, "--check", "--run-as", "nobody", "--home", home, "--", "/bin/true")
    assert (done.returncode, done.stdout) == (64, "") and f"--home {home}: " in done.stderr


def test_home_with_a_percent_sign(stage):
    assert "--home" not in run(stage, "--check", "--run-as", "nobody", "--home", "/srv/%%h", "--", "/bin/true").stderr


@pytest.mark.parametrize("word", ["yes", "no", "true", "off", "1"])
def test_flag_with_a_value(stage, word):
    """The word would be PROGRAM, and the certificate one of its arguments."""
    for words in ([word, "--cert", "c", "--", "/bin/true"], [word]):
        done = run(stage, "--strict", "--tls-on-connect", *words)
        assert done.returncode == 64 and f"--tls-on-connect takes no value: {word} would be PROGRAM" in done.stderr
    done = run(stage, "--check", "--strict", "--", word)
    assert done.returncode != 64 and f"mailbox program: {word}" in done.stdout


@pytest.mark.parametrize("words, option", [
    (["--cert", "--", "/bin/true"], "--cert"),
    (["--cert", "--key", "k", "--", "/bin/true"], "--cert"),
    (["--strict", "--user", "--check", "--", "/bin/true"], "--user"),
])
def test_option_whose_value_was_forgotten(stage, words, option):
    done = run(stage, *words)
    assert done.returncode == 64 and f"{option} needs a value, not --" in done.stderr


# --- certificates and keys

def make_certificate(folder, name, algorithm):
    """A self-signed certificate and its key."""
    file, key = folder / f"{name}.crt", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "7", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-newkey", *algorithm, "-keyout", key, "-out", file], check=True, capture_output=True, timeout=60)
    return file, key


class Wrong:
    """Options that can't work, the file that is to blame, and the words for it; all files are made anew."""

    def __init__(self, stage, fault):
        self.folder = stage.file("scratch")
        self.folder.mkdir()
        self.good = stage.certificate("rsa")
        made = getattr(self, fault.replace(" ", "_"))(stage.certificate("ecdsa"))
        self.file, self.words, options = made
        self.options = [str(word) for word in options]

    def write(self, *texts):
        file = self.folder / "written.pem"
        file.write_text("".join(texts))
        return file

    def small_key(self, _):
        file, key = make_certificate(self.folder, "small", ["rsa:1024"])
        return file, "its key is too small for OpenSSL's security level 2; use RSA with 2048 bits", ["--cert", file, "--key", key]

    def small_curve(self, _):
        file, key = make_certificate(self.folder, "curve", ["ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"])
        return file, "its key is too small for OpenSSL's security level 2", ["--cert", file, "--key", key]

    def small_key_in_the_chain(self, _):
        file, _ = make_certificate(self.folder, "small", ["rsa:1024"])
        file = self.write(self.good.file.read_text(), file.read_text())
        return file, "a key in its chain is too small", ["--cert", file, "--key", self.good.key]

    def directory(self, _):
        return self.folder, "Is a directory", ["--cert", self.folder, "--key", self.good.key]

    def directory_for_the_key(self, _):
        return self.folder, "Is a directory", ["--cert", self.good.file, "--key", self.folder]

    def missing_key(self, _):
        return "/nonexistent/key", "No such file or directory", ["--cert", self.good.file, "--key", "/nonexistent/key"]

    def joined_certificates(self, other):
        file = self.write(self.good.file.read_text().rstrip(), other.file.read_text())
        return file, 'a line end is missing before', ["--cert", file, "--key", self.good.key]

    def joined_chain(self, other):
        file = self.write(self.good.file.read_text(), other.file.read_text().rstrip(), self.good.file.read_text())
        return file, 'a line end is missing before', ["--cert", file, "--key", self.good.key]

    def swapped(self, _):
        return self.good.key, "it holds a private key and no certificate", ["--cert", self.good.key, "--key", self.good.file]

    def certificate_for_the_key(self, other):
        return other.file, "it holds a certificate and no private key", ["--cert", self.good.file, "--key", other.file]

    def no_key_at_all(self, _):
        return self.good.file, "it holds a certificate and no private key", ["--cert", self.good.file]

    def request(self, _):
        file = self.folder / "request.pem"
        subprocess.run(["openssl", "req", "-new", "-key", self.good.key, "-subj", "/CN=x", "-out", file], check=True, timeout=20)
        return file, "it holds a certificate request", ["--cert", file, "--key", self.good.key]

    def authorities_in_a_directory(self, _):
        return self.folder, "Is a directory", [*self.good.options, "--client-ca", self.folder]

    def joined_authorities(self, other):
        file = self.write(self.good.file.read_text().rstrip(), other.file.read_text())
        return file, 'a line end is missing before', [*self.good.options, "--client-ca", file]

    def key_for_the_authorities(self, _):
        return self.good.key, "it holds a private key and no certificate", [*self.good.options, "--client-ca", self.good.key]

    def certificate_for_the_revocations(self, other):
        return other.file, "it holds a certificate and no revocation list", [*self.good.options, "--client-ca", self.good.file, "--client-crl",
                                                                             other.file]

    def revocations_in_a_directory(self, _):
        return self.folder, "Is a directory", [*self.good.options, "--client-ca", self.good.file, "--client-crl", self.folder]


FAULTS = [name.replace("_", " ") for name, function in vars(Wrong).items() if callable(function) and name not in ("__init__", "write")]


@pytest.mark.parametrize("fault", FAULTS)
def test_certificate_in_check(stage, fault):
    wrong = Wrong(stage, fault)
    done = run(stage, "--check", *stage.options(), *wrong.options, "--", "/bin/true")
    assert done.returncode == 2 and done.stderr == ""
    errors = [line for line in done.stdout.splitlines() if line.startswith("error ")]
    about = [line for line in errors if line.startswith(f"error    {wrong.file}: ") and wrong.words in line]
    assert len(about) == 1, done.stdout
    assert any("error    TLS: no certificate can be used" in line for line in errors), done.stdout
    assert "a handshake with it gives" not in done.stdout


def log_of_start(stage, options):
    """What a connection has logged on which the client asks for TLS in vain."""
    with stage.ready(*options, on="tcp") as imap:
        assert imap.command("a STARTTLS")[1].startswith(b"a NO [UNAVAILABLE] ")
    return [event.text for event in imap.log() if event.name in ("tls-fail", "key-fail")]


@pytest.mark.parametrize("fault", FAULTS)
def test_certificate_at_the_start(stage, fault):
    """Without a listener the connection goes on in the clear, and its log says what is wrong with which file."""
    wrong = Wrong(stage, fault)
    lines = log_of_start(stage, wrong.options)
    assert sum(str(wrong.file) in line and wrong.words in line for line in lines) == 1, lines


@pytest.mark.parametrize("fault", FAULTS)
def test_certificate_at_the_start_of_a_listener(stage, fault):
    wrong = Wrong(stage, fault)
    server = Listener(stage, *wrong.options, wait=False)
    assert server.end() == 78
    log = server.log_text()
    assert any(str(wrong.file) in line and wrong.words in line for line in log.splitlines()), log


@pytest.mark.parametrize("with_certificate, name", [(True, "signer"), (False, "gate zygote")])
def test_process_that_can_not_enter_its_sandbox(root_stage, with_certificate, name):
    """The listener writes the line for it, so the line has to say which process it was."""
    certificate = root_stage.certificate("ecdsa").options if with_certificate else []
    server = Listener(root_stage, *certificate, "--gate-root", "/etc/passwd", wait=False)
    assert server.end() == 78
    assert [event["text"] for event in server.log("error")] == [f'"{name}: /etc/passwd: Not a directory"']


def test_one_small_key_of_two(stage):
    """The other certificate is used; the small one is named, though it is not the first."""
    wrong, good = Wrong(stage, "small key"), stage.certificate("ecdsa")
    with stage.ready(*good.options, *wrong.options, on="tcp") as imap:
        imap.starttls(good.context())
        imap.login()
        (line,) = imap.log("tls-fail")
        assert str(wrong.file) in line["reason"] and wrong.words in line["reason"]


def test_small_key_that_the_settings_allow(stage):
    """OpenSSL has the say, and the administrator the last word: a client that takes it gets it."""
    wrong = Wrong(stage, "small key")
    done = run(stage, "--check", *stage.options(), *wrong.options, "--tls", "CipherString=ECDHE+AESGCM:@SECLEVEL=0", "--", "/bin/true")
    assert "a handshake with it" in done.stdout and "too small" not in done.stdout


@pytest.mark.parametrize("setting, words", [("MinProtocol=TLSv9", "bad value"), ("Nonsense=1", "unknown cmd name")])
def test_openssl_has_the_last_word(stage, setting, words):
    """Ours and OpenSSL's words for a setting are two."""
    done = subprocess.run([stage.program, "--check", *map(str, stage.certificate("ecdsa").options), "--tls", setting, "--", "/bin/true"],
                          capture_output=True, text=True, timeout=60)
    assert re.search(rf": {words}$", done.stdout, re.MULTILINE), done.stdout


def test_revocations_add_no_authority(stage):
    """A certificate beside the list is not trusted: only those of --client-ca are."""
    authority, stranger = clientca.authority(stage), clientca.authority(stage, "Stranger")
    both = stage.file("scratch", ".pem")
    both.write_text(authority.revocations().read_text() + stranger.revocations().read_text() + stranger.file.read_text())
    client = stranger.certificate(clientca.email("joe"))
    options = [*stage.certificate("ecdsa").options, "--client-ca", authority.file, "--client-crl", both]
    with stage.start(*options, "--tls-on-connect", on="tcp") as imap:
        with pytest.raises(OSError):
            imap.handshake(clientca.context(stage, client, version="TLSv1.2"))
        imap.rest()


# --- several certificates

def complaints(server, count):
    """The listener looks at its files when there is a client, once a second: connects until there are so many complaints."""
    end = time.monotonic() + PATIENCE
    while len(server.log("certificate-fail")) < count:
        assert time.monotonic() < end, server.log_text()
        server.connect(greeting=False).wire.close()
        time.sleep(0.1)
    return server.log("certificate-fail")


def test_authorities_are_blamed_not_the_first_certificate(stage):
    """The file of the fault is named when the files are read again, too."""
    folder = stage.file("keys")
    folder.mkdir()
    files = {kind: (folder / f"{kind}.crt", folder / f"{kind}.key") for kind in ("ecdsa", "rsa")}
    for kind, (file, key) in files.items():
        shutil.copy(stage.certificate(kind).file, file)
        shutil.copy(stage.certificate(kind).key, key)
    authorities = folder / "authorities.pem"
    shutil.copy(stage.certificate("ecdsa").file, authorities)
    options = [word for file, key in files.values() for word in ("--cert", file, "--key", key)]
    with Listener(stage, *options, "--client-ca", authorities) as server:
        authorities.write_text("nothing")
        os.utime(files["rsa"][0], (1, 1))
        (line,) = complaints(server, 1)
        assert line["file"] == f'"{authorities}"' and f"--client-ca {authorities} can't be used" in line["reason"]


def test_no_certificate_of_several_can_be_used(stage):
    """Each is named, the last line names none."""
    one, two = Wrong(stage, "small key"), Wrong(stage, "swapped")
    good = stage.certificate("ecdsa")
    file, key = one.folder / "server.crt", one.folder / "server.key"
    shutil.copy(good.file, file)
    shutil.copy(good.key, key)
    with Listener(stage, "--cert", file, "--key", key, *one.options) as server:
        first = server.log("certificate-fail")
        assert [line["file"] for line in first] == [f'"{one.file}"']
        shutil.copy(two.file, file)
        lines = complaints(server, 4)[1:]
        assert [line.get("file") for line in lines] == [f'"{file}"', f'"{one.file}"', None], server.log_text()


# --- PAM's files

REST = "account required pam_permit.so\nsession required pam_permit.so\n"
UNDERSTOOD = ("auth REQUIRED pam_permit.so\n", "auth [success=ok default=die] pam_permit.so\n", "auth Sufficient pam_permit.so\n",
              "auth [ user_unknown = ignore  success = ok default=bad ] pam_permit.so\n", "auth substack {}/more\n", "AUTH include {}/more\n", "auth SUBSTACK {}/more\n", "auth Include {}/more\n",
              "auth [success=1 default=ignore] pam_permit.so\nauth requisite pam_deny.so\nauth required pam_permit.so\n", "# it's\r\nauth required pam_permit.so\n",
              "auth \\\n  required pam_permit.so\n", "auth optional pam_permit.so # all\r\n")
NOT_UNDERSTOOD = ("auth requierd pam_permit.so\n", "auth require pam_permit.so\n", "auth [success=okay default=ignore] pam_permit.so\n",
                  "auth [succes=ok default=bad] pam_permit.so\n", "auth [success=0 default=ignore] pam_permit.so\n",
                  "auth [success default=ok] pam_permit.so\n", "auth [success=ok pam_permit.so\n", "auht required pam_permit.so\n",
                  "auth required pam_permit.so\r\n", "auth required pam_testcode.so name=joe password=sesame\r\n",
                  "auth requisite pam_permit.so\nauth required\r\n")


@pytest.mark.parametrize("stack, understood", [(text, True) for text in UNDERSTOOD] + [(text, False) for text in NOT_UNDERSTOOD])
def test_line_of_a_pam_service(stage, stack, understood):
    """--check has PAM's own opinion: what it calls an error keeps joe out, all else lets him in."""
    folder = stage.file("scratch")
    folder.mkdir()
    text = stack.replace("pam_testcode.so", stage.module).replace("{}", str(folder))
    (folder / "imapgate").write_text(text + REST)
    (folder / "more").write_text("auth required pam_permit.so\n")
    # For a line that PAM passes over it takes this service.
    (folder / "other").write_text("auth required pam_deny.so\naccount required pam_deny.so\nsession required pam_deny.so\n")
    done = run(stage, "--check", *stage.options(), "--pam-confdir", folder, "--", "/bin/true")
    errors = [line for line in done.stdout.splitlines() if line.startswith(f"error    {folder}/imapgate:")]
    with stage.ready("--pam-confdir", folder, "--failure-delay", "0") as imap:
        answer = imap.command("a LOGIN joe sesame")[1]
    assert (answer.startswith(b"a OK"), errors == []) == (understood, understood), (answer, done.stdout)
    assert understood or re.match(rf"error    {folder}/imapgate:[12]: ", errors[0])


def test_file_that_is_included_by_its_name(stage):
    """PAM may not look for it where the service is, and then nobody gets in."""
    folder = stage.file("scratch")
    folder.mkdir()
    for line in ("auth include more-of-imapgate\n", "@include more-of-imapgate\n"):
        (folder / "imapgate").write_text(line + REST)
        (folder / "more-of-imapgate").write_text("auth required pam_permit.so\n")
        done = run(stage, "--check", *stage.options(), "--pam-confdir", folder, "--", "/bin/true")
        assert f"warning  {folder}/imapgate:1: PAM may look for more-of-imapgate in the system's directory" in done.stdout


def test_line_ends_have_one_finding(stage):
    """Of the file at fault, also if it is included more than once."""
    folder = stage.file("scratch")
    folder.mkdir()
    (folder / "imapgate").write_text("auth include more\naccount include more\nsession include more\n")
    (folder / "more").write_text("".join(f"{kind} required pam_permit.so\r\n" for kind in ("auth", "account", "session")))
    done = run(stage, "--check", *stage.options(), "--pam-confdir", folder, "--", "/bin/true")
    (line,) = [line for line in done.stdout.splitlines() if "CR LF" in line]
    assert line.startswith(f"error    {folder}/more:1: ")


def test_service_that_is_a_directory(stage):
    folder = stage.file("scratch")
    (folder / "imapgate").mkdir(parents=True)
    done = run(stage, "--check", *stage.options(), "--pam-confdir", folder, "--", "/bin/true")
    assert f"error    {folder}/imapgate: it is not a regular file" in done.stdout


# --- homes

@pytest.mark.parametrize("question", ["--check", "--probe"])
@pytest.mark.parametrize("where", [["--setenv", "MAIL=maildir:{}/Maildir"], ["-o", "mail_location=maildir:{}/Maildir"], ["{}"]])
def test_home_of_the_one_who_typed(root_stage, question, where):
    """Root's, or that of the user who has become root: a shell has put it there for "~"."""
    account = root_stage.users["imapgt2"]
    for home, name in (("/root", "root"), (account.home, "imapgt2")):
        words = [word.format(home) for word in where]
        options, arguments = (words, []) if where[0] == "--setenv" else ([], words)
        done = run(root_stage, question, *root_stage.options("permit", False), *options, "--user", "imapgt1", "--", "/bin/true", *arguments,
                   env={**os.environ, "SUDO_USER": "imapgt2"})
        (line,) = [line for line in done.stdout.splitlines() if f"has the home directory of {name} in it, for all users" in line]
        assert line.startswith("warning  --setenv: MAIL: " if options else "warning  arguments: ")


def test_homes_that_are_meant(root_stage):
    account = root_stage.users["imapgt2"]
    for text in ("/srv/root/x", "/rootless", f"{account.home}x", "~/Maildir", "%h/Maildir"):
        done = run(root_stage, "--check", *root_stage.options("permit", False), "--", "/bin/true", text, env={**os.environ, "SUDO_USER": "imapgt2"})
        assert "has the home directory of" not in done.stdout, text
    done = run(root_stage, "--check", *root_stage.options("permit", False), "--run-as", "imapgt2", "--home", f"{account.home}/%n", "--", "/bin/true",
               env={**os.environ, "SUDO_USER": "imapgt2"})
    assert "has the home directory of" not in done.stdout


def test_path_that_depends_on_the_directory(stage):
    certificate = stage.certificate("ecdsa")
    done = run(stage, "--check", *stage.options(), "--cert", certificate.file.name, "--key", certificate.key, "--", "/bin/true",
               cwd=certificate.file.parent)
    assert f"warning  --cert: {certificate.file.name} is relative to the current directory" in done.stdout
    assert "warning  --key" not in done.stdout


# --- one cause, one line

CAUSES = {
    "no service": ["--pam-service", "none", "--oauth-service", "none", "--user", "imapgt1"],
    "no program": ["--user", "imapgt1", "--", "/nonexistent/imap"],
    "no program in the path": ["--user", "imapgt1", "--", "no-such-imap"],
    "unknown percent in an argument": ["--user", "imapgt1", "--", "/bin/true", "%x"],
    "unknown percent in setenv": ["--setenv", "A=%x", "--user", "imapgt1"],
    "unknown percent in home": ["--run-as", "imapgt1", "--home", "/srv/%x", "--user", "joe"],
    "no run-as": ["--run-as", "imapgt-nobody", "--user", "joe"],
    "run-as that may not log in": ["--run-as", "imapgtsys", "--user", "joe"],
    "run-as root": ["--run-as", "root", "--home", "/root", "--user", "joe"],
    "no user": ["--user", "imapgt-nobody"],
}


@pytest.mark.parametrize("cause", CAUSES)
def test_one_cause_is_one_error(root_stage, cause):
    """What follows from it is not said again, and no error is called "Success"."""
    words = CAUSES[cause] if "--" in CAUSES[cause] else [*CAUSES[cause], "--", "/bin/true"]
    done = run(root_stage, "--check", *root_stage.options("permit", False), *words)
    errors = [line for line in done.stdout.splitlines() if line.startswith("error ")]
    assert len(errors) == 1 and "Success" not in done.stdout, done.stdout
    assert done.returncode == 2


@pytest.mark.parametrize("cause, words", [
    ("no run-as", "--run-as: there is no user imapgt-nobody"),
    ("run-as that may not log in", "--run-as: imapgtsys has uid "),
    ("unknown percent in an argument", 'arguments: %x: unknown "%"'),
    ("unknown percent in setenv", '--setenv: A: unknown "%"'),
    ("no program in the path", "no-such-imap: "),
])
def test_probe_says_the_cause(root_stage, cause, words):
    more = CAUSES[cause] if "--" in CAUSES[cause] else [*CAUSES[cause], "--", "/bin/true"]
    done = run(root_stage, "--probe", *root_stage.options("permit", False), *more)
    errors = [line for line in done.stdout.splitlines() if line.startswith("error ")]
    assert len(errors) == 1 and words in errors[0] and "Success" not in done.stdout, done.stdout


# --- port 993 in the clear

@pytest.fixture
def port_993():
    """A listening socket on that port of loopback, at an address that no other test process uses."""
    if os.getuid() != 0:
        pytest.skip("needs root: the port is below 1024")
    try:
        server = socket.create_server((f"127.93.{os.getpid() >> 8 & 0xff}.{os.getpid() & 0xff}", 993))
    except OSError as error:
        # This system may serve IMAP itself, at all addresses.
        pytest.skip(f"port 993: {error}")
    with server:
        yield server


@pytest.mark.parametrize("options, warned", [
    (["--allow-cleartext", "all"], True),
    (["--tls-on-connect"], False),
    (["--allow-cleartext", "all", "--proxy", "127.0.0.0/8"], False),
])
def test_port_993_of_a_superserver(root_stage, port_993, options, warned):
    """Mail programs wait there for the server's hello, and the server for theirs."""
    certificate = root_stage.certificate("ecdsa")
    command = [root_stage.program, *root_stage.options(), *certificate.options, *options, "--", *root_stage.mailbox()]
    log = root_stage.file("logs")
    client = socket.create_connection(port_993.getsockname())
    accepted, _ = port_993.accept()
    with client, open(log, "ab") as written, accepted:
        started = subprocess.Popen(command, stdin=accepted, stdout=accepted, stderr=written, cwd="/")
        accepted.close()
        if "--proxy" in options:
            client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 993\r\n")
        if "--tls-on-connect" not in options:
            client.sendall(b"a LOGOUT\r\n")
        client.shutdown(socket.SHUT_WR)
        assert started.wait(PATIENCE) == 0
    found = [event for event in loglines.read(log.read_text()) if event.name == "tls-missing"]
    assert len(found) == warned
    assert not warned or "--tls-on-connect is missing" in found[0]["text"] and found[0]["lport"] == "993"


@pytest.mark.parametrize("name, options, warned", [
    ("imap", [], True), ("public-imap", [], True), ("imaps", [], False), ("", [], False), ("imap", ["--tls-on-connect"], False),
    ("imap", ["--proxy", "127.0.0.0/8"], False),
])
def test_port_993_of_a_listener(root_stage, port_993, name, options, warned):
    options = [*root_stage.certificate("ecdsa").options, *options]
    with Listener(root_stage, *options, sockets=[port_993.dup()], names=[name]) as server:
        assert len(server.log("tls-missing")) == warned


@pytest.fixture
def listening_on():
    """Gives listening sockets on ports of loopback, at an address that no other test process uses."""
    opened = []

    def listening(port):
        opened.append(socket.create_server((f"127.93.{os.getpid() >> 8 & 0xff}.{os.getpid() & 0xff}", port)))
        return opened[-1]
    yield listening
    for server in opened:
        server.close()


@pytest.mark.parametrize("port, name, warned", [
    (10993, "unknown", True), (1993, "", True), (10993, "imap", False), (10993, "imaps", False), (10143, "unknown", False),
    (10143, "webmail-imaps.socket", True), (10143, "webmail-imap.socket", False),
])
def test_port_for_tls_of_a_listener(stage, listening_on, port, name, warned):
    """Only 993 means TLS by itself; a port or a name that looks like it is no reason to be silent."""
    with Listener(stage, *stage.certificate("ecdsa").options, sockets=[listening_on(port).dup()], names=[name]) as server:
        found = server.log("tls-missing")
        assert len(found) == warned
        assert not warned or found[0]["lport"] == str(port) and "end in imaps" in found[0]["text"]


@pytest.mark.parametrize("port, warned", [(10993, True), (10143, False)])
def test_port_for_tls_of_a_superserver(stage, listening_on, port, warned):
    """There is no name that could be wrong, and none is blamed."""
    listening = listening_on(port)
    log = stage.file("logs")
    with socket.create_connection(listening.getsockname()) as client, open(log, "ab") as written:
        accepted, _ = listening.accept()
        with accepted:
            started = subprocess.Popen([stage.program, *stage.options(), "--", *stage.mailbox()], stdin=accepted, stdout=accepted,
                                       stderr=written, cwd="/")
        client.sendall(b"a LOGOUT\r\n")
        assert started.wait(PATIENCE) == 0
    found = [event for event in loglines.read(log.read_text()) if event.name == "tls-missing"]
    assert len(found) == warned
    assert not warned or found[0]["lport"] == str(port) and "--tls-on-connect is missing" in found[0]["text"] and "name" not in found[0]["text"]
