"""Splits by parts that the data themselves state, beside the published one; and whether stated parts are sound."""

import numpy as np

from ..errors import BenchError
from .catalogue import Sequences
from .protocol import Prepared, prepare, target_facts
from .raw import SEEN, TEST, TRAIN, VALID, Interactions, RawData

PLACE = np.array([0, 1, 3, 2])
"""Of a part among a user's interactions: those that are but seen lie between the two targets."""
_NAMES = {VALID: "validation", TEST: "test"}


def split_as_given(interactions: Interactions, n_items: int, max_length: int = 10) -> Prepared:
    """By the parts that the interactions state, else by the published protocol; BenchError as `prepare`."""
    if interactions.parts is None:
        return prepare(interactions, n_items, max_length)
    return split_by_parts(interactions, n_items, max_length)


def split_by_parts(interactions: Interactions, n_items: int, max_length: int = 10) -> Prepared:
    """Splits interactions by their parts, of which a user has at most one VALID and one TEST.

    Windows are as long as those of `protocol.prepare`, which gives the same where the parts are a user's last two. A
    user with fewer than two interactions of training isn't trained on, one without a target, or with nothing before
    it, isn't judged: the splits may have different users. Raises BenchError when one of them would have none.
    """
    order = time_order(interactions)
    users, rows = interactions.users[order], interactions.items[order]
    parts = np.asarray(interactions.parts)[order]
    n_users = int(users.max()) + 1 if len(users) else 0
    counts = {part: np.bincount(users[parts == part], minlength=n_users) for part in (TRAIN, VALID, TEST, SEEN)}
    ends = np.cumsum(sum(counts.values()))
    begins = ends - sum(counts.values())
    trained, at_valid = begins + counts[TRAIN], begins + counts[TRAIN] + counts[VALID]
    chosen = (
        (counts[TRAIN] >= 2, trained, max_length + 1),
        ((counts[VALID] > 0) & (counts[TRAIN] > 0), at_valid, max_length + 2),
        ((counts[TEST] > 0) & (ends - begins > 1), ends, max_length + 3),
    )
    windows = [
        Sequences(rows, np.maximum(begins[kept], stops[kept] - length), stops[kept]) for kept, stops, length in chosen
    ]
    for name, sequences in zip(("training", "validation", "test"), windows, strict=True):
        if not len(sequences):
            raise BenchError(f"no user is left in {name}: bring longer histories, or split the data in another way")
    covered = np.logical_or.reduce([each.covered() for each in windows])
    before = np.concatenate([[0], np.cumsum(covered)])
    held = rows[covered]
    used = np.zeros(n_items, dtype=bool)
    used[held] = True
    flat, numbered = np.cumsum(used, dtype=np.int32)[held], np.flatnonzero(used)
    train, valid, test = (Sequences(flat, before[each.starts], before[each.stops]) for each in windows)
    kept = int(np.count_nonzero(np.logical_or.reduce([each for each, _, _ in chosen])))
    facts: dict[str, str | int | float] = {
        "users": kept,
        "users dropped": int(np.count_nonzero(ends > begins)) - kept,
        "training users": len(train),
        "validation users": len(valid),
        "test users": len(test),
        "items": len(numbered),
        "items dropped": n_items - len(numbered),
        "interactions": len(flat),
        "interactions dropped": len(rows) - len(flat),
        "training positions": int((train.stops - train.starts - 1).sum()),
        **target_facts(train, test, len(numbered)),
    }
    return Prepared(numbered, train, valid, test, facts)


def time_order(interactions: Interactions) -> np.ndarray:
    """Indices that bring the interactions into order of user and time; of equal times stated parts decide, then rows.

    Without times the parts alone do.
    """
    parts, times = interactions.parts, interactions.times
    order = np.arange(len(interactions.users))
    for key in (None if parts is None else PLACE[parts], times, interactions.users):
        if key is not None:
            order = order[stable_order(key[order])]
    return order


def stable_order(values: np.ndarray) -> np.ndarray:
    """Indices that sort the values, equal ones as they stand.

    Whole numbers are sorted together with their indices, where both fit into one number: for ten million that takes
    half the time, because the processor's cache is not missed for each.
    """
    if np.can_cast(values.dtype, np.int64) and len(values):
        low, bits = int(values.min()), len(values).bit_length()
        if int(values.max()) - low < 1 << (63 - bits):
            packed = (values.astype(np.int64) - low) << bits
            return np.sort(packed | np.arange(len(values))) & ((1 << bits) - 1)
    return np.argsort(values, kind="stable")


def check_parts(raw: RawData) -> None:
    """BenchError unless each user has one validation target, then one test target, both behind all of training."""
    interactions = raw.interactions
    if interactions.parts is None:
        raise BenchError(f"{raw.name} comes with no split: use --split leave-one-out or global-time")
    remedy = "bench data prepare … --split leave-one-out (or global-time) splits the data anew"
    there = np.bincount(interactions.users) > 0
    for part, name in _NAMES.items():
        counts = np.bincount(interactions.users[interactions.parts == part], minlength=len(there))
        wrong = np.flatnonzero(there & (counts != 1))
        if len(wrong):
            raise BenchError(
                f"{raw.name}: {_user(raw, int(wrong[0]))} has {counts[wrong[0]]} {name} targets and not one, as have "
                f"{len(wrong) - 1:,} others, in the split that it comes with: {remedy}"
            )
    order = time_order(interactions)
    users, places = interactions.users[order], PLACE[interactions.parts[order]]
    early = np.flatnonzero((users[1:] == users[:-1]) & (places[1:] < places[:-1]))
    if len(early):
        raise BenchError(
            f"{raw.name}: {_user(raw, int(users[early[0]]))} has a target that is not later than what is before "
            f"it in the split that it comes with: {remedy}"
        )


def _user(raw: RawData, code: int) -> str:
    return f"user '{raw.user_ids[code]}'" if raw.user_ids is not None else f"user {code + 1}"
