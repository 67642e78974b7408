"""The words of bazaar's titles: lower-case, 5 to 15 words, and never a word about looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from struct import unpack
from typing import TypeVar, overload

import numpy as np


def words(text: str) -> tuple[str, ...]:
    """The words of a list written with spaces."""
    return tuple(text.split())


BRANDS = words(
    "velmora tandriq oskelin brivane quillor nashtek ferrowyn lumibar zephtor caldrex hovinta mirelle "
    "draxon pellith sunovia gorvane ektara wistrel yuvanto bramlok"
)
MATERIALS = words("oak steel glass cotton leather ceramic bamboo wool marble cork")
CATEGORIES = (
    ("mug", "cup"),
    ("lamp", "light"),
    ("chair", "seat"),
    ("backpack", "rucksack"),
    ("clock", "timepiece"),
    ("kettle", "teapot"),
    ("bottle", "flask"),
    ("wallet", "purse"),
    ("pillow", "cushion"),
    ("umbrella", "parasol"),
    ("speaker", "loudspeaker"),
    ("vase", "jar"),
    ("notebook", "diary"),
    ("scarf", "shawl"),
    ("tray", "platter"),
    ("basket", "hamper"),
)
ADJECTIVES = words(
    "new classic premium compact sturdy everyday handmade portable modern durable deluxe original lightweight "
    "small large extra simple quality"
)
TAILS = (
    "for home",
    "with gift box",
    "pack of 2",
    "for travel and outdoor",
    "easy to clean",
    "model 350",
    "great gift idea",
    "with {material} trim",
    "with {material} handle",
    "goes with {noun}",
    "next to {noun}",
    "like {brand}",
    "fits {brand} {noun}",
)
"""Phrases at a title's end; some name a brand, a material or a category that the item is not of, as real titles do."""
_ORDERS = (
    "{brand} {adjectives} {material} {noun} {tails}",
    "{adjectives} {material} {noun} by {brand} {tails}",
    "{noun} {adjectives} {brand} {tails} made of {material}",
    "{brand} {noun} {tails} in {adjectives} {material}",
)


@dataclass(frozen=True)
class Vocabulary:
    """What a world's titles are made of; nouns are synonyms by category."""

    brands: tuple[str, ...] = BRANDS
    materials: tuple[str, ...] = MATERIALS
    categories: tuple[tuple[str, ...], ...] = CATEGORIES


@dataclass(frozen=True)
class Numbers(Sequence[str]):
    """Item ids "b1", "b2", … for rows 0, 1, …, written when asked for."""

    total: int

    def __len__(self) -> int:
        return self.total

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        rows = range(1, self.total + 1)[index]
        return [f"b{row}" for row in rows] if isinstance(rows, range) else f"b{rows}"


@dataclass(frozen=True)
class Titles(Sequence[str]):
    """Titles written when asked for: nothing is held but the codes, uint8 `[n_items]` each."""

    seed: int
    brand: np.ndarray
    material: np.ndarray
    category: np.ndarray
    vocabulary: Vocabulary = Vocabulary()

    def __len__(self) -> int:
        return len(self.brand)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        dice = unpack("<12H", blake2b(f"{self.seed}:{row}".encode(), digest_size=24).digest())
        known = self.vocabulary
        title = _ORDERS[dice[0] % len(_ORDERS)].format(
            brand=known.brands[self.brand[row]],
            material=known.materials[self.material[row]],
            noun=_pick(known.categories[self.category[row]], dice[1]),
            adjectives=" ".join(_pick(ADJECTIVES, die) for die in dice[3 : 3 + dice[2] % 3]),
            tails=" ".join(_pick(TAILS, die) for die in dice[6 : 7 + dice[5] % 2]),
        )
        # the tails' own gaps: things the item is not
        title = title.format(
            brand=_pick(known.brands, dice[8]),
            material=_pick(known.materials, dice[9]),
            noun=_pick(_pick(known.categories, dice[10]), dice[11]),
        )
        return " ".join(title.split())


Choice = TypeVar("Choice")


def _pick(choices: Sequence[Choice], die: int) -> Choice:
    return choices[die % len(choices)]
