"""Every rule has its line in tests/RULES.md, and every line's tests are there.

RULES.md says what the rules' names mean.
"""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TABLE = "## Rules and where they are tested"

# How many rules there are of each kind; they are numbered from 1.
KINDS = {"G": 8, "X": 17, "LIT": 11, "C": 9, "L": 8, "A": 19, "PL": 5, "LG": 2, "EX": 5, "OB": 6, "S": 18, "RC": 11, "ID": 5,
         "EN": 2, "P": 7, "K": 20, "T": 62}
RULES = [f"{kind}{number}" for kind, most in KINDS.items() for number in range(1, most + 1)]
EXCUSES = ("Not here:", "Met differently:", "met differently:")


def rows():
    """The table: rule, what it is, and its places."""
    text = (TESTS / "RULES.md").read_text()
    assert text.count(f"\n{TABLE}\n") == 1
    for line in text.partition(TABLE)[2].splitlines():
        if line.startswith("|") and not re.match(r"\|(-+\|)+$|\| rule \|", line):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            assert len(cells) == 3, line
            yield cells[0], cells[1], re.findall(r"`([^`]+)`", cells[2])


ROWS = list(rows())


def defined(path, name):
    """Is there a test of this name in the file, not only a mention of it?"""
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {re.escape(name)}\(", text, re.MULTILINE) is not None
    # cmocka: a function, and its line in main's table.
    return re.search(rf"^{re.escape(name)}\(void \*\*", text, re.MULTILINE) is not None \
        and re.search(rf"^\t\t\w+\({re.escape(name)}[,)]", text, re.MULTILINE) is not None


def test_no_rule_is_missing():
    assert [row[0] for row in ROWS if row[0] not in RULES] == []
    assert sorted({row[0] for row in ROWS}, key=RULES.index) == RULES


def test_no_rule_is_there_twice():
    names = [row[0] for row in ROWS]
    assert [name for name in RULES if names.count(name) != 1] == []


@pytest.mark.parametrize("rule, what, places", ROWS, ids=[row[0] for row in ROWS])
def test_rule(rule, what, places):
    """It has a test, or says why it needs none."""
    assert what, rule
    assert places or what.startswith("Not here: ") and len(what) > 40, f"{rule} has neither a test nor a reason"
    for place in places:
        file, _, name = place.partition("::")
        path = TESTS / file
        assert path.is_file(), place
        assert file.startswith(("transcripts/", "unit/test_", "e2e/test_", "fuzz/fuzz_", "lint/", "vm/")), place
        assert bool(name) == file.startswith(("unit/", "e2e/", "vm/case_")), f"{place}: a test's name is wanted where a file has many"
        assert not name or defined(path, name), f"{place}: no such test"


def test_transcripts_are_named_after_rules():
    """The way back: every transcript is some rule's, and begins with its name."""
    for path in sorted((TESTS / "transcripts").glob("*.txt")):
        kind = path.name.split("-")[0]
        assert re.fullmatch(r"[A-Z]+\d+", kind), path.name
        assert kind in RULES or kind == "L9", path.name


def test_a_missing_test_would_be_seen():
    """This check is worth nothing if it finds whatever it is asked for."""
    here = Path(__file__)
    assert defined(here, "test_no_rule_is_missing")
    assert not defined(here, "test_no_rule_is_missin") and not defined(here, "test_of_nothing")
    unit = TESTS / "unit" / "test_sasl.c"
    assert defined(unit, "PL1_plain_has_exactly_two_nuls") and not defined(unit, "check_plain")
