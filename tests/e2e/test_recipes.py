"""The manual's recipes and lists of commands, as they stand, each in a machine of its own, under bash and dash.

Each begins where the README's quick start ends: imapgate is installed, its
sockets are open, joe has mail. RECIPES has a function for each recipe; those
for superservers have tests of their own, see ELSEWHERE.
"""

import os
import pwd
import re
import shlex
import socket
import ssl
import subprocess
import warnings
from pathlib import Path

import pytest

import documents
from certificates import Certificate
from installed import installed_machine
from machine import Imap
from stage import TREE
from wire import PATIENCE

PASSWORD = "Amethyst 6 joe"
# Days: --check warns of a certificate that is about to expire.
LASTS = 90
CONFIG = "/etc/imapgate/imapgate.conf"

# Where the blocks of a recipe are run that are no commands for a shell.
ELSEWHERE = {
    "inetd": ("test_superservers.py", "test_standard_input.py"),
    "xinetd": ("test_superservers.py", "test_standard_input.py"),
    "tcpserver": ("test_superservers.py",),
    "s6 and runit": ("test_superservers.py", "test_standard_input.py", "test_ucspitls.py"),
    "Behind HAProxy": ("test_haproxy.py",),
    "Virtual users": ("test_virtual.py",),
    "SECURITY CONSIDERATIONS": ("test_hostile_gate.py",),
}
# What no test runs, and why.
NOT_RUN = {
    "UW imapd and its relatives": "Debian has no UW imapd",
    "PAM modules that run a program": "an excerpt, with dots",
}
SHELLS = ("bash", "dash")


