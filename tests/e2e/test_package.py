"""make deb: builds, is content by lintian's standards, and a booted Debian installs, upgrades, removes and purges it."""

import ssl
import subprocess
from pathlib import Path

import pytest

from machine import Imap, Machine
from stage import TREE

NAME, PASSWORD = "mailuser", "Malachit 5 mailuser"
# debhelper puts them there since Debian 13.
UNITS = "/usr/lib/systemd/system" if "usr/lib/systemd" in Path("/usr/bin/dh_installsystemd").read_text() else "/lib/systemd/system"
SOCKETS = ("imapgate.socket", "imapgates.socket")
MAILBOX = "/usr/libexec/imapgate-dovecot"


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The package's path. Its objects are made anew: with Debian's flags, not ours."""
    folder = tmp_path_factory.mktemp("build")
    done = subprocess.run(["make", "-s", "-C", TREE, "deb", f"BUILD={folder}"], text=True, timeout=300,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout[-4000:]
    complaints = [line for line in done.stdout.splitlines() if line.startswith(("E: ", "W: "))]
    assert not complaints
    path, = (folder / "deb").glob("imapgate_*.deb")
    return path


def contents(package):
    listing = subprocess.run(["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True).stdout
    return {line.split()[5][1:]: line.split()[:2] for line in listing.splitlines()}


def test_contents(package):
    files = contents(package)
    assert {path for path in files if not path.endswith("/") and "/doc/" not in path} == {
        "/etc/pam.d/imapgate", "/etc/imapgate/imapgate.conf", "/etc/fail2ban/filter.d/imapgate.conf", "/usr/sbin/imapgate", "/usr/libexec/imapgate-dovecot", "/usr/share/man/man8/imapgate.8.gz", "/usr/share/man/man8/imapgate-dovecot.8.gz",
        "/usr/lib/sysusers.d/imapgate.conf", "/usr/lib/tmpfiles.d/imapgate.conf",
        "/usr/lib/modules-load.d/imapgate.conf", f"{UNITS}/imapgate.service",
        *(f"{UNITS}/{name}{kind}" for name in ("imapgate", "imapgates")
          for kind in (".socket", "-inetd.socket", "-inetd@.service"))}
    assert {owner for _, owner in files.values()} == {"root/root"}
    assert files["/usr/sbin/imapgate"][0] == "-rwxr-xr-x"


def test_files_for_the_administrator_are_conffiles(package, tmp_path):
    """dpkg keeps what he has changed there."""
    subprocess.run(["dpkg-deb", "--control", package, tmp_path], check=True)
    assert set((tmp_path / "conffiles").read_text().split()) == {path for path in contents(package) if path.startswith("/etc/") and path[-1] != "/"}


def test_version_is_the_programs(package, tmp_path):
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    said = subprocess.run([tmp_path / "usr/sbin/imapgate", "--version"], check=True, capture_output=True, text=True).stdout
    assert said.split()[-1] == package.name.split("_")[1]


def test_depends_on_what_is_loaded_on_demand(package):
    depends = subprocess.run(["dpkg-deb", "--field", package, "Depends"], check=True, capture_output=True, text=True).stdout
    assert {"libc6", "libssl3", "libpam0g"} <= {word.split()[0].removesuffix("t64") for word in depends.split(",")}


def test_program_is_hardened(package, tmp_path):
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    dynamic = subprocess.run(["readelf", "--wide", "--dynamic", "--headers", "--dyn-syms", tmp_path / "usr/sbin/imapgate"],
                             check=True, capture_output=True, text=True).stdout
    assert "BIND_NOW" in dynamic and "PIE" in dynamic and "GNU_RELRO" in dynamic and "RWE" not in dynamic
    assert "__stack_chk_fail" in dynamic and "_chk@" in dynamic


@pytest.fixture(scope="module")
def machine(package):
    machine = Machine()
    try:
        # What is installed is the newest there is: without lists, apt wants to fetch nothing.
        machine.shell("rm -rf /var/lib/apt/lists/*; cat > /root/imapgate.deb", stdin=open(package, "rb"))
        machine.add_user(NAME, PASSWORD)
        # Images of machines are made without it, so that no two have the same.
        machine.shell("test -e /etc/ssl/private/ssl-cert-snakeoil.key || make-ssl-cert generate-default-snakeoil")
        machine.run("apt-get", "install", "-y", "/root/imapgate.deb")
        yield machine
    finally:
        machine.end()


def log_in(machine, port=993):
    context = ssl.create_default_context(cadata=machine.run("cat", "/etc/imapgate/cert.pem"))
    context.check_hostname = False
    imap = Imap(machine, port, context if port == 993 else None)
    if port == 143:
        imap.starttls(context)
    imap.login(NAME, PASSWORD)
    return imap


def test_sockets_are_started_and_enabled(machine):
    assert machine.run("systemctl", "is-active", *SOCKETS).split() == ["active", "active"]
    assert machine.run("systemctl", "is-enabled", *SOCKETS).split() == ["enabled", "enabled"]
    assert machine.run("systemctl", "is-active", "imapgate.service", check=False) == "inactive\n"
    assert machine.run("systemctl", "is-enabled", "imapgate-inetd.socket", check=False) == "disabled\n"
    assert machine.run("dpkg", "--verify", "imapgate") == ""


@pytest.mark.parametrize("port", (143, 993))
def test_login(machine, port):
    imap = log_in(machine, port)
    assert "This is the text of message 1." in imap.read_message(1)
    imap.logout()


def test_upgrade_keeps_sessions_and_restarts_the_rest(machine):
    inside = log_in(machine)
    pid = machine.show("imapgate.service", "MainPID")
    machine.run("apt-get", "install", "-y", "--reinstall", "/root/imapgate.deb")
    assert machine.show("imapgate.service", "MainPID") not in ("0", pid)
    assert "message 1" in inside.read_message(1)
    assert "message 1" in log_in(machine).read_message(1)


def test_remove_and_purge(machine):
    """Removed, it keeps its configuration; purged, it leaves its user, as Debian's packages do, and what is not its own."""
    machine.run("apt-get", "remove", "-y", "imapgate")
    assert machine.run("systemctl", "is-active", *SOCKETS, check=False).split() == ["inactive", "inactive"]
    assert machine.process("test", "-e", "/etc/pam.d/imapgate").returncode == 0
    machine.shell("rm /etc/imapgate/key.pem; echo my own > /etc/imapgate/key.pem")
    machine.run("apt-get", "purge", "-y", "imapgate")
    left = machine.shell("find /etc /run /usr/sbin /usr/share/doc /usr/share/man/man8 /usr/lib/s* /usr/lib/*.d "
                         "/var/lib/systemd -xdev -name '*imapgate*'").split()
    assert left == ["/etc/imapgate", "/run/imapgate"]
    assert machine.run("ls", "/etc/imapgate").split() == ["key.pem"]
