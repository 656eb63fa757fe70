"""What is measured: imapgate in each of its modes, the floor, and those of its peers that this machine has."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import figures
from loadgen import CLIENT_CORE

TREE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("IMAPGATE_BUILD", TREE / "build")).resolve()
PROGRAMS = ("loadgen", "mailbox", "floor", "apart")
SERVER_CORE = 1
PATIENCE = 30

# openssl passwd -6 -salt imapgate "benchpw", but with few rounds: what a hash costs is the administrator's choice, not ours.
USER, GATE_USER, PASSWORD, UID = "imapgatebench", "_imapgatebench", "benchpw", 61234
SALT = "$6$rounds=1000$imapgatebench$"


def find_programs():
    """Before anything is begun."""
    for name in PROGRAMS:
        if not (BUILD / "bench" / name).exists():
            sys.exit(f"bench: {BUILD}/bench/{name} is not there: `make bench` builds it")


class Stage:
    """Folder, programs, certificate, and an /etc and a /run in which there is the account; see `run` for the namespaces."""

    def __init__(self, folder):
        self.folder, self.user, self.password = folder, USER, PASSWORD
        for name in ("home", "gate", "courier", "etc", "logs"):
            (folder / name).mkdir(mode=0o755)
        self.imapgate = self._copy(BUILD / "imapgate")
        self.static = self._copy(BUILD / "static" / "imapgate")
        for name in PROGRAMS:
            setattr(self, name, self._copy(BUILD / "bench" / name))
        self._own_etc()
        self._certificate()
        subprocess.run([*(["busybox"] if shutil.which("ip") is None else []), "ip", "link", "set", "lo", "up"], check=True)
        self.port = 1143
        self.cores = sorted(os.sched_getaffinity(0))

    def _copy(self, path):
        target = self.folder / path.parent.name / path.name
        if not path.exists():
            return None
        target.parent.mkdir(exist_ok=True, mode=0o755)
        shutil.copy(path, target)
        return str(target)

    def _own_etc(self):
        """Overlays and tmpfs of this mount namespace: they end with it."""
        upper = self.folder / "etc"
        subprocess.run(["mount", "-t", "tmpfs", "none", upper], check=True)
        (upper / "new").mkdir()
        (upper / "work").mkdir()
        subprocess.run(["mount", "-t", "overlay", "none", "-o", f"lowerdir=/etc,upperdir={upper}/new,workdir={upper}/work", "/etc"],
                       check=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", "/run"], check=True)
        hashed = subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", PASSWORD, SALT], capture_output=True, text=True,
                                check=True).stdout
        home = self.folder / "home"
        # Courier has the name of its own account compiled in.
        for uid, (name, directory) in enumerate(((USER, home), (GATE_USER, "/"), ("courier", "/")), UID):
            self._append("/etc/passwd", f"{name}:x:{uid}:{uid}::{directory}:/usr/sbin/nologin\n")
            self._append("/etc/group", f"{name}:x:{uid}:\n")
        self._append("/etc/shadow", f"{USER}:{hashed}:19000::::::\n")
        for part in ("cur", "new", "tmp"):
            (home / "Maildir" / part).mkdir(parents=True)
        subprocess.run(["chown", "-R", str(UID), home], check=True)
        stack = (TREE / "pam.d" / ("imapgate.fedora" if Path("/etc/pam.d/password-auth").exists() else "imapgate")).read_text()
        for service in ("imapgate", "imap"):        # Courier's has no choice
            Path("/etc/pam.d", service).write_text(stack)

    @staticmethod
    def _append(path, text):
        with open(path, "a") as file:
            file.write(text)

    def _certificate(self):
        self.cert, self.key, self.both = (str(self.folder / name) for name in ("cert.pem", "key.pem", "both.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", self.key, "-out", self.cert],
                       check=True, capture_output=True)
        Path(self.both).write_text(Path(self.key).read_text() + Path(self.cert).read_text())

    def log(self, name):
        return self.folder / "logs" / name

    def pin_client(self):
        os.sched_setaffinity(0, {self.cores[CLIENT_CORE % len(self.cores)]})

    def pin_server(self):
        os.sched_setaffinity(0, {self.cores[SERVER_CORE % len(self.cores)]})

    def close(self):
        for path in ("/etc", self.folder / "etc"):
            subprocess.run(["umount", "--lazy", path], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def tcpserver(stage, *command):
    return ["tcpserver", "-H", "-R", "-l", "0", "-b", "1024", "-c", "8000", "127.0.0.1", str(stage.port), *command]


def socket_activate(stage, *command):
    """Its options, then the program: with --accept it starts one for each connection."""
    return ["systemd-socket-activate", f"--listen=127.0.0.1:{stage.port}", *command]


def mailbox(stage, apart):
    """The mailbox program, in a control group of its own where there are any: its processor time is counted apart."""
    return ([] if apart.procs == Path("/dev/null") else [stage.apart, str(apart.procs)]) + [stage.mailbox]


class Server:
    """One row of the tables. A subclass says what to start; all of it is one command with its children."""

    modes = ("plain", "starttls", "tls")
    mailbox = ("mailbox",)          # names of processes that are the mailbox program
    needs = ()                      # programs that have to be installed
    where = ""                      # what it is, for --help

    def missing(self, stage):
        """What is not there, or nothing."""
        return next((name for name in self.needs if shutil.which(name) is None), None)

    def command(self, stage, mode, apart):
        raise NotImplementedError

    def environment(self, _stage):
        return {}

    @contextlib.contextmanager
    def start(self, stage, mode, group, apart):
        def prepare():
            os.setsid()
            stage.pin_server()
            group.enter()

        with open(stage.log(self.name), "ab") as log:
            process = subprocess.Popen(self.command(stage, mode, apart), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                       env={"PATH": os.environ["PATH"], **self.environment(stage)}, preexec_fn=prepare)
        group.root = [process.pid]
        try:
            self._await(stage, process)
            yield
        finally:
            self._stop(process, group, apart)

    def _await(self, stage, process):
        """Looks whether somebody listens, without connecting: to be connected to would start something."""
        wanted, end = f"0100007F:{stage.port:04X} 00000000:0000 0A", time.monotonic() + PATIENCE
        while wanted not in Path("/proc/net/tcp").read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.name} does not listen:\n" + stage.log(self.name).read_text()[-2000:])
            time.sleep(0.01)

    @staticmethod
    def _stop(process, group, apart):
        """The server, then whatever is left of it: all that is in its groups is ours."""
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        end = time.monotonic() + PATIENCE
        while (left := [int(pid) for g in (group, apart) for pid in g.pids()]) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        process.wait()


class Floor(Server):
    name, modes, needs = "floor", ("plain",), ("tcpserver",)
    where = "tcpserver, a static program that asks nobody"

    def command(self, stage, mode, apart):
        return tcpserver(stage, stage.floor, *mailbox(stage, apart))


def gate(stage, mode, apart, *options, program=None):
    """imapgate's command line."""
    command = [program or stage.imapgate, "--log", "syslog", "--gate-user", GATE_USER, "--gate-root", str(stage.folder / "gate"),
               *options]
    if mode == "plain":
        command += ["--allow-cleartext", "all"]
    else:
        command += ["--cert", stage.cert, "--key", stage.key]
    if mode == "tls":
        command.append("--tls-on-connect")
    return [*command, "--", *mailbox(stage, apart)]


