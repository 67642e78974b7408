"""What every source hands over before the protocol: items as they stand in the source, and who took which one when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..cell import Modality
from .catalogue import ImageSource
from .features import Features

TRAIN, VALID, TEST, SEEN = range(4)
"""Parts of a split; of a user at most one interaction is VALID and at most one TEST."""


@dataclass(frozen=True)
class Interactions:
    """One entry an interaction, in the source's order; the arrays are equally long.

    `users` are codes from 0 (any order; the users of the splits follow their codes), `items` rows of `RawData.ids`
    from 0, `times` numbers of any unit, or None when a user's entries already follow one another in time. `ratings`
    are what users gave, where they gave any (NaN: none), and `parts` those of a split that the source comes with:
    TRAIN, VALID or TEST, for what is trained on and the targets, and SEEN for what is but read before a test target.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray | None
    ratings: np.ndarray | None = None
    parts: np.ndarray | None = None

    def taken(self, rows: np.ndarray) -> "Interactions":
        """Some of them, by a mask or by their places, in that order."""
        optional = (None if each is None else each[rows] for each in (self.times, self.ratings, self.parts))
        return Interactions(self.users[rows], self.items[rows], *optional)


@dataclass(frozen=True)
class RawData:
    """A source as read. Item row r (from 0) is number r + 1 for `images`; `missing_images` are the rows without one.

    `user_ids` are what the source calls the users, by their codes, where it names them; `links` where the items'
    pictures are to be had ("": nowhere), of a source that has only addresses of them. `features`: what it brings in
    place of texts or pictures, or beside them, a vector an item row each. `split`: how data were split that
    `bench data prepare` wrote.
    """

    name: str
    ids: Sequence[str]
    texts: Sequence[str] | None
    images: ImageSource | None
    interactions: Interactions
    facts: dict[str, str | int | float]
    missing_images: Sequence[int] = ()
    user_ids: Sequence[str] | None = None
    links: Sequence[str] | None = None
    features: Mapping[Modality, Features] = field(default_factory=dict)
    split: str = ""
