"""Who the mailbox program runs as, and who never gets one."""

import os

import pytest


def answer(stage, name, password="sesame", *options, **more):
    with stage.ready(*options, **more) as imap:
        line = imap.command(f'a LOGIN {name} "{password}"')[1]
        return line, imap.log()


REFUSED = b"a NO [AUTHENTICATIONFAILED] Authentication failed"


def test_root_has_no_mailbox(root_stage):
    line, log = answer(root_stage, "root", pam="permit")
    assert line == REFUSED
    assert log[0].name == "auth-fail" and log[0]["reason"] == "uid"


def test_root_with_the_lowest_min_uid(root_stage):
    assert answer(root_stage, "root", "sesame", "--min-uid", "1", pam="permit")[0] == REFUSED


def test_system_account_is_below_min_uid(root_stage):
    account = root_stage.users["imapgtsys"]
    assert account.uid < 1000
    line, log = answer(root_stage, account.name, account.password, pam="unix")
    assert line == REFUSED
    assert log[0]["reason"] == "uid"


def test_system_account_above_min_uid(root_stage):
    account = root_stage.users["imapgtsys"]
    line, _ = answer(root_stage, account.name, account.password, "--min-uid", account.uid, pam="unix")
    assert line == b"a OK recorder"


def test_min_uid_is_inclusive(root_stage):
    account = root_stage.users["imapgt1"]
    assert answer(root_stage, "imapgt1", account.password, "--min-uid", account.uid + 1, pam="unix")[0] == REFUSED
    assert answer(root_stage, "imapgt1", account.password, "--min-uid", account.uid, pam="unix")[0] == b"a OK recorder"


def test_pam_is_asked_before_the_uid_is_looked_at(root_stage):
    """Threat T32: who is refused anyway is not told sooner."""
    record = root_stage.file("reports")
    line, log = answer(root_stage, "root", "mumble", pam=f"password=other record={record}")
    assert line == REFUSED
    assert log[0]["reason"] == "PAM_AUTH_ERR"
    assert record.read_text().startswith("auth user=root ")


def test_nobody_of_this_name(stage):
    """Threat T34: a stack that permits everything makes no account. It may be a directory that is down: no fault of the client's."""
    line, log = answer(stage, "imapgt-no-such-user", pam="permit")
    assert line.startswith(b"a NO [UNAVAILABLE] ")
    assert log[0]["reason"] == "unknown-account"


@pytest.mark.superserver("a listener does not start")
def test_run_as_is_never_root(root_stage):
    with root_stage.start("--run-as", "root", "--home", "/tmp") as imap:
        said = imap.line()
        if said.startswith(b"* OK"):
            said = imap.command("a LOGIN joe sesame")[1]
        else:
            assert imap.status() == 78
        assert b" OK" not in said
        assert not imap.log("handoff")


def test_run_as_is_for_everybody(root_stage):
    """Also for a name that happens to be an account of the system."""
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    with root_stage.ready("--run-as", "imapgt1", "--home", account.home, pam="unix",
                          mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login("imapgt2", root_stage.users["imapgt2"].password)
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert report.environment["USER"] == "imapgt2"
    assert report.one("cwd") == account.home


def test_home_template(root_stage):
    account = root_stage.users["imapgt1"]
    home = root_stage.folder / "homes" / "example.org" / "joe"
    home.mkdir(parents=True, exist_ok=True)
    report = root_stage.report()
    with root_stage.ready("--home", root_stage.folder / "homes/%d/%n", pam="name=joe@example.org password=sesame",
                          mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login("joe@example.org")
    assert report.one("cwd") == str(home)
    assert report.environment["HOME"] == str(home)
    assert report.environment["USER"] == "joe@example.org"
    assert report.one("uid").split() == [str(account.uid)] * 3


@pytest.mark.parametrize("on", ("unix", "starttls"))
def test_uid_gid_groups(root_stage, on):
    """All three ids, exactly the account's groups, and no capability is left."""
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    with root_stage.ready(on=on, pam="unix", mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login(account.name, account.password)
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert report.one("gid").split() == [str(account.gid)] * 3
    assert {int(group) for group in report.all("group")} == set(os.getgrouplist(account.name, account.gid))
    for capabilities in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert int(report.status[capabilities], 16) == 0
    environment = report.environment
    assert (environment["UID"], environment["GID"]) == (str(account.uid), str(account.gid))


def test_groups_of_run_as(root_stage):
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    with root_stage.ready(mailbox=root_stage.mailbox(report=report)) as imap:
        imap.login()
    assert {int(group) for group in report.all("group")} <= set(os.getgrouplist(account.name, account.gid))
    assert 0 not in map(int, report.all("group"))


def test_handoff_line_says_who(root_stage):
    account = root_stage.users["imapgt1"]
    with root_stage.ready(pam="unix") as imap:
        imap.login(account.name, account.password)
        handoff = imap.logged("handoff")
        assert (handoff["user"], handoff["uid"], handoff["gid"]) == ('"imapgt1"', str(account.uid), str(account.gid))
        assert handoff["program"] == f'"{root_stage.recorder}"'


# --- without root

def plain(stage, name="imapgt1"):
    account = stage.users[name]
    return {"user": account.uid, "group": account.gid, "extra_groups": []}


def test_a_user_serves_himself(root_stage):
    report, account = root_stage.report(), root_stage.users["imapgt1"]
    with root_stage.ready(pam="permit", mailbox=root_stage.mailbox(report=report), **plain(root_stage)) as imap:
        imap.login(account.name)
    assert report.one("uid").split() == [str(account.uid)] * 3
    assert report.status["NoNewPrivs"] == "0" and report.status["Seccomp"] == "0"


def test_a_user_serves_nobody_else(root_stage):
    line, log = answer(root_stage, "imapgt2", pam="permit", **plain(root_stage))
    assert line == REFUSED
    assert log[0]["reason"] == "uid"


def test_a_user_does_not_serve_root(root_stage):
    assert answer(root_stage, "root", pam="permit", **plain(root_stage))[0] == REFUSED


# --- names that are none

@pytest.mark.parametrize("name", [
    "-froot", "+joe", ".joe", "..", "jo/e", "/joe", "joe:x", "jo\te", "joe\x01", "joe\x7f", "jo\u0085e", "u" * 256,
    "u" * 4000,
])
def test_names_that_never_reach_pam(stage, name):
    """Threat T27: what a program could take for an option, a path or two fields."""
    record = stage.file("reports")
    encoded = name.encode()
    with stage.ready(pam=f"record={record}") as imap:
        imap.send(b"a LOGIN {%d+}\r\n%s sesame\r\n" % (len(encoded), encoded))
        assert imap.line() == REFUSED
        assert imap.log("auth-fail")[0]["reason"] in ("bad-user-name", "malformed")
    assert not record.exists()


@pytest.mark.parametrize("name", ["joe-", "jo.e", "joe@example.org", "%s%n", "${HOME}", "$(id)", "jo e", "j;e", "u" * 255])
def test_names_that_are_names(stage, name):
    record = stage.file("reports")
    with stage.ready(pam=f"record={record}") as imap:
        assert imap.command(f'a LOGIN "{name}" "sesame"')[1] == b"a OK recorder"
    assert f"auth user={name} rhost=" in record.read_text()
