"""The page of families in `docs/backbones.md`: `python tests/family_page.py` writes its table anew, a test holds it."""

import os
import re
import tempfile
from functools import cache
from pathlib import Path

from families import FAMILIES, Family, seen
from family_checks import METHODS, Shelf, step

PAGE = Path(__file__).parents[1] / "docs" / "backbones.md"
_BEGIN, _END = "<!-- generated: families -->\n", "<!-- end -->"


@cache
def steps(family_kind: str) -> dict[str, str]:
    """What became of a training step, by method."""
    family = next(each for each in FAMILIES if each.kind == family_kind)
    return {name: step(family, name, Shelf(family)) for name in METHODS}


def page(text: str) -> str:
    """The page with its table as it is found now."""
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_table()}{_END}{after}"


def _table() -> str:
    notes: list[str] = []
    rows = [_row(family, notes) for family in FAMILIES]
    head = ["family", "reads", "read at", "levels", "attention", *METHODS]
    lines = [head, ["---"] * len(head), *rows]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return table + "".join(f"\n{number}. {note}" for number, note in enumerate(notes, 1)) + "\n"


def _row(family: Family, notes: list[str]) -> list[str]:
    _, found = seen(family.kind)
    widths = [level.width for level in found.levels]
    levels = f"{len(widths)} × {widths[0]}" if len(set(widths)) == 1 else ", ".join(map(str, widths))
    pooling = found.pooling(family.modality, "auto")
    place = f"{pooling} (below: {found.place})" if pooling == "pooler" else pooling
    marks = []
    for reason in steps(family.kind).values():
        if reason == "yes":
            marks.append("✓")
            continue
        note = _general(reason)
        if note not in notes:
            notes.append(note)
        marks.append(f"({notes.index(note) + 1})")
    attention = {"sdpa": "torch's", "eager": "its own", "none": "–"}[found.attention]
    return [family.kind, family.modality, place, levels, attention, *marks]


def _general(reason: str) -> str:
    """A reason without the names that differ from tower to tower."""
    reason = re.sub(r"^method '[^']*': ", "", reason)
    reason = re.sub(r" \([A-Za-z0-9]+(Model|Encoder)\)", "", reason)
    reason = re.sub(r"are [\d, ]+ wide", "are of several widths", reason)
    return reason.partition(";")[0]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TPMEBENCH_CACHE"] = folder
        PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