class Superserver(Server):
    name, needs = "imapgate-tcpserver", ("tcpserver",)
    where = "started by tcpserver for each connection"

    def command(self, stage, mode, apart):
        return tcpserver(stage, *gate(stage, mode, apart))


class Static(Superserver):
    name = "imapgate-static"
    where = "the same, built with OPENSSL=static"

    def missing(self, stage):
        return "build/static/imapgate (make OPENSSL=static BUILD=build/static)" if stage.static is None else super().missing(stage)

    def command(self, stage, mode, apart):
        return tcpserver(stage, *gate(stage, mode, apart, program=stage.static))


class Activated(Server):
    name, needs = "imapgate-accept", ("systemd-socket-activate",)
    where = "started by systemd-socket-activate --accept --inetd"

    def command(self, stage, mode, apart):
        return socket_activate(stage, "--accept", "--inetd", *gate(stage, mode, apart))


class Listener(Server):
    name, needs = "imapgate-listener", ("systemd-socket-activate",)
    where = "its own listener; over TLS with the relay"
    ktls = "off"
    limits = [word for name in ("connections", "connections-per-address", "sessions", "sessions-per-address", "sessions-per-user")
              for word in ("--max-" + name, "8000")]

    def command(self, stage, mode, apart):
        return socket_activate(stage, *gate(stage, mode, apart, "--ktls", self.ktls, *self.limits))


