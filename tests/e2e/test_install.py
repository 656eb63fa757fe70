"""make install and make uninstall, file by file: what they put where, with which mode, and what they leave alone."""

import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from stage import BUILD, TREE

UNITS = ("imapgate.socket", "imapgates.socket", "imapgate.service", "imapgate-per-connection.socket", "imapgates-per-connection.socket",
         "imapgate-per-connection@.service", "imapgates-per-connection@.service")
# What they were called until 0.1.
OLD = {name: name.replace("-inetd", "-per-connection") for name in ("imapgate-inetd.socket", "imapgates-inetd.socket",
                                                                   "imapgate-inetd@.service", "imapgates-inetd@.service")}
# Below PREFIX, with their modes.
FILES = {
    "sbin/imapgate": 0o755,
    "libexec/imapgate-dovecot": 0o755,
    "share/man/man8/imapgate.8": 0o644,
    "share/man/man8/imapgate-dovecot.8": 0o644,
    "lib/sysusers.d/imapgate.conf": 0o644,
    "lib/tmpfiles.d/imapgate.conf": 0o644,
    "lib/modules-load.d/imapgate.conf": 0o644,
    **{f"lib/systemd/system/{unit}": 0o644 for unit in (*UNITS, *OLD)},
}
PAM_FILE = Path("etc/pam.d/imapgate")
FILTER = "etc/fail2ban/filter.d/imapgate.conf"
# In /etc, whatever PREFIX is.
FILE = Path("etc/imapgate/imapgate.conf")
SETTINGS = {str(PAM_FILE): 0o644, str(FILE): 0o644, FILTER: 0o644}


