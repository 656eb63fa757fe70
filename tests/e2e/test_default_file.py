"""/etc/imapgate/imapgate.conf: what is read where the command line has no program, and what --check says of it."""

import re
import subprocess

import pytest

from processes import need_mounts
from stage import TREE

FILE = "/etc/imapgate/imapgate.conf"
EXAMPLE = TREE / "src" / "imapgate.conf"
# An /etc of its own, a copy, with the file given as first word in its place; "-" for none.
ENTER = """folder=$(mktemp -d) && mount -t tmpfs none "$folder" && cp -a /etc/. "$folder" && mount --move "$folder" /etc && rmdir "$folder" &&
rm -rf /etc/imapgate && mkdir -m 755 /etc/imapgate && { [ "$1" = - ] || cp -p "$1" /etc/imapgate/imapgate.conf; } &&
eval "$2" && shift 2 && exec "$@"
"""


class Place:
    """Runs imapgate where the file has these lines."""

    def __init__(self, stage):
        self.stage = stage

    def lines(self, *more, program=None):
        """Lines for the stage's options, a program, and more."""
        options = self.stage.options()
        lines = [f'{name[2:]} = "{value}"' for name, value in zip(options[::2], options[1::2])]
        words = " ".join(f'"{word}"' for word in program or self.stage.mailbox())
        return [*lines, f"program = {words}", *more]

    def wrap(self, lines, mode=0o644, before="true"):
        path = "-"
        if lines is not None:
            path = self.stage.file("scratch", ".conf")
            path.write_text("".join(f"{line}\n" for line in lines))
            path.chmod(mode)
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", str(path), before]

    def run(self, lines, *words, **more):
        return subprocess.run([*self.wrap(lines, **more), self.stage.program, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60)


@pytest.fixture
def place(root_stage):
    need_mounts()
    return Place(root_stage)


def test_nothing_on_the_command_line(place):
    """The file has the program too, and its arguments are as they are written."""
    report = place.stage.report()
    lines = place.lines(program=[*place.stage.mailbox(report=report), "%u", "two words", "~/#$"])
    with place.stage.launch([place.stage.program], wrap=place.wrap(lines)) as imap:
        imap.greeting()
        imap.login()
    assert report.arguments[-3:] == ["joe", "two words", "~/#$"]


def test_options_before_no_program(place):
    """They win against the file's, which is read all the same."""
    lines = place.lines("max-attempts = 5")
    with place.stage.launch([place.stage.program, "--max-attempts", "1"], wrap=place.wrap(lines)) as imap:
        imap.greeting()
        imap.send("a LOGIN joe mumble\r\n")
        imap.rest()
        assert imap.logged_end()["reason"] == "too-many-attempts"


def test_program_on_the_command_line(place):
    """Then it is as it was before there was such a file: no line of it counts, and --check says so."""
    options, mailbox = place.stage.options(), place.stage.mailbox()
    with place.stage.launch([place.stage.program, *options, "--", *mailbox], wrap=place.wrap(["garbage"])) as imap:
        imap.greeting()
        imap.login()
    done = place.run(["garbage"], "--check", *options, "--", *mailbox)
    assert f"note     {FILE}: it is not read: the command line has a PROGRAM, and no --config\n" in done.stdout
    assert "is not read" not in place.run(None, "--check", *options, "--", *mailbox).stdout


def test_another_file(place):
    """--config names the file, with or without a program on the command line."""
    other = place.stage.file("scratch", ".conf")
    other.write_text("\n".join(place.lines(program=["/bin/true"])) + "\n")
    for words in ([], ["--", "/bin/true"]):
        done = place.run(["garbage"], "--check", "--config", other, *words)
        assert "mailbox program: /bin/true can be executed" in done.stdout, done.stderr
        assert FILE not in done.stdout


@pytest.mark.parametrize("question", [(), ("--check",), ("--probe", "--user", "nobody")])
def test_file_that_is_missing(place, question):
    done = place.run(None, *question)
    assert (done.returncode, done.stdout) == (64, "")
    assert done.stderr == f"imapgate: no PROGRAM, and {FILE} does not exist; see imapgate --help\n"


def test_file_without_a_program(place):
    done = place.run(["strict = yes"])
    assert done.returncode == 64 and f'no PROGRAM, and no "program = ..." in {FILE};' in done.stderr


@pytest.mark.parametrize("question", [(), ("--check",)])
def test_file_that_others_can_change(place, question):
    """It says what root executes."""
    done = place.run(place.lines(), *question, mode=0o664)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr == f"imapgate: {FILE}: users other than root can change it, and so what root executes; chown root: and chmod go-w it\n"


def test_check_needs_no_options(place):
    """It checks what the service runs."""
    done = place.run(place.lines("cert = /nonexistent/cert.pem", program=["/bin/cat"]), "--check")
    assert f"ok       {FILE}: options and the mailbox program are read from it\n" in done.stdout
    assert "error    /nonexistent/cert.pem: can't be read" in done.stdout
    assert "ok       mailbox program: /bin/cat can be executed by" in done.stdout
    assert place.run(place.lines(), "--check", "--user", "nobody").stdout.count("error    nobody: ") == 0


def test_check_names_what_the_command_line_hides(place):
    """Each option once, by its first line; a note does not spoil the exit status."""
    lines = ["timeout = 30", "setenv = A=1", "setenv = B=2", *place.lines()]
    words = ["--check", "--config", FILE, "--timeout", "40", "--setenv", "C=3", "--", "/bin/cat"]
    done = place.run(lines, *words)
    assert f"note     {FILE}: timeout in line 1 is ignored: the command line has its own\n" in done.stdout
    assert done.stdout.count(f"{FILE}: setenv in line 2 ") == 1 and "in line 3" not in done.stdout
    assert re.search(rf"note     {FILE}: program in line \d+ is ignored: the command line has another\n", done.stdout)
    assert done.returncode == place.run(lines[3:], *words[:3], "--", "/bin/cat").returncode
    assert "is ignored" not in place.run(lines, "--check").stdout


@pytest.mark.parametrize("path", ["imapgate.service.d/override.conf", "imapgates-inetd@.service.d/x.conf", "imapgate.service"])
@pytest.mark.parametrize("line, named", [("ExecStart=/usr/sbin/imapgate --cert c -- prog", True), ("ExecStart=-/usr/sbin/imapgate -- prog", True), (" ExecStart = @/usr/sbin/imapgate imapgate -- prog", True), ("ExecStart=", False),
                                         ("ExecStartPre=/bin/true", False), ("TasksMax=7", False)])
def test_check_names_a_unit_that_runs_something_else(place, path, line, named):
    """What "systemctl edit" has set before there was this file goes on, and is not what is checked."""
    file = f"/etc/systemd/system/{path}"
    before = f"mkdir -p {file.rpartition('/')[0]} && printf '[Service]\\n{line}\\n' > {file}"
    done = place.run(place.lines(), "--check", before=before)
    assert (f"note     {file}: its ExecStart= is not what is checked here" in done.stdout) == named, done.stdout + done.stderr
    other = place.run(place.lines(), "--check", *place.stage.options(), "--", "/bin/cat", before=before)
    assert "ExecStart" not in other.stdout


# --- the example that is installed

def test_example_has_every_option_with_its_default(stage):
    text = subprocess.run([stage.program, "--help"], capture_output=True, text=True, check=True, timeout=20).stdout
    rows = re.findall(r"^  --(\S+).*?(?: \(([^ ():]+)(?:: PROGRAM)?\))?(?: \*)?$", text, re.MULTILINE)
    there = dict(re.findall(r"^#?([a-z-]+) = (.*)$", EXAMPLE.read_text(), re.MULTILINE))
    assert set(there) == {name for name, _ in rows} - {"config", "check", "probe", "user", "help", "version"} | {"program"}
    # What has no default stands there as an example.
    known = {name: value for name, value in rows if value and name not in ("unlimited", "oauth-service")}
    assert len(known) > 18
    assert known == {name: there[name] for name in known}


def test_example_can_be_read(place):
    """As it is, and with every line that is commented out."""
    text = EXAMPLE.read_text()
    done = place.run(text.splitlines(), "--check")
    assert f"ok       {FILE}: options and the mailbox program are read from it" in done.stdout, done.stderr
    done = place.run(re.sub(r"^#([a-z-]+ = )", r"\1", text, flags=re.MULTILINE).splitlines(), "--check")
    assert "there is no user vmail" in done.stdout, done.stderr
