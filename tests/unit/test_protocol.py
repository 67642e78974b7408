"""The splits against a reference that walks through users one by one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.datasets.protocol import prepare
from tpmebench.datasets.raw import Interactions
from tpmebench.errors import BenchError

N_ITEMS = 12
entries = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, N_ITEMS - 1), st.integers(0, 4)), min_size=1, max_size=120
)


def interactions(rows, timed=True):
    users, items, times = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Interactions(users, items, times if timed else None)


def one_by_one(rows, max_length, timed):
    """Kept item rows in number order, and train, valid and test as lists, in the words of the published protocol."""
    kept = []
    for user in sorted({user for user, _, _ in rows}):
        own = [(time, item) for who, item, time in rows if who == user]
        if timed:
            own.sort(key=lambda pair: pair[0])
        if len(own) >= 5:
            kept.append([item for _, item in own][-(max_length + 3) :])
    order = sorted({item for sequence in kept for item in sequence})
    number = {item: place + 1 for place, item in enumerate(order)}
    kept = [[number[item] for item in sequence] for sequence in kept]
    return (
        order,
        [s[:-2] for s in kept],
        [s[:-1] for s in kept],
        kept,
    )


def listed(sequences):
    return [sequences[user].tolist() for user in range(len(sequences))]


@given(entries, st.integers(1, 12), st.booleans())
def test_splits_equal_the_walk_through_users(rows, max_length, timed):
    order, train, valid, test = one_by_one(rows, max_length, timed)
    if not train:
        with pytest.raises(BenchError, match="no user has the 5 interactions"):
            prepare(interactions(rows, timed), N_ITEMS, max_length)
        return
    prepared = prepare(interactions(rows, timed), N_ITEMS, max_length)
    assert prepared.order.tolist() == order
    assert listed(prepared.train) == train
    assert listed(prepared.valid) == valid
    assert listed(prepared.test) == test
    assert prepared.train.items.dtype == np.int32
    assert prepared.train.items is prepared.test.items

    trained = {item for sequence in train for item in sequence}
    cold = sum(sequence[-1] not in trained for sequence in test)
    repeats = sum(sequence[-1] in sequence[:-1] for sequence in test)
    facts = prepared.facts
    assert facts["cold test targets"] == cold
    assert facts["repeat test targets"] == repeats
    assert facts["cold test target share"] == cold / len(test)
    assert facts["users"] == len(train)
    assert facts["users dropped"] == len({user for user, _, _ in rows}) - len(train)
    assert facts["items dropped"] == N_ITEMS - len(order)
    assert facts["interactions"] == len(prepared.test.items)
    assert facts["interactions dropped"] == len(rows) - len(prepared.test.items)
    assert facts["training positions"] == sum(len(sequence) - 1 for sequence in train)


def test_longest_history_keeps_its_last_thirteen():
    rows = [(0, item, 0) for item in range(20)]
    prepared = prepare(interactions(rows), 20)
    assert prepared.order.tolist() == list(range(7, 20))
    assert prepared.train[0].tolist() == list(range(1, 12))
    assert prepared.valid[0].tolist() == list(range(1, 13))
    assert prepared.test[0].tolist() == list(range(1, 14))
    assert prepared.test.padded(np.array([0]), 11)[0].tolist() == list(
        range(3, 14)
    )  # what a model reads, and the target


def test_equal_times_keep_the_order_of_the_file():
    items = [4, 0, 3, 1, 2]
    prepared = prepare(interactions([(0, item, 7) for item in items]), 5)
    assert prepared.test[0].tolist() == [item + 1 for item in items]


def test_too_short_histories_are_an_error_with_the_counts():
    rows = [(user, item, 0) for user in range(3) for item in range(4)]
    with pytest.raises(BenchError, match="3 users, at most 4 interactions each"):
        prepare(interactions(rows), 5)


def test_no_interactions_at_all():
    empty = np.zeros(0, dtype=np.int64)
    with pytest.raises(BenchError, match="0 users"):
        prepare(Interactions(empty, empty, None), 5)