class Target:
    """A DESTDIR, and make with the program that was built already: whatever its flags were, it is not made anew."""

    def __init__(self, folder):
        self.root = folder

    def make(self, goal, umask=0o022, **variables):
        command = ["make", "-s", f"--old-file={BUILD}/imapgate", goal, f"BUILD={BUILD}", f"DESTDIR={self.root}",
                   *(f"{name}={value}" for name, value in variables.items())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        done = subprocess.run(command, cwd=TREE, env=environment, umask=umask, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def files(self):
        """{path below the root: mode}"""
        return {str(path.relative_to(self.root)): stat.S_IMODE(path.stat().st_mode)
                for path in self.root.rglob("*") if not path.is_dir()}

    def text(self, path):
        return (self.root / path).read_text()


@pytest.fixture
def target(tmp_path):
    return Target(tmp_path / "root")


def below(prefix, files=FILES):
    return {f"{prefix}/{path}": mode for path, mode in files.items()}


@pytest.mark.parametrize("umask", (0o022, 0o077))
@pytest.mark.parametrize("prefix", ("/usr", "/usr/local", "/opt/imap gate"))
def test_every_file_is_where_it_belongs(target, prefix, umask):
    target.make("install", umask, PREFIX=prefix)
    assert target.files() == {**below(prefix[1:]), **SETTINGS}
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in target.root.rglob("*")}
    assert owners == {(os.getuid(), os.getgid())}
    # What is for everybody can be reached by everybody, whatever the umask of whoever installs.
    closed = [path for path in target.root.rglob("*") if path.is_dir() and stat.S_IMODE(path.stat().st_mode) != 0o755]
    assert not closed


def test_default_is_usr_local(target):
    target.make("install")
    assert target.files().keys() == {*below("usr/local"), *SETTINGS}


def test_every_folder_can_be_set(target):
    folders = dict(SBINDIR="/a/sbin", LIBEXECDIR="/a/libexec", MANDIR="/a/man", UNITDIR="/a/units", SYSUSERSDIR="/a/users", TMPFILESDIR="/a/tmpfiles",
                   MODULESDIR="/a/modules", PAMDIR="/a/pam", FAIL2BANDIR="/a/fail2ban")
    target.make("install", **folders)
    assert target.files().keys() == {
        "a/sbin/imapgate", "a/libexec/imapgate-dovecot", "a/man/man8/imapgate.8", "a/man/man8/imapgate-dovecot.8", "a/users/imapgate.conf", "a/tmpfiles/imapgate.conf", "a/modules/imapgate.conf",
        "a/pam/imapgate", "a/fail2ban/filter.d/imapgate.conf", str(FILE),
        *(f"a/units/{unit}" for unit in (*UNITS, *OLD))}
    target.make("uninstall", **folders)
    assert target.files() == {}


# In a manual of PREFIX=/usr: where programs are looked for, and a script of the administrator's own.
OTHERS = {"imapgate.8": {"/usr/local/sbin", "/usr/local/bin", "/usr/local/libexec/imapgate-courier"}, "imapgate-dovecot.8": set()}


def others_in_usr_local(text):
    return set(re.findall(r"/usr/local/[\w./-]*\w", text))


@pytest.mark.parametrize("prefix", ("/usr", "/usr/local"))
def test_contents(target, prefix):
    target.make("install", PREFIX=prefix)
    program = target.root / prefix[1:] / "sbin/imapgate"
    assert program.read_bytes() == (BUILD / "imapgate").read_bytes()
    # The manuals' recipes are those of this installation.
    for page in ("imapgate.8", "imapgate-dovecot.8"):
        text = target.text(f"{prefix[1:]}/share/man/man8/{page}")
        assert text == (TREE / "src" / page).read_text().replace("/usr/local/sbin/imapgate", f"{prefix}/sbin/imapgate").replace(
            "/usr/local/libexec/imapgate-dovecot", f"{prefix}/libexec/imapgate-dovecot")
        assert f"{prefix}/libexec/imapgate-dovecot" in text
        assert prefix == "/usr/local" or others_in_usr_local(text) == OTHERS[page]
    assert target.text(FILTER) == (TREE / "fail2ban" / "filter.d" / "imapgate.conf").read_text()
    for unit in UNITS:
        text = target.text(f"{prefix[1:]}/lib/systemd/system/{unit}")
        starts = [line for line in text.splitlines() if line.startswith("ExecStart=/")]
        assert all(line.split()[0] == f"ExecStart={prefix}/sbin/imapgate" for line in starts)
        assert len(starts) == unit.endswith(".service")
    assert f"\nprogram = {prefix}/libexec/imapgate-dovecot\n" in target.text(FILE)
    assert "/usr/local" not in target.text(FILE).replace(f"{prefix}/libexec", "")


def test_pam_file_of_somebody_else_is_kept(target):
    kept = target.root / PAM_FILE
    kept.parent.mkdir(parents=True)
    kept.write_text("auth required pam_deny.so\n")
    assert "kept: " in target.make("install")
    assert kept.read_text() == "auth required pam_deny.so\n"
    target.make("uninstall")
    assert list(target.files()) == [str(PAM_FILE)]


@pytest.mark.parametrize("pam_file", ("pam.d/imapgate", "pam.d/imapgate.fedora"))
def test_pam_file_that_was_not_changed_goes(target, pam_file):
    target.make("install", PAMFILE=pam_file)
    assert target.text(PAM_FILE) == (TREE / pam_file).read_text()
    target.make("uninstall", PAMFILE=pam_file)
    assert target.files() == {}


def test_old_names_of_units_are_links(target):
    """Also where a file had the name."""
    folder = target.root / "usr/local/lib/systemd/system"
    folder.mkdir(parents=True)
    (folder / "imapgate-inetd.socket").write_text("[Socket]\n")
    target.make("install")
    assert {unit: os.readlink(folder / unit) for unit in OLD} == OLD


@pytest.mark.parametrize("text, said", [("program = imap\n", False), ("  program=imap\n", False), ("# program = imap\n", True)])
def test_file_of_options_of_somebody_else_is_kept(target, text, said):
    """The units need a program there: a file from before must not be silently one that nothing starts with."""
    kept = target.root / FILE
    kept.parent.mkdir(parents=True)
    kept.write_text(text)
    output = target.make("install")
    assert f"{FILE} is there already" in output and ('no line "program = ..."' in output) == said
    assert kept.read_text() == text
    target.make("uninstall")
    assert list(target.files()) == [str(FILE)]


def test_file_of_options_that_was_not_changed_goes(target):
    target.make("install", PREFIX="/usr")
    target.make("uninstall", PREFIX="/usr")
    assert not (target.root / FILE).parent.exists()


def test_uninstall_leaves_what_is_not_ours(target):
    target.make("install")
    others = {path.parent / "other" for path in target.root.rglob("*") if path.is_file()}
    for path in others:
        path.write_text("somebody else's\n")
    target.make("uninstall")
    assert target.files().keys() == {str(path.relative_to(target.root)) for path in others}


def test_installing_twice_is_installing_once(target):
    target.make("install")
    once = target.files()
    target.make("install")
    assert target.files() == once
