"""The built-in generated shop: titles and pictures that each tell a part of what shoppers want.

An item has a brand and a material, which only its title names; a colour, a shape and a pattern, which only its
picture shows; and a category, which the title names with a noun and the picture with an emblem. A shopper has a
favourite value of each attribute and two home categories. At each step a category is chosen (the complement of the last
one, a home, or any), some of its items are met in proportion to their popularity, and one of them is bought with a
probability proportional to the product of lifts: for each attribute that is the favourite, and for each that is as in
the last purchase. Now and then something is bought again instead.

The parameters follow real data, measured after the protocol (users with 5 interactions or more, the last 13 kept):
Amazon Scientific as released with IISAN, and MovieLens-100K for contrast. Default generator, seed 0:

    statistic                                       Amazon   MovieLens   here    set by
    users per item                                  0.59     0.72        0.50    items, users
    kept history: mean, median                      6.77, 6  13, 13      6.66, 6 HISTORY_EXPONENT: P(length >= k) =
    users at 5 and at 13 kept                       41, 6 %  0, 100 %    44, 6 %   (k / 5)^-2.9 fits to 0.01 everywhere
    training interactions per item                  2.83     7.95        2.32    the two above
    items without and with one of them              20, 45 % 3, 17 %     15, 41 %
    cold test targets                               20 %     3 %         18 %    POPULARITY_*: a tail as long as
    Gini of training counts                         0.68     0.54        0.54      Amazon's, but a flatter head: ten
    share of the top 1 % and 10 % of items          23, 59 % 7, 38 %     8, 41 %   items are 0.05 % of Amazon's
    share of the most popular item                  1.5 %    0.7 %       0.4 %     catalogue and 0.3 % of ours, and with
    HR@10 of popularity                             0.015    0.042       0.023     its Gini would be an eighth of sales
    targets that are in the history                 5.1 %    0           4.9 %   REBUY
    of these, bought just before                    61 %     -           61 %    REBUY_LAST
    same brand as 1 step before, less chance (*)    0.10     -           0.19    *_LIFT
    same brand as 6 steps before, less chance (*)   0.04     -           0.09    *_LIFT
    the one over the other                          2.4      -           2.1     LAST_LIFT against FAVOURITE_LIFT
    same brand as 1 step before, times chance (*)   20       -           5       *_LIFT
    HR@10 of the title's likeness to history (**)   0.078    -           0.053   *_LIFT, COMPLEMENT, HOME

(*) Amazon: the title's first word; different items only; chance is a random purchase's. (**) Amazon: TF-IDF; here: the
title's attributes, weighted alike; nothing is trained. A brand is one of twenty here and of thousands there, so a match
says less: lifts are chosen between the two readings, absolute and relative, of how often it recurs, such that likeness
predicts no better than it does there. How it decays from 1 to 6 steps says what part of a taste is of the moment.
Pictures get lifts of about the same total worth as titles, since Amazon's release has none to measure. Knowing a
shopper's tastes would predict the target with an HR@10 of 0.41; knowing only the title's part of them 0.27, only the
picture's 0.28.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ...files import canonical_json, digest
from ..raw import Interactions, RawData
from .render import Looks, draw, emblems, mix
from .words import BRANDS, CATEGORIES, MATERIALS, Numbers, Titles

VERSION = 1

COLOURS = np.array(
    [
        (0.85, 0.15, 0.15),
        (0.95, 0.55, 0.10),
        (0.92, 0.85, 0.20),
        (0.25, 0.65, 0.25),
        (0.15, 0.70, 0.70),
        (0.20, 0.35, 0.85),
        (0.55, 0.25, 0.75),
        (0.93, 0.45, 0.70),
        (0.50, 0.32, 0.18),
        (0.25, 0.25, 0.28),
    ],
    dtype=np.float32,
)
SHAPES = np.array([(0, 0.0), (2, 0.42), (3, 0.42), (4, 0.34), (5, 0.42), (8, 0.26)], dtype=np.float32)
"""Lobes and depth of a figure's outline."""
PATTERNS = np.array(
    [(0, 0, 0), (1, 3.5, 0), (1, 3.5, np.pi / 2), (1, 3.5, np.pi / 4), (2, 3.0, 0), (3, 3.5, 0)], dtype=np.float32
)
"""Weave, waves and angle of a figure's pattern."""
EMBLEMS = emblems(len(CATEGORIES), seed=350)
"""A category's emblem: what the title names with a noun."""

SIZES = {
    "category": len(CATEGORIES),
    "brand": len(BRANDS),
    "material": len(MATERIALS),
    "colour": len(COLOURS),
    "shape": len(SHAPES),
    "pattern": len(PATTERNS),
}
"""Attributes in the order of their columns, and how many values each has."""