class KernelTLS(Listener):
    name, modes = "imapgate-ktls", ("starttls", "tls")
    where = "its own listener, TLS by the kernel after the login"
    ktls = "require"

    def missing(self, stage):
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as client:
            try:
                client.setsockopt(socket.IPPROTO_TCP, 31, b"tls")       # TCP_ULP
            except OSError as error:
                return f"TLS in this kernel ({error.strerror})"
        return super().missing(stage)


class Dovecot(Server):
    mailbox, needs = ("imap",), ("dovecot",)

    def command(self, stage, mode, apart):
        base = stage.folder / self.name
        program = " ".join([*mailbox(stage, apart)[:-1], "/usr/lib/dovecot/imap"])
        base.with_suffix(".conf").write_text(self.configuration(stage, mode, program))
        return ["dovecot", "-F", "-c", str(base.with_suffix(".conf"))]

    def configuration(self, stage, mode, program):
        version = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, check=True).stdout
        own, connections = self._of_2_3(stage) if version.startswith("2.3.") else self._of_2_4(stage)
        return f"""{own}
            base_dir = {stage.folder / self.name}
            state_dir = {stage.folder / self.name}
            log_path = {stage.log(self.name)}
            protocols = imap
            listen = 127.0.0.1
            ssl = yes
            auth_mechanisms = plain login
            auth_failure_delay = 0
            mail_max_userip_connections = 100000
            service imap {{
              executable = {program}
              process_limit = 8000
            }}
            service auth {{
              client_limit = 20000
            }}
            service anvil {{
              client_limit = 20000
            }}
            service imap-login {{
              inet_listener imap {{
                port = {0 if mode == "tls" else stage.port}
              }}
              inet_listener imaps {{
                port = {stage.port if mode == "tls" else 0}
                ssl = yes
              }}
              {connections}
              {self.service}
            }}
        """

    def _of_2_3(self, stage):
        return f"""
            ssl_cert = <{stage.cert}
            ssl_key = <{stage.key}
            disable_plaintext_auth = no
            mail_location = maildir:~/Maildir
            passdb {{
              driver = pam
              args = imapgate
            }}
            userdb {{
              driver = passwd
            }}""", f"service_count = {self.connections or 0}"

    def _of_2_4(self, stage):
        return f"""dovecot_config_version = 2.4.0
            dovecot_storage_version = 2.4.0
            ssl_server_cert_file = {stage.cert}
            ssl_server_key_file = {stage.key}
            auth_allow_cleartext = yes
            mail_driver = maildir
            mail_path = ~/Maildir
            mail_inbox_path = ~/Maildir
            passdb pam {{
              service_name = imapgate
            }}
            userdb passwd {{
            }}""", f"restart_request_count = {self.connections or 'unlimited'}"


class DovecotPerformance(Dovecot):
    name = "dovecot-performance"
    where = "a few login processes for all"
    connections = None      # of a login process, before it ends
    service = """client_limit = 5000
              process_min_avail = 2
              process_limit = 4
              vsz_limit = 1G"""


class DovecotSecurity(Dovecot):
    name = "dovecot-security"
    where = "a login process for each connection"
    connections = 1
    service = """client_limit = 1
              process_limit = 8000"""


