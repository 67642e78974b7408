"""Which interactions are kept: filters one after another, each of which counts what it drops."""

from dataclasses import replace

import numpy as np

from ...errors import BenchError
from ..raw import TEST, VALID, Interactions
from ..splits import time_order
from .core import core
from .ledger import Ledger
from .options import Preparation


def filtered(interactions: Interactions, options: Preparation, ledger: Ledger) -> Interactions:
    """The interactions that are kept, by user and time; equal times stay as they stand.

    Ratings, duplicates, lengths, then users and items with too few; then the draw, and once more who has too few.
    """
    if options.split != "ready":
        interactions = replace(interactions, parts=None)
    kept = interactions.taken(time_order(interactions))
    if options.min_rating is not None:
        kept = _well_rated(kept, options.min_rating, ledger)
    if options.duplicates != "all":
        said = "the user had the item before" if options.duplicates == "first" else "the user has the item again later"
        kept = ledger.keep(said, kept, _distinct(kept, options.duplicates == "last"))
    if options.max_length is not None:
        short = np.bincount(kept.users) <= options.max_length
        kept = ledger.keep(f"users with more than {options.max_length} interactions", kept, short[kept.users])
    if options.last is not None:
        kept = ledger.keep(f"before the user's last {options.last}", kept, _before_end(kept) < options.last)
    kept = _settled(kept, options, ledger)
    for number, (kind, most) in enumerate((("users", options.users), ("items", options.items))):
        if most is not None:
            codes = getattr(kept, kind)
            drawn = _drawn(codes, most, np.random.default_rng([options.seed, number]))
            kept = ledger.keep(f"{kind} not drawn", kept, drawn[codes])
    return _settled(kept, options, ledger)


def _well_rated(interactions: Interactions, least: float, ledger: Ledger) -> Interactions:
    if interactions.ratings is None:
        raise BenchError("--min-rating: these data have no ratings: leave it out")
    kept = ledger.keep("without a rating", interactions, ~np.isnan(interactions.ratings))
    assert kept.ratings is not None
    return ledger.keep(f"rated below {least:g}", kept, kept.ratings >= least)


def _distinct(interactions: Interactions, latest: bool) -> np.ndarray:
    """Of each user's interactions with one item the first, or the last: bool `[interactions]`."""
    width = int(interactions.items.max(initial=0)) + 1
    pairs = interactions.users.astype(np.int64) * width + interactions.items
    _, first = np.unique(pairs[::-1] if latest else pairs, return_index=True)
    kept = np.zeros(len(pairs), dtype=bool)
    kept[len(pairs) - 1 - first if latest else first] = True
    return kept


def _before_end(interactions: Interactions) -> np.ndarray:
    """How many interactions of the same user follow each one."""
    return np.cumsum(np.bincount(interactions.users))[interactions.users] - 1 - np.arange(len(interactions.users))


def _drawn(codes: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """At most so many of the codes that occur: bool by code."""
    there = np.flatnonzero(np.bincount(codes))
    drawn = np.zeros(int(codes.max(initial=0)) + 1, dtype=bool)
    drawn[rng.choice(there, min(most, len(there)), replace=False)] = True
    return drawn


def _settled(interactions: Interactions, options: Preparation, ledger: Ledger) -> Interactions:
    """Without users and items that have too few interactions, nor, of a ready split, users without both targets."""
    while True:
        before = len(interactions.users)
        if options.split == "ready":
            said = "users of whom a target was dropped"
            interactions = ledger.keep(said, interactions, _has_targets(interactions)[interactions.users])
        fell = core(interactions.users, interactions.items, options.least, options.k_core)
        said = f"users with fewer than {options.least} interactions"
        interactions = ledger.keep(said, interactions, fell != 1)
        said = f"items with fewer than {options.k_core} interactions"
        interactions = ledger.keep(said, interactions, fell[fell != 1] == 0)
        if len(interactions.users) == before or options.split != "ready":
            return interactions


def _has_targets(interactions: Interactions) -> np.ndarray:
    """Whether a user has a target in validation and one in test: bool by code."""
    users, parts = interactions.users, np.asarray(interactions.parts)
    size = int(users.max(initial=-1)) + 1
    found = [np.bincount(users[parts == part], minlength=size) > 0 for part in (VALID, TEST)]
    return found[0] & found[1]
