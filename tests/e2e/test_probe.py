"""--probe: which options real mailbox programs need, and what is said of programs that are none."""

import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest

from processes import ours
from stage import BUILD


@pytest.fixture
def probe(root_stage):
    """Runs --probe as a user; gives what the program needs as a dictionary, or fails with what was said."""
    def probing(*program, status=0, options=(), user="imapgt1"):
        command = [root_stage.program, "--probe", "--user", user, *map(str, options), "--", *map(str, program)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
        assert done.returncode == status and done.stderr == "", (done.returncode, done.stdout, done.stderr)
        if status == 2:
            return done.stdout
        lines = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith("--")]
        assert all(len(line) == 2 for line in lines), done.stdout
        return dict(lines)
    return probing


def words(options):
    return set(options["--capability-after"].split())


# --- real ones

def test_dovecot(root_stage, probe):
    """It answers with the tag and says what it can do."""
    assert probe(root_stage.dovecot) == {"--handoff": "tag"}


def test_list_that_the_administrator_sets(root_stage):
    """It is in the answer to the login too, where Dovecot 2.4 only greets."""
    account = root_stage.users["imapgt1"]
    command = [root_stage.dovecot, "-o", "imap_capability=IMAP4rev1 IDLE"]
    said = subprocess.run(command, input=b"a LOGOUT\r\n", capture_output=True, timeout=20, cwd="/", user=account.uid, group=account.gid,
                          extra_groups=[], env={"HOME": account.home, "USER": account.name, "IMAPLOGINTAG": "t"}).stdout
    assert said.startswith(b"t OK [CAPABILITY IMAP4rev1 IDLE] "), said


# A socket of the daemon's for statistics, as it has it: for its own user alone. Then Dovecot's imap, as the user.
BESIDE_THE_DAEMON = """
mkdir -p /run/dovecot && mount -t tmpfs none /run/dovecot || exit 1
python3 -c 'import os, socket, time
os.umask(0o177)
listening = socket.socket(socket.AF_UNIX)
listening.bind("/run/dovecot/stats-writer")
listening.listen()'
exec setpriv --reuid "$1" --regid "$2" --clear-groups "$3"
"""


def test_dovecot_beside_its_daemon(root_stage):
    """No error about the daemon's socket in each session's log, with either release."""
    account = root_stage.users["imapgt1"]
    done = subprocess.run(["unshare", "--mount", "sh", "-c", BESIDE_THE_DAEMON, "sh", str(account.uid), str(account.gid), root_stage.dovecot],
                          input=b"a LOGOUT\r\n", capture_output=True, timeout=20, cwd="/",
                          env={"PATH": os.environ["PATH"], "HOME": account.home, "USER": account.name, "IMAPLOGINTAG": "t"})
    assert b"a OK " in done.stdout and b"stats-writer" not in done.stderr, (done.stdout, done.stderr)


def test_dovecot_as_for_ssh(root_stage, probe):
    """Without a tag in its environment it greets with PREAUTH, as 2.4 always does."""
    found = probe("/usr/bin/env", "-u", "IMAPLOGINTAG", root_stage.dovecot)
    assert set(found) == {"--handoff", "--capability-after"} and found["--handoff"] == "greeting"
    assert {"IMAP4rev1", "LITERAL+", "IDLE", "UIDPLUS"} <= words(found)


def test_courier(courier, probe):
    """It answers with the tag, and has to be asked what it can do."""
    found = probe(courier, "Maildir", options=["--setenv", "IMAP_CAPABILITY=IMAP4rev1 UIDPLUS AUTH=PLAIN IDLE"])
    assert found["--handoff"] == "tag" and found["--capability"] == ""
    assert {"IMAP4rev1", "UIDPLUS", "IDLE"} <= words(found) and "AUTH=PLAIN" not in words(found)


def test_demo_mailbox(root_stage, probe):
    found = probe(root_stage._copy(BUILD / "demo-mailbox"))
    assert found["--handoff"] == "tag"


