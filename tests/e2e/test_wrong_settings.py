"""Settings that can't work: the start, --check and --probe say which one it is, and why, in words that can be acted upon."""

import subprocess

import pytest


def run(stage, *arguments):
    return subprocess.run([stage.program, *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


# --- the command line and the file

@pytest.mark.parametrize("line, words", [
    ("cert =", "cert = : a value is wanted"),
    ('pam-service = ""', "pam-service = : a value is wanted"),
    ('pam-service = "imapgate', "pam-service: a quote is not closed"),
    ("home = srv/%n", "home = srv/%n: a path that begins with / is wanted"),
    ("home = /srv/%h", "home = /srv/%h: %h can't stand here"),
])
def test_file_with_a_value_that_is_none(stage, line, words):
    file = stage.file("scratch", ".conf")
    file.write_text(f"# all of it\n{line}\nrun-as = root\n")
    for question in ((), ("--check",)):
        done = run(stage, *question, "--config", file, "--", "/bin/true")
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.startswith(f"imapgate: {file}:2: {words}"), done.stderr


@pytest.mark.parametrize("option", ["--cert", "--key", "--pam-service", "--run-as", "--home", "--gate-user"])
def test_value_that_is_empty(stage, option):
    done = run(stage, option, "", "--", "/bin/true")
    assert done.returncode == 64 and f"{option} : a " in done.stderr and " wanted" in done.stderr


@pytest.mark.parametrize("home", ["srv/%n", "./%n", "~/%n", "%h/%n", "/srv/%h/%n", "/srv/%%%h"])
def test_home_that_can_not_be_one(stage, home):
    done = run(stage, "--check", "--run-as", "nobody", "--home", home, "--", "/bin/true")
    assert (done.returncode, done.stdout) == (64, "") and f"--home {home}: " in done.stderr


def test_home_with_a_percent_sign(stage):
    assert "--home" not in run(stage, "--check", "--run-as", "nobody", "--home", "/srv/%%h", "--", "/bin/true").stderr


@pytest.mark.parametrize("word", ["yes", "no", "true", "off", "1"])
def test_flag_with_a_value(stage, word):
    """The word would be PROGRAM, and the certificate one of its arguments."""
    for words in ([word, "--cert", "c", "--", "/bin/true"], [word]):
        done = run(stage, "--strict", "--tls-on-connect", *words)
        assert done.returncode == 64 and f"--tls-on-connect takes no value: {word} would be PROGRAM" in done.stderr
    done = run(stage, "--check", "--strict", "--", word)
    assert done.returncode != 64 and f"mailbox program: {word}" in done.stdout


@pytest.mark.parametrize("words, option", [
    (["--cert", "--", "/bin/true"], "--cert"),
    (["--cert", "--key", "k", "--", "/bin/true"], "--cert"),
    (["--strict", "--user", "--check", "--", "/bin/true"], "--user"),
])
def test_option_whose_value_was_forgotten(stage, words, option):
    done = run(stage, *words)
    assert done.returncode == 64 and f"{option} wants a value, and --" in done.stderr
