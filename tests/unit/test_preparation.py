"""Filters and splits of `bench data prepare` against plain references: a fixed point, order, counts, no leakage."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.datasets.preparation.core import core
from tpmebench.datasets.preparation.options import chosen
from tpmebench.datasets.preparation.selection import Selection, select
from tpmebench.datasets.raw import SEEN, TEST, TRAIN, VALID, Interactions, RawData
from tpmebench.datasets.splits import split_as_given
from tpmebench.errors import BenchError

N_ITEMS = 8
rows = st.lists(
    st.tuples(st.integers(0, 7), st.integers(0, N_ITEMS - 1), st.integers(0, 30), st.integers(0, 5)),
    min_size=1,
    max_size=150,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "min_rating": st.sampled_from([2, 4.5]),
        "duplicates": st.sampled_from(["all", "first", "last"]),
        "max_length": st.integers(20, 40),
        "last": st.integers(8, 20),
        "min_length": st.integers(5, 7),
        "k_core": st.integers(0, 4),
        "users": st.integers(1, 6),
        "items": st.integers(1, 8),
        "seed": st.integers(0, 3),
        "window": st.integers(2, 6),
        "split": st.sampled_from(["leave-one-out", "global-time"]),
    },
)


def shop(entries, timed=True, parts=None) -> RawData:
    """The entries as a source hands them over; a rating of 0 is none."""
    users, items, times, ratings = (np.array(column, dtype=np.int64) for column in zip(*entries, strict=True))
    given_ = Interactions(users, items, times if timed else None, np.where(ratings, ratings, np.nan), parts)
    ids = [f"i{row}" for row in range(N_ITEMS)]
    return RawData("shop", ids, ids, None, given_, {}, user_ids=[f"u{code}" for code in range(8)])


def selected(raw: RawData, **asked) -> Selection | None:
    """What is kept; None where that is nothing."""
    try:
        return select(raw, chosen(**asked))
    except BenchError as error:
        assert "no interaction is left" in str(error) or "the times do not tell" in str(error)
        return None


def of_user(selection: Selection, user: int) -> list[int]:
    """A user's items as rows of the source."""
    return selection.items[selection.interactions.items[selection.interactions.users == user]].tolist()


def naive_core(pairs: list[tuple[int, int]], of_user: int, of_item: int) -> list[tuple[int, int]]:
    """One after another, until nobody goes."""
    while True:
        users, items = Counter(user for user, _ in pairs), Counter(item for _, item in pairs)
        left = [(user, item) for user, item in pairs if users[user] >= of_user and items[item] >= of_item]
        if left == pairs:
            return left
        pairs = left


@given(rows, st.integers(0, 4), st.integers(0, 4))
def test_the_core_is_the_one_that_dropping_again_and_again_leaves(entries, of_user, of_item) -> None:
    users, items, *_ = (np.array(column) for column in zip(*entries, strict=True))
    fell = core(users, items, of_user, of_item)
    pairs = list(zip(users.tolist(), items.tolist(), strict=True))
    assert [pair for pair, why in zip(pairs, fell, strict=True) if why == 0] == naive_core(pairs, of_user, of_item)


def test_a_core_that_falls_one_after_another_takes_no_longer_than_a_sort() -> None:
    """A chain u0 – i0 – u1 – i1 – …, of which each end is gone when the one before it is."""
    size = 20_000
    users = np.repeat(np.arange(size), 2)
    items = np.concatenate([[0], np.repeat(np.arange(1, size), 2), [size]])
    assert (core(users, items, 2, 2) > 0).all()


@given(rows, options)
def test_what_was_dropped_for_a_reason_and_what_is_kept_is_what_was_read(entries, asked) -> None:
    found = selected(shop(entries), **asked)
    if found is None:
        return
    kept, ledger = found.ledger.kept(), found.ledger
    assert ledger.read["interactions"] == len(entries)
    assert kept["interactions"] == len(found.interactions.users)
    assert kept["items"] == len(found.items) == len(set(found.interactions.items.tolist()))
    assert kept["users"] == len(set(found.users.tolist()))
    assert all(count > 0 for reasons in ledger.dropped.values() for count in reasons.values())


@given(rows, options, st.booleans())
def test_what_is_kept_satisfies_every_filter_and_stands_in_time_order(entries, asked, timed) -> None:
    if not timed and asked.get("split") == "global-time":
        return
    raw = shop(entries, timed)
    found = selected(raw, **{**asked, "window": None})
    if found is None:
        return
    given_ = found.interactions
    pairs = list(zip(given_.users.tolist(), given_.items.tolist(), strict=True))
    assert given_.users.tolist() == sorted(given_.users.tolist())
    if asked.get("split", "leave-one-out") == "leave-one-out":  # else what follows a target is gone too
        least = max(asked.get("min_length", 5), asked.get("k_core", 0))
        assert naive_core(pairs, least, asked.get("k_core", 0)) == pairs
    if asked.get("min_rating"):
        assert given_.ratings is not None and (given_.ratings >= asked["min_rating"]).all()
    if asked.get("duplicates", "all") != "all":
        assert len(set(pairs)) == len(pairs)
    longest = np.bincount(given_.users).max()
    assert longest <= min(asked.get("max_length", 150), asked.get("last", 150))
    assert len(found.users) <= asked.get("users", 8) and len(found.items) <= asked.get("items", 8)
    for user, code in enumerate(found.users.tolist()):
        own = [(time if timed else 0, item) for who, item, time, _ in entries if who == code]
        ordered = iter([item for _, item in sorted(own, key=lambda pair: pair[0])])  # stable, as it should be
        assert all(item in ordered for item in of_user(found, user)), "a subsequence of the user's own"


