"""A table's bytes and its text, unpacked as its first bytes say: never more than a table of its size has."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

import pyarrow as pa

from ...errors import BenchError, quoted
from ...files import open_file

TABLE_BYTES = 1 << 34
"""The largest table that is read, unpacked."""
UNPACKED_SMALL, UNPACKED_TIMES = 1 << 26, 64
"""What a compressed table may unpack to: 64 MB, or 64 times its size where that is more (ratings shrink to a tenth)."""
UTF8 = "utf-8-sig"
"""UTF-8, with or without a byte order mark."""
_PACKINGS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


def packing_of(head: bytes) -> str:
    """How a file that begins so is compressed; empty when it isn't."""
    return next((name for magic, name in _PACKINGS.items() if head.startswith(magic)), "")


@contextmanager
def unpacked(path: Path) -> Iterator[io.BufferedReader]:
    """The file's bytes, unpacked if they are packed, whatever it is called: never more than a table of its size has."""
    with open_file(path, TABLE_BYTES) as source:
        packing = packing_of(source.peek(8))
        if not packing:
            yield source
            return
        most = most_unpacked(path)
        with _opened(packing, source, path) as stream:
            yield io.BufferedReader(_Bounded(stream, path, most), 1 << 20)


@contextmanager
def _opened(packing: str, source: io.BufferedReader, path: Path) -> Iterator[Any]:
    if packing == "zip":
        with zipfile.ZipFile(source) as archive, archive.open(_only_member(archive, path)) as stream:
            yield stream
    elif packing == "zstd":
        with pa.CompressedInputStream(source, "zstd") as stream:
            yield stream
    else:
        opening: Any = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}[packing]
        with opening(source) as stream:
            yield stream


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    """The one file that an archive holds, beside what systems add to it."""
    members = [each for each in archive.infolist() if not each.is_dir() and not _is_of_system(each.filename)]
    if any(each.filename.startswith("xl/") for each in members):
        raise BenchError(f"{path}: an Excel workbook, not a table of text: save its sheet as CSV (UTF-8)")
    if len(members) != 1:
        names = ", ".join(quoted(each.filename) for each in members[:5])
        raise BenchError(
            f"{path}: a zip of {len(members):,} files{f' ({names})' if names else ''}, where a table is needed: "
            "unpack it and name one of them"
        )
    if members[0].flag_bits & 1:
        raise BenchError(f"{path}: {quoted(members[0].filename)} in it is encrypted: unpack it")
    return members[0]


def _is_of_system(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in {".DS_Store", "Thumbs.db", "desktop.ini"}


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

    def __init__(self, stream: Any, path: Path, most: int) -> None:
        self._stream, self._path, self._left, self._most = stream, path, most, most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._stream.readinto(buffer)
        self._left -= count
        if self._left < 0:
            raise unpacks_to_more(self._path, self._most)
        return count


def encoding_of(head: bytes) -> str:
    """The encoding that a byte order mark says, else UTF-8."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and not head.startswith(codecs.BOM_UTF32_LE):
        return "utf-16"
    return UTF8


@contextmanager
def text_of(path: Path, encoding: str | None = None) -> Iterator[TextIO]:
    """The file as text with its line ends untouched, unpacked; in UTF-8 unless it or the caller says otherwise."""
    with unpacked(path) as source:
        encoding = encoding or encoding_of(source.peek(4))
        with io.TextIOWrapper(cast(Any, source), encoding=encoding, newline="") as file:
            yield file