@pytest.mark.parametrize("style, handoff", [("tag", "tag"), ("preauth", "greeting")])
def test_recorder(root_stage, probe, style, handoff):
    """It is started as behind a login: its user, its home, its environment, and no other descriptors."""
    report = root_stage.report()
    account = root_stage.users["imapgt1"]
    found = probe(*root_stage.mailbox(style=style, report=report), status=1, options=["--setenv", "MAIL=%h"])
    assert found == {"--handoff": handoff}
    assert report.status["Uid"].split() == [str(account.uid)] * 4
    assert report.environment["HOME"] == report.environment["MAIL"] == account.home
    assert report.environment["IMAPLOGINTAG"] == "probe1"
    assert sorted(report.descriptors) == [0, 1, 2]


def test_options_that_probe_prints_make_a_login(root_stage, probe):
    """The way round: with them a client that never asks knows what the program can do."""
    program = ["/usr/bin/env", "-u", "IMAPLOGINTAG", root_stage.dovecot]
    options = [word for pair in probe(*program).items() for word in pair]
    account = root_stage.users["imapgt1"]
    with root_stage.ready(*options, on="starttls", pam="unix", mailbox=program) as imap:
        imap.send(f"a LOGIN {account.name} {account.password}\r\n")
        imap.expect("* CAPABILITY IMAP4rev1 ...")
        imap.expect("a OK ...")
        imap.send("b LOGOUT\r\n")
        imap.rest()


# --- scripts that stand for others

GREETS = r"""printf "$1\r\n"
while read -r tag command rest; do
	case $command in
	CAPABILITY*) printf "* CAPABILITY IMAP4rev1 LITERAL- STARTTLS AUTH=PLAIN LOGINDISABLED X\$Y IDLE\r\n$tag OK done\r\n" ;;
	LIST*) printf "$tag $2\r\n" ;;
	LOGOUT*) printf "* BYE\r\n$tag OK\r\n"; exit ;;
	esac
done"""


def script(greeting, listing="BAD what?"):
    return "/bin/sh", "-c", GREETS, "sh", greeting, listing


def test_greeting_with_ok(probe):
    """Nobody but the program knows whether it takes its user for logged in: LIST shows it."""
    found = probe(*script("* OK ready", "OK listed"))
    assert found == {"--handoff": "greeting", "--capability-after": "IMAP4rev1 LITERAL- IDLE", "--capability": "LITERAL-"}
    assert "requires a login of its own" in probe(*script("* OK ready"), status=2)


def test_capability_line_before_the_tag(probe):
    found = probe(*script(r"* OK hello\r\n* CAPABILITY IMAP4rev1 LITERAL+\r\nprobe1 OK in"))
    assert found["--handoff"] == "tag" and "--capability-after" not in found


# --- programs that are none