class Walk:
    """Plays the blocks of one recipe, in their order, in a machine."""

    def __init__(self, machine, certificate, shell, title):
        self.machine, self.certificate, self.shell = machine, certificate, shell
        self.blocks = documents.blocks(title)

    def run(self, command, answers=""):
        done = self.machine.process(self.shell, "-c", f"set -e\n{command}", input=answers, start_new_session=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def play(self, *kinds, answers=""):
        """The next block, which has to be of one of these kinds. Gives what it said."""
        block = self.blocks.pop(0)
        assert block.kind in kinds, f"{block.kind} in the place of {kinds}: {block.text}"
        if block.kind == "run":
            return self.run(block.text, answers)
        if block.kind in ("file", "script"):
            self.machine.write(block.argument, block.text, 0o755 if block.kind == "script" else 0o644)
        if block.kind == "line":
            self.machine.shell(f"cat >> {block.argument}", input=block.text)
        if block.kind == "options":
            self.configure(block.text)
        return block.text

    def skip(self, *kinds):
        while self.blocks and self.blocks[0].kind in kinds:
            self.blocks.pop(0)

    def configure(self, text):
        """As one edits the file: lines of these names take the place of those that are there."""
        names = re.findall(r"^([a-z-]+) *=", text, re.MULTILINE)
        for name in set(names):
            self.machine.run("sed", "-i", f"/^{name} *=/d", CONFIG)
        self.machine.shell(f"cat >> {CONFIG}", input=text)
        said = self.run("imapgate --check")
        assert "error" not in said, said
        self.machine.shell("systemctl try-reload-or-restart imapgate.service")

    # --- what clients see

    def context(self, certificate=None):
        context = (certificate or self.certificate).context()
        context.check_hostname = False
        return context

    def other_certificates(self):
        """Two, with their keys in their files; from here on clients trust the one that is preferred."""
        for kind in ("rsa", "ecdsa"):
            made = Certificate(Path(self.certificate.file).parent, kind, days=LASTS)
            self.machine.write(f"/etc/imapgate/{kind}.pem", made.both.read_text(), 0o600)
        self.certificate = made

    def connect(self, port=143):
        return Imap(self.machine, port, self.context() if port in (993, 10993) else None)

    def log_in(self, port=993, user="joe", password=PASSWORD, tls=True):
        imap = self.connect(port)
        if port not in (993, 10993) and tls:
            imap.starttls(self.context())
        imap.login(user, password)
        return imap

    def reads_mail(self, *ports, **more):
        for port in ports or (143, 993):
            imap = self.log_in(port, **more)
            assert "This is the text of message 1." in imap.read_message(1)
            imap.logout()

    def closed(self, port):
        with pytest.raises(ConnectionRefusedError):
            self.machine.connect(port)

    def ends(self, inside):
        """This session's connection, soon."""
        def is_at_its_end():
            try:
                return inside.noop() is None
            except (Imap.abort, OSError):
                return True
        self.machine.wait_for(is_at_its_end, "the end of the session")

    def refused(self, **more):
        with pytest.raises(Imap.error, match="AUTHENTICATIONFAILED|PRIVACYREQUIRED"):
            self.log_in(**more)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return Certificate(tmp_path_factory.mktemp("keys"), "rsa", days=LASTS)


def needs_a_fresh_system():
    """Has somebody gone this way on the system below? Its first steps can't be gone twice."""
    if os.path.exists("/etc/imapgate") or any(entry.pw_name == "joe" for entry in pwd.getpwall()):
        pytest.skip("the README's commands were run on this system already; make check-bare runs them on one that has nothing")


@pytest.fixture
def walk(request, certificate):
    """A machine as the quick start leaves it."""
    title, shell = request.param
    needs_a_fresh_system()
    machine = installed_machine(certificate)
    try:
        machine.add_user("joe", PASSWORD)
        machine.run("systemctl", "enable", "--now", "imapgate.socket", "imapgates.socket")
        walk = Walk(machine, certificate, shell, title)
        walk.title = title
        yield walk
    finally:
        machine.end()


# --- one function for each recipe

def after_a_change(walk):
    """Before the first client, when no service is running, and after it: the next client finds the change."""
    commands = walk.blocks[0].text
    for state in ("inactive", "active"):
        assert walk.machine.show("imapgate.service", "ActiveState") == state
        walk.machine.shell(f"sed -i '/^capability *=/d' {CONFIG}; echo 'capability = LITERAL+ X-{state}' >> {CONFIG}")
        walk.run(commands)
        walk.machine.wait_for(lambda: walk.machine.show("imapgate.service", "ActiveState") != "reloading", "the reload's end")
        assert walk.machine.show("imapgate.service", "ActiveState") == state
        walk.machine.wait_for(lambda: f"X-{state}".upper() in walk.connect().capabilities, "the change")
    walk.blocks.pop(0)
    walk.reads_mail()


def lets_encrypt(walk):
    """Certbot's folders: a renewal is two other links, and needs nothing more."""
    machine, folder = walk.machine, "/etc/letsencrypt"
    made = [Certificate(Path(walk.certificate.file).parent, kind, "mail.example.org", LASTS) for kind in ("ecdsa", "rsa")]
    machine.shell(f"install -d -m 0700 {folder}/archive/mail.example.org {folder}/live/mail.example.org")

    def renew(number):
        for name, file in (("fullchain", made[number].file), ("privkey", made[number].key)):
            machine.write(f"{folder}/archive/mail.example.org/{name}{number}.pem", file.read_text(), 0o600)
            machine.run("ln", "-sfn", f"../../archive/mail.example.org/{name}{number}.pem", f"{folder}/live/mail.example.org/{name}.pem")

    def trusted(certificate):
        try:
            Imap(machine, 993, walk.context(certificate)).logout()
        except ssl.SSLError:
            return False
        return True

    renew(0)
    assert "mail.example.org" in walk.play("run")
    assert trusted(made[0]) and not trusted(made[1])
    pid = machine.show("imapgate.service", "MainPID")
    renew(1)
    machine.wait_for(lambda: trusted(made[1]), "the renewed certificate")
    assert machine.show("imapgate.service", "MainPID") == pid
    assert machine.journal("IMAPGATE_EVENT=certificates-renewed")


def only_993(walk):
    inside = walk.log_in(143)
    walk.play("run")
    walk.closed(143)
    walk.reads_mail(993)
    inside.noop()
    walk.play("run")
    walk.reads_mail()


def another_port(walk):
    walk.play("file")
    walk.play("run")
    walk.closed(993)
    walk.reads_mail(10993, 143)
    walk.run("rm /etc/systemd/system/imapgates.socket.d/port.conf; systemctl daemon-reload; systemctl stop imapgate.service; "
             "systemctl restart imapgates.socket")
    with in_background(walk, 10143):
        walk.reads_mail(10143, 10993)
    walk.reads_mail()


class in_background:
    """A command that goes on until the end of the with block."""

    def __init__(self, walk, port):
        self.walk, self.port = walk, port

    def __enter__(self):
        command = self.walk.play("background")
        self.process = self.walk.machine.popen(self.walk.shell, "-c", f"{command.rstrip()} & echo pid $!; wait")
        # The command may be the first to say something.
        self.pid = next(line for line in self.process.stdout if line.startswith(b"pid ")).split()[1].decode()
        self.walk.machine.wait_for(lambda: f":{self.port:04X} " in self.walk.machine.run("cat", "/proc/net/tcp", "/proc/net/tcp6"), "the port")

    def __exit__(self, *exception):
        self.walk.machine.run("kill", self.pid)
        self.process.communicate(timeout=PATIENCE)


def webmail_socket(walk):
    walk.reads_mail()
    walk.play("file")
    walk.play("run")
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(f"/proc/{walk.machine.pid}/root/run/imapgate-webmail.sock")
        client.sendall(f'a LOGIN joe "{PASSWORD}"\r\nb SELECT INBOX\r\nc LOGOUT\r\n'.encode())
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert b" EXISTS\r\n" in said and b"\r\nc OK " in said, said
    assert walk.machine.run("stat", "-c", "%U %a", "/run/imapgate-webmail.sock") == "www-data 600\n"
    walk.reads_mail()


def webmail_loopback(walk):
    walk.refused(port=143, tls=False)
    walk.play("options")
    walk.reads_mail(143, tls=False)


def webmail_elsewhere(walk):
    walk.play("options")
    walk.reads_mail()


def virtual_users(walk):
    walk.play("run")
    walk.play("file")
    walk.play("run", answers=f"{PASSWORD}\n{PASSWORD}\n")
    assert walk.machine.run("stat", "-c", "%a", "/etc/imapgate/users") == "600\n"
    walk.play("options")
    imap = walk.log_in(user="joe@example.org")
    assert imap.append("INBOX", None, None, b"Subject: hello\r\n\r\nhello\r\n")[0] == "OK"
    assert walk.machine.run("stat", "-c", "%U", "/srv/mail/example.org/joe/Maildir") == "vmail\n"
    walk.refused(user="Joe@example.org")


def app_passwords(walk):
    passwords = ("Beryll 1 laptop", "Citrin 2 phone")
    for password in passwords:
        walk.play("run", answers=f"{password}\n{password}\n")
        walk.reads_mail()
    walk.play("file")
    for password in passwords:
        walk.reads_mail(password=password)
    walk.refused()


def homes_at_login(walk):
    walk.machine.run("useradd", "--no-create-home", "--shell", "/bin/sh", "kim")
    walk.machine.run("chpasswd", input=f"kim:{PASSWORD}\n")
    walk.play("line")
    assert walk.log_in(user="kim").select("INBOX")[0] == "OK"
    assert walk.machine.run("stat", "-c", "%U %a", "/home/kim") == "kim 700\n"


def haproxy(walk):
    walk.play("options")
    walk.skip("haproxy")
    walk.reads_mail()
    walk.play("run")
    walk.closed(993)
    walk.skip("haproxy")
    walk.reads_mail(143)


def each_connection(walk):
    walk.reads_mail()
    walk.play("run")
    inside = walk.log_in()
    assert "@" in walk.machine.run("systemctl", "list-units", "--no-legend", "--plain", "--state=running", "imapgate*@*.service")
    inside.logout()
    walk.reads_mail()
    walk.play("run")
    walk.reads_mail()


BEFORE = "Before another superserver"


def free_ports(walk):
    walk.reads_mail()
    walk.play("run")
    walk.closed(143)
    walk.closed(993)
    walk.machine.run("userdel", "_imapgate")
    walk.play("run")
    walk.machine.run("systemctl", "start", "imapgate.socket")
    walk.reads_mail(143)


def inetd(walk):
    """By the system's inetd. The one with "wait" has its listener until that is ended."""
    machine = walk.machine
    walk.run(documents.blocks(BEFORE)[0].text)
    for lines in (walk.play("inetd"), walk.play("inetd")):
        machine.shell("sed -i '/imapgate/d' /etc/inetd.conf; cat >> /etc/inetd.conf; systemctl restart inetd.service", input=lines)
        walk.reads_mail()
        machine.shell("systemctl stop inetd.service; pkill -x imapgate || :")


def socket_activate(walk):
    walk.run(documents.blocks(BEFORE)[0].text)
    with in_background(walk, 993):
        walk.reads_mail()


def dovecot(walk):
    version = walk.machine.run("dovecot", "--version")[:3]
    for _ in range(2):
        walk.play("options")
        walk.reads_mail()
    walk.machine.run("mv", "/home/joe/Maildir", "/home/joe/mail")
    for block in walk.blocks:
        assert (block.kind, block.argument) in (("options", "2.3"), ("options", "2.4"))
    walk.blocks = [block for block in walk.blocks if block.argument == version]
    walk.play("options")
    walk.reads_mail()


def run_dovecot(machine):
    """Its daemon, as its package leaves it: some images lack the certificate that the package makes."""
    machine.shell("test -e /etc/dovecot/private/dovecot.pem || openssl req -x509 -nodes -newkey rsa:2048 -subj /CN=localhost "
                  "-keyout /etc/dovecot/private/dovecot.key -out /etc/dovecot/private/dovecot.pem 2>/dev/null; "
                  "systemctl start dovecot.service")


def greeting_of(machine, port=143):
    """The server's first line; nothing while it is changing its sockets; None if nobody listens."""
    try:
        with machine.connect(port) as client:
            return client.recv(1024).decode()
    except ConnectionResetError:
        return ""
    except ConnectionRefusedError:
        return None


def knows_passwords(machine):
    """Dovecot's daemon still answers those who ask it, as a submission server does."""
    said = machine.run("doveadm", "auth", "test", "joe", PASSWORD, check=False)
    return "auth succeeded" in said and machine.process("test", "-S", "/run/dovecot/auth-client").returncode == 0


def leaving_dovecot(walk):
    machine = walk.machine
    walk.run("systemctl disable --now imapgate.socket imapgates.socket; systemctl stop imapgate.service")
    run_dovecot(machine)
    with_socket = walk.shell == "dash"
    if with_socket:
        walk.run("systemctl stop dovecot.service; systemctl enable --now dovecot.socket; systemctl start dovecot.service")
    assert "Dovecot" in greeting_of(machine) and knows_passwords(machine)
    moves_old_mail(walk)
    if with_socket:
        walk.run("systemctl disable --now dovecot.socket")
    walk.play("file")
    walk.play("run")
    assert greeting_of(machine) is None
    walk.play("run")
    machine.wait_for(lambda: "imapgate ready" in (greeting_of(machine) or ""), "imapgate's greeting")
    machine.wait_for(lambda: knows_passwords(machine), "Dovecot's answer")
    assert machine.show("dovecot.service", "ActiveState") == "active"
    inside = walk.log_in()
    for folder, texts in OLD_MAIL.items():
        inside.select(folder)
        for text in texts:
            assert len(inside.search(None, "BODY", f'"{text}"')[1][0].split()) == 1, text
    if with_socket:
        block = walk.blocks.pop(0).text.splitlines()
        walk.run("\n".join([*block[:-1], "systemctl stop dovecot.service", "systemctl enable --now dovecot.socket", block[-1]]))
        assert machine.show("dovecot.socket", "ActiveState") == "active"
    else:
        walk.play("run")
    machine.wait_for(lambda: "Dovecot" in (greeting_of(machine) or ""), "Dovecot's greeting")
    assert inside.noop()[0] == "OK"


# Dovecot tells messages of an mbox apart by headers such as Message-ID.
MBOX = "From kim@example.org Thu Nov 26 20:26:04 2026\nMessage-ID: <{0}@example.org>\nSubject: {0}\n\nThis is the text of {0}.\n\n"


OLD_MAIL = {"INBOX": ("old mail", "later mail", "message 1"), "Sent": ("sent mail",)}


def moves_old_mail(walk):
    """From Dovecot's mbox files to a new Maildir, or to one with as many messages; and again for what has come meanwhile."""
    machine = walk.machine
    inbox, later, _ = OLD_MAIL["INBOX"]
    machine.shell("install -d -o joe -g joe -m 0700 /home/joe/mail; cat > /var/mail/joe; chown joe:mail /var/mail/joe; chmod 660 /var/mail/joe",
                  input=MBOX.format(inbox))
    machine.shell("cat > /home/joe/mail/Sent; chown joe:joe /home/joe/mail/Sent", input=MBOX.format(OLD_MAIL["Sent"][0]))
    if walk.shell == "bash":
        machine.run("rm", "-r", "/home/joe/Maildir")
        machine.shell("cat >> /var/mail/joe", input=MBOX.format("message 1"))
    walk.run(walk.blocks[0].text)
    machine.shell("cat >> /var/mail/joe", input=MBOX.format(later))
    if walk.shell == "dash":
        machine.shell("cat > /home/joe/Maildir/cur/1700000002.M1.here:2,; chown joe:joe /home/joe/Maildir/cur/*", input="Subject: 2\n\n2\n")
    walk.play("run")


def courier(walk):
    """Unpacked, since it can't be installed beside Dovecot."""
    done = subprocess.run([TREE / "tests" / "courier"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"no Courier: {done.stderr.strip()}")
    folder = Path(done.stdout.strip()).parent
    tree = subprocess.Popen(["tar", "-c", "-C", folder, "."], stdout=subprocess.PIPE)
    walk.machine.shell("mkdir -p /opt/courier /etc/courier; tar -x -C /opt/courier; chmod -R a+rX /opt/courier; "
                       "printf '#!/bin/sh\\nexec /opt/courier/imapd \"$@\"\\n' > /usr/bin/imapd; chmod 755 /usr/bin/imapd; "
                       "cp /opt/courier/etc/courier/imapd /etc/courier/imapd", stdin=tree.stdout)
    assert tree.wait() == 0
    walk.play("script")
    walk.play("options")
    walk.reads_mail()


def another_program(walk):
    assert "--handoff tag" in walk.play("run")


def who_is_logged_in(walk):
    """Those who are there, and not those who have left; with TLS by a relay, with a keeper, and without TLS."""
    walk.configure("allow-cleartext = loopback\npam-session = wait\n")
    inside = [walk.log_in(143, tls=False)]
    walk.configure("pam-session = open\n")
    inside += [walk.log_in(143, tls=False), walk.log_in(993)]
    walk.log_in(993).logout()
    walk.machine.wait_for(lambda: walk.machine.journal("IMAPGATE_EVENT=session-end"), "the end of the session")
    # Without the service's status, which shows log lines too.
    first, _, others = walk.blocks[0].text.partition("\n")
    assert first.startswith("systemctl status ") and "sessions logged in" in walk.play("run")
    said = walk.run(others)
    present = re.findall(r'imapgate\[(\d+)\]: handoff rip=127\.0\.0\.1 .* user="joe"', said)
    assert len(present) == said.count(": handoff ") == 3 and said.count(": session-end ") == 1, said
    # The relay's: a process of the log, by its number.
    walk.run(f"kill {present.pop()}")
    walk.ends(inside.pop())
    walk.play("run")
    for session in inside:
        walk.ends(session)
    session = walk.log_in()
    walk.play("run")
    walk.ends(session)


def log_retention(walk):
    walk.play("file")
    walk.play("file")
    walk.play("run")
    walk.reads_mail()
    walk.machine.wait_for(lambda: "auth-ok" in walk.machine.run("journalctl", "--no-pager", "--namespace=imapgate"), "the line")
    assert not walk.machine.journal("IMAPGATE_EVENT=auth-ok")


def fail2ban(walk):
    # As without a syslog daemon: Debian's jail for sshd wants this log.
    walk.machine.run("rm", "-f", "/var/log/auth.log")
    walk.play("file")
    walk.machine.run("systemctl", "start", "fail2ban.service")
    walk.machine.wait_for(lambda: walk.machine.process("fail2ban-client", "ping").returncode == 0, "fail2ban")
    walk.play("file")
    walk.play("run")
    walk.machine.wait_for(lambda: "imapgate" in walk.machine.run("fail2ban-client", "status"), "the jail")
    # It never counts this host's own address.
    with pytest.raises(Imap.error):
        Imap(walk.machine, 993, walk.context(), source="127.0.0.77").login("joe", "wrong")
    walk.machine.wait_for(lambda: re.search(r"Total failed:\s+1", walk.machine.run("fail2ban-client", "status", "imapgate")), "a failure")


def two_kinds(walk):
    walk.other_certificates()
    walk.machine.run("sed", "-i", "/^key *=/d", CONFIG)
    walk.play("options")
    walk.reads_mail()
    context = walk.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        Imap(walk.machine, 993, context)


def configuration(walk):
    """The manual's example, whole."""
    walk.other_certificates()
    walk.machine.write(CONFIG, walk.play("config"))
    assert "error" not in walk.run("imapgate --check")
    walk.reads_mail()


def trouble(walk):
    """And the signs: a login that fails in each way has the words of the README's table in the log."""
    machine = walk.machine
    walk.reads_mail()
    said = walk.play("run")
    assert "handoff" in said and "error" not in said
    machine.shell("echo max-sessions-per-user = 1 >> /etc/imapgate/imapgate.conf; systemctl try-reload-or-restart imapgate.service")
    for user, change in (("kim", ("-d", "0")), ("lea", ("-E", "2001-01-01"))):
        machine.add_user(user, PASSWORD)
        machine.run("chage", *change, user)
    inside = walk.log_in()
    signs = {row[0]: documents.code(row[1]) for row in reversed(documents.table("When a login fails"))}
    for user, answer in {"joe@example.org": "Authentication failed", "kim": "EXPIRED", "lea": "CONTACTADMIN", "joe": "LIMIT"}.items():
        with pytest.raises(Imap.error, match=answer):
            walk.log_in(user=user)
        line = machine.journal("IMAPGATE_EVENT=auth-fail", f"IMAPGATE_USER={user}")[-1]["MESSAGE"]
        assert {*signs[answer], f'user="{user}"'} <= set(line.split()), line
    inside.logout()


def quick_reference(walk):
    """Each command of the list; following the log has no end, and the last one ends the session."""
    inside = walk.log_in()
    walk.refused(password="wrong")
    for command in documents.items("QUICK REFERENCE"):
        said = walk.run(f"timeout 2 {command} || :" if command.endswith(" -f") else command)
        assert "joe" in said or "auth-fail" not in command
    walk.ends(inside)


RECIPES = {
    "RECIPES": after_a_change,
    "A certificate from Let's Encrypt": lets_encrypt,
    "Only port 993": only_993,
    "Another port": another_port,
    "Webmail on this host, by a Unix-domain socket": webmail_socket,
    "Webmail on this host, over loopback": webmail_loopback,
    "Webmail on another host": webmail_elsewhere,
    "Virtual users": virtual_users,
    "App passwords and second factors": app_passwords,
    "Home directories that are made at the first login": homes_at_login,
    "Behind HAProxy": haproxy,
    "A service for each connection": each_connection,
    BEFORE: free_ports,
    "inetd": inetd,
    "systemd-socket-activate": socket_activate,
    "Dovecot": dovecot,
    "Taking IMAP from Dovecot's login, and the way back": leaving_dovecot,
    "Courier": courier,
    "Another mailbox program": another_program,
    "Who is logged in, and how to end a session": who_is_logged_in,
    "How long the log is kept": log_retention,
    "fail2ban": fail2ban,
    "Two kinds of keys, and TLS 1.3 only": two_kinds,
    "CONFIGURATION FILE": configuration,
    "TROUBLESHOOTING": trouble,
    "QUICK REFERENCE": quick_reference,
}


def cases():
    """Each recipe under each shell, but for blocks of plain words, which no two shells read in different ways."""
    for title in RECIPES:
        text = "".join(block.text for block in documents.blocks(title, "run", "background"))
        for shell in SHELLS if re.search(r"[^\w\s./=,:@+-]", text) else SHELLS[:1]:
            yield pytest.param((title, shell), id=f"{title}, {shell}")


@pytest.mark.parametrize("walk", cases(), indirect=True)
def test_recipe(walk):
    RECIPES[walk.title](walk)
    assert walk.blocks == [], f"{walk.title}: these were not run"


def test_no_recipe_is_left_out():
    """All titles, and all blocks: those without a comment fail in documents.blocks()."""
    wanted = {"RECIPES", "TROUBLESHOOTING", *documents.titles("RECIPES")}
    wanted |= {title for title in documents.PARTS if {block.kind for block in documents.blocks(title)} - {"shown"}}
    assert sorted(wanted - {*RECIPES, *ELSEWHERE, *NOT_RUN}) == []
    assert sorted({*RECIPES, *ELSEWHERE, *NOT_RUN} - documents.PARTS.keys()) == []
    assert not RECIPES.keys() & NOT_RUN.keys()


@pytest.mark.parametrize("title", ELSEWHERE)
def test_other_tests_name_the_recipe(title):
    """They take what they run from it; each kind of block is asked for by one of them, or run here."""
    texts = [(Path(__file__).parent / name).read_text() for name in ELSEWHERE[title]]
    own = {"run", "options", "line", "file", "shown", "inetd" if title == "inetd" else None}
    for block in documents.blocks(title):
        assert block.kind in own or any(f'"{block.kind}"' in text or block.text.split("\n")[0][:24] in text for text in texts), block
    if title != "SECURITY CONSIDERATIONS":
        assert all(f'"{title}"' in text for text in texts)


def test_what_is_not_run_is_said():
    for title, reason in NOT_RUN.items():
        assert documents.blocks(title)
        warnings.warn(f"the recipe {title!r} is not run: {reason}", stacklevel=1)


def test_tildes_are_quoted_for_shells():
    """bash makes the administrator's home of a ~ behind = and :, dash does not: in commands they are in quotes, or %h."""
    for title in documents.PARTS:
        for block in documents.blocks(title, "run", "background", "shell", "service"):
            for line in block.text.splitlines():
                assert "~" not in re.sub(r"'[^']*'|\"[^\"]*\"", "", line), line
    for text in re.findall(r"^```sh\n(.*?)^```$", documents.README, re.MULTILINE | re.DOTALL):
        assert "~" not in re.sub(r"'[^']*'|\"[^\"]*\"", "", text), text


def test_command_lines_can_be_read():
    """A block that is no shell's is one that a shell could split too: no quote is open."""
    for title in documents.PARTS:
        for block in documents.blocks(title, "shell", "background"):
            assert shlex.split(block.text.replace("\\\n", " "))
