"""Windows on a flat array, counts and popularity."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.datasets.catalogue import Catalogue, Dataset, Sequences


def windows(lists):
    stops = np.cumsum([len(items) for items in lists])
    starts = stops - [len(items) for items in lists]
    return Sequences(np.array([item for items in lists for item in items], dtype=np.int32), starts, stops)


lists_of_items = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=8)


@given(lists_of_items, st.integers(1, 8))
def test_padded_holds_the_last_items_behind_zeros(lists, length):
    sequences = windows(lists)
    users = np.arange(len(lists))[::-1]
    expected = [([0] * length + lists[user])[-length:] for user in users]
    padded = sequences.padded(users, length)
    assert padded.tolist() == expected
    assert padded.dtype == np.int64


def test_sequences_are_views():
    sequences = windows([[1, 2], [3]])
    assert len(sequences) == 2
    assert sequences[1].base is sequences.items


@given(lists_of_items)
def test_counts_and_popularity(lists):
    train = windows(lists)
    dataset = Dataset("x", Catalogue([""] + [str(n) for n in range(1, 10)], None, None), train, train, train)
    flat = [item for items in lists for item in items]
    assert dataset.train_counts.tolist() == [flat.count(item) for item in range(10)]
    assert dataset.popularity[0] == 1.0
    assert dataset.popularity[1:].sum() == pytest.approx(1.0)
    assert dataset.popularity[flat[0]] == pytest.approx(flat.count(flat[0]) / len(flat))


def test_counts_see_only_the_windows():
    train = Sequences(np.array([1, 1, 2, 2, 2], dtype=np.int32), np.array([0, 3]), np.array([1, 5]))
    dataset = Dataset("x", Catalogue(["", "a", "b"], ["", "a", "b"], None), train, train, train)
    assert dataset.train_counts.tolist() == [0, 1, 2]
    assert dataset.catalogue.size == 2
    assert dataset.catalogue.modalities == ("text",)
