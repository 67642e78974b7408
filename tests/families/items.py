"""The few items that families are tried on: titles of several lengths as token ids, and pictures of noise."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tpmebench.methods.backbones.preprocessing import TokenTable
from tpmebench.methods.features.content import RawContent

from .family import WORDS, Family

ITEMS, LENGTHS = 5, (3, 7, 5, 4, 7, 6)
"""Items, and words in the title of each; the first is the one that stands for padding."""


@dataclass(frozen=True)
class Shelf:
    """Items 1..5 as a family reads them, the side of their pictures in pixels."""

    family: Family
    side: int

    @property
    def numbers(self) -> range:
        return range(1, ITEMS + 1)

    @cached_property
    def titles(self) -> list[list[int]]:
        """Token ids, what stands around every text included."""
        words = np.random.default_rng(5).integers(8, WORDS, (ITEMS + 1, max(LENGTHS))).tolist()
        around = self.family.around
        return [[*around.before, *row[:n], *around.after] for row, n in zip(words, LENGTHS, strict=True)]

    @cached_property
    def pixels(self) -> np.ndarray:
        """Noise, uint8 `[items, 3, side, side]`."""
        return np.random.default_rng(6).integers(0, 256, (ITEMS + 1, 3, self.side, self.side), np.uint8)

    @cached_property
    def content(self) -> RawContent:
        """The same as methods read it."""
        if self.family.modality == "image":
            return RawContent(ITEMS, None, self.pixels, "shelf")
        ids = np.array([token for title in self.titles for token in title], np.int32)
        offsets = np.cumsum([0, *map(len, self.titles)])
        return RawContent(ITEMS, TokenTable(ids, offsets, 0, "shelf"), None, "shelf")
