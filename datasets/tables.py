"""Tables that users bring: CSV, TSV (plain or .gz) and Parquet, read strictly, with errors that name file and line."""

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ..errors import BenchError, unknown

pc: Any = pyarrow.compute  # most of its functions are made at import, where type checkers cannot see them

TimeUnit = Literal["s", "ms", "us", "ns"]


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
        with _text(self.path) as file:
            reader = csv.reader(file, **_dialect(self.path))
            filled = (reader.line_num for fields in reader if fields)
            line = next(islice(filled, row + 1, None))  # the header is the first
        return f"{self.path}, line {line}"

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
            values, unit = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64()), "us"
        elif not pa.types.is_integer(values.type):
            try:
                values = values.cast(pa.float64())
            except pa.ArrowException as error:
                raise self._no_time(column) from error
        array = values.to_numpy()
        if not np.isfinite(array).all():
            raise self._no_time(column)
        return array, unit

    def _text_column(self, column: str) -> pa.ChunkedArray:
        try:
            return pc.fill_null(self.data[column].cast(pa.string()), "")
        except pa.ArrowException as error:
            kind = self.data[column].type
            raise BenchError(f"{self.path}: column '{column}' holds no text but {kind}: name another column") from error

    def _no_time(self, column: str) -> BenchError:
        values = self.data[column]
        row = pc.index(values.is_null(nan_is_null=True), True).as_py()
        if row < 0:
            row = next((row for row, value in enumerate(values.to_pylist()) if not _is_number(value)), -1)
        if row < 0:
            return BenchError(f"{self.path}: column '{column}' holds no timestamps: give numbers or ISO dates")
        shown = values[row].as_py()
        return BenchError(
            f"{self.where(row)}: '{'' if shown is None else shown}' in column '{column}' is no timestamp: "
            "give a number or an ISO date"
        )


def read_table(path: Path, text: list[str], other: list[str] | None = None) -> Table:
    """Reads the named columns, `text` ones unchanged as strings, `other` ones in the type that they look like.

    The format follows from the name: .parquet, .tsv (tabs, quotes mean nothing), otherwise CSV; the last two also .gz.
    Raises BenchError for a missing file or column and for a row with too many or too few fields.
    """
    columns: list[str] = list(dict.fromkeys([*text, *(other or [])]))
    try:
        if path.suffix == ".parquet":
            _check_columns(path, columns, pq.read_schema(path).names)
            return Table(path, pq.read_table(path, columns=columns))
        with _text(path) as file:
            header = next(csv.reader(file, **_dialect(path)), [])
        _check_columns(path, columns, header)
        types = {name: pa.string() for name in text}
        data = pa_csv.read_csv(
            path,
            read_options=pa_csv.ReadOptions(use_threads=False),  # so that an error knows its row
            parse_options=_parse_options(path),
            convert_options=pa_csv.ConvertOptions(column_types=types, include_columns=columns),
        )
        return Table(path, data)
    except FileNotFoundError as error:
        raise BenchError(f"{path}: there is no such file: correct its name in the dataset's description") from error
    except UnicodeDecodeError as error:
        raise BenchError(f"{path}: not UTF-8 text: convert the file to UTF-8") from error
    except (OSError, EOFError, pa.ArrowException) as error:
        raise BenchError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str | int | float) and bool(np.isfinite(float(value)))
    except ValueError:
        return False


def _check_columns(path: Path, columns: list[str], known: list[str]) -> None:
    for column in columns:
        if column not in known:
            raise BenchError(f"{path}: {unknown('column', column, known)}")


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
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
