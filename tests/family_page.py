"""The table of families in `docs/backbones.md`.

    python tests/family_page.py     # writes it anew: read its difference before you commit it

`unit/test_families.py` holds each row to what is found.
"""

from pathlib import Path

from families.reading import FAMILIES, refusal, subject
from families.steps import METHODS, reason
from generated import filled, general, line, rows_in, table, write

PAGE = Path(__file__).parents[1] / "docs" / "backbones.md"
_TABLE = "families"
_HEAD = ["family", "reads", "read at", "levels", "attention", *METHODS, "why not"]
_ATTENTION = {"sdpa": "torch's", "eager": "its own", "none": "–"}


def page(text: str) -> str:
    """The page with its table as it is found now."""
    return filled(text, _TABLE, table(_HEAD, map(row, FAMILIES)))


def rows(text: str) -> dict[str, str]:
    """The rows of a page by family."""
    return {each.split(" | ")[0].removeprefix("| "): each for each in rows_in(text, _TABLE)}


def row(kind: str) -> str:
    """A family's row as it is found now."""
    family, refused = FAMILIES[kind], refusal(kind)
    if refused:
        return line([kind, family.modality, *["–"] * (len(_HEAD) - 3), general(refused)])
    on = subject(kind)
    widths = [level.width for level in on.anatomy.levels]
    levels = f"{len(widths)} × {widths[0]}" if len(set(widths)) == 1 else ", ".join(map(str, widths))
    pooling, place = on.shape.pooling, on.anatomy.place_of(on.shape.pooling)
    reasons = {method: reason(kind, method) for method in METHODS}
    return line(
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
            given.setdefault(general(found), []).append(method)
    return "; ".join(f"{', '.join(methods)}: {found}" for found, methods in given.items())


if __name__ == "__main__":
    write(PAGE, page)
