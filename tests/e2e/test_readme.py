"""The README's commands, as they stand, under bash and dash; each section in a machine of its own.

In layers above this system they find what they want installed; `make
check-bare` runs them in a Debian that has nothing (IMAPGATE_BARE), and then
the demo too, which .ci/run has a step of its own for.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

import documents
from certificates import Certificate
from loglines import FORMS
from machine import Imap, Machine
from stage import BINARY, TREE
from test_package import SOCKETS
from test_recipes import LASTS, PASSWORD, SHELLS, greeting_of, knows_passwords, needs_a_fresh_system, run_dovecot
from wire import PATIENCE

BARE = os.environ.get("IMAPGATE_BARE")
# Not where this tree is, which a machine above this system shows at its own path.
FOLDER = "/root/imapgate" if str(TREE) != "/root/imapgate" else "/root/again/imapgate"
HOST = "mail.example.org"
LIVE = f"/etc/letsencrypt/live/{HOST}"


class Reader:
    """Somebody who types the README's lines into a shell in the source's folder."""

    def __init__(self, certificate):
        if not BARE:
            needs_a_fresh_system()
        self.machine, self.certificate, self.shell = Machine(BARE, network="shared") if BARE else Machine(), certificate, "bash"
        try:
            self._prepare()
        except BaseException:
            self.machine.end()
            raise

    def _prepare(self):
        machine = self.machine
        if BARE:
            # What an installer writes, and debootstrap does not.
            machine.write("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
            with open("/etc/resolv.conf") as names:
                machine.write("/etc/resolv.conf", names.read())
        else:
            # What is installed is the newest there is: without lists, apt wants to fetch nothing.
            machine.run("rm", "-rf", "/var/lib/apt/lists")
        tree = subprocess.Popen(["tar", "-c", "-C", TREE, "--exclude=./build", "--exclude=./.git", "."], stdout=subprocess.PIPE)
        machine.shell(f"mkdir -p {FOLDER} && tar -x -C {FOLDER} --no-same-owner; echo 127.0.0.1 {HOST} >> /etc/hosts", stdin=tree.stdout)
        assert tree.wait() == 0
        machine.add_user("joe", PASSWORD)

    def type(self, block, answers="", allowed=(0,)):
        """What it says; nothing may go wrong. curl's prompt is answered, and the certificate's authority is known to it."""
        # The authority of the certificate is one that this machine knows, as it knows that of a real one.
        script = f"export DEMO_ONCE=1 CURL_CA_BUNDLE={LIVE}/fullchain.pem; cd {FOLDER}; set -e\n{block}"
        done = self.machine.process(self.shell, "-c", script, input=answers, timeout=1500, start_new_session=True)
        assert done.returncode in allowed, f"{block}\n{done.stdout}"
        return done.stdout

    def in_terminal(self, block, keys=b""):
        program = self.machine.popen("timeout", f"{PATIENCE * 2:g}", "script", "-qec", block, "/dev/null")
        shown, _ = program.communicate(keys, timeout=PATIENCE * 3)
        assert program.returncode == 0, shown
        return shown

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.machine.end()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("keys"), "rsa", HOST, LASTS)


@pytest.fixture
def reader(certificate):
    with Reader(certificate) as reader:
        yield reader


BUILD, INSTALL, LINKS, CHECK, BESIDE, TRY, TAKE_OVER, READ, BACK = range(9)
QUICK = documents.commands("Quick start")
SOURCE, = documents.commands("Without the package", documents.TOUR)
# What curl shows of a login.
LIST = re.compile(r"^\* LIST .*INBOX", re.MULTILINE)


@pytest.fixture(scope="module")
def package(certificate, tmp_path_factory):
    """The quick start's first step. The package is for all that install it."""
    with Reader(certificate) as reader:
        reader.type(QUICK[BUILD])
        found, = Path(f"/proc/{reader.machine.pid}/root{FOLDER}/build/deb").glob("imapgate_*.deb")
        copy = tmp_path_factory.mktemp("deb") / found.name
        copy.write_bytes(found.read_bytes())
    return copy


