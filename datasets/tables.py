"""Tables that users bring: CSV, TSV (plain or .gz) and Parquet, read strictly, with errors that name file and line."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ..errors import BenchError, unknown
from ..files import open_file, reason

pc: Any = pyarrow.compute  # most of its functions are made at import, where type checkers cannot see them

TimeUnit = Literal["s", "ms", "us", "ns"]

TABLE_BYTES = 1 << 34
"""The largest table that is read, unpacked; it is held in memory whole."""
UNPACKED_SMALL, UNPACKED_TIMES = 1 << 26, 64
"""What a compressed table may unpack to: 64 MB, or 64 times its size where that is more (ratings shrink to a tenth)."""
HEADER_CHARACTERS = 1 << 20


@dataclass(frozen=True)
class Table:
    """Some columns of a file. Methods take the names of columns that were asked for when it was read."""

    path: Path
    data: pa.Table

    def __len__(self) -> int:
        return len(self.data)

    def take(self, rows: np.ndarray) -> "Table":
        """Only some rows; `where` of the result no longer knows where they stood."""
        return Table(self.path, self.data.take(rows))

    def where(self, row: int) -> str:
        """Names a row (from 0) as a person finds it: file and line, in Parquet file and row."""
        if self.path.suffix == ".parquet":
            return f"{self.path}, row {row + 1}"
        try:
            with _text(self.path) as file:
                reader = csv.reader(file, **_dialect(self.path))
                filled = (reader.line_num for fields in reader if fields)
                return f"{self.path}, line {next(islice(filled, row + 1, None))}"  # the header is the first
        except (csv.Error, StopIteration):  # a field that only the other reader takes
            return f"{self.path}, row {row + 1}"

    def strings(self, column: str) -> list[str]:
        """A column as text; a missing value is empty."""
        return self._text_column(column).to_pylist()

    def codes(self, column: str) -> tuple[np.ndarray, pa.Array]:
        """A column of ids as codes from 0 in order of first appearance, and the ids; BenchError when one is empty."""
        encoded = self._text_column(column).dictionary_encode().combine_chunks()
        empty = pc.index(encoded.dictionary, "").as_py()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        if empty >= 0:
            row = int(np.argmax(codes == empty))
            raise BenchError(f"{self.where(row)}: column '{column}' is empty: give every row an id")
        return codes, encoded.dictionary

    def times(self, column: str) -> tuple[np.ndarray, TimeUnit | None]:
        """A column of numbers or dates as int64 or float64, and the unit when the file itself says it (dates)."""
        values = self.data[column]
        unit: TimeUnit | None = None
        if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
            try:
                to = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
                values, unit = values.cast(options=to).cast(pa.int64()), "us"
            except pa.ArrowException as error:
                raise self._no_time(column) from error
        elif not pa.types.is_integer(values.type):
            try:
                values = values.cast(pa.float64())
            except pa.ArrowException as error:
                raise self._no_time(column) from error
        array = values.to_numpy()
        if not (np.abs(array.astype(np.float64)) < _LATEST).all():
            raise self._no_time(column)
        return array, unit

    def _text_column(self, column: str) -> pa.ChunkedArray:
        try:
            values = self.data[column].cast(pa.string())
            for chunk in values.chunks:
                chunk.validate(full=True)  # a Parquet file may hold any bytes
            return pc.fill_null(values, "")
        except pa.ArrowException as error:
            if (row := _not_text(self.data[column])) is not None:
                raise BenchError(f"{self.where(row)}: column '{column}' is not UTF-8: write it as text") from error
            kind = self.data[column].type
            raise BenchError(f"{self.path}: column '{column}' holds no text but {kind}: name another column") from error

    def _no_time(self, column: str) -> BenchError:
        values = self.data[column]
        row = pc.index(values.is_null(nan_is_null=True), True).as_py()
        if row < 0 and not pa.types.is_temporal(values.type):
            row = next((row for row, value in enumerate(values.to_pylist()) if not _is_number(value)), -1)
        if row < 0:
            return BenchError(f"{self.path}: column '{column}' holds no timestamps: give numbers or ISO dates")
        shown = values[row].as_py()
        return BenchError(
            f"{self.where(row)}: '{'' if shown is None else str(shown)[:60]}' in column '{column}' is no timestamp: "
            "give a number or an ISO date"
        )


def read_table(path: Path, text: list[str], other: list[str] | None = None) -> Table:
    """Reads the named columns, `text` ones unchanged as strings, `other` ones in the type that they look like.

    The format follows from the name: .parquet, .tsv (tabs, quotes mean nothing), otherwise CSV; the last two also .gz.
    Raises BenchError for a missing file or column and for a row with too many or too few fields.
    """
    columns: list[str] = list(dict.fromkeys([*text, *(other or [])]))
    check_columns(path, columns)
    with _errors_named(path):
        if path.suffix == ".parquet":
            return Table(path, _parquet(path, columns))
        types = {name: pa.string() for name in text}
        with _unpacked(path) as source:
            data = pa_csv.read_csv(
                source,
                read_options=pa_csv.ReadOptions(use_threads=False),  # so that an error knows its row
                parse_options=_parse_options(path),
                convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=columns),
            )
        return Table(path, data)


def check_columns(path: Path, columns: list[str]) -> None:
    """BenchError unless a table has these columns, each once; only its header is read."""
    with _errors_named(path):
        if path.suffix == ".parquet":
            with open_file(path, TABLE_BYTES) as source:
                schema = pq.ParquetFile(cast(Any, source)).schema_arrow
            _check_columns(str(path), columns, schema.names)
            for field in map(schema.field, columns):
                if pa.types.is_nested(field.type):
                    raise BenchError(
                        f"{path}: column '{field.name}' holds {str(field.type)[:100]}: name another column"
                    )
            return
        with _text(path) as file:
            head = file.read(HEADER_CHARACTERS)
        header = next(csv.reader(io.StringIO(head, newline=""), **_dialect(path)), [])
        _check_columns(f"{path}, line 1", columns, header)


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: not UTF-8 text: convert the file to UTF-8") from error
    except csv.Error as error:
        raise BenchError(f"{path}, line 1: not a table's header ({error}): name its columns there") from error
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise BenchError(f"{path}: cannot be read as a table: {reason(error)}") from error


def _parquet(path: Path, columns: list[str]) -> pa.Table:
    with open_file(path, TABLE_BYTES) as source:
        # A text that is repeated stays in its dictionary until it is known how much all of them are.
        file = pq.ParquetFile(cast(Any, source), read_dictionary=columns)
        most = _most_unpacked(path)
        if _stated_bytes(file.metadata) > most:
            raise _unpacks_to_more(path, most)
        schema = pa.schema([(name, _plain_type(file.schema_arrow.field(name).type)) for name in columns])
        parts, held = [], 0
        for batch in file.iter_batches(batch_size=1 << 16, columns=columns, use_threads=False):
            held += sum(map(_plain_bytes, batch.columns))
            if held > most:
                raise _unpacks_to_more(path, most)
            parts.append(batch.select(columns).cast(schema))
        return pa.Table.from_batches(parts, schema)


def _stated_bytes(metadata: Any) -> int:
    """What all pages unpack to, as the file says; asked for a column alone, pyarrow ends the process on some files."""
    return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if isinstance(kind, pa.DictionaryType) else kind


def _plain_bytes(column: pa.Array) -> int:
    """Bytes that a column takes without a dictionary."""
    if not isinstance(column, pa.DictionaryArray):
        return column.nbytes
    kind = column.type.value_type
    if any(test(kind) for test in _OF_ANY_LENGTH):
        return 4 * len(column) + (pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)
    return len(column) * max(kind.bit_width // 8, 1)


_OF_ANY_LENGTH = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


_LATEST = 2.0**63
"""The largest time, in whatever unit."""


def _not_text(values: pa.ChunkedArray) -> int | None:
    """The first row whose bytes are not UTF-8; None when the column is of another kind."""
    kind = values.type
    if not any(test(kind) for test in _OF_ANY_LENGTH):
        return None
    for row, value in enumerate(values):
        try:
            bytes(value.as_buffer() or b"").decode("utf-8")
        except UnicodeDecodeError:
            return row
    return None


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str | int | float) and abs(float(value)) < _LATEST
    except (ValueError, OverflowError):
        return False


def _check_columns(place: str, columns: list[str], known: list[str]) -> None:
    for column in columns:
        if column not in known and len(known) < 2:
            raise BenchError(
                f"{place}: no table with a column '{column}': one column only; "
                "fields are separated by commas in .csv, by tabs in .tsv (a semicolon is no separator)"
            )
        if column not in known:
            raise BenchError(f"{place}: {unknown('column', column, [name[:60] for name in known[:50]])}")
        if known.count(column) > 1:
            raise BenchError(f"{place}: column '{column}' stands there twice: rename or remove one")


def _is_tabs(path: Path) -> bool:
    return ".tsv" in path.suffixes


def _dialect(path: Path) -> dict:
    return {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if _is_tabs(path) else {}


def _parse_options(path: Path) -> pa_csv.ParseOptions:
    if _is_tabs(path):
        return pa_csv.ParseOptions(delimiter="\t", quote_char=False)
    return pa_csv.ParseOptions(newlines_in_values=True)


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    """The file as text with its line ends untouched, unpacked when it ends in .gz."""
    with _unpacked(path) as source, io.TextIOWrapper(cast(Any, source), encoding="utf-8-sig", newline="") as file:
        yield file


@contextmanager
def _unpacked(path: Path) -> Iterator[io.BufferedIOBase]:
    """The file's bytes, unpacked when it ends in .gz: never more than a table of its size has."""
    with open_file(path, TABLE_BYTES) as source:
        if path.suffix != ".gz":
            yield source
            return
        most = _most_unpacked(path)
        with gzip.open(source) as unpacked:
            yield io.BufferedReader(_Bounded(cast(io.BufferedIOBase, unpacked), path, most), 1 << 20)


def _most_unpacked(path: Path) -> int:
    return min(max(UNPACKED_SMALL, UNPACKED_TIMES * path.stat().st_size), TABLE_BYTES)


def _unpacks_to_more(path: Path, most: int) -> BenchError:
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
            raise _unpacks_to_more(self._path, self._most)
        return count
