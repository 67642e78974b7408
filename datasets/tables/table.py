"""A table in memory: its columns as texts, codes of ids or times, and where in the file a row stands."""

import csv
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...values import TimeUnit
from .parquet import OF_ANY_LENGTH, pc
from .unpacking import dialect, text_of

_LATEST = 2.0**63
"""The largest time, in whatever unit."""


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
            with text_of(self.path) as file:
                reader = csv.reader(file, **dialect(self.path))
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


def _not_text(values: pa.ChunkedArray) -> int | None:
    """The first row whose bytes are not UTF-8; None when the column is of another kind."""
    kind = values.type
    if not any(test(kind) for test in OF_ANY_LENGTH):
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