def with_package(reader, package):
    with open(package, "rb") as deb:
        reader.machine.shell(f"mkdir -p {FOLDER}/build/deb; cat > {FOLDER}/build/deb/{package.name}", stdin=deb)
    if not BARE:
        # Images of machines are made without it, so that no two have the same.
        reader.machine.shell("test -e /etc/ssl/private/ssl-cert-snakeoil.key || make-ssl-cert generate-default-snakeoil")


def with_letsencrypt(reader):
    machine, certificate = reader.machine, reader.certificate
    machine.write(f"{LIVE}/fullchain.pem", certificate.file.read_text())
    machine.write(f"{LIVE}/privkey.pem", certificate.key.read_text(), 0o600)


def test_quick_start(reader, package):
    """From Dovecot's login to ours and back, under each shell, while Dovecot's daemon goes on; it serves until we can."""
    machine = reader.machine
    with_package(reader, package)
    with_letsencrypt(reader)
    if not BARE:
        run_dovecot(machine)
        assert "Dovecot" in greeting_of(machine) and knows_passwords(machine)
    for reader.shell in SHELLS:
        said = reader.type(QUICK[INSTALL])
        assert ("no port is open yet" in said) == (reader.shell == SHELLS[0])
        assert machine.run("systemctl", "is-enabled", *SOCKETS, check=False).split() == ["disabled", "disabled"]
        reader.type(QUICK[LINKS])
        said = reader.type(QUICK[CHECK])
        assert "error" not in said and HOST in said
        log_in_beside(reader)
        assert "Dovecot" in greeting_of(machine) and knows_passwords(machine)
        reader.type(QUICK[TAKE_OVER])
        assert LIST.search(reader.type(QUICK[READ], f"{PASSWORD}\n"))
        assert "imapgate ready" in greeting_of(machine) and knows_passwords(machine)
        reader.type(QUICK[BACK])
        machine.wait_for(lambda: "Dovecot" in (greeting_of(machine) or ""), "Dovecot's greeting")


def log_in_beside(reader):
    """On another port, while Dovecot has its own; Ctrl-C is a signal here."""
    machine = reader.machine
    listener = machine.popen(reader.shell, "-c", f"{QUICK[BESIDE].rstrip()} & echo pid $!; wait")
    try:
        line = next(line for line in listener.stdout if line.startswith(b"pid "))
        machine.wait_for(lambda: ":2AF1 " in machine.run("cat", "/proc/net/tcp"), "the port")
        assert LIST.search(reader.type(QUICK[TRY], f"{PASSWORD}\n"))
    finally:
        machine.shell(f"kill {line.split()[1].decode()}")     # a bare Debian has no kill(1)
        print(listener.communicate(timeout=PATIENCE)[0].decode())


def test_from_source(reader):
    """Instead of the package; and `make uninstall` removes it."""
    machine = reader.machine
    reader.type(QUICK[INSTALL].splitlines()[0])
    if not BARE:
        run_dovecot(machine)
    for reader.shell in SHELLS:
        reader.type(SOURCE)
        assert "error" not in reader.type(QUICK[CHECK])
        assert machine.run("readlink", "/etc/imapgate/cert.pem", "/etc/imapgate/key.pem").split() == ["self-signed.pem", "self-signed.key"]
        assert machine.run("stat", "-c", "%a", "/etc/imapgate/self-signed.key") == "600\n"
    reader.type(QUICK[TAKE_OVER])
    url = QUICK[READ].replace(HOST, "localhost").replace("curl", "curl --cacert /etc/imapgate/cert.pem")
    assert LIST.search(reader.type(url, f"{PASSWORD}\n"))
    # Once more, with another certificate, and with links that lead nowhere yet.
    for make in (with_letsencrypt, lambda reader: machine.run("rm", "-r", LIVE)):
        make(reader)
        reader.type(QUICK[LINKS])
        before = machine.run("find", LIVE, "-type", "f", "-exec", "md5sum", "{}", "+", check=False)
        reader.type(SOURCE)
        assert machine.run("find", LIVE, "-type", "f", "-exec", "md5sum", "{}", "+", check=False) == before
        assert machine.run("readlink", "/etc/imapgate/cert.pem") == f"{LIVE}/fullchain.pem\n"
    reader.type("systemctl stop imapgate.socket imapgates.socket imapgate.service; make uninstall")
    assert machine.process("test", "-e", "/usr/local/sbin/imapgate").returncode != 0


