"""What is configured wrong is one clear line in the log, and the client is told: never a bare end."""

import os
import subprocess
import time

import pytest

from wire import PATIENCE


def explained(imap):
    """Is there a line that says why TLS is not possible? It may be written just after the client has its answer."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if imap.log("error") or imap.log("key-fail") or imap.log("tls-fail"):
            return True
        time.sleep(0.02)
    return False


def refused_at_once(imap):
    """The greeting is BYE; the log has one error."""
    imap.expect("* BYE [UNAVAILABLE] ...")
    imap.expect_end()
    assert imap.status() == 78
    assert len(imap.log("error")) == 1, imap.log_text()
    return imap.log("error")[0]


def test_program_is_missing(stage):
    with stage.start(mailbox=["/nonexistent/imap"]) as imap:
        assert "/nonexistent/imap" in refused_at_once(imap)["text"]


def test_program_is_not_executable(stage, tmp_path):
    program = stage.file("scratch")
    program.write_text("nothing to execute\n")
    program.chmod(0o644)
    with stage.start(mailbox=[program]) as imap:
        assert str(program) in refused_at_once(imap)["text"]


def test_program_is_a_directory(stage):
    with stage.start(mailbox=["/tmp"]) as imap:
        assert "/tmp" in refused_at_once(imap)["text"]


def test_program_that_is_nowhere_in_the_path(stage):
    with stage.start(mailbox=["imap-of-no-path"]) as imap:
        assert "imap-of-no-path" in refused_at_once(imap)["text"]


def test_program_that_is_in_the_path(stage):
    """Found as execvp(3) would, but argv[0] is absolute: some mailbox programs start themselves again."""
    script = 'printf "%%s OK %%s\\r\\n" "$IMAPLOGINTAG" "$(tr "\\0" "\\n" < /proc/$$/cmdline | head -n 1)"'
    with stage.ready(mailbox=["sh", "-c", script]) as imap:
        assert imap.command("a LOGIN joe sesame")[1] in (b"a OK /usr/bin/sh", b"a OK /bin/sh")


def test_program_that_the_user_may_not_execute(root_stage):
    """Known only when the user is: the login gets NO, and nothing is started."""
    program = root_stage.file("scratch")
    program.write_bytes(open(root_stage.recorder, "rb").read())
    program.chmod(0o700)
    with root_stage.ready(mailbox=[program, "-", "tag", "echo"]) as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [")
        imap.expect("* BYE Please try again later")
        assert imap.log("error") or imap.log("auth-fail")
        assert not imap.log("handoff")


def test_program_whose_interpreter_is_missing(stage):
    """execve(2) itself fails: the client still has an answer with its tag."""
    program = stage.file("scratch")
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)
    with stage.ready(mailbox=[program]) as imap:
        imap.send("a LOGIN joe sesame\r\n")
        imap.expect("a NO [UNAVAILABLE] ...")
        imap.rest()
        assert imap.status() in (75, 78)
        assert str(program)[:40] in imap.log("error")[-1].text


def test_program_whose_interpreter_is_missing_greeting(stage):
    """In style greeting the answer has begun already, so it must not become an OK line."""
    program = stage.file("scratch")
    program.write_text("#!/nonexistent/interpreter\n")
    program.chmod(0o755)
    with stage.ready("--handoff", "greeting", mailbox=[program]) as imap:
        imap.hand_over()
        imap.send("a LOGIN joe sesame\r\n")
        said = imap.rest()
        assert not said.endswith(b"\r\n") or b"BYE" in said, said
        assert imap.status() in (75, 78)


def test_gate_user_is_missing(root_stage):
    with root_stage.start("--gate-user", "imapgt-no-such-user") as imap:
        assert "imapgt-no-such-user" in refused_at_once(imap)["text"]


def test_gate_user_is_root(root_stage):
    """A gate that is root would be none."""
    with root_stage.start("--gate-user", "root") as imap:
        refused_at_once(imap)


def test_gate_root_can_not_be_made(root_stage):
    with root_stage.start("--gate-root", "/proc/imapgate") as imap:
        assert "/proc/imapgate" in refused_at_once(imap)["text"]


def test_gate_root_is_made(root_stage):
    folder = root_stage.folder / "gate-made"
    with root_stage.ready("--gate-root", folder) as imap:
        imap.login()
    assert folder.is_dir() and not list(folder.iterdir())
    assert folder.stat().st_uid == 0 and folder.stat().st_mode & 0o022 == 0


def test_run_as_nobody(root_stage):
    with root_stage.start("--run-as", "imapgt-no-such-user") as imap:
        refused_at_once(imap)


# --- certificates

@pytest.fixture
def broken(stage, tmp_path):
    """Options that name certificates which can't be used."""
    good, other = stage.certificate("ecdsa"), stage.certificate("rsa")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("-----BEGIN CERTIFICATE-----\nnot base64 at all\n-----END CERTIFICATE-----\n")
    encrypted = tmp_path / "encrypted.key"
    subprocess.run(["openssl", "pkey", "-in", good.key, "-aes128", "-passout", "pass:x", "-out", encrypted],
                   check=True, capture_output=True, timeout=20)
    return {
        "missing": ["--cert", "/nonexistent/cert.pem"],
        "no key": ["--cert", str(good.file)],
        "missing key": ["--cert", str(good.file), "--key", "/nonexistent/key.pem"],
        "garbage": ["--cert", str(garbage)],
        "another's key": ["--cert", str(good.file), "--key", str(other.key)],
        "encrypted key": ["--cert", str(good.file), "--key", str(encrypted)],
    }


BROKEN = ("missing", "no key", "missing key", "garbage", "another's key", "encrypted key")


