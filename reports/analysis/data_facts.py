"""What a record says of its data that a reader must know first."""

from collections.abc import Mapping

MANY_MISSING = 0.05
"""The share of items without a picture or a title above which a report's head says so."""
NEXT = "; "
"""Between the names of bad pictures."""


def missing_warnings(facts: Mapping[str, str | int | float]) -> list[str]:
    """A line for each of pictures and titles that many items lack; `facts` are a record's `dataset`."""
    items, found = facts.get("items"), []
    for name, shown in (("pictures", "are shown a neutral one"), ("titles", "have an empty text")):
        missing = facts.get(f"missing {'images' if name == 'pictures' else name}")
        if isinstance(items, int) and isinstance(missing, int) and missing > MANY_MISSING * items:
            found.append(f"{missing:,} of {items:,} items have no {name[:-1]} and {shown}: {missing / items:.0%}")
    return found


def data_warnings(facts: Mapping[str, str | int | float]) -> list[str]:
    """All that a reader must know, a line each."""
    bad = bad_pictures(facts)
    return [*missing_warnings(facts), *([f"{bad[0]}: {NEXT.join(bad[1:])}"] if bad else [])]


def bad_pictures(facts: Mapping[str, str | int | float]) -> list[str]:
    """How many pictures are there but cannot be shown, then the first of them, each with why; empty without any."""
    count = facts.get("bad pictures")
    if not count:
        return []
    one, several = (
        "picture is there but cannot be shown, and counts",
        "pictures are there but cannot be shown, and count",
    )
    names = str(facts.get("first bad pictures", "")).split(NEXT)
    return [f"{count:,} {one if count == 1 else several} as missing", *names]
