"""The studies that ship: their names, and what the head of each says: what it asks, and on what it is meant to run."""

import re
from dataclasses import dataclass
from pathlib import Path

from ...files import TOML_BYTES, read_text

STUDIES = Path(__file__).parents[2] / "studies"

_SENTENCE = re.compile(r".+?[.?](?= |$)")
_MEANT = re.compile(r"(?:Meant for|It runs in) (.+?)(?=[:;] |[.:;]$|\. )")


@dataclass(frozen=True)
class Shipped:
    """A study that ships. `question`: its head's first sentence; `meant`: on what it is meant to run, "" if unsaid."""

    name: str
    question: str
    meant: str


def names() -> list[str]:
    """Their names, sorted."""
    return sorted(file.stem for file in STUDIES.glob("*.toml"))


def shipped() -> list[Shipped]:
    """All of them, by name."""
    return [_read(name) for name in names()]


def head(path: Path) -> str:
    """The comment that a study's file begins with, without its signs."""
    found = []
    for line in read_text(path, TOML_BYTES).splitlines():
        if not line.startswith("#"):
            break
        found.append(line.removeprefix("#").removeprefix(" ").rstrip())
    return "\n".join(found)


def _read(name: str) -> Shipped:
    said = " ".join(line for line in head(STUDIES / f"{name}.toml").splitlines() if not line.startswith(" "))
    question, meant = _SENTENCE.match(said), _MEANT.search(said)
    return Shipped(name, question[0] if question else said, meant[1] if meant else "")
