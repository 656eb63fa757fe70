"""Variables that PAM's modules may set in the mailbox program's environment. Variables that do not fit end no login, or are refused
before the client hears OK."""

import re

import pytest

from stage import JOE, SESAME, TREE


def filled(stage, variables):
    """A stack whose modules set these variables, some on each line."""
    lines = stage.testcode(f"name={JOE} password={SESAME}")
    for start in range(0, len(variables), 5):
        words = " ".join(f"env={variable}" for variable in variables[start:start + 5])
        lines += f"auth required {stage.module} prompts=0 {words}\n"
    return lines


@pytest.mark.parametrize("style", ("tag", "greeting"))
@pytest.mark.parametrize("number, length", ((200, 10), (250, 140)), ids=("many", "long"))
def test_more_from_pam_than_there_is_room_for(stage, style, number, length):
    variables = [f"VARIABLE{i:03}={'x' * length}" for i in range(number)]
    report = stage.report()
    mailbox = stage.mailbox(style="tag" if style == "tag" else "preauth", report=report)
    with stage.ready("--allow-cleartext", "loopback", "--handoff", style, "--setenv", "LAST=mine", on="tcp", mailbox=mailbox,
                     pam=filled(stage, variables)) as imap:
        assert imap.command(f"a LOGIN {JOE} {SESAME}")[1].startswith(b"a OK")
        dropped = imap.logged("environment-full")
        kept = [name for name in report.environment if name.startswith("VARIABLE")]
        assert kept and len(kept) + int(dropped["variables"]) == number
        assert dropped["first"] == f'"VARIABLE{len(kept):03}"'
        assert report.environment["LAST"] == "mine" and report.environment.get("IMAPLOGINTAG") == ("a" if style == "tag" else None)
        imap.wire.close()


@pytest.mark.parametrize("style", ("tag", "greeting"))
def test_settings_that_do_not_fit_are_refused_before_ok(stage, style):
    options = [word for i in range(12) for word in ("--setenv", f"MINE{i}={'x' * 3500}")]
    with stage.ready("--allow-cleartext", "loopback", "--handoff", style, *options, on="tcp") as imap:
        assert imap.command(f"a LOGIN {JOE} {SESAME}")[1].startswith(b"a NO [UNAVAILABLE]")
        assert imap.logged("auth-fail")["reason"] == "environment"
        imap.wire.close()


def test_each_name_that_modules_can_not_set(stage):
    """Names in lower case count too; names that only resemble them can be set."""
    table = re.search(r"forbidden_to_pam\[\] = \{(.*?)\};", (TREE / "src/monitor/environment.c").read_text(), re.DOTALL).group(1)
    patterns = re.findall(r'"([^"]+)"', table)
    stems = [pattern.removesuffix("*") for pattern in patterns]
    kept, free = [], []
    for pattern, stem in zip(patterns, stems):
        kept += [stem, stem + "Q", stem.lower() + "q"] if "*" in pattern else [stem, stem.lower()]
        free += [stem[:-1] + "Q"] if "*" in pattern else [stem + "Q", stem[:-1] + "Q"]
    report = stage.report()
    pam = filled(stage, [f"{name}=/evil" for name in kept] + [f"{name}=/good" for name in free])
    with stage.ready(pam=pam, mailbox=stage.mailbox(report=report)) as imap:
        imap.login()
        imap.wire.close()
    assert len(kept) > 100 and "/evil" not in report.environment.values()
    assert [name for name in free if report.environment.get(name) != "/good"] == []


@pytest.mark.parametrize("value", ("() { :; }; touch /tmp/x", "\x1b[2J"), ids=("function", "escape"))
def test_value_that_is_left_out_had_room(stage, value):
    with stage.ready(pam=f"name={JOE} password={SESAME} [env=X={value}]", mailbox=stage.mailbox(report=(report := stage.report()))) as imap:
        imap.login()
        imap.wire.close()
        assert "X" not in report.environment and not imap.log("environment-full")


def test_what_fits_for_the_longest_tag_is_known_before_ok(stage):
    """Settings of any size give a session or a refusal: no login fails after the check."""
    tag = "t" * 128
    least, most = 0, 8000
    filler = [word for i in range(8) for word in ("--setenv", f"MINE{i}={'x' * 3500}")]
    while most - least > 1:
        size = (least + most) // 2
        more = [word for i in range(4) for word in ("--setenv", f"MORE{i}={'x' * (size // 4)}")]
        with stage.ready(*filler, *more, "--setenv", "LAST=" + "x" * (size % 4)) as imap:
            answer = imap.command(f"{tag} LOGIN {JOE} {SESAME}")[1]
            if answer.startswith(f"{tag} OK".encode()):
                least = size
            else:
                most = size
                assert imap.logged("auth-fail")["reason"] == "environment", imap.log_text()
            imap.wire.close()
    assert least > 0