def test_everyday(reader, package):
    """Each command of the table, in its order, with somebody logged in; those that edit are given an editor."""
    machine = reader.machine
    with_package(reader, package)
    with_letsencrypt(reader)
    if not BARE:
        run_dovecot(machine)
    for step in (INSTALL, LINKS, TAKE_OVER):
        reader.type(QUICK[step])
    if BARE:
        reader.type("apt-get install -y --no-install-recommends fail2ban python3-systemd procps")
    machine.shell("rm -f /etc/fail2ban/jail.d/defaults-debian.conf; systemctl start fail2ban.service")
    rows = documents.table("Everyday")
    # Before the first client too, when no service is running.
    assert rows[0][0] == "change options" and machine.show("imapgate.service", "ActiveState") == "inactive"
    for command in documents.code(rows[0][1])[1:]:
        reader.type(command)
    for task, cell in rows:
        for command in documents.code(cell):
            if command.startswith("/"):
                continue
            if command.startswith("systemctl edit"):
                reader.in_terminal("EDITOR='sed -i 3i[Service]\\nNice=1' " + command + " || EDITOR=true " + command)
                continue
            if task.startswith("after the service has failed"):
                machine.run("systemctl", "stop", "imapgate.service")
                reader.type(command)
                continue
            with staying(reader):
                said = reader.type(command)
            assert "joe" in said or not task.startswith(("who", "from where")), said
    assert machine.process("test", "-e", "/usr/sbin/imapgate").returncode != 0


def is_open(machine, port):
    try:
        machine.connect(port).close()
        return True
    except ConnectionRefusedError:
        return False


class staying:
    """Joe is logged in, as far as there is a server."""

    def __init__(self, reader):
        self.reader = reader

    def __enter__(self):
        context = self.reader.certificate.context()
        context.check_hostname = False
        self.imap = None
        if is_open(self.reader.machine, 993):
            self.imap = Imap(self.reader.machine, 993, context)
            self.imap.login("joe", PASSWORD)

    def __exit__(self, *exception):
        if self.imap:
            self.imap.shutdown()


def test_all_blocks_are_run():
    """Every fenced block belongs to a section that a test walks through, and has a place there."""
    assert len(QUICK) == BACK + 1 and len(documents.commands("Try it")) == 1
    sections = re.findall(r"^## (.*)$", documents.README, re.MULTILINE)
    assert [title for title in sections if documents.commands(title)] == ["Try it", "Quick start"]


def test_only_one_command_is_not_run_here():
    """The demo, which is a step of .ci/run; `make check-bare` runs it."""
    assert documents.commands("Try it")[0] == "./tests/setup build && make demo\n"
    assert "make -s demo" in (TREE / ".ci" / "run").read_text()


def test_version():
    said = subprocess.run([BINARY, "--version"], check=True, capture_output=True, text=True, timeout=20).stdout.split()[-1]
    assert f"| version | {said} of " in documents.README


def test_log_lines_are_real():
    """The table of failures names events and words that the program has."""
    source = "".join(path.read_text() for path in (TREE / "src").rglob("*.c")) + "PAM_AUTH_ERR unknown ca"
    for _, log, _ in documents.table("When a login fails"):
        for word in documents.code(log):
            name, _, value = word.partition("=")
            assert name in FORMS or f'"{name}"' in source, word
            assert re.search(rf"\b{re.escape(value.strip('.' + chr(34)))}\b", source), word


def test_links_lead_somewhere():
    anchors = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.*)$", documents.README, re.MULTILINE)}
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", documents.README):
        assert target[1:] in anchors if target.startswith("#") else (TREE / target).exists(), text


def test_tour_names_every_source_file():
    """And no file that is gone."""
    text = (TREE / "src" / "README.md").read_text()
    there = {path.name for path in (TREE / "src").rglob("*") if path.suffix in (".c", ".S")}
    named = set(re.findall(r"`(?:\w+/)*([\w-]+\.[cS])`", text))
    assert (sorted(there - named), sorted(named - there)) == ([], [])