POPULARITY_EXPONENT = 1.2
POPULARITY_OFFSET = 0.02
"""Zipf and Mandelbrot: popularity ~ (rank + offset · items)^-exponent."""
SHORTEST, LONGEST, HISTORY_EXPONENT = 5, 80, 2.9
REBUY, REBUY_LAST = 0.05, 0.4
"""How often a purchase repeats an earlier one, and how often that is surely the last one, else any."""
COMPLEMENT, HOME = 0.5, 0.4
HOMES = 2
CONSIDERED = 64
"""Items met before one is bought."""
RECENT = 12
"""Purchases that are not met again: as many as the protocol keeps beside the target."""
# of brand, material, colour, shape and pattern
FAVOURITE_LIFT = np.array([30.0, 15.0, 14.0, 8.0, 8.0], dtype=np.float32)
LAST_LIFT = np.array([6.0, 3.5, 4.0, 2.5, 2.5], dtype=np.float32)

_CHUNK = 1 << 16
_POOL = 1 << 15


class BazaarOptions(BaseModel):
    """Size and seed of the shop; not every item on the shelf finds a buyer, and those that don't are not catalogued."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    items: int = Field(default=5000, ge=16, le=100_000_000)
    users: int = Field(default=1600, ge=1, le=100_000_000)
    seed: int = Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True)
class Shelf:
    """What is on sale.

    `attributes` uint8 `[items, 6]` in the order of `SIZES`; `popularity` float64 `[items]`, sum 1; `complement` uint8
    `[categories]`, the category in which many look after one.
    """

    attributes: np.ndarray
    popularity: np.ndarray
    complement: np.ndarray

    @cached_property
    def by_category(self) -> list[np.ndarray]:
        """Rows of each category's items."""
        return [np.flatnonzero(self.attributes[:, 0] == category) for category in range(SIZES["category"])]


@dataclass(frozen=True)
class Tastes:
    """Of some users: home categories uint8 `[users, 2]`; favourite values uint8 `[users, 5]`, category left out."""

    homes: np.ndarray
    favourites: np.ndarray


@dataclass(frozen=True)
class ShopImages:
    """Pictures of items 1..n, drawn when asked for."""

    seed: int
    attributes: np.ndarray

    def fingerprint(self, item: int) -> str:
        """Hash of all that decides the picture; no pixel is drawn."""
        return digest("bazaar", str(VERSION), str(self.seed), str(item), self.attributes[item - 1].tobytes())

    def load(self, item: int, side: int) -> Image.Image:
        """The picture of one item, drawn at `side`."""
        return Image.fromarray(self.load_many(np.array([item]), side)[0])

    def load_many(self, items: np.ndarray, side: int) -> np.ndarray:
        """Pictures of several items at once, uint8 RGB `[n, side, side, 3]`."""
        category, _brand, _material, colour, shape, pattern = self.attributes[items - 1].T
        looks = Looks(
            key=mix(items.astype(np.uint64) + (np.uint64(self.seed) << np.uint64(32))),
            colour=COLOURS[colour],
            lobes=SHAPES[shape, 0],
            depth=SHAPES[shape, 1],
            weave=PATTERNS[pattern, 0],
            waves=PATTERNS[pattern, 1],
            angle=PATTERNS[pattern, 2],
            emblem=EMBLEMS[category],
        )
        return draw(looks, side)


def generate(options: BazaarOptions) -> RawData:
    """The shop: lazily written titles, lazily drawn pictures, and everybody's purchases in time order."""
    shelf = stock(options)
    names = {name: shelf.attributes[:, column] for column, name in enumerate(SIZES)}
    return RawData(
        name="bazaar",
        ids=Numbers(options.items),
        texts=Titles(options.seed, names["brand"], names["material"], names["category"]),
        images=ShopImages(options.seed, shelf.attributes),
        interactions=_purchases(options, shelf),
        facts={"source": f"generated, version {VERSION}, {canonical_json(options.model_dump())}", "licence": "CC0-1.0"},
    )


def stock(options: BazaarOptions) -> Shelf:
    """Draws what is on sale; popularity follows Zipf and Mandelbrot's law and depends on nothing that an item shows."""
    rng = np.random.default_rng([options.seed, 0])
    attributes = np.stack([rng.integers(0, size, options.items, dtype=np.uint8) for size in SIZES.values()], axis=1)
    # a category without items would leave its shoppers without anything to consider
    attributes[: SIZES["category"], 0] = np.arange(SIZES["category"])
    weight = (np.arange(options.items) + POPULARITY_OFFSET * options.items) ** -POPULARITY_EXPONENT
    popularity = rng.permutation(weight / weight.sum())
    cycle = rng.permutation(SIZES["category"]).astype(np.uint8)
    complement = np.empty_like(cycle)
    complement[cycle] = np.roll(cycle, 1)
    return Shelf(attributes, popularity, complement)


