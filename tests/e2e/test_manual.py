"""Every option that --help lists is in the manual, may stand in a file, and is used by some test of the real program."""

import re
import subprocess
from pathlib import Path

import pytest

from stage import BINARY, TREE

# Questions and answers rather than settings; the manual says that they have no place in a file.
COMMAND_LINE_ONLY = {"config", "check", "probe", "user", "help", "version"}


def options():
    """Name and value, as --help shows them."""
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True, timeout=20).stdout
    return re.findall(r"^  --(\S+) ?(\S*)", "\n".join(line[:38] for line in text.splitlines()), re.MULTILINE)


OPTIONS = options() if BINARY.exists() else []
NAMES = [name for name, _ in OPTIONS]
MANUAL = (TREE / "src" / "imapgate.8").read_text()


def described():
    """The options that the manual has a paragraph for, with their values, in words as in --help."""
    items = re.findall(r"^\.It Fl \\&-(\S+)(.*)$", MANUAL, re.MULTILINE)
    return {name: re.sub(r"\b(Ar|Cm|Ns|No|Oc|Oo|Op)\b|[\s\[\]]", "", value) for name, value in items}


def test_help_is_in_order():
    assert len(NAMES) > 30 and len(set(NAMES)) == len(NAMES)
    assert {"cert", "timeout", "version"} <= set(NAMES) and COMMAND_LINE_ONLY <= set(NAMES)


def test_the_manual_has_no_option_that_is_not_there():
    assert set(described()) - set(NAMES) == set()


@pytest.mark.parametrize("name, value", OPTIONS, ids=NAMES)
def test_option_is_in_the_manual(name, value):
    """With the same words, where it is words that it takes."""
    there = described()
    assert name in there, f"--{name} has no paragraph"
    assert bool(value) == bool(there[name]), f"--{name} {value}: {there[name]}"
    if "|" in value and value.islower():
        assert sorted(value.split("|")) == sorted(there[name].split("|")), name


@pytest.mark.parametrize("name", NAMES)
def test_option_in_a_file(name):
    """The unit test of the file has it, or the manual says that it is for the command line."""
    where = re.search(r"are for the command line only:\n(.*?) \.\n", MANUAL, re.DOTALL)[1]
    assert (re.search(rf"-{re.escape(name)}\b(?!-)", where) is not None) == (name in COMMAND_LINE_ONLY)
    if name not in COMMAND_LINE_ONLY:
        tests = (TREE / "tests" / "unit" / "test_config.c").read_text()
        every = tests[tests.index("every_option_may_stand_there"):tests.index("nothing_in_it_is_nothing_said")]
        assert re.search(rf'["n]{re.escape(name)} = ', every), name


@pytest.mark.parametrize("name", NAMES)
def test_option_is_exercised(name):
    """Some test or transcript starts the real program with it."""
    tests = [path for path in (TREE / "tests").rglob("*") if path.suffix in (".py", ".txt") and path != Path(__file__)]
    assert any(re.search(rf"--{re.escape(name)}(?![\w-])", path.read_text()) for path in tests), f"no test uses --{name}"


def test_exit_statuses_are_in_the_manual():
    """Those that the sources exit with, by the names of sysexits(3)."""
    numbers = {"EX_USAGE": 64, "EX_NOINPUT": 66, "EX_SOFTWARE": 70, "EX_OSERR": 71, "EX_TEMPFAIL": 75, "EX_CONFIG": 78}
    used = {name for path in (TREE / "src").rglob("*.c") for name in re.findall(r"\bEX_[A-Z]+\b", path.read_text())}
    assert used <= set(numbers), used
    section = MANUAL[MANUAL.index(".Sh EXIT STATUS"):]
    for name in used:
        assert f".It {numbers[name]}\n" in section, name


# --- how it reads

DOCUMENTS = ["README.md", "src/README.md", "src/imapgate.8", "src/imapgate-dovecot.8", "debian/imapgate.README.Debian"]
# Words of ours or of nobody's, where the field has its own.
WORDS = {"octets": "bytes", "clear text": "cleartext", "mend": "fix", "guesses": "wrong passwords", "anew": "again",
         "descriptors 0 and 1 and": "standard input", "TLS on connect": "implicit TLS", "Whoever": "a noun", "Whatever": "a noun"}


def prose(name):
    """The sentences, without code, tables' rules and macros' names."""
    text = (TREE / name).read_text()
    if name.endswith(".8"):
        lines = [line for line in re.sub(r"(?s)\.Bd -literal.*?\.Ed\n", "", text).splitlines() if not line.startswith(('.\\"', ".Sh", ".Ss", ".It"))]
        return [re.sub(r"^\.[A-Z][a-z]\b *", "", line) for line in lines]
    text = re.sub(r"(?ms)^```.*?^```$|^    .*?$", "", text)
    cells = [cell.strip(" *") for line in text.splitlines() if line.startswith("|") for cell in line.split("|")]
    text = "\n\n".join(part for part in re.split(r"\n\n", text) if not part.startswith("|"))
    return cells + [words.strip(" *-") for words in re.split(r"(?<=[.:;!?])\s+|\n\n|\n- ", text)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_sentence_has_to_be_read_twice(name):
    """No sentence begins with a pronoun: its subject is a thing that has a name."""
    pronouns = r"(Who|Whom|Whose|Whoever|What|Whatever|Nobody|Somebody|Else|It|Its|They|Their|These|Those|This (is|was|can|may|must|needs))\b"
    bad = [line for line in prose(name) if re.match(pronouns, line)]
    assert bad == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_words_are_those_of_the_field(name):
    text = "\n".join(prose(name))
    assert {word: better for word, better in WORDS.items() if re.search(rf"\b{word}\b", text)} == {}


@pytest.mark.parametrize("what, header, name", [
    ("Command, literals included", "command", "COMMAND_TEXT_MAX"), ("Tag", "command", "COMMAND_TAG_MAX"), ("Literal", "command", "COMMAND_LITERAL_MAX"),
    ("User name", "sasl", "SASL_NAME_MAX"), ("Password", "sasl", "SASL_PASSWORD_MAX"), ("OAuth token", "sasl", "SASL_TOKEN_MAX")])
def test_limits_are_those_of_the_program(what, header, name):
    value = re.search(rf"#define {name}\s+(\d+)", (TREE / "src" / "proto" / f"{header}.h").read_text())[1]
    assert f".It {what} Ta {value} Ta " in (TREE / "src" / "imapgate.8").read_text()
