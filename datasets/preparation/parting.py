"""The parts of a split: by global time, by each user's last two; and long histories of training cut into windows."""

from dataclasses import replace

import numpy as np

from ...errors import BenchError
from ..raw import SEEN, TEST, TRAIN, VALID, Interactions
from .core import ranges
from .ledger import Ledger

VALID_FROM, TEST_FROM = 0.8, 0.9
"""The shares of all interactions, in order of time, at which the periods of validation and of test begin."""


def by_global_time(interactions: Interactions, ledger: Ledger) -> Interactions:
    """With parts by two moments: training is all before the first; targets are each user's first in a period.

    Interactions, sorted by user and time, at a moment belong to the later period. What follows a user's last target is
    dropped. BenchError without times, or where one moment has too many of the interactions.
    """
    users, times = interactions.users, interactions.times
    if times is None:
        raise BenchError("--split global-time: these data have no times: use --split leave-one-out")
    places = [int(share * len(times)) for share in (VALID_FROM, TEST_FROM)]
    first, second = np.partition(times, places)[places] if len(times) else (0, 0)
    periods = (times >= first).astype(np.int8) + (times >= second)
    if first == second or not (periods == TRAIN).any():
        raise BenchError(
            "--split global-time: the times do not tell a tenth of the interactions from those before: use "
            "--split leave-one-out"
        )
    opens = np.ones(len(users), dtype=bool)
    opens[1:] = (users[1:] != users[:-1]) | (periods[1:] != periods[:-1])
    parts = np.where(opens | (periods == TRAIN), periods, SEEN).astype(np.int8)
    targets = np.flatnonzero(parts == TEST)
    last = np.full(int(users.max()) + 1, -1)
    last[users[targets]] = targets
    only_valid = np.flatnonzero(parts == VALID)
    only_valid = only_valid[last[users[only_valid]] < 0]
    last[users[only_valid]] = only_valid
    kept = (np.arange(len(users)) <= last[users]) | (parts == TRAIN)
    return ledger.keep("after the user's last target", replace(interactions, parts=parts), kept)


def by_last_two(interactions: Interactions) -> Interactions:
    """With parts by each user's last two interactions; they are sorted by user and time."""
    users = interactions.users
    ends = np.flatnonzero(np.concatenate([users[1:] != users[:-1], [len(users) > 0]])[: len(users)])
    parts = np.full(len(users), TRAIN, dtype=np.int8)
    parts[ends], parts[ends - 1] = TEST, VALID
    return replace(interactions, parts=parts)


def in_windows(
    interactions: Interactions, window: int, stride: int, ledger: Ledger
) -> tuple[Interactions, np.ndarray, np.ndarray]:
    """Histories of training cut into windows, each a user of its own; and the user and the number of each window.

    The latest window ends with training, is read before the user's targets too, and has them; each one before it ends
    `stride` earlier. Earlier windows have no targets, so that nothing of the later is in them. A first window of one
    interaction, from which nothing is learned, is dropped.
    """
    users = interactions.users
    counts = np.bincount(users)
    trained = np.bincount(users[interactions.parts == TRAIN], minlength=len(counts))
    begins = np.cumsum(counts) - counts
    more = np.maximum(-(-(trained - window) // stride), 0)
    more -= (more > 0) & (trained - more * stride < 2)
    owner = np.repeat(np.arange(len(counts)), np.where(counts > 0, more + 1, 0))
    earlier = more[owner] - (np.arange(len(owner)) - np.searchsorted(owner, owner))  # windows that follow
    stops = trained[owner] - earlier * stride
    starts = np.maximum(stops - window, 0)
    lengths = np.where(earlier == 0, counts[owner], stops) - starts
    places = ranges(begins[owner] + starts, lengths)
    held = np.zeros(len(users), dtype=bool)
    held[places] = True
    ledger.keep("alone in a window", interactions, held)
    ledger.repeated["interactions"] = len(places) - int(np.count_nonzero(held))
    cut = replace(interactions.taken(places), users=np.repeat(np.arange(len(owner)), lengths))
    return cut, owner, more[owner] - earlier + 1