@pytest.mark.parametrize("untagged", ["* CAPABILITY", "* CAPABILITY "])
@pytest.mark.parametrize("code", ["[CAPABILITY ]", "[CAPABILITY]"])
def test_empty_capability_list(root_stage, untagged, code):
    """Dovecot 2.4's own answer with -O. It is no list, and the warning names the options that give one, Dovecot's too if it is Dovecot."""
    said = f'printf "probe1 OK {code} Logged in\\r\\n"; read x; printf "{untagged}\\r\\nprobe2 OK\\r\\n"; read x; '
    said += 'printf "probe4 OK\\r\\n"'
    done = subprocess.run([root_stage.program, "--probe", "--user", "imapgt1", "--", "/bin/sh", "-c", said, "dovecot"],
                          capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "its list of capabilities is empty" in done.stdout
    assert "--capability-after" in done.stdout and "imap_capability=" in done.stdout
    assert not any(line.startswith("--capability") for line in done.stdout.splitlines()), done.stdout


def test_program_that_dies(probe):
    said = probe("/bin/sh", "-c", "echo one >&2; echo 'two: \x1b[1m no mail' >&2; exit 7", status=2)
    assert "it wrote nothing; it exited with status 7" in said
    assert r"its last line on standard error: two: \x1B[1m no mail" in said and "one" not in said
    assert "it was killed by signal 9 (Killed)" in probe("/bin/sh", "-c", "kill -9 $$", status=2)


def test_program_that_ends_in_the_middle(probe):
    said = probe("/bin/sh", "-c", r'printf "* PREAUTH hello\r\n"', status=2)
    assert "it did not answer CAPABILITY; it exited with status 0" in said
    assert r"it wrote: * PREAUTH hello\r\n" in said


def test_program_that_hangs(probe):
    began = time.monotonic()
    said = probe("/bin/sleep", "100", status=2)
    assert "it wrote nothing within 10 seconds; it did not exit" in said
    assert time.monotonic() - began < 40


@pytest.mark.parametrize("program, shown", [
    (["/bin/sh", "-c", r'printf "220 mail ESMTP\r\n"; cat'], r"it wrote: 220 mail ESMTP\r\n"),
    (["/bin/sh", "-c", r'printf "* BYE no\\n"; cat'], r"it wrote: * BYE no\n"),
    (["/usr/bin/yes"], r"it wrote: y\ny\n"),
    (["/bin/cat", "/dev/zero"], r"it wrote: \x00\x00"),
    (["/bin/sh", "-c", r'printf "probe1 NO no\r\n"; cat'], r"it wrote: probe1 NO no\r\n"),
])
def test_garbage(probe, program, shown):
    said = probe(*program, status=2)
    assert 'its first lines have neither "probe1 OK" nor "* PREAUTH"' in said
    assert shown in said and all(len(line) < 1100 for line in said.splitlines())


def test_program_that_forks(root_stage, probe):
    """What it leaves behind is ended with it."""
    said = probe(root_stage.recorder, "-", "mute", "exit=3", status=2)
    assert "it exited with status 3" in said
    said = probe("/bin/sh", "-c", f"exec 3<&0; {root_stage.recorder} - mute sleep <&3 & exit 4", status=2)
    assert "it wrote nothing within 10 seconds; it exited with status 4" in said
    assert not ours(root_stage.folder)


def test_program_that_is_not_there(probe):
    assert "/nonexistent: No such file or directory" in probe("/nonexistent", status=2)
    assert "imap-of-no-path: it is not in /" in probe("imap-of-no-path", status=2)


def test_program_without_its_path(root_stage):
    """It may be another one where the service starts it."""
    program = Path("/usr/local/bin/imapgt-probed")
    program.symlink_to(root_stage.recorder)
    try:
        command = [root_stage.program, "--probe", "--user", "imapgt1", "--", program.name, "-", "tag", "echo"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
    finally:
        program.unlink()
    assert f"warning  mailbox program: {program.name} is {program} from here; give its absolute path\n" in done.stdout
    assert done.returncode == 1


def test_home_that_is_not_there(root_stage, probe):
    said = probe("/bin/cat", status=2, options=["--run-as", "imapgt1", "--home", "/nonexistent"], user="joe")
    assert said.startswith("error    home: /nonexistent can't be entered by uid ") and "create it" in said


@pytest.mark.parametrize("user, what", [("root", "root never logs in"), ("imapgtsys", "below --min-uid 1000"),
                                        ("imapgt-nobody", "no such account")])
def test_user_who_can_not_log_in(probe, user, what):
    assert what in probe("/bin/cat", status=2, user=user)


def test_who_asks(root_stage):
    """Root has to say for whom; everybody else asks for himself."""
    command = [root_stage.program, "--probe", "--", root_stage.dovecot]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 64 and "needs --user" in done.stderr
    account = root_stage.users["imapgt2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd="/", user=account.uid, group=account.gid,
                          extra_groups=[])
    assert (done.returncode, done.stdout) == (0, "--handoff tag\n"), done.stderr


# --- together with --check: are the options that are set what the program needs?

GREETING = ["/bin/sh", "-c", r"""printf '* PREAUTH [CAPABILITY IMAP4rev1 LITERAL+] hello\r\n'
while read -r tag line; do printf '* CAPABILITY IMAP4rev1 LITERAL+\r\n%%s OK\r\n' "$tag"; done"""]


@pytest.mark.parametrize("options, program, kind, words", [
    ([], None, "ok", "it started, and --handoff tag is what it needs"),
    (["--handoff", "greeting"], None, "error", "answers the client's login itself; say --handoff tag"),
    ([], GREETING, "error", "it greets the client instead of answering the login; say --handoff greeting"),
    (["--handoff", "greeting"], GREETING, "warning", 'clients don\'t learn its capabilities; say --capability-after "IMAP4rev1 LITERAL+"'),
    (["--handoff", "greeting", "--capability-after", "IMAP4rev1"], GREETING, "ok", "--handoff greeting is what it needs"),
    ([], ["/bin/sh", "-c", r"""printf '%%s OK [CAPABILITY IMAP4rev1] hello\r\n' "$IMAPLOGINTAG"
while read -r tag line; do printf '* CAPABILITY IMAP4rev1\r\n%%s OK\r\n' "$tag"; done"""], "warning", "it does not support LITERAL+"),
    ([], ["/bin/sh", "-c", r"""printf '%%s OK hello\r\n' "$IMAPLOGINTAG"
while read -r tag line; do printf '* CAPABILITY AUTH=PLAIN\r\n%%s OK\r\n' "$tag"; done"""], "warning", "set --capability-after"),
    (["--capability-after", "IMAP4rev1"], None, "warning", "it announces its capabilities itself; remove --capability-after"),
    ([], ["/bin/false"], "error", "it wrote nothing; it exited with status 1"),
])
def test_options_that_are_set(root_stage, options, program, kind, words):
    command = [root_stage.program, "--check", "--probe", "--user", "imapgt1", *root_stage.options("unix"), *options, "--",
               *(program or [root_stage.dovecot])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
    assert words in done.stdout, done.stdout
    line, = (line for line in done.stdout.splitlines() if words in line)
    assert line.startswith(kind)


def test_settings_first(root_stage):
    """Where --check has found an error, no program is started."""
    done = subprocess.run([root_stage.program, "--check", "--probe", "--user", "imapgt-nobody", "--", "/bin/false"],
                          capture_output=True, text=True, timeout=60, cwd="/", stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and "no such account" in done.stdout and "it wrote nothing" not in done.stdout
    assert "the mailbox program was not started" in done.stdout


# --- the program is the user's, and root asks

def test_program_has_the_users_groups_and_no_others(root_stage):
    account = root_stage.users["imapgt1"]
    command = ["setpriv", "--groups", "0,4,6", root_stage.program, "--probe", "--user", account.name, "--",
               "/bin/sh", "-c", "id -G > ~/groups"]
    subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    mine = subprocess.run(["id", "-G", account.name], capture_output=True, text=True, check=True).stdout
    written = Path(account.home, "groups")
    assert sorted(written.read_text().split()) == sorted(mine.split())
    written.unlink()


def test_program_has_no_terminal(root_stage):
    """What is typed into a terminal is read by root's shell behind it (ioctl_tty(2), TIOCSTI)."""
    account = root_stage.users["imapgt1"]
    written = Path(account.home, "terminal")
    probing = shlex.join(map(str, [root_stage.program, "--probe", "--user", account.name, "--", "/bin/sh", "-c",
                                   "(: < /dev/tty) 2>/dev/null && echo it has > ~/terminal || echo none > ~/terminal"]))
    control = f"(: < /dev/tty) && echo control; {probing}"
    said = subprocess.run(["script", "-qec", control, "/dev/null"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL).stdout
    assert "control" in said, "this test has no terminal"
    assert written.read_text() == "none\n"
    written.unlink()


def test_words_of_the_program_are_not_printed_as_they_are(probe):
    """Escape sequences are obeyed by root's terminal; a quote ends the option."""
    said = r'printf "probe1 OK [CAPABILITY IMAP4rev1 \033[2J IDLE \"x] hello\r\n"; read x; '
    said += r'printf "* CAPABILITY IMAP4rev1 X\033[2JY IDLE\r\nprobe2 OK\r\n"; read x; printf "probe4 OK\r\n"'
    found = probe("/bin/sh", "-c", said)
    assert all(word.isprintable() for option in found.values() for word in option)
