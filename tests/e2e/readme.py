"""The README's recipes: what it says is what the tests run, with other ports and files."""

import re
import textwrap
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "README.md").read_text()


def recipes(chapter):
    """The indented blocks of the chapter that has this heading, in their order."""
    text = TEXT.partition(f"\n### {chapter}\n")[2]
    assert text, f"the README has no chapter {chapter!r}"
    blocks = re.findall(r"(?:^(?:    .*)?\n)+", re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)
    return [textwrap.dedent(block).strip() for block in blocks if block.strip()]


def adapted(recipe, places):
    """With what is on a stage in the place of the README's ports and files; each has to be there, once."""
    for name, place in places.items():
        assert recipe.count(name) == 1, f"{name!r} in {recipe!r}"
        recipe = recipe.replace(name, str(place))
    return recipe
