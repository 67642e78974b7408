"""How long training goes on without a better epoch: so many epochs, as published, or so many steps.

An epoch of few users is too short a measure: one of 943 users is 15 steps of 64, one of Amazon Scientific 190.
"""

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

_WRITTEN = re.compile(r"\s*([1-9]\d{0,8})\s*(epoch|step)s?\s*")
MOST_EPOCHS = 100_000


def _read(value: object) -> object:
    """In its one form: epochs are a number, steps are `1900 steps`."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("give a number of epochs, or of steps as in '1900 steps'")
    if isinstance(value, int):
        return value
    found = _WRITTEN.fullmatch(value)
    if found is None:
        raise ValueError("give a number of epochs, or of steps as in '1900 steps'")
    return int(found[1]) if found[2] == "epoch" else f"{found[1]} steps"


Patience = Annotated[Annotated[int, Field(ge=1, le=MOST_EPOCHS)] | str, BeforeValidator(_read)]
"""A number of epochs, or of steps as text."""


def in_words(patience: int | str) -> str:
    """`10 epochs`, `1900 steps`."""
    return patience if isinstance(patience, str) else f"{patience} epoch{'s' * (patience != 1)}"


def is_over(patience: int | str, steps: Sequence[int], best: int) -> bool:
    """Whether training ends: more than `patience` has gone by since the end of epoch `best`, which counts from 1.

    `steps`: those of each epoch so far. As published, more than: of a patience of 10 epochs the eleventh without a
    better one is the last.
    """
    since = steps[best:]
    if isinstance(patience, int):
        return len(since) > patience
    return sum(since) > int(patience.split()[0])


def halved(patience: int | str) -> int | str | None:
    """Half of it, rounded down; None of a single epoch or step."""
    amount = (patience if isinstance(patience, int) else int(patience.split()[0])) // 2
    if amount < 1:
        return None
    return amount if isinstance(patience, int) else f"{amount} steps"
