"""Started by the programs that are there to start such programs, also as the manual's recipes say it."""

import shutil
import socket
import subprocess

import pytest

import documents
import superserver
from clients import STARTTLS, TLS, Errand, curl, imaplib_login
from record import Report
from stage import TREE
from wire import SocketWire

SERVERS = {
    "systemd-inetd": ("systemd-socket-activate", lambda stage, command: superserver.socket_activate(stage, command, "--inetd")),
    "systemd-descriptor-3": ("systemd-socket-activate", superserver.socket_activate),
    "tcpserver": ("tcpserver", superserver.tcpserver),
    "inetd": ("inetd", superserver.inetd),
}


@pytest.fixture(params=SERVERS)
def serve(request, root_stage):
    """Starts a superserver for these options and this program; gives its port and its log."""
    program, start = SERVERS[request.param]
    if not shutil.which(program):
        pytest.skip(f"no {program} on this machine")

    def serving(*options, mailbox):
        command = [root_stage.program, *root_stage.options("unix"), *map(str, options), "--", *map(str, mailbox)]
        return start(root_stage, command)

    serving.name = request.param
    return serving


@pytest.mark.parametrize("client", (imaplib_login, curl))
def test_message_through_dovecot(root_stage, serve, client):
    account, certificate = root_stage.users["imapgt1"], root_stage.certificate("rsa")
    with serve(*certificate.options, mailbox=[root_stage.dovecot]) as server:
        errand = Errand(server.port, STARTTLS, account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in client(errand)


def converse(wire, lines):
    """Sends it all, closes this direction, and returns what comes back."""
    try:
        wire.send(lines)
        wire.half_close()
        said = b""
        while data := wire.receive():
            said += data
        return said
    finally:
        wire.close()


def test_nothing_but_imap_on_the_wire(root_stage, serve):
    """Under classic inetd descriptor 2 is the client: no log line, and no word of the mailbox program's, may get there."""
    report = root_stage.report()
    with serve("--allow-cleartext", "loopback", mailbox=root_stage.mailbox(report=report)) as server:
        account = root_stage.users["imapgt1"]
        wire = SocketWire(socket.create_connection(("127.0.0.1", server.port), timeout=5))
        said = converse(wire, f"x NOOP\r\na LOGIN {account.name} mumble\r\nb LOGIN {account.name} {account.password}\r\n"
                              "c NOOP\r\n".encode())
        environment = report.environment
    lines = said.split(b"\r\n")
    assert lines[0].startswith(b"* OK [CAPABILITY ")
    assert lines[1:] == [b"x OK NOOP completed", b"a NO [AUTHENTICATIONFAILED] Authentication failed", b"b OK recorder",
                         b"c OK heard NOOP", b""]
    assert sorted(report.descriptors) == [0, 1, 2]
    assert report.descriptors[0] == report.descriptors[1] != report.descriptors[2]
    assert environment["TCPREMOTEIP"] == "127.0.0.1" and environment["TCPLOCALPORT"] == str(server.port)


def test_implicit_tls(root_stage, serve):
    account, certificate = root_stage.users["imapgt2"], root_stage.certificate("ecdsa")
    with serve("--tls-on-connect", *certificate.options, mailbox=[root_stage.dovecot]) as server:
        errand = Errand(server.port, "tls", account.name, account.password, certificate, root_stage.file("scratch"))
        assert "This is the text of message 2." in imaplib_login(errand)


@pytest.mark.parametrize("options", (["--inetd"], []), ids=("inetd", "descriptor 3"))
def test_unix_socket_by_systemd(root_stage, options):
    """Its path is all that a client needs; passwords are safe there."""
    if not shutil.which("systemd-socket-activate"):
        pytest.skip("no systemd-socket-activate on this machine")
    path, report = str(root_stage.file("scratch", ".sock")), Report(root_stage.file("reports"))
    command = [root_stage.program, *root_stage.options(), "--", *root_stage.mailbox(report=report)]
    with superserver.socket_activate(root_stage, command, *options, path=path):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        said = converse(SocketWire(client), b"a LOGIN joe sesame\r\nb NOOP\r\n")
    assert said.endswith(b"a OK recorder\r\nb OK heard NOOP\r\n"), said
    assert report.environment["USER"] == "joe"


# --- the manual's recipes

PROGRAM = "/usr/local/libexec/imapgate-dovecot"


def recipe(title, kind, number, first):
    """The block of this number among those of its kind."""
    text = documents.blocks(title, kind)[number].text.strip()
    assert text.startswith(first), f"{kind} {number} of {title!r} is not about {first}"
    return text


def installed(stage):
    """What stands where the manual has /usr/local/sbin/imapgate: the program, and the settings that are this stage's.

    They are on its command line, which leaves the configuration file to say what it says where it is installed.
    """
    certificate, config = stage.certificate("rsa"), stage.file("scratch", ".conf")
    config.write_text(f"cert = {certificate.file}\nkey = {certificate.key}\nprogram = {stage.dovecot}\n")
    script = stage.file("scratch", ".sh")
    options = " ".join(stage.options("unix"))
    script.write_text(f"""#!/bin/sh
case " $* " in
*" -- "*) exec {stage.program} {options} "$@" ;;
*) exec {stage.program} {options} --config {config} "$@" ;;
esac
""")
    script.chmod(0o755)
    return script


def places(stage, **more):
    return {"/usr/local/sbin/imapgate": installed(stage), **more}


def keys(stage):
    """Where the superserver has the certificate."""
    certificate = stage.certificate("rsa")
    return {"/etc/imapgate/cert.pem": certificate.file, "/etc/imapgate/key.pem": certificate.key, PROGRAM: stage.dovecot}


def shell(stage, command, port=None, path=None):
    """exec, so that what is ended at the end is the superserver."""
    return superserver.Foreign(stage, ["/bin/sh", "-c", f"exec env {command}"], port, path)


def reads_mail(stage, port, security):
    account = stage.users["imapgt1"]
    errand = Errand(port, security, account.name, account.password, stage.certificate("rsa"), stage.file("scratch"))
    assert "This is the text of message 2." in curl(errand)


def needs(program):
    return pytest.mark.skipif(not shutil.which(program), reason=f"no {program} on this machine")


def where_there_is(program):
    """Debian has no s6-networking: without it these are no tests."""
    return lambda test: test if shutil.which(program) else None


@needs("inetd")
@pytest.mark.parametrize("line, service, security", ((0, "imap", STARTTLS), (1, "imaps", TLS)), ids=("imap", "imaps"))
def test_recipe_inetd(root_stage, line, service, security):
    port, settings = superserver.free_port(), root_stage.file("scratch", ".conf")
    text = recipe("inetd", "inetd", 0, "imap stream").splitlines()[line]
    settings.write_text(documents.adapted(text, places(root_stage, **{f"{service} stream": f"127.0.0.1:{port} stream"})) + "\n")
    with superserver.Foreign(root_stage, ["inetd", "-i", str(settings)], port):
        reads_mail(root_stage, port, security)


@pytest.fixture(scope="session")
def xinetd():
    """Debian's, from a folder of its own: it conflicts with the other inetd."""
    folder = TREE / "build" / "xinetd"
    done = subprocess.run([TREE / "tests" / "unpack", folder, "xinetd"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"xinetd can't be unpacked: {done.stderr}")
    return str(folder / "usr" / "sbin" / "xinetd")


@pytest.mark.parametrize("options, security", (("", STARTTLS), ("server_args = --tls-on-connect", TLS)), ids=("imap", "imaps"))
def test_recipe_xinetd(root_stage, xinetd, options, security):
    port, settings = superserver.free_port(), root_stage.file("scratch", ".conf")
    settings.write_text(documents.adapted(recipe("xinetd", "xinetd", 0, "service imap"), places(root_stage, **{
        "socket_type = stream": f"socket_type = stream\n type = UNLISTED\n protocol = tcp\n port = {port}\n bind = 127.0.0.1\n {options}"}))
        + "\n")
    with superserver.Foreign(root_stage, [xinetd, "-dontfork", "-f", str(settings), "-pidfile",
                                          str(root_stage.file("scratch", ".pid"))], port):
        reads_mail(root_stage, port, security)


@needs("tcpserver")
@pytest.mark.parametrize("line, number, security", ((0, "143", STARTTLS), (1, "993", TLS)), ids=("143", "993"))
def test_recipe_tcpserver(root_stage, line, number, security):
    port = superserver.free_port()
    text = recipe("tcpserver", "shell", line, "tcpserver")
    with shell(root_stage, documents.adapted(text, places(root_stage, **{f" 0 {number} ": f" 127.0.0.1 {port} "})), port):
        reads_mail(root_stage, port, security)


@needs("s6-svscan")
def test_recipe_s6(root_stage):
    """The log goes where the supervisor wants it, and another tcpserver comes when the first one is killed."""
    port, scan = superserver.free_port(), root_stage.file("scratch")
    run = scan / "imapgate" / "run"
    run.parent.mkdir(parents=True)
    run.write_text(documents.adapted(recipe("s6 and runit", "service", 0, "#!/bin/sh"), places(root_stage, **{" 0 143 ": f" 127.0.0.1 {port} "})) + "\n")
    run.chmod(0o755)
    with superserver.Foreign(root_stage, ["s6-svscan", str(scan)], port) as server:
        reads_mail(root_stage, port, STARTTLS)
        assert "auth-ok rip=127.0.0.1 " in server.log_text()


@where_there_is("s6-tcpserver")
def test_recipe_s6_tcpserver(root_stage):
    port = superserver.free_port()
    text = documents.adapted(recipe("s6 and runit", "shell", 0, "s6-tcpserver"), places(root_stage, **{" 0.0.0.0 143 ": f" 127.0.0.1 {port} "}))
    with shell(root_stage, text, port):
        reads_mail(root_stage, port, STARTTLS)


@needs("s6-ipcserver")
def test_recipe_s6_ipcserver(root_stage):
    path, account = str(root_stage.file("scratch", ".sock")), root_stage.users["imapgt1"]
    text = documents.adapted(recipe("s6 and runit", "shell", 1, "s6-ipcserver"), places(root_stage, **{"/run/imap.sock": path}))
    with shell(root_stage, text, path=path):
        client = socket.socket(socket.AF_UNIX)
        client.connect(path)
        said = converse(SocketWire(client), f"a LOGIN {account.name} {account.password}\r\nb SELECT INBOX\r\n".encode())
    assert b"\r\n* 2 EXISTS\r\n" in said or b"\r\n* 3 EXISTS\r\n" in said, said


@where_there_is("s6-tlsserver")
def test_recipe_s6_tlsserver(root_stage):
    """The superserver has the key and does the TLS; imapgate is told of it by the environment."""
    port = superserver.free_port()
    text = documents.adapted(recipe("s6 and runit", "shell", 2, "CERTFILE"), places(root_stage, **keys(root_stage), **{
        " 0.0.0.0 993 ": f" 127.0.0.1 {port} "}))
    with shell(root_stage, text, port) as server:
        reads_mail(root_stage, port, TLS)
        assert "auth-ok rip=127.0.0.1 " in server.log_text() and " tls=TLSv1." in server.log_text()
