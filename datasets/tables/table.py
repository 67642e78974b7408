"""A table in memory: its columns as texts, codes of ids or times, and where in the file a row stands."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError, quoted
from ...values import TimeUnit
from .parquet import OF_ANY_LENGTH, pc

_LATEST = 2.0**63
"""The largest time, in whatever unit."""


@dataclass(frozen=True)
class Table:
    """Some columns of a file. Methods take the names of columns that were asked for when it was read.

    `format` is how it was found to be written, as a person says it; `place` names a row.
    """

    path: Path
    data: pa.Table
    format: str
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(self.data)

    def take(self, rows: np.ndarray) -> "Table":
        """Only some rows, which `where` still finds in the file."""
        return replace(self, data=self.data.take(rows), place=lambda row: self.place(int(rows[row])))

    def where(self, row: int) -> str:
        """Names a row (from 0) as a person finds it: file and line, in Parquet file and row."""
        return self.place(row)

    def strings(self, column: str) -> list[str]:
        """A column as text; a missing value is empty."""
        codes, texts = self._texts(column)
        known = texts.to_pylist()
        return [known[code] for code in codes.tolist()]

    def codes(self, column: str) -> tuple[np.ndarray, pa.Array]:
        """A column of ids as codes from 0 in order of first appearance, and the ids; BenchError when one is empty."""
        codes, texts = self._texts(column)
        encoded = pa.array(codes).dictionary_encode()
        ids, codes = texts.take(encoded.dictionary), encoded.indices.to_numpy()
        if (empty := pc.index(ids, "").as_py()) >= 0:
            row = int(np.argmax(codes == empty))
            raise BenchError(f"{self.where(row)}: column '{column}' is empty: give every row an id")
        return codes, ids

    def numbers(self, column: str) -> np.ndarray:
        """A column of numbers as float64, a missing one as NaN; BenchError names the row of what is no number."""
        values = self._numeric(column)
        try:
            return pc.fill_null(values.cast(pa.float64()), np.nan).to_numpy()
        except pa.ArrowException as error:
            row = next((row for row, value in enumerate(values.to_pylist()) if not _is_number(value)), None)
            place = self.path if row is None else self.where(row)
            shown = values.type if row is None else quoted(values[row].as_py())
            raise BenchError(f"{place}: {shown} in column '{column}' is no number: give numbers") from error

    def times(self, column: str) -> tuple[np.ndarray, TimeUnit | None]:
        """A column of numbers or dates as int64 or float64, and the unit when the file itself says it (dates)."""
        values = self._numeric(column)
        unit: TimeUnit | None = None
        try:
            if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
                to = pc.CastOptions(pa.timestamp("us"), allow_time_truncate=True)
                values, unit = values.cast(options=to).cast(pa.int64()), "us"
            elif not pa.types.is_integer(values.type):
                values = values.cast(pa.float64())
        except pa.ArrowException as error:
            raise self._no_time(column) from error
        array = values.to_numpy()
        if not (np.abs(array.astype(np.float64)) < _LATEST).all():
            raise self._no_time(column)
        return array, unit

    def _numeric(self, column: str) -> pa.ChunkedArray:
        """A column without a dictionary; texts of numbers as computers write them, of missing ones as null."""
        values = self.data[column]
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if not pa.types.is_string(values.type):
            return values
        values = pc.utf8_trim_whitespace(values)
        if not self.format.startswith("comma"):
            values = pc.replace_substring_regex(values, r"^([+-]?\d+),(\d+)$", r"\1.\2")
        return pc.if_else(pc.is_in(values, pa.array(_MISSING)), None, values)

    def _texts(self, column: str) -> tuple[np.ndarray, pa.Array]:
        """A column as codes and the texts that they stand for, each once; a missing value is an empty text."""
        values = self.data[column]
        if not pa.types.is_dictionary(values.type):
            values = pa.chunked_array([_encoded(values)])
        chunk = values.chunk(0)
        indices, texts = chunk.indices, self._text(column, chunk.dictionary)
        if texts.null_count or indices.null_count:
            texts = pa.concat_arrays([pc.fill_null(texts, ""), pa.array([""])]).dictionary_encode()
            indices = texts.indices.take(pc.fill_null(indices, len(texts) - 1))
            texts = texts.dictionary
        return indices.to_numpy(), texts

    def _text(self, column: str, values: pa.Array) -> pa.Array:
        if pa.types.is_floating(values.type):
            values = _whole(values)
        try:
            texts = values.cast(pa.string())
            texts.validate(full=True)  # a Parquet file may hold any bytes
            return texts
        except pa.ArrowException as error:
            if (row := _not_text(self.data[column])) is not None:
                raise BenchError(f"{self.where(row)}: column '{column}' is not UTF-8: write it as text") from error
            kind = values.type
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


def encoded(data: pa.Table, columns: Iterable[str]) -> pa.Table:
    """A table with these columns as codes and the values that they stand for, in order of first appearance."""
    for name in columns:
        data = data.set_column(data.schema.get_field_index(name), name, [_encoded(data[name])])
    return data


def _encoded(values: pa.ChunkedArray) -> pa.DictionaryArray:
    chunks = values.dictionary_encode().chunks or [pa.array([], values.type).dictionary_encode()]
    return pa.DictionaryArray.from_arrays(pa.concat_arrays([chunk.indices for chunk in chunks]), chunks[0].dictionary)


_MISSING = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "\\N"]
"""What tools write for a number that is missing."""


def _whole(values: pa.Array) -> pa.Array:
    """Ids that pandas made fractions of, because one was missing, as the numbers that they were; else unchanged."""
    values = pc.if_else(pc.is_nan(values), None, values)
    whole = values.drop_null().to_numpy()
    return values.cast(pa.int64()) if (whole % 1 == 0).all() and (np.abs(whole) < 1 << 53).all() else values


def _not_text(values: pa.ChunkedArray) -> int | None:
    """The first row whose bytes are not UTF-8; None when the column is of another kind."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not any(test(values.type) for test in OF_ANY_LENGTH):
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
