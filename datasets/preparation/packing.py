"""The pictures of a prepared folder: the original bytes one after another, each distinct one once.

What is written is noted, so that a preparation that was interrupted goes on behind the last picture that is whole.
"""

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol, runtime_checkable

import numpy as np

from ..catalogue import ImageSource
from ..pictures.places import PictureFile
from .card import PICTURES

Tell = Callable[[str, int, int], None]
"""Progress of a phase: its name, steps done, steps in all (0: unknown)."""

_PART, _NOTES = f".{PICTURES}.part", f".{PICTURES}.notes"
_DRAWN_SIDE = 224
"""Pixels of a picture that a source draws."""
_AT_A_TIME = 64
_NOTHING = "-\n"


@runtime_checkable
class HasFiles(Protocol):
    """A source of pictures that lie in files."""

    def file(self, item: int) -> PictureFile | None:
        """An item's file, None without one."""
        ...


@dataclass(frozen=True)
class Packed:
    """Where each item's picture lies, by the items' order: size 0 and digest None without one."""

    offsets: np.ndarray
    sizes: np.ndarray
    digests: list[str | None]

    @classmethod
    def none(cls, count: int) -> "Packed":
        return cls(np.zeros(count, np.int64), np.zeros(count, np.int64), [None] * count)

    @property
    def count(self) -> int:
        return int(np.count_nonzero(self.sizes))


@dataclass
class _Store:
    """The file that grows, and where in it each picture lies that it has."""

    packed: Packed
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    end: int = 0

    def put(self, place: int, sha: str, size: int) -> bool:
        """Says where an item's picture lies; whether it is new, and goes to the end."""
        is_new = sha not in self.places
        if is_new:
            self.places[sha] = (self.end, size)
            self.end += size
        offset, _ = self.places[sha]
        self.packed.offsets[place], self.packed.sizes[place], self.packed.digests[place] = offset, size, sha
        return is_new


def pack(folder: Path, source: ImageSource, rows: np.ndarray, request: str, tell: Tell) -> Packed:
    """Writes `pictures.bin` with the pictures of some rows (−1: an item without one), or what of it is lacking."""
    store = _Store(Packed.none(len(rows)))
    part, notes = folder / _PART, folder / _NOTES
    done = _resumed(store, folder, request)
    with part.open("ab") as content, notes.open("ab") as noted:
        for begin in range(done, len(rows), _AT_A_TIME):
            tell("pictures", begin, len(rows))
            lines = []
            for place in range(begin, min(begin + _AT_A_TIME, len(rows))):
                picture = original(source, int(rows[place]) + 1)
                if picture is None:
                    lines.append(_NOTHING)
                    continue
                sha = hashlib.sha256(picture).hexdigest()
                if store.put(place, sha, len(picture)):
                    content.write(picture)
                lines.append(f"{sha} {len(picture)}\n")
            content.flush()
            noted.write("".join(lines).encode())
            noted.flush()
        os.fsync(content.fileno())
    part.replace(folder / PICTURES)
    tell("pictures", len(rows), len(rows))
    return store.packed


def original(source: ImageSource, item: int) -> bytes | None:
    """A picture as it lies in its file; of a source that draws them, as PNG."""
    if item == 0:
        return None
    if isinstance(source, HasFiles):
        file = source.file(item)
        if file is None:
            return None
        with file.open() as content:
            return content.read() or None
    picture, written = source.load(item, _DRAWN_SIDE), io.BytesIO()
    if picture is None:
        return None
    picture.save(written, "PNG")
    return written.getvalue()


def forget(folder: Path) -> None:
    """Removes what is only needed to go on."""
    for name in (_PART, _NOTES):
        (folder / name).unlink(missing_ok=True)


def _resumed(store: _Store, folder: Path, request: str) -> int:
    """How many items an interrupted preparation was done with; of the files the rest is cut off."""
    part, notes, head = folder / _PART, folder / _NOTES, f"{request}\n".encode()
    if (folder / PICTURES).exists():  # it was whole, and its card was not written
        (folder / PICTURES).replace(part)
    part.touch()
    lines = notes.read_bytes().splitlines(keepends=True) if notes.exists() else []
    good = [head] if lines[:1] == [head] else []
    with part.open("rb") as content:
        for place, line in enumerate(lines[1 : 1 + len(store.packed.digests)] if good else []):
            if not _is_taken(store, place, line.decode("ascii", "replace"), content):
                break
            good.append(line)
    os.truncate(part, store.end)
    notes.write_bytes(b"".join(good) or head)
    return max(len(good) - 1, 0)


def _is_taken(store: _Store, place: int, line: str, content: BinaryIO) -> bool:
    """Whether a note is whole and true; its picture then counts as written."""
    if line == _NOTHING:
        return True
    sha, _, size = line.removesuffix("\n").partition(" ")
    if not line.endswith("\n") or not size.isdecimal():
        return False
    if sha not in store.places:
        content.seek(store.end)
        if hashlib.sha256(content.read(int(size))).hexdigest() != sha:
            return False
    store.put(place, sha, int(size))
    return True