@given(rows, options)
def test_the_same_is_drawn_again(entries, asked) -> None:
    first, second = (selected(shop(entries), **asked) for _ in range(2))
    if first is None or second is None:
        assert first is second
        return
    assert np.array_equal(first.users, second.users) and np.array_equal(first.items, second.items)
    assert np.array_equal(first.interactions.items, second.interactions.items)


@given(rows, st.sampled_from([None, 2, 3, 5]))
def test_by_global_time_nothing_of_a_later_period_is_in_an_earlier_one(entries, window) -> None:
    found = selected(shop(entries), split="global-time", window=window)
    if found is None:
        return
    given_ = found.interactions
    assert given_.parts is not None and given_.times is not None
    of = {part: given_.times[given_.parts == part] for part in (TRAIN, VALID, SEEN, TEST)}
    assert of[TRAIN].max(initial=-1) < min(of[part].min(initial=99) for part in (VALID, SEEN, TEST))
    assert of[VALID].max(initial=-1) < of[TEST].min(initial=99)
    for user in range(len(found.users)):
        own = given_.parts[given_.users == user].tolist()
        assert own.count(VALID) <= 1 and own.count(TEST) <= 1
        assert own == sorted(own, key=[TRAIN, VALID, SEEN, TEST].index)
        assert own[-1] != SEEN, "what follows the last target is nobody's"


@given(rows, st.integers(2, 6), st.integers(1, 6))
def test_windows_hold_all_of_training_and_no_target_but_the_latest(entries, window, stride) -> None:
    raw, stride = shop(entries), min(window, stride)
    plain, cut = selected(raw), selected(raw, window=window, stride=stride)
    if plain is None or cut is None:
        assert plain is cut
        return
    assert cut.windows is not None and cut.interactions.parts is not None
    for user, code in enumerate(plain.users.tolist()):
        history, sequences = of_user(plain, user), np.flatnonzero(cut.users == code)
        assert cut.windows[sequences].tolist() == list(range(1, len(sequences) + 1))
        latest = of_user(cut, int(sequences[-1]))
        assert latest == history[-len(latest) :]
        assert len(latest) == min(window, len(history) - 2) + 2
        for back, sequence in enumerate(sequences[::-1].tolist()):
            own = of_user(cut, sequence)
            stop = len(history) - 2 - back * stride
            parts = cut.interactions.parts[cut.interactions.users == sequence].tolist()
            if back:
                assert own == history[max(stop - window, 0) : stop] and parts == [TRAIN] * len(own)
            else:
                assert parts == [TRAIN] * (len(own) - 2) + [VALID, TEST]
        first = of_user(cut, int(sequences[0]))
        assert first == history[: len(first)] or first == history[1 : 1 + len(first)]
    assert len(split_as_given(cut.interactions, len(cut.items)).test) == len(plain.users)


@given(rows, st.booleans())
def test_a_ready_split_stays_one_whatever_is_dropped(entries, rated) -> None:
    users = np.array([user for user, *_ in entries])
    parts = np.full(len(users), TRAIN)
    order = np.lexsort(([time for _, _, time, _ in entries], users))
    for user in set(users.tolist()):
        own = order[users[order] == user]
        if len(own) < 3:
            return
        parts[own[-2]], parts[own[-1]] = VALID, TEST
    found = selected(shop(entries, parts=parts), k_core=2, **({"min_rating": 2} if rated else {}))
    if found is None:
        return
    assert found.options.split == "ready"
    for user in range(len(found.users)):
        own = np.asarray(found.interactions.parts)[found.interactions.users == user].tolist()
        assert own.count(VALID) == own.count(TEST) == 1 and own == sorted(own)


def test_what_cannot_be_prepared_is_said_with_the_remedy() -> None:
    raw = shop([(0, item, item, 0) for item in range(6)])
    plain = RawData(**{**vars(raw), "interactions": Interactions(raw.interactions.users, raw.interactions.items, None)})
    for data, asked, said in (
        (plain, {"min_rating": 3}, "--min-rating: these data have no ratings"),
        (plain, {"split": "global-time"}, "no times: use --split leave-one-out"),
        (plain, {"split": "ready"}, "comes with no split: use --split"),
        (raw, {"min_rating": 3}, r"no interaction is left of 6 \(dropped: without a rating: 6\)"),
        (raw, {"min_length": 3}, "--min-length 3: the published leave-one-out drops"),
        (raw, {"max_length": 4}, "--max-length is below"),
        (raw, {"k_core": 5}, "items with fewer than 5 interactions: 6"),
    ):
        with pytest.raises(BenchError, match=said):
            select(data, chosen(**asked))
    for asked, said in (
        (
            {"min_length": 3, "split": "leave-one-out"},
            "--min-length 3: the published leave-one-out drops users with fewer than 5",
        ),
        ({"stride": 4}, "--stride is at most --window"),
        ({"window": 3, "stride": 4}, "--stride is at most --window"),
        ({"max_length": 4, "k_core": 5}, "--max-length is below"),
        ({"last": 5, "k_core": 6}, "--last is below"),
        ({"k_core": -1}, "--k-core: "),
    ):
        with pytest.raises(BenchError, match=said):
            chosen(**asked)