class Courier(Server):
    """Debian's packages, unpacked where nobody else sees them (tests/courier); the rest is as in Debian's /etc/courier/imapd."""

    name = "courier"
    where = "couriertcpd, couriertls, imaplogin, authdaemond with authpam"

    folder = BUILD / "bench" / "courier"

    @classmethod
    def unpack(cls):
        """While there is a network to get it from."""
        subprocess.run([TREE / "tests" / "courier", cls.folder, "courier-base", "libltdl7"], stdout=subprocess.DEVNULL, check=False)

    def missing(self, stage):
        return None if (self.folder / "imapd").exists() else "Courier: tests/courier could not unpack it"

    def command(self, stage, mode, apart):
        Path("/etc/courier").mkdir(exist_ok=True)
        Path("/etc/courier/authdaemonrc").write_text("authmodulelist=authpam\nauthmodulelistorig=authpam\ndaemons=5\n"
                                                     "authdaemonvar=/run/courier/authdaemon\nDEBUG_LOGIN=0\n")
        tls = [self.folder / "usr/bin/couriertls", "-server", "-tcpd"] if mode == "tls" else []
        listen = [self.folder / "usr/sbin/couriertcpd", "-address=127.0.0.1", "-maxprocs=8000", "-maxperip=8000", "-nodnslookup",
                  "-noidentlookup", stage.port, *tls, self.folder / "usr/lib/courier/courier/imaplogin", mailbox(stage, apart)[0], "Maildir"]
        # Its modules are looked for below /usr/lib, and its daemon's socket is below /run.
        script = ("mount -t overlay none -o lowerdir=$1/usr/lib:/usr/lib /usr/lib\nmkdir -p /run/courier/authdaemon\nshift\n"
                  "/usr/lib/courier/courier-authlib/authdaemond & \nexec \"$@\"")
        # imaplogin wants two arguments, the mailbox program and its folder: what `apart` must know is in the environment.
        apart = mailbox(stage, apart)[1:]
        told = [f"{name}={value}" for name, value in zip(("APART_FILE", "APART_PROGRAM"), apart)]
        return ["env", *told, "unshare", "--mount", "sh", "-ec", script, "sh", *map(str, (self.folder, *listen))]

    def environment(self, stage):
        capability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"
        return {"DEBUG_LOGIN": "0", "PROTOCOL": "IMAP", "IMAP_CAPABILITY": capability,
                "IMAP_CAPABILITY_TLS": capability + " AUTH=PLAIN", "IMAP_STARTTLS": "YES", "IMAP_TLS_REQUIRED": "0",
                "IMAP_IDLE_TIMEOUT": "60", "MAILDIRPATH": "Maildir", "COURIERTLS": str(self.folder / "usr/bin/couriertls"),
                "TLS_CERTFILE": stage.both, "TLS_VERIFYPEER": "NONE",
                "LD_LIBRARY_PATH": ":".join(map(str, (*self.folder.glob("usr/lib/*-linux-gnu*"), self.folder / "usr/lib")))}


class Mailfront(Server):
    name, modes, needs = "mailfront", ("plain",), ("tcpserver", "imapfront-auth", "cvm-unix")
    where = "tcpserver, imapfront-auth, cvm-unix: the password file itself, no PAM"

    def command(self, stage, mode, apart):
        return tcpserver(stage, "imapfront-auth", *mailbox(stage, apart))

    def environment(self, _stage):
        return {"CVM_SASL_PLAIN": shutil.which("cvm-unix"), "IMAP_CAPABILITY": "IMAP4rev1"}


ALL = [server() for server in (Floor, Listener, KernelTLS, Superserver, Static, Activated, DovecotPerformance, DovecotSecurity,
                               Courier, Mailfront)]
NAMES = [server.name for server in ALL]


def choose(names, stage):
    """Those that were asked for and can be measured; what is left out is said."""
    if unknown := set(names) - set(NAMES):
        sys.exit(f"bench: no such server: {' '.join(sorted(unknown))}; there are {' '.join(NAMES)}")
    chosen = []
    for server in ALL:
        if names and server.name not in names:
            continue
        if missing := server.missing(stage):
            figures.say(f"{server.name} IS NOT MEASURED: there is no {missing}")
        else:
            chosen.append(server)
    return chosen