def tastes(options: BazaarOptions, chunk: int) -> Tastes:
    """What the users of a chunk like; users differ in nothing else."""
    rng = np.random.default_rng([options.seed, 1, chunk])
    users = min(_CHUNK, options.users - chunk * _CHUNK)
    homes = rng.integers(0, SIZES["category"], (users, HOMES), dtype=np.uint8)
    favourites = [rng.integers(0, size, users, dtype=np.uint8) for size in list(SIZES.values())[1:]]
    return Tastes(homes, np.stack(favourites, axis=1))


def _purchases(options: BazaarOptions, shelf: Shelf) -> Interactions:
    chunks = range(-(-options.users // _CHUNK))
    lengths, items = zip(*(_shop(options, shelf, chunk) for chunk in chunks), strict=True)
    users = np.repeat(np.arange(options.users, dtype=np.int32), np.concatenate(lengths))
    return Interactions(users, np.concatenate(items), times=None)


def _shop(options: BazaarOptions, shelf: Shelf, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """One chunk of users: how many purchases each makes, and all of them one user after the other."""
    rng = np.random.default_rng([options.seed, 2, chunk])
    liked = tastes(options, chunk)
    lengths = (SHORTEST * (1 - rng.random(len(liked.homes))) ** (-1 / HISTORY_EXPONENT)).astype(np.int64)
    lengths = np.minimum(lengths, LONGEST)
    # the longest histories first: those still shopping at a step are then the first rows
    order = np.argsort(-lengths, kind="stable")
    liked = Tastes(liked.homes[order], liked.favourites[order])
    pools = _pools(rng, shelf)
    bought = np.empty((len(order), lengths.max()), dtype=np.int32)
    for step in range(bought.shape[1]):
        active = int((lengths > step).sum())
        for rows in _slices(active):
            bought[rows, step] = _choose(rng, shelf, pools, liked, bought[rows, :step], rows)
    back = np.empty_like(bought)
    back[order] = bought
    return lengths, back[np.arange(bought.shape[1]) < lengths[:, None]]


def _slices(count: int, size: int = 1 << 13) -> Iterator[slice]:
    """Blocks small enough to stay in the processor's cache."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _pools(rng: np.random.Generator, shelf: Shelf) -> np.ndarray:
    """Draws by popularity within each category, `[categories, _POOL]`: what shoppers come across there."""
    pools = []
    for rows in shelf.by_category:
        share = np.cumsum(shelf.popularity[rows])
        pools.append(rows[np.searchsorted(share, rng.random(_POOL) * share[-1], side="right")])
    return np.stack(pools).astype(np.int32)


def _choose(
    rng: np.random.Generator, shelf: Shelf, pools: np.ndarray, liked: Tastes, before: np.ndarray, rows: slice
) -> np.ndarray:
    """The next purchase of some users, given the ones `before`."""
    homes = liked.homes[rows]
    users, step = len(homes), before.shape[1]
    category = homes[np.arange(users), rng.integers(0, HOMES, users)]
    wanted = [(liked.favourites[rows], FAVOURITE_LIFT)]
    if step:
        last = shelf.attributes[before[:, -1]]
        where = rng.random(users)
        anywhere = rng.integers(0, SIZES["category"], users, dtype=np.uint8)
        follow = shelf.complement[last[:, 0]]
        category = np.select([where < COMPLEMENT, where < COMPLEMENT + HOME], [follow, category], anywhere)
        wanted.append((last[:, 1:], LAST_LIFT))
    seen = pools[category[:, None], rng.integers(0, _POOL, (users, CONSIDERED))]
    appeal = np.ones(seen.shape, dtype=np.float32)
    for column in range(len(FAVOURITE_LIFT)):
        value = shelf.attributes[:, column + 1][seen]
        for values, lift in wanted:
            appeal *= np.where(value == values[:, column, None], lift[column], 1)
    for earlier in before.T[-RECENT:]:
        appeal[seen == earlier[:, None]] = 1e-9  # buying the same again has its own rule below
    # the first of independent exponential clocks rings with a probability proportional to its rate
    clock = rng.standard_exponential(seen.shape, dtype=np.float32) / appeal
    choice = seen[np.arange(users), clock.argmin(axis=1)]
    if not step:
        return choice
    earlier = np.where(rng.random(users) < REBUY_LAST, step - 1, rng.integers(0, step, users))
    return np.where(rng.random(users) < REBUY, before[np.arange(users), earlier], choice)
