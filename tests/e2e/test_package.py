"""make deb: builds, is content by lintian's standards, and a booted Debian installs, upgrades, removes and purges it."""

import gzip
import re
import ssl
import subprocess
from pathlib import Path

import pytest

from machine import Imap, Machine
from stage import TREE
from test_install import OTHERS, others_in_usr_local

NAME, PASSWORD = "mailuser", "Malachit 5 mailuser"
# debhelper puts them there since Debian 13.
UNITS = "/usr/lib/systemd/system" if "usr/lib/systemd" in Path("/usr/bin/dh_installsystemd").read_text() else "/lib/systemd/system"
SOCKETS = ("imapgate.socket", "imapgates.socket")
PER_CONNECTION = ("imapgate-per-connection.socket", "imapgates-per-connection.socket")
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
          for kind in (".socket", "-per-connection.socket", "-per-connection@.service", "-inetd.socket", "-inetd@.service"))}
    assert {owner for _, owner in files.values()} == {"root/root"}
    assert files["/usr/sbin/imapgate"][0] == "-rwxr-xr-x"
    # The README copies it from there.
    assert "/usr/share/doc/imapgate/examples/imapgate.conf" in files


def test_manuals_speak_of_the_package(package, tmp_path):
    """Each file that they name in /usr, as one to be run or read, is one of the package's; /usr/local is the administrator's."""
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    for page, others in OTHERS.items():
        text = gzip.decompress((tmp_path / "usr/share/man/man8" / f"{page}.gz").read_bytes()).decode()
        assert others_in_usr_local(text) == others
        named = set(re.findall(r"(?<!local)/usr/[\w./-]*/imapgate[\w.-]*\w", text)) - others
        assert "/usr/libexec/imapgate-dovecot" in named and named <= contents(package).keys()


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


# What this package, `make install` or the README's commands have put into this system would be in the way.
CLEAN = """
! dpkg-query -W imapgate || dpkg --purge imapgate
rm -rf /etc/imapgate /run/imapgate
find /usr/local/{sbin,libexec,lib,share} /etc/systemd /etc/pam.d /etc/fail2ban /var/lib/systemd -xdev -name '*imapgate*' -prune -exec rm -rf {} + 2>/dev/null || true
systemctl daemon-reload
"""


def booted(package):
    """A machine with this package, and somebody who has mail."""
    machine = Machine()
    try:
        machine.shell(CLEAN)
        # What is installed is the newest there is: without lists, apt wants to fetch nothing.
        machine.shell("rm -rf /var/lib/apt/lists/*; cat > /root/imapgate.deb", stdin=open(package, "rb"))
        machine.add_user(NAME, PASSWORD)
        # Images of machines are made without it, so that no two have the same.
        machine.shell("test -e /etc/ssl/private/ssl-cert-snakeoil.key || make-ssl-cert generate-default-snakeoil")
        machine.run("apt-get", "install", "-y", "/root/imapgate.deb")
        return machine
    except BaseException:
        machine.end()
        raise


@pytest.fixture(scope="module")
def machine(package):
    machine = booted(package)
    yield machine
    machine.end()


def log_in(machine, port=993):
    context = ssl.create_default_context(cadata=machine.run("cat", "/etc/imapgate/cert.pem"))
    context.check_hostname = False
    imap = Imap(machine, port, context if port == 993 else None)
    if port == 143:
        imap.starttls(context)
    imap.login(NAME, PASSWORD)
    return imap


def test_no_port_is_open_before_the_administrator_says_so(machine):
    """Nor at the next boot, when another server may want it; an upgrade changes nothing about that."""
    for _ in range(2):
        assert machine.run("systemctl", "is-active", *SOCKETS, "imapgate.service", check=False).split() == ["inactive"] * 3
        assert machine.run("systemctl", "is-enabled", *SOCKETS, *PER_CONNECTION, check=False).split() == ["disabled"] * 4
        machine.run("apt-get", "install", "-y", "--reinstall", "/root/imapgate.deb")
    assert machine.run("dpkg", "--verify", "imapgate") == ""


def test_upgrade_keeps_sockets_that_an_older_package_has_enabled(machine):
    """Such a package does so when it comes new, without any state of deb-systemd-helper. From here on the sockets are open."""
    names = " ".join(SOCKETS)
    machine.shell(f"export DPKG_MAINTSCRIPT_PACKAGE=imapgate; deb-systemd-helper purge {names}; deb-systemd-helper enable {names}; systemctl daemon-reload")
    assert machine.run("systemctl", "is-enabled", *SOCKETS).split() == ["enabled", "enabled"]
    machine.run("systemctl", "start", *SOCKETS)
    machine.run("apt-get", "install", "-y", "--reinstall", "/root/imapgate.deb")
    assert machine.run("systemctl", "is-active", *SOCKETS).split() == ["active", "active"]
    assert machine.run("systemctl", "is-enabled", *SOCKETS).split() == ["enabled", "enabled"]


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


