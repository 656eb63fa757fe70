"""The commands and files in README and manual: the tests run them as they stand, or with other ports and files.

tests/README.md says how a block tells its kind.
"""

import re
from collections import namedtuple
from pathlib import Path

TREE = Path(__file__).resolve().parents[2]
README = (TREE / "README.md").read_text()
TOUR = (TREE / "src" / "README.md").read_text()
MANUAL = (TREE / "src" / "imapgate.8").read_text()

# kind and argument are from the comment before it: "file" and "/etc/motd".
Block = namedtuple("Block", "kind argument text")


# --- the README

def section(title, text=README):
    """All between this heading and the next one of its level."""
    text = text.partition(f"\n## {title}\n")[2]
    assert text, f"there is no section {title!r}"
    return re.split(r"^## ", text, maxsplit=1, flags=re.MULTILINE)[0]


def commands(title, text=README):
    """The section's fenced blocks, in their order."""
    return re.findall(r"^```sh\n(.*?)^```$", section(title, text), re.MULTILINE | re.DOTALL)


def table(title):
    """The rows of the section's one table, without its head: lists of cells."""
    rows = [line.strip("|").split(" | ") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip(" |") for cell in row] for row in rows[2:]]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


# --- the manual

def _plain(text):
    """Literal text without mdoc's escapes."""
    return re.sub(r"\\(e|&|-|\(dq|\(aq)", lambda m: {"e": "\\", "&": "", "-": "-", "(dq": '"', "(aq": "'"}[m[1]], text)


def _parts():
    """{title: text}: each section, and each of its subsections, in their order."""
    words = re.split(r"^\.S[hs] (.*)\n", MANUAL, flags=re.MULTILINE)
    return {title.strip('"'): text for title, text in zip(words[1::2], words[2::2])}


PARTS = _parts()


def titles(heading):
    """The subsections of a section."""
    text = MANUAL.partition(f"\n.Sh {heading}\n")[2].partition("\n.Sh ")[0]
    return re.findall(r"^\.Ss (.*)$", text, re.MULTILINE)


def blocks(title, *kinds):
    """The literal blocks of a section or subsection: all, or those of some kinds."""
    found = []
    for before, text in re.findall(r"(.*)\n\.Bd -literal.*\n((?:.*\n)*?)\.Ed\n", PARTS[title]):
        assert before.startswith('.\\" '), f"a block of {title!r} has no comment that says what it is: {text!r}"
        kind, _, argument = before[4:].partition(" ")
        found.append(Block(kind, argument, _plain(text)))
    return [block for block in found if not kinds or block.kind in kinds]


def items(title):
    """The commands of a list: `.It Li command`."""
    return [_plain(line) for line in re.findall(r"^\.It Li (.*)$", PARTS[title], re.MULTILINE)]


# --- both

def adapted(recipe, places):
    """With what is on a stage in the place of the documents' ports and files; each has to be there, once."""
    for name, place in places.items():
        assert recipe.count(name) == 1, f"{name!r} in {recipe!r}"
        recipe = recipe.replace(name, str(place))
    return recipe
