"""Features that a dataset brings: what is read of their file, and what is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bounds import bounded
from tpmebench.datasets.features import Features
from tpmebench.datasets.sources.vector_files import VectorFiles
from tpmebench.errors import BenchError

NUMBERS = np.random.default_rng(0).standard_normal((7, 3))


def saved(folder: Path, array: np.ndarray) -> Path:
    path = folder / "text_feat.npy"
    np.save(path, array)
    return path


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_features_are_read_as_float32_whatever_they_were_written_as(tmp_path: Path, dtype: str, order) -> None:
    written = np.asarray(NUMBERS.astype(dtype), order=order)
    found = Features.open(saved(tmp_path, written), 7)
    assert (len(found), found.width, found.dtype) == (7, 3, np.dtype(dtype).name)
    read = found.read(np.array([6, 0, 6]))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, written[[6, 0, 6]].astype(np.float32))


def test_some_of_the_items_keep_their_vectors(tmp_path: Path) -> None:
    numbers = NUMBERS.copy()
    numbers[4] = 0
    found = Features.open(saved(tmp_path, numbers), 7).take(np.array([5, 4, 1])).take(np.array([1, 2]))
    np.testing.assert_array_equal(found.read(np.arange(2)), numbers[[4, 1]].astype(np.float32))
    assert found.zeros.tolist() == [True, False]
    again = found.take(np.array([1, -1]))
    np.testing.assert_array_equal(again.read(np.arange(2)), [numbers[1].astype(np.float32), np.zeros(3)])
    assert again.zeros.tolist() == [False, True]


def test_a_hash_covers_the_numbers_and_whose_they_are(tmp_path: Path) -> None:
    found = Features.open(saved(tmp_path, NUMBERS), 7)
    known = {found.digest(), found.take(np.arange(6)).digest(), found.take(np.arange(7)[::-1]).digest()}
    assert found.take(np.arange(7)).digest() == found.digest()
    changed = NUMBERS.copy()
    changed[3, 1] += 1
    assert len(known | {Features.open(saved(tmp_path, changed), 7).digest()}) == 4


BAD = {
    "a vector": (NUMBERS[0], r"an array of 3, where a row an item is needed"),
    "three dimensions": (NUMBERS[None], r"an array of 1 × 7 × 3, where"),
    "nothing": (np.zeros(()), r"an array of a single number, where"),
    "no columns": (np.zeros((7, 0)), r"an array of 7 × 0, where"),
    "whole numbers": (np.zeros((7, 3), int), r"int64 numbers, where float16, float32 or float64 is needed"),
    "too few rows": (NUMBERS[:5], r"5 rows for 7 items"),
    "a pickle": (np.full((7, 3), None), r"not a whole \.npy array .*save it again with numpy\.save"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_vector_an_item_is_refused(tmp_path: Path, what: str) -> None:
    array, message = BAD[what]
    path = saved(tmp_path, array)
    with pytest.raises(BenchError, match=message) as refused:
        Features.open(path, 7)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_the_first_row_that_is_not_finite_is_named(tmp_path: Path, order, value: float) -> None:
    numbers = NUMBERS.copy(order=order)
    numbers[5, 2] = numbers[3, 1] = value
    with pytest.raises(BenchError, match=r"text_feat\.npy, row 3 \(from 0\): .*, and so have 1 others: write zeros"):
        Features.open(saved(tmp_path, numbers), 7)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="there is no such file"):
        Features.open(tmp_path / "image_feat.npy", 7)
    path = tmp_path / "text_feat.npy"
    path.write_bytes(pickle.dumps(NUMBERS))
    with pytest.raises(BenchError, match=r"not a whole \.npy array"):
        Features.open(path, 7)


def test_a_large_file_is_looked_through_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "text_feat.npy"
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(100_000, 500)).flush()  # 200 MB of holes
    with bounded():
        assert Features.open(path, 100_000).zeros.all()


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_end_in_features_or_in_one_error(tmp_path_factory, noise: bytes, place: int) -> None:
    path = saved(tmp_path_factory.mktemp("noise"), NUMBERS.astype(np.float32))
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    with bounded(str(path)):
        Features.open(path, 7)


def test_an_item_without_a_row_has_zeros_whatever_the_features_lie_in(tmp_path: Path):
    """Of one file for all and of a file an item: number -1 is no item, not the last one."""
    np.save(tmp_path / "all.npy", np.ones((2, 3), np.float32))
    for row in range(2):
        np.save(tmp_path / f"{row}.npy", np.ones(3, np.float32))
    files = [tmp_path / f"{row}.npy" for row in range(2)]
    for features in (Features.open(tmp_path / "all.npy", 2), VectorFiles.gathered(tmp_path, files)):
        taken = features.take(np.array([1, -1]))
        assert taken.read(np.arange(2)).tolist() == [[1, 1, 1], [0, 0, 0]]
        assert taken.zeros.tolist() == [False, True]
        assert taken.digest() != features.take(np.array([1, 1])).digest()
