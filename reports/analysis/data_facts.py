"""What a record says of its data that a reader must know first."""

from collections.abc import Mapping

MANY_MISSING = 0.05
"""The share of items without a picture or a title above which a report's head says so."""


def missing_warnings(facts: Mapping[str, str | int | float]) -> list[str]:
    """A line for each of pictures and titles that many items lack; `facts` are a record's `dataset`."""
    items, found = facts.get("items"), []
    for name, shown in (("pictures", "are shown a neutral one"), ("titles", "have an empty text")):
        missing = facts.get(f"missing {'images' if name == 'pictures' else name}")
        if isinstance(items, int) and isinstance(missing, int) and missing > MANY_MISSING * items:
            found.append(f"{missing:,} of {items:,} items have no {name[:-1]} and {shown}: {missing / items:.0%}")
    return found
