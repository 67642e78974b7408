"""The table of families in `docs/backbones.md`.

    python tests/family_page.py     # writes it anew: read its difference before you commit it

`unit/test_families.py` holds each row to what is found.
"""

import os
import re
import tempfile
from pathlib import Path

from families.reading import FAMILIES, refusal, subject
from families.steps import METHODS, reason

PAGE = Path(__file__).parents[1] / "docs" / "backbones.md"
_BEGIN, _END = "<!-- generated: families -->\n", "<!-- end -->"
_HEAD = ["family", "reads", "read at", "levels", "attention", *METHODS, "why not"]
_ATTENTION = {"sdpa": "torch's", "eager": "its own", "none": "–"}


def page(text: str) -> str:
    """The page with its table as it is found now."""
    before, _, rest = text.partition(_BEGIN)
    after = rest.partition(_END)[2]
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD)), *map(row, FAMILIES)]
    return before + _BEGIN + "".join(f"{line}\n" for line in lines) + _END + after


def rows(text: str) -> dict[str, str]:
    """The rows of a page by family."""
    lines = text.partition(_BEGIN)[2].partition(_END)[0].splitlines()[2:]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines}


def row(kind: str) -> str:
    """A family's row as it is found now."""
    family, refused = FAMILIES[kind], refusal(kind)
    if refused:
        return _line([kind, family.modality, *["–"] * (len(_HEAD) - 3), _general(refused)])
    on = subject(kind)
    widths = [level.width for level in on.anatomy.levels]
    levels = f"{len(widths)} × {widths[0]}" if len(set(widths)) == 1 else ", ".join(map(str, widths))
    pooling, place = on.shape.pooling, on.anatomy.place_of(on.shape.pooling)
    reasons = {method: reason(kind, method) for method in METHODS}
    return _line(
        [
            kind,
            family.modality,
            pooling if pooling == place else f"{pooling} (levels: {place})",
            levels,
            _ATTENTION[on.anatomy.attention],
            *("–" if found else "✓" for found in reasons.values()),
            _why(reasons),
        ]
    )


def _why(reasons: dict[str, str]) -> str:
    """Each reason once, after the methods that give it."""
    given = dict[str, list[str]]()
    for method, found in reasons.items():
        if found:
            given.setdefault(_general(found), []).append(method)
    return "; ".join(f"{', '.join(methods)}: {found}" for found, methods in given.items())


def _general(found: str) -> str:
    """A reason without method, class and remedy, which the row says or which are no reason."""
    found = re.sub(r"^(method '[^']*'|\w+Model): ", "", found).partition(";")[0]
    found = re.sub(r" in the \w+ tower \(\w+\)", "", found)
    return re.sub(r"the \w+ tower's levels are [\d, ]+ wide", "its levels are of several widths", found)


def _line(columns: list[str]) -> str:
    return f"| {' | '.join(columns)} |"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TPMEBENCH_CACHE"] = folder
        PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
