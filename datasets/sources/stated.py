"""The source `stated`: sequences of a stated number and length over a stated catalogue, where no data are at hand.

What a step costs depends on how many distinct items a batch shows and how long their titles are. Items are taken in
proportion to rank^-skew; a user has `length` of them beside the two that are held out, no two alike in a row. Titles
are all as long. Nothing can be learned from it.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from pydantic import Field

from ...files import canonical_json, digest
from ..raw import Interactions, RawData
from .registry import register
from .source import Options, Source

_HELD_OUT = 2


class StatedOptions(Options):
    """Users, items, how many items of a user are trained on, how uneven their popularity is (0: not at all), and words
    of a title.
    """

    users: int = Field(default=10_000, ge=1, le=100_000_000)
    items: int = Field(default=20_000, ge=16, le=100_000_000)
    length: int = Field(default=8, ge=3, le=1000)
    skew: float = Field(default=0.8, ge=0, le=4)
    words: int = Field(default=32, ge=1, le=10_000)
    seed: int = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class _Plain:
    """A picture of one colour for every item."""

    def fingerprint(self, item: int) -> str:
        return "plain"

    def load(self, item: int, side: int) -> Image.Image:
        return Image.new("RGB", (side, side))


@register("stated")
class Stated(Source):
    """sequences of stated statistics, to plan or measure costs where no data are at hand"""

    options = StatedOptions
    takes_path = False

    def read(self) -> RawData:
        chosen: StatedOptions = self.chosen
        rng = np.random.default_rng(chosen.seed)
        popularity = np.cumsum(np.arange(1, chosen.items + 1) ** -chosen.skew)
        length = chosen.length + _HELD_OUT
        taken = np.searchsorted(popularity, rng.random((chosen.users, length)) * popularity[-1])
        again = taken[:, 1:] == taken[:, :-1]
        taken[:, 1:][again] = (taken[:, 1:][again] + 1) % chosen.items
        users = np.repeat(np.arange(chosen.users), length)
        ids = [str(number) for number in range(1, chosen.items + 1)]
        interactions = Interactions(users, taken.reshape(-1), None)
        facts: dict[str, str | int | float] = {"source": f"stated: {self.statistics}"}
        titles = [" ".join(["title"] * chosen.words)] * chosen.items
        return RawData("stated", ids, titles, _Plain(), interactions, facts)

    @property
    def statistics(self) -> str:
        """In words."""
        chosen: StatedOptions = self.chosen
        return (
            f"{chosen.users:,} users with {chosen.length} of {chosen.items:,} items each, "
            f"taken in proportion to rank^-{chosen.skew:g}; titles of {chosen.words} words"
        )

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        del pictures, strict
        return [self.statistics]

    def fingerprint(self) -> str:
        return digest("stated", "1", canonical_json(self.chosen.model_dump(mode="json")))