@pytest.mark.parametrize("fault", BROKEN)
def test_starttls_without_a_usable_certificate(stage, broken, fault):
    """RFC 9051, 6.2.1: NO, and the connection goes on in cleartext."""
    with stage.ready(*broken[fault], on="tcp") as imap:
        assert imap.command("a STARTTLS")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
        assert "LOGINDISABLED" in imap.capabilities()
        assert explained(imap), imap.log_text()


@pytest.mark.parametrize("fault", ("missing", "missing key"))
def test_starttls_is_not_offered_where_files_are_missing(stage, broken, fault):
    with stage.ready(*broken[fault], on="tcp") as imap:
        assert "STARTTLS" not in imap.capabilities()


@pytest.mark.parametrize("fault", BROKEN)
def test_implicit_tls_without_a_usable_certificate(stage, broken, fault):
    """There is no language to say it in: nothing but the end, and the log says why."""
    with stage.start("--tls-on-connect", *broken[fault], on="tcp") as imap:
        imap.hand_over()
        try:
            imap.send(b"\x16\x03\x01\x00\x05hello")
        except OSError:
            pass
        said = imap.rest()
        assert b"BYE" not in said and b"OK" not in said
        assert imap.status() == 78
        assert explained(imap), imap.log_text()


def test_one_usable_certificate_is_enough(stage):
    """The other one is a line in the log."""
    good, other = stage.certificate("ecdsa"), stage.certificate("rsa")
    with stage.ready(*good.options, "--cert", other.file, "--key", good.key, on="tcp") as imap:
        imap.starttls(good.context())
        imap.login()
        assert explained(imap), imap.log_text()


@pytest.mark.parametrize("fault, events", [
    ("garbage", [("tls-fail", "no certificate in the file")]),
    ("another's key", [("key-fail", "the key does not belong to the certificate"), ("tls-fail", "its private key can't be used")]),
    ("missing key", [("tls-fail", "No such file or directory")]),
])
def test_one_usable_certificate_is_enough_for_implicit_tls(stage, broken, fault, events):
    """Which certificates there are is known before the fork, whose keys can be used is not; each fault is one line."""
    with stage.ready(*broken[fault], on="tls", certificate="rsa") as imap:
        imap.login()
        told = [(line.name, line["reason"].strip(chr(34))) for line in imap.log("tls-fail") + imap.log("key-fail")]
        file = broken[fault][3 if fault == "missing key" else 1]
        expected = [(event, reason if event == "key-fail" else f"{file}: {reason}") for event, reason in events]
        assert sorted(told) == sorted(expected), imap.log_text()


def test_unreadable_key_as_a_user(root_stage):
    account = root_stage.users["imapgt2"]
    certificate = root_stage.certificate("rsa")
    with root_stage.ready(*certificate.options, on="tcp", user=account.uid, group=account.gid, extra_groups=[]) as imap:
        assert "STARTTLS" not in imap.capabilities()
        assert imap.command("a STARTTLS")[1].startswith(b"a NO [UNAVAILABLE] ")


@pytest.mark.parametrize("setting", ("Nonsense=1", "MinProtocol=nonsense", "CipherString=nonsense"))
def test_tls_setting_that_openssl_does_not_know(stage, setting):
    with stage.start("--tls", setting, on="tls", handshake=False) as imap:
        imap.hand_over()
        assert imap.rest() == b""
        assert imap.status() == 78
        assert setting.split("=")[0] in imap.log("error")[0]["text"]


# --- PAM

def test_pam_service_is_missing(stage):
    with stage.ready("--pam-service", "no-such-service", "--max-attempts", "1") as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [UNAVAILABLE] ")
        assert imap.command("b NOOP")[1] == b"b OK NOOP completed"
        assert imap.log("auth-fail") or imap.log("error")


def test_pam_folder_is_missing(stage):
    with stage.ready("--pam-confdir", "/nonexistent", "--max-attempts", "1") as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [UNAVAILABLE] ")


def test_pam_module_is_missing(stage):
    stack = "auth required /nonexistent/pam_nothing.so\naccount required pam_permit.so\n"
    with stage.ready(pam=stack, virtual=True) as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [UNAVAILABLE] ")


def test_pam_service_of_another_name(stage):
    folder = stage.pam("joe", service="mail")
    with stage.ready("--pam-confdir", folder, "--pam-service", "mail") as imap:
        imap.login()


# --- the user's home

def test_home_is_missing(stage):
    """Found before anything is written, so the client has a NO."""
    report = stage.report()
    with stage.ready("--home", "/nonexistent/%u", mailbox=stage.mailbox(report=report)) as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [")
        imap.expect("* BYE Please try again later")
        assert not imap.log("handoff")
    assert not report.written()


def test_home_is_somebody_elses(root_stage):
    folder = root_stage.folder / "closed"
    folder.mkdir(exist_ok=True)
    os.chmod(folder, 0o700)
    report = root_stage.report()
    with root_stage.ready("--home", folder, mailbox=root_stage.mailbox(report=report)) as imap:
        assert imap.command("a LOGIN joe sesame")[1].startswith(b"a NO [")
    assert not report.written()


@pytest.mark.superserver("a listener does not start")
def test_missing_program_behind_tls(stage):
    """On port 993 the client can read nothing before the handshake: so there is one, and an answer."""
    with stage.start(on="tls", mailbox=["/nonexistent/imap"]) as imap:
        imap.expect("* BYE [UNAVAILABLE] ...")
        assert imap.rest() == b"" and imap.wire.ended_cleanly
        assert imap.status() == 78
        assert imap.log("error")[0]["text"].startswith('"/nonexistent/imap: no such program')
