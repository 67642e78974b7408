"""Training batches against a plain loop over their slots."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.datasets.batches import Encode, TrainingBatches, make_batch
from tpmebench.datasets.catalogue import Sequences


@st.composite
def slot_arrays(draw: st.DrawFn) -> np.ndarray:
    """Left-padded item numbers `[users, slots]`, some users without any item."""
    slots = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(st.integers(1, 8), max_size=slots), min_size=1, max_size=6))
    return np.array([[0] * (slots - len(items)) + items for items in rows])


@given(slot_arrays(), st.sampled_from(["unique", "every-slot"]))
@settings(max_examples=100, deadline=None)
def test_a_batch_says_where_each_slot_is_encoded(slots: np.ndarray, encode: Encode) -> None:
    batch = make_batch(slots, encode)
    items = batch.items.tolist()
    if encode == "unique":
        assert items == sorted(set(slots.flatten().tolist()) - {0})
    else:
        assert items == slots.flatten().tolist()
    positions, users, labels = [], [], []
    length = slots.shape[1] - 1
    for user, row in enumerate(slots):
        for slot, item in enumerate(row):
            place = int(batch.index[user, slot])
            assert place == len(items) if item == 0 and encode == "unique" else items[place] == item
            if slot < length and item:
                positions.append(user * length + slot)
                users.append(user)
                labels.append(int(batch.index[user, slot + 1]))
    assert batch.positions.tolist() == positions
    assert batch.users.tolist() == users
    assert batch.labels.tolist() == labels
    occurrences = [int((slots == item).sum()) if encode == "unique" else 1 for item in items]
    expected = [math.log(count) if item else -math.inf for item, count in zip(items, occurrences, strict=True)]
    assert batch.log_counts.tolist() == pytest.approx(expected)
    assert batch.log_counts.dtype == torch.float32
    assert torch.equal(batch.slots, torch.from_numpy(slots))


def batches(users: int = 11, size: int = 4, seed: int = 0) -> TrainingBatches:
    items = np.arange(1, 3 * users + 1, dtype=np.int32)
    starts = np.arange(users) * 3
    return TrainingBatches(Sequences(items, starts, starts + 3), 3, size, "unique", seed)


def test_an_epoch_has_every_user_once_in_an_order_of_its_own() -> None:
    firsts = [[batch.slots[:, 1].tolist() for batch in batches().epoch(number)] for number in (0, 1)]
    assert [len(batch) for batch in firsts[0]] == [4, 4, 3]
    assert batches().steps == 3
    flat = [[item for batch in epoch for item in batch] for epoch in firsts]
    assert sorted(flat[0]) == sorted(flat[1]) == [1 + 3 * user for user in range(11)]
    assert flat[0] != flat[1]


def test_batches_are_decided_by_seed_and_epoch() -> None:
    def slots(seed: int) -> list[list[list[int]]]:
        return [batch.slots.tolist() for batch in batches(seed=seed).epoch(2)]

    assert slots(0) == slots(0)
    assert slots(0) != slots(1)


def test_sequences_are_cut_to_length_and_left_padded() -> None:
    items = np.array([7, 1, 2, 3, 4, 5, 9])
    sequences = Sequences(items, np.array([1, 6]), np.array([6, 7]))
    batch = TrainingBatches(sequences, 3, 2, "unique", 0).batch(np.array([0, 1]))
    assert batch.slots.tolist() == [[2, 3, 4, 5], [0, 0, 0, 9]]


def test_a_batch_on_its_device_is_left_alone() -> None:
    batch = make_batch(np.array([[1, 2]]), "unique")
    assert batch.to(torch.device("cpu")) is batch
    moved = batch.to(torch.device("meta"))
    assert moved.labels.device.type == moved.slots.device.type == "meta"
