"""A table's bytes and its text, unpacked when its name ends in .gz: never more than a table of its size has."""

import csv
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from ...errors import BenchError
from ...files import open_file

TABLE_BYTES = 1 << 34
"""The largest table that is read, unpacked; it is held in memory whole."""
UNPACKED_SMALL, UNPACKED_TIMES = 1 << 26, 64
"""What a compressed table may unpack to: 64 MB, or 64 times its size where that is more (ratings shrink to a tenth)."""


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, unpacked when it ends in .gz: never more than a table of its size has."""
    with open_file(path, TABLE_BYTES) as source:
        if path.suffix != ".gz":
            yield source
            return
        most = most_unpacked(path)
        with gzip.open(source) as stream:
            yield io.BufferedReader(_Bounded(cast(io.BufferedIOBase, stream), path, most), 1 << 20)


def most_unpacked(path: Path) -> int:
    """How many bytes a table of this size may unpack to."""
    return min(max(UNPACKED_SMALL, UNPACKED_TIMES * path.stat().st_size), TABLE_BYTES)


def unpacks_to_more(path: Path, most: int) -> BenchError:
    """The error for a table that unpacks to more than `most` bytes."""
    return BenchError(
        f"{path}: unpacks to more than {most >> 20} MB, far more than its size, as no table does: write it as plain "
        "CSV if it is one"
    )


class _Bounded(io.RawIOBase):
    """A stream of which no more than `most` bytes are read."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, most: int) -> None:
        self._stream, self._path, self._left, self._most = stream, path, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise unpacks_to_more(self._path, self._most)
        return count


@contextmanager
def text_of(path: Path) -> Iterator[TextIO]:
    """The file as text with its line ends untouched, unpacked when it ends in .gz."""
    with unpacked(path) as source, io.TextIOWrapper(cast(Any, source), encoding="utf-8-sig", newline="") as file:
        yield file


def is_tabs(path: Path) -> bool:
    """Whether tabs separate its fields, and quotes mean nothing."""
    return ".tsv" in path.suffixes


def dialect(path: Path) -> dict:
    """How csv.reader is to read it."""
    return {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if is_tabs(path) else {}
