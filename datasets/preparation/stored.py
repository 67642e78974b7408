"""Pictures as they lie in `pictures.bin`: files that know how to be opened, in place."""

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, overload

from ...errors import BenchError
from ...files import open_file
from .card import PICTURES
from .reading import StoredItems


@dataclass(frozen=True)
class StoredPicture:
    """A stretch of the file, a picture's own bytes."""

    store: Path
    item: str
    offset: int
    size: int
    sha256: str

    def __str__(self) -> str:
        return f"{self.store}: {self.name}"

    @property
    def name(self) -> str:
        return f"picture of item '{self.item}'"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        with open_file(self.store) as file:
            file.seek(self.offset)
            content = file.read(self.size)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise BenchError(f"{self}: changed since it was written: prepare the dataset again")
        yield io.BytesIO(content)

    def stamp(self) -> str:
        return self.sha256


class StoredPictures(Sequence[StoredPicture | None]):
    """The pictures of a prepared folder by the items' rows, None where an item has none; made when asked for."""

    def __init__(self, folder: Path, items: StoredItems) -> None:
        self._store, self._items = folder / PICTURES, items

    def __len__(self) -> int:
        return len(self._items.ids)

    @overload
    def __getitem__(self, index: int) -> StoredPicture | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[StoredPicture | None]: ...
    def __getitem__(self, index: int | slice) -> StoredPicture | list[StoredPicture | None] | None:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        items = self._items
        size = int(items.sizes[index])
        if not size:
            return None
        return StoredPicture(self._store, items.ids[index], int(items.offsets[index]), size, items.digests[index])
