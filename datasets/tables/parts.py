"""The files of a table: itself, or the parts that tools such as Spark leave in a folder under its name."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from ...errors import BenchError
from ...files import digest, file_digest, is_folder

DEPTH, MOST = 8, 1 << 16
_LOGS = {"_delta_log": "a table of Delta Lake", ".hoodie": "a table of Hudi"}
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class Part:
    """A file of a table; `values` are those of columns that the names of its folders say (`year=2020/`)."""

    path: Path
    values: tuple[tuple[str, str], ...] = ()


def parts_of(path: Path) -> list[Part]:
    """The parts of a table in the order of their names and numbers; a file is its only one.

    Beside Parquet nothing else counts. What begins with `_` or `.` (`_SUCCESS`, `.p.crc`) and what is empty is none.
    Raises BenchError for a folder without parts, for one that is too deep, and for a link that leads out of it.
    """
    if not is_folder(path):
        return [Part(path)]
    found = sorted(_below(path, path, ()), key=lambda part: _natural(str(part.path)))
    parquet = [part for part in found if part.path.suffix == ".parquet"]
    found = parquet or found  # beside a README, say
    if not found:
        raise BenchError(f"{path}: a folder without a part of a table in it: name a file, or the folder of its parts")
    return found


def _natural(name: str) -> list[int | str]:
    """A key by which part 10 comes after part 9."""
    return [int(piece) if number % 2 else piece for number, piece in enumerate(re.split("([0-9]+)", name))]


def table_digest(path: Path) -> str:
    """SHA-256, in hex, of a table's bytes: of its file, or of the names and bytes of its parts."""
    if not is_folder(path):
        return file_digest(path)
    parts = [part.path for part in parts_of(path)]
    return digest(*(text for part in parts for text in (part.relative_to(path).as_posix(), file_digest(part))))


def _below(folder: Path, top: Path, values: tuple[tuple[str, str], ...]) -> Iterator[Part]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if not entry.name.startswith(("_", "."))]
        if kind := next((kind for name, kind in _LOGS.items() if (folder / name).is_dir()), None):
            raise BenchError(f"{folder}: {kind}, of which not every part counts: write what it holds as Parquet or CSV")
        if len(found) > MOST or len(folder.relative_to(top).parts) > DEPTH:
            raise BenchError(
                f"{folder}: more stands in it than a table's parts: name a file, or the folder of its parts"
            )
        for entry in found:
            if entry.is_symlink() and (
                entry.is_dir() or not Path(os.path.realpath(entry)).is_relative_to(os.path.realpath(top))
            ):
                raise BenchError(f"{entry.path}: a link, where a part of a table is needed: put the part itself there")
            if entry.is_dir():
                key, is_value, value = entry.name.partition("=")
                here = ((key, "" if value == _NULL else unquote(value)),) if is_value else ()
                yield from _below(Path(entry.path), top, (*values, *here))
            elif entry.stat().st_size:
                yield Part(Path(entry.path), values)
    except OSError as error:
        raise BenchError(f"{folder}: cannot be looked through ({error.strerror}): mend or remove it") from error
