"""What every source hands over before the protocol: items as they stand in the source, and who took which one when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .catalogue import ImageSource


@dataclass(frozen=True)
class Interactions:
    """One entry an interaction, in the source's order; the three arrays are equally long.

    `users` are codes from 0 (any order; the users of the splits follow their codes), `items` rows of `RawData.ids`
    from 0, `times` numbers of any unit, or None when a user's entries already follow one another in time.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None


@dataclass(frozen=True)
class RawData:
    """A source as read. Item row r (from 0) is number r + 1 for `images`; `missing_images` are the rows without one."""

    name: str
    ids: Sequence[str]
    texts: Sequence[str] | None
    images: ImageSource | None
    interactions: Interactions
    facts: dict[str, str | int | float]
    missing_images: Sequence[int] = ()
