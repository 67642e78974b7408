"""Finding a column by its name, as a header or a schema has it."""

import re
from collections.abc import Sequence

from ...errors import BenchError, unknown

_TYPE = re.compile(r"(.+):(token|float)(_seq)?")


def without_types(names: Sequence[str]) -> list[str]:
    """Names without the spaces around them, and without the types that RecBole's headers have (`user_id:token`)."""
    stripped = [name.strip() for name in names]
    typed = [_TYPE.fullmatch(name) for name in stripped]
    return [match[1] if match and all(typed) else name for match, name in zip(typed, stripped, strict=True)]


def position(place: str, column: str, names: Sequence[str]) -> int:
    """Where a column stands, called as it is written, without spaces around it, or without a type.

    BenchError, which begins with `place`, when there is none or more than one.
    """
    plain = without_types(names)
    for known in (names, [name.strip() for name in names], plain):
        if column in known:
            if list(known).count(column) > 1:
                raise BenchError(f"{place}: column '{column}' stands there twice: rename or remove one")
            return list(known).index(column)
    if len(names) < 2:
        raise BenchError(
            f"{place}: no table with a column '{column}': one column only; "
            "separate fields by commas, tabs, semicolons or pipes"
        )
    raise BenchError(f"{place}: {unknown('column', column, [name[:60] for name in plain[:50]])}")
