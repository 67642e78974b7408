"""Features that lie in a file an item, as extractors write them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from ...arrays import map_array
from ...errors import BenchError
from ...files import digest, file_digest
from ..features import Features

_WIDEST = 1 << 16


@dataclass(frozen=True, eq=False)
class VectorFiles(Features):
    """The same as `Features`, with row r in `files[r]`; an item without a file has zeros."""

    files: Sequence[Path | None] = ()

    @classmethod
    def gathered(cls, folder: Path, files: Sequence[Path | None]) -> Self:
        """The vectors of items, each in its file, `[width]` or `[1, width]`; every number is looked at.

        BenchError, naming the file, for one of another kind or width, or with numbers that are not finite.
        """
        found, width, dtype = np.zeros(len(files), dtype=bool), 0, ""
        for row, file in enumerate(files):
            if file is not None:
                vector = _vector(file)
                width, dtype = width or len(vector), dtype or vector.dtype.name
                if len(vector) != width:
                    raise BenchError(f"{file}: {len(vector)} numbers, where the others have {width}: extract it again")
                found[row] = vector.any()
        if not width:
            raise BenchError(f"{folder}: no file there is called as an item, {{id}}.npy: name another encoder's folder")
        return cls(folder, dtype, width, np.arange(len(files)), ~found, tuple(files))

    def read(self, items: np.ndarray) -> np.ndarray:
        vectors = np.zeros((len(items), self.width), dtype=np.float32)
        for vector, row in zip(vectors, self.rows[items].tolist(), strict=True):
            if (file := self._file(row)) is not None:
                vector[:] = _vector(file)
        return vectors

    def digest(self) -> str:
        """A hash of the bytes of each item's file."""
        files = map(self._file, self.rows.tolist())
        return digest(*("" if file is None else file_digest(file) for file in files))

    def _file(self, row: int) -> Path | None:
        return self.files[row] if row >= 0 else None


def _vector(file: Path) -> np.ndarray:
    array = map_array(file, remedy="extract it again")
    if array.dtype.kind != "f" or not 1 <= array.size <= _WIDEST or array.size != array.shape[-1:][0]:
        shape = " × ".join(map(str, array.shape)) or "a single number"
        raise BenchError(f"{file}: {array.dtype} {shape}, where one vector of an item is needed: extract it again")
    with np.errstate(over="ignore"):
        vector = array.reshape(-1).astype(np.float32)
    if not np.isfinite(vector).all():
        raise BenchError(f"{file}: has numbers that are not finite as float32: extract it again, or write zeros")
    return vector
