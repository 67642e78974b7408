"""Pictures in the rows of Parquet files, as datasets of the Hugging Face hub hold them: `{bytes, path}` in a column."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import BenchError
from ...files import open_file
from ..tables.faults import errors_named
from .places import MEMBER_BYTES

GROUP_BYTES = 1 << 30
"""The largest group of rows that is read, for one picture, into memory."""


@dataclass(frozen=True)
class EmbeddedPicture:
    """The picture in one row of a group."""

    table: Path
    column: str
    group: int
    row: int
    stamped: str

    def __str__(self) -> str:
        return f"{self.table.parent}/{self.name}"

    @property
    def name(self) -> str:
        return f"{self.table.name}, group {self.group + 1}, row {self.row + 1}"

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Its bytes; BenchError when they cannot be read, or are too many."""
        content = _group(self.table, self.column, self.group, self.stamped)[self.row].as_buffer()
        if content is None or content.size > MEMBER_BYTES:
            raise BenchError(f"{self}: {'no' if content is None else 'too large a'} picture: write the table anew")
        yield io.BytesIO(content)

    def stamp(self) -> str:
        """The size and the time of the table, and where in it the picture is."""
        return f"{self.stamped} {self.group} {self.row}"


def picture_column(table: Path, chosen: str | None = None) -> str | None:
    """The first column that holds pictures, if any does."""
    with errors_named(table), open_file(table) as source:
        schema = pq.ParquetFile(cast(Any, source)).schema_arrow
    return next((field.name for field in schema if chosen in {None, field.name} and _holds_pictures(field.type)), None)


def embedded_pictures(tables: Sequence[Path], column: str) -> list[EmbeddedPicture | None]:
    """Of every row of every table its picture, None where it has none; only where some lack is a column read."""
    found = list[EmbeddedPicture | None]()
    for table in tables:
        about = table.stat()
        stamped = f"{about.st_size} {about.st_mtime_ns}"
        with errors_named(table), open_file(table) as source:
            metadata = pq.ParquetFile(cast(Any, source)).metadata
        for group in range(metadata.num_row_groups):
            rows = metadata.row_group(group)
            full = range(rows.num_rows)
            if not _is_whole(rows, column):
                values = _group(table, column, group, stamped)
                full = {row for row, value in enumerate(values) if value.is_valid and len(value.as_buffer())}
            for row in range(rows.num_rows):
                found.append(EmbeddedPicture(table, column, group, row, stamped) if row in full else None)
    return found


def _holds_pictures(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        names = [kind.field(place).name for place in range(kind.num_fields)]
        return "bytes" in names and pa.types.is_binary(kind.field("bytes").type)
    return False


def _is_whole(rows: Any, column: str) -> bool:
    """Whether the file states that no row of a group lacks its bytes."""
    for place in range(rows.num_columns):
        about = rows.column(place)
        if about.path_in_schema == f"{column}.bytes":
            return bool(about.statistics and about.statistics.has_null_count and about.statistics.null_count == 0)
    return False


@lru_cache(maxsize=4)
def _group(table: Path, column: str, group: int, stamped: str) -> Sequence[Any]:
    """The bytes in a group's rows; neighbours are mostly asked for one after another."""
    del stamped
    with errors_named(table), open_file(table) as source:
        file = pq.ParquetFile(cast(Any, source))
        if file.metadata.row_group(group).total_byte_size > GROUP_BYTES:
            raise BenchError(f"{table}: a group of rows of more than {GROUP_BYTES >> 30} GB: write it in smaller ones")
        values = file.read_row_group(group, columns=[f"{column}.bytes"], use_threads=False)[column].combine_chunks()
    return values.field("bytes")
