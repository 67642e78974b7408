"""Splits by stated parts: the published one where they are each user's last two, and nothing leaks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.datasets.protocol import prepare
from tpmebench.datasets.raw import SEEN, TEST, TRAIN, VALID, Interactions, RawData
from tpmebench.datasets.splits import check_parts, split_as_given, split_by_parts, stable_order
from tpmebench.errors import BenchError

N_ITEMS = 9
entries = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, N_ITEMS - 1), st.integers(0, 4)), min_size=1, max_size=90
)


def interactions(rows, timed=True) -> Interactions:
    users, items, times = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Interactions(users, items, times if timed else None)


def last_two(given_: Interactions) -> np.ndarray:
    """The parts that leave-one-out gives each user's interactions."""
    parts = np.full(len(given_.users), TRAIN)
    for user in set(given_.users.tolist()):
        own = np.flatnonzero(given_.users == user)
        if given_.times is not None:
            own = own[np.argsort(given_.times[own], kind="stable")]
        parts[own[-1]], parts[own[-2:-1]] = TEST, VALID
    return parts


@given(entries, st.integers(1, 6), st.booleans())
def test_parts_that_leave_the_last_two_out_give_the_published_split(rows, max_length, timed) -> None:
    given_ = interactions(rows, timed)
    long_enough = np.bincount(given_.users)[given_.users] >= 5
    given_ = given_.taken(long_enough)
    if not long_enough.any():
        return
    published = prepare(given_, N_ITEMS, max_length)
    stated = Interactions(given_.users, given_.items, given_.times, parts=last_two(given_))
    found = split_as_given(stated, N_ITEMS, max_length)
    assert np.array_equal(found.order, published.order)
    for name in ("train", "valid", "test"):
        own, other = getattr(found, name), getattr(published, name)
        assert [own[user].tolist() for user in range(len(own))] == [other[user].tolist() for user in range(len(other))]
    assert {key: found.facts[key] for key in published.facts} == dict(published.facts)


def test_who_has_no_target_is_trained_on_and_who_has_no_training_is_judged() -> None:
    users = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    items = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    parts = np.array([TRAIN, TRAIN, VALID, TRAIN, TRAIN, TRAIN, VALID, SEEN, TEST, TEST])
    found = split_by_parts(Interactions(users, items, np.arange(10), parts=parts), N_ITEMS)
    as_rows = [[(found.order[each - 1]) for each in found.valid[user]] for user in range(len(found.valid))]
    assert [len(found.train), as_rows, len(found.test)] == [2, [[0, 1, 2], [5, 6]], 1]
    assert found.order[found.test[0] - 1].tolist() == [5, 6, 7, 8]
    assert found.facts["users"] == 3  # the fourth has a target, and nothing before it
    assert found.facts["users dropped"] == 1


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), max_size=40),
    st.sampled_from([np.int64, np.int32, np.int8, np.float64]),
)
def test_equal_values_stay_as_they_stand(values, kind) -> None:
    """Of any size: what does not fit beside an index is sorted too."""
    array = np.array(values, dtype=np.int64).astype(kind)
    assert stable_order(array).tolist() == np.argsort(array, kind="stable").tolist()


def raw(users, parts, times=None) -> RawData:
    users, parts = np.array(users), np.array(parts)
    items = np.arange(len(users)) % N_ITEMS
    given_ = Interactions(users, items, None if times is None else np.array(times), parts=parts)
    return RawData("shop", [str(row) for row in range(N_ITEMS)], None, None, given_, {}, user_ids=["ann", "bob"])


def test_a_ready_split_is_refused_with_the_user_at_fault() -> None:
    check_parts(raw([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2]))
    check_parts(raw([0, 0, 0, 1, 1, 1], [2, 0, 1, 0, 1, 2]))  # without times the parts are the order
    for users, parts, times, said in (
        ([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 1], None, "user 'bob' has 2 validation targets"),
        ([0, 0, 0, 1, 1], [0, 1, 2, 0, 1], None, "user 'bob' has 0 test targets"),
        ([0, 0, 0], [2, 0, 1], [1, 2, 3], "user 'ann' has a target that is not later"),
    ):
        with pytest.raises(BenchError, match=said):
            check_parts(raw(users, parts, times))


def test_a_split_with_nobody_in_it_is_an_error() -> None:
    for parts, said in (([0, 0, 1], "no user is left in test"), ([0, 1, 2], "no user is left in training")):
        with pytest.raises(BenchError, match=said):
            split_by_parts(Interactions(np.zeros(3, int), np.arange(3), None, parts=np.array(parts)), N_ITEMS)
