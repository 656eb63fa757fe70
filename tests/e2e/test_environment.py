"""What does not fit into the mailbox program's environment ends no login, or is refused before the client hears OK."""

import pytest

from stage import JOE, SESAME


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
