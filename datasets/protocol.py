"""The published protocol: leave-two-out splits of every user's latest interactions, and the numbering of the items."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import BenchError
from .catalogue import Sequences
from .raw import Interactions

TARGETS = 3  # beyond the longest input: the last target of training, and those of validation and test


Split = Callable[[Interactions, int, int], "Prepared"]
"""From interactions, the number of items and the longest input to the splits; `prepare`, or another task's."""


@dataclass(frozen=True)
class Prepared:
    """The splits, and `order`: item number n is row `order[n - 1]` of the source. `facts` counts what was kept."""

    order: np.ndarray
    train: Sequences
    valid: Sequences
    test: Sequences
    facts: dict[str, str | int | float]


def prepare(interactions: Interactions, n_items: int, max_length: int = 10, min_length: int = 5) -> Prepared:
    """Splits interactions as the paper's code does (IISAN, arXiv 2404.02059), all users at once.

    Of each user with at least `min_length` (3 or more) interactions the last `max_length + 3` are kept: s. Then
    train = s[:-2], valid = s[:-1] and test = s, windows on one flat int32 array. In valid and test the last item is the
    target; a model reads the `max_length` items before it (so far the published s[-12:-1] and s[-11:]), and the ranking
    masks all of the kept history, as published.
    Items are numbered from 1 in the order of their rows, only those that occur in some s. Equal times keep the
    source's order.

    Raises BenchError when no user has enough interactions.
    """
    users = np.asarray(interactions.users)
    by_user = _time_order(users, interactions.times)
    counts = np.bincount(users)
    kept = np.flatnonzero(counts >= min_length)
    if len(kept) == 0:
        most = int(counts.max()) if len(counts) else 0
        raise BenchError(
            f"no user has the {min_length} interactions that the protocol needs: "
            f"{np.count_nonzero(counts)} users, at most {most} interactions each; bring longer histories"
        )
    lengths = np.minimum(counts[kept], max_length + TARGETS)
    source_stops = np.cumsum(counts)[kept]
    stops = np.cumsum(lengths)
    starts = stops - lengths
    taken = np.arange(stops[-1]) + np.repeat(source_stops - stops, lengths)
    rows = np.asarray(interactions.items)[by_user[taken]]

    used = np.zeros(n_items, dtype=bool)
    used[rows] = True
    number = np.cumsum(used, dtype=np.int32)
    flat = number[rows]
    train = Sequences(flat, starts, stops - 2)
    valid = Sequences(flat, starts, stops - 1)
    test = Sequences(flat, starts, stops)
    facts: dict[str, str | int | float] = {
        "users": len(kept),
        "users dropped": int(np.count_nonzero(counts)) - len(kept),
        "items": int(number[-1]),
        "items dropped": n_items - int(number[-1]),
        "interactions": len(flat),
        "interactions dropped": len(users) - len(flat),
        "training positions": int(lengths.sum()) - TARGETS * len(kept),
        **target_facts(train, test, int(number[-1])),
    }
    return Prepared(np.flatnonzero(used), train, valid, test, facts)


def _time_order(users: np.ndarray, times: np.ndarray | None) -> np.ndarray:
    """Indices that bring the interactions into order of user and time; ties stay as they stand."""
    if times is None:
        return np.argsort(users, kind="stable")
    return np.lexsort((times, users))


def target_facts(train: Sequences, test: Sequences, n_items: int) -> dict[str, str | int | float]:
    """How many test targets never occur in training (cold), and how many in their own user's history (repeat)."""
    targets = test.items[test.stops - 1]
    in_training = np.zeros(n_items + 1, dtype=bool)
    in_training[train.items[train.covered()]] = True
    cold = int(np.count_nonzero(~in_training[targets]))

    repeats = int(np.count_nonzero(test.repeats()))
    return {
        "cold test targets": cold,
        "cold test target share": cold / len(targets),
        "repeat test targets": repeats,
        "repeat test target share": repeats / len(targets),
    }