def test_file_without_a_program_is_told(machine):
    """The administrator has kept one from before there was the package's."""
    configure = ("sh", "/var/lib/dpkg/info/imapgate.postinst", "configure", "0.1")
    assert "no line" not in machine.run(*configure)
    machine.shell("cp -p /etc/imapgate/imapgate.conf /root/kept; sed -i 's/^program = /#&/' /etc/imapgate/imapgate.conf")
    assert 'imapgate.conf has no line "program = ..."' in machine.run(*configure)
    machine.run("mv", "/root/kept", "/etc/imapgate/imapgate.conf")


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


# --- the upgrade from 0.1, whose units for each connection had other names, and no file of options

OLD_COMMAND = "--cert /etc/imapgate/cert.pem --key /etc/imapgate/key.pem -- /usr/libexec/imapgate-dovecot"


@pytest.fixture(scope="module")
def old_package(package, tmp_path_factory):
    """This package with the names and the command lines of 0.1."""
    folder = tmp_path_factory.mktemp("old")
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder / "tree"], check=True)
    tree, units = folder / "tree", folder / "tree" / UNITS[1:]
    for link in units.glob("*-inetd*"):
        link.unlink()
    for unit in units.glob("*-per-connection*"):
        unit.write_text(unit.read_text().replace("-per-connection", "-inetd"))
        unit.rename(units / unit.name.replace("-per-connection", "-inetd"))
    for unit in units.glob("*.service"):
        unit.write_text(re.sub("(?m)^ExecStart=(.*)$", rf"ExecStart=\1 {OLD_COMMAND}", unit.read_text()))
    (tree / "etc/imapgate/imapgate.conf").unlink()
    control = tree / "DEBIAN"
    (control / "conffiles").write_text((control / "conffiles").read_text().replace("/etc/imapgate/imapgate.conf\n", ""))
    (control / "control").write_text(re.sub("(?m)^Version: .*", "Version: 0.0.9", (control / "control").read_text()))
    for name in ("postinst", "prerm", "postrm"):
        script = re.sub(r"(?ms)^# Until 0\.1 .*?^fi\n", "", (control / name).read_text())
        (control / name).write_text(script.replace("-per-connection", "-inetd"))
    assert "inetd" in (control / "postinst").read_text()
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, folder / "old.deb"], check=True, capture_output=True)
    return folder / "old.deb"


OLD_SOCKETS = ("imapgate-inetd.socket", "imapgates-inetd.socket")


@pytest.fixture(scope="module")
def upgraded(old_package, package):
    """A machine with one session from before the upgrade, and a drop-in for the old name of a service."""
    machine = booted(old_package)
    try:
        machine.run("systemctl", "disable", "--now", *SOCKETS)
        machine.run("systemctl", "enable", "--now", *OLD_SOCKETS)
        machine.write("/etc/systemd/system/imapgate-inetd@.service.d/override.conf",
                      f"[Service]\nExecStart=\nExecStart=/usr/sbin/imapgate --capability X-OLD {OLD_COMMAND}\n")
        machine.run("systemctl", "daemon-reload")
        machine.inside = log_in(machine)
        machine.shell("cat > /root/new.deb", stdin=open(package, "rb"))
        machine.run("apt-get", "install", "-y", "/root/new.deb")
        yield machine
    finally:
        machine.end()


def test_upgrade_keeps_what_is_enabled(upgraded):
    assert upgraded.run("systemctl", "is-enabled", *PER_CONNECTION).split() == ["enabled", "enabled"]
    assert upgraded.run("systemctl", "is-enabled", *SOCKETS, check=False).split() == ["disabled", "disabled"]
    assert upgraded.run("ls", "/etc/systemd/system/sockets.target.wants").split().count("imapgate-per-connection.socket") == 1
    assert "inetd" not in upgraded.shell("ls /etc/systemd/system/sockets.target.wants")


def test_upgrade_keeps_the_ports_open(upgraded):
    """The sockets were not restarted, have both names, and sessions go on."""
    assert "message 1" in upgraded.inside.read_message(1)
    assert upgraded.run("systemctl", "is-active", *PER_CONNECTION, *OLD_SOCKETS).split() == ["active"] * 4
    assert "message 1" in log_in(upgraded).read_message(1)


def test_upgrade_keeps_drop_ins_of_the_old_name(upgraded):
    assert "X-OLD" in Imap(upgraded, 143).capabilities
    upgraded.run("systemctl", "restart", *PER_CONNECTION)
    assert "X-OLD" in Imap(upgraded, 143).capabilities
    assert "message 1" in log_in(upgraded).read_message(1)


def test_upgraded_and_purged_it_leaves_nothing_of_the_old_name(upgraded):
    upgraded.run("apt-get", "purge", "-y", "imapgate")
    assert upgraded.run("systemctl", "is-active", *PER_CONNECTION, check=False).split() == ["inactive", "inactive"]
    assert upgraded.shell("find /etc/systemd /var/lib/systemd /usr/lib/systemd /lib/systemd -name '*imapgate*' -not -name '*@.service.d'") == ""
