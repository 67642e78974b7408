"""Reading the named columns of a table, and what is wrong with one that cannot be read."""

import csv
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from ...errors import BenchError, unknown
from ...files import open_file, reason
from .parquet import parquet_table
from .table import Table
from .unpacking import TABLE_BYTES, dialect, is_tabs, text_of, unpacked

HEADER_CHARACTERS = 1 << 20


def read_table(path: Path, text: list[str], other: list[str] | None = None) -> Table:
    """Reads the named columns, `text` ones unchanged as strings, `other` ones in the type that they look like.

    The format follows from the name: .parquet, .tsv (tabs, quotes mean nothing), otherwise CSV; the last two also .gz.
    Raises BenchError for a missing file or column and for a row with too many or too few fields.
    """
    columns: list[str] = list(dict.fromkeys([*text, *(other or [])]))
    check_columns(path, columns)
    with _errors_named(path):
        if path.suffix == ".parquet":
            return Table(path, parquet_table(path, columns))
        types = {name: pa.string() for name in text}
        with unpacked(path) as source:
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
        with text_of(path) as file:
            head = file.read(HEADER_CHARACTERS)
        header = next(csv.reader(io.StringIO(head, newline=""), **dialect(path)), [])
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


def _parse_options(path: Path) -> pa_csv.ParseOptions:
    if is_tabs(path):
        return pa_csv.ParseOptions(delimiter="\t", quote_char=False)
    return pa_csv.ParseOptions(newlines_in_values=True)
