"""Features that a dataset brings: one vector an item in a `.npy` file, as an encoder of somebody's gave it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from ..arrays import map_array
from ..errors import BenchError
from ..files import digest, file_digest

_REMEDY = "save it again with numpy.save, one row an item"
_WIDEST = 1 << 16
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class Features:
    """Vectors of items, `[items, width]`, which stay in their file until they are asked for.

    `rows`: of each item its row in the file's array, int64 `[items]`, -1 where it has none: zeros are read of it.
    `zeros`: whether it has nothing but zeros, as files have it where an item has no features, bool `[items]`.
    """

    path: Path
    dtype: str
    width: int
    rows: np.ndarray
    zeros: np.ndarray

    @classmethod
    def open(cls, path: Path, items: int) -> Self:
        """The features of `items` items, in the order of the file's rows; every number is looked at, in little memory.

        BenchError, naming the file, for what is no array `[items, width]` of float16, float32 or float64, and, naming
        the first row, for numbers that are not finite as float32.
        """
        rows, width, dtype = stated(path)
        if rows != items:
            raise BenchError(f"{path}: {rows} rows for {items} items: give every item one row, in the items' order")
        return cls(path, dtype, width, np.arange(items), _zeros(path, items))

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, items: np.ndarray) -> Self:
        """The features of some of the items, by number from 0, in that order; of number -1 zeros."""
        there = items >= 0
        rows, zeros = np.where(there, self.rows[items], -1), ~there | self.zeros[items]
        return replace(self, rows=rows, zeros=zeros)

    def read(self, items: np.ndarray) -> np.ndarray:
        """The vectors of some items, by number from 0: float32 `[n, width]`."""
        rows = self.rows[items]
        vectors = np.zeros((len(rows), self.width), np.float32)
        # Mapped for the moment: what was read of a file that stays mapped counts as our memory.
        vectors[rows >= 0] = map_array(self.path, remedy=_REMEDY)[rows[rows >= 0]]
        return vectors

    def digest(self) -> str:
        """A hash of the file's bytes and of which rows are whose."""
        return digest(file_digest(self.path), self.rows.astype("<i8").tobytes())


def stated(path: Path) -> tuple[int, int, str]:
    """Rows, width and type of the numbers, as the file's header says; BenchError as of `open`."""
    array = map_array(path, remedy=_REMEDY)
    shape = " × ".join(map(str, array.shape)) or "a single number"
    if array.ndim != 2 or not 1 <= array.shape[1] <= _WIDEST:
        raise BenchError(f"{path}: an array of {shape}, where a row an item is needed, items × width: {_REMEDY}")
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise BenchError(f"{path}: {array.dtype} numbers, where float16, float32 or float64 is needed: {_REMEDY}")
    return len(array), array.shape[1], array.dtype.name


def _zeros(path: Path, items: int) -> np.ndarray:
    """Which rows are nothing but zeros, bool `[items]`; BenchError for numbers that are not finite."""
    something, broken = np.zeros(items, dtype=bool), np.zeros(items, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for rows, block in _blocks(path):
            something[rows] |= (block != 0).any(axis=1)
            broken[rows] |= ~np.isfinite(block.astype(np.float32)).all(axis=1)
            del block  # and with it its part of the file
    if broken.any():
        count = np.count_nonzero(broken)
        others = "" if count == 1 else f", and so have {count - 1} others"
        raise BenchError(
            f"{path}, row {int(np.argmax(broken))} (from 0): has numbers that are not finite as float32{others}: "
            "write zeros where an item has no features"
        )
    return ~something


def _blocks(path: Path) -> Iterator[tuple[slice, np.ndarray]]:
    """The array part by part as it lies on disk: which rows, and of these all columns or some."""
    array = map_array(path, remedy=_REMEDY)
    by_column = array.flags.f_contiguous and not array.flags.c_contiguous
    length, line = (array.T if by_column else array).shape
    step = max(1, _BLOCK_BYTES // (8 * max(1, line)))
    del array
    for first in range(0, length, step):
        array = map_array(path, remedy=_REMEDY)  # each mapped by itself, so that memory holds one at a time
        part = slice(first, first + step)
        yield (slice(None), array[:, part]) if by_column else (part, array[part])
        del array
