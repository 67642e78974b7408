"""The generated items that the `micro` backbones are pretrained on: a wider world than the benchmark's shop."""

from dataclasses import dataclass

import numpy as np

from ...datasets.bazaar.render import Looks, draw, emblems
from ...datasets.bazaar.shop import EMBLEMS
from ...datasets.bazaar.words import BRANDS, CATEGORIES, MATERIALS, Titles, Vocabulary, words
from .probe import SIDE

BATCH = 256
"""Items whose attributes are drawn together: the batch of pretraining."""

OTHER_MATERIALS = words(
    "pine plastic linen rubber silk brass wicker granite felt canvas nylon iron clay paper velvet denim slate jute "
    "porcelain aluminium walnut acrylic satin titanium"
)
OTHER_NOUNS = words(
    "table pan hat shelf bench drum guitar kite ladder hammer mirror blanket bucket candle carpet comb curtain desk "
    "drawer easel fan fork frame glove grill helmet hook jacket jug knife lantern lock mat needle oven plate puzzle "
    "rack ruler sandal sofa spoon stool suitcase tent toaster towel toy vest whistle"
)
SYLLABLES = (
    words("ba ce dor el fra gan hel is jor ka lun mar nev ol pra qui ros sta tor ul van wes xi yor zen"),
    words("ba da li mo nar pe ri sho ta vel wi zor"),
    words("bor cor dex fil gon ka lin mar nex nor ra rin so tek tra vex via xis yan zo"),
)


@dataclass(frozen=True)
class Items:
    """Items as pretraining sees them: two titles each, in other words and order, and the looks of two drawings each."""

    titles: tuple[Titles, Titles]
    looks: tuple[Looks, Looks]

    def __len__(self) -> int:
        return len(self.titles[0])

    def drawn(self, rows: slice) -> tuple[np.ndarray, np.ndarray]:
        """Both drawings of some items, uint8 RGB `[n, side, side, 3]`."""
        first, second = (draw(looks[rows], SIDE) for looks in self.looks)
        return first, second


@dataclass(frozen=True)
class World:
    """Items to pretrain on, as a general corpus is to a shop.

    Nouns and materials are everyday words, the shop's among them; brands are invented and none is the shop's. Figures
    come in any colour, outline and pattern, not the shop's fixed values; each noun has an emblem, none the shop's.
    """

    rng: np.random.Generator

    def vocabulary(self) -> Vocabulary:
        """The words of the world's titles."""
        names = {"".join(self.rng.choice(part) for part in SYLLABLES) for _ in range(600)} - set(BRANDS)
        nouns = (*((noun,) for noun in OTHER_NOUNS), *CATEGORIES)
        return Vocabulary(tuple(sorted(names)), MATERIALS + OTHER_MATERIALS, nouns)

    def items(self, count: int) -> Items:
        """Items of random brand, material, noun and looks."""
        rng, known = self.rng, self.vocabulary()
        brand, material, noun = (
            rng.integers(0, len(part), count) for part in (known.brands, known.materials, known.categories)
        )
        first, second = (Titles(int(seed), brand, material, noun, known) for seed in rng.integers(0, 2**31, 2))
        marks = emblems(2 * len(known.categories), seed=int(rng.integers(2**31)), apart=2)
        marks = np.stack([mark for mark in marks if (mark != EMBLEMS).any(axis=(1, 2)).all()])
        return Items((first, second), self._looks(marks[noun]))

    def _looks(self, emblem: np.ndarray) -> tuple[Looks, Looks]:
        """What two drawings of each item show: a like colour, the same figure; all else differs."""
        rng, kinds, count = self.rng, 1000, len(emblem)
        colour = rng.random((kinds, 3), dtype=np.float32)[self._rack(kinds, 6, count)]
        lobes = rng.integers(0, 10, kinds)
        depth = (0.15 + 0.35 * rng.random(kinds)) * (lobes > 0)
        weave, waves, angle = rng.integers(0, 4, kinds), 2 + 3 * rng.random(kinds), np.pi * rng.random(kinds)
        outline, pattern = self._rack(kinds, 6, count), self._rack(kinds, 6, count)

        def view() -> Looks:
            return Looks(
                key=rng.integers(0, 2**63, count).astype(np.uint64),
                colour=np.clip(colour + 0.1 * rng.standard_normal((count, 3), dtype=np.float32), 0, 1),
                lobes=lobes[outline].astype(np.float32),
                depth=depth[outline].astype(np.float32),
                weave=weave[pattern].astype(np.float32),
                waves=waves[pattern].astype(np.float32),
                angle=angle[pattern].astype(np.float32),
                emblem=emblem,
            )

        return view(), view()

    def _rack(self, values: int, kinds: int, count: int) -> np.ndarray:
        """Values of `count` items; a batch shows only a few `kinds`, so that no attribute alone tells items apart."""
        shown = self.rng.integers(0, values, (-(-count // BATCH), kinds))
        return shown[np.arange(count) // BATCH, self.rng.integers(0, kinds, count)]
