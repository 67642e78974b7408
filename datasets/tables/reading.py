"""Reading the named columns of a table, whatever its format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from .columns import position, without_types
from .delimited import delimited_table
from .faults import errors_named
from .parquet import is_parquet, parquet_schema, parquet_table, refuse_nested
from .parts import Part, parts_of
from .sniffing import layout_of
from .table import Table, encoded


def read_table(
    path: Path,
    text: list[str],
    other: list[str] | None = None,
    *,
    header: Sequence[str] | None = None,
    encoding: str | None = None,
) -> Table:
    """Reads the named columns, `text` ones unchanged as strings, `other` ones in the type that they look like.

    The format is found by the content: Parquet, or text whose fields commas, tabs, semicolons, pipes or `::` separate,
    plain or packed (gzip, bzip2, xz, zstd, a zip of one file), in UTF-8 or as a byte order mark or `encoding` says;
    also a folder of such parts. `header` names the columns of a file without one. A column is found without the spaces
    and the type (`user_id:token`) that a header may have. Raises BenchError for a missing file or column, for what is
    no table, and for a row with too many or too few fields.
    """
    parts = parts_of(path)
    read = []
    for part in parts:
        with errors_named(part.path):
            read.append(_read(part, text, other or [], header, encoding))
    with errors_named(path):
        data = pa.concat_tables([each.data for each in read], promote_options="permissive")
    form, ends = _of_parts(read[0].format, parts), np.cumsum([len(each.data) for each in read])
    places = [each.place for each in read]
    read.clear()  # what is encoded below is held but once

    def place(row: int) -> str:
        number = int(np.searchsorted(ends, row, side="right"))
        return places[number](row - int(ends[number - 1] if number else 0))

    return Table(path, encoded(data, text), form, place)


def column_names(path: Path) -> list[str]:
    """What a table's columns are called, without types; only its header is read. BenchError for what is no table."""
    part = parts_of(path)[0]
    with errors_named(part.path):
        names = parquet_schema(part.path).names if is_parquet(part.path) else layout_of(part.path).names
    return [*without_types(names), *dict(part.values)]


def check_columns(path: Path, columns: list[str]) -> str:
    """The table's format (`Table.format`); BenchError unless it has these columns, each once. Only headers are read."""
    parts = parts_of(path)
    part = parts[0]
    with errors_named(part.path):
        if is_parquet(part.path):
            schema = parquet_schema(part.path)
            for index in _positions(part, columns, schema.names, str(part.path)).values():
                refuse_nested(part.path, schema.field(index))
            return _of_parts("Parquet", parts)
        layout = layout_of(part.path, columns)
        _positions(part, columns, layout.names, f"{part.path}, line 1")
        return _of_parts(layout.format, parts)


def _of_parts(form: str, parts: Sequence[object]) -> str:
    return form if len(parts) == 1 else f"{form}, {len(parts):,} parts"


def _read(part: Part, text: list[str], other: list[str], header: Sequence[str] | None, encoding: str | None) -> Table:
    """One part of a table, its texts not yet encoded."""
    path, columns = part.path, [*dict.fromkeys([*text, *other])]
    if is_parquet(path):
        form, place = "Parquet", (lambda row: f"{path}, row {row + 1}")
        positions = _positions(part, columns, parquet_schema(path).names, str(path))
        data = parquet_table(path, positions)
    else:
        layout = layout_of(path, columns, header, encoding)
        form, place = layout.format, layout.place
        positions = _positions(part, columns, layout.names, f"{path}, line 1")
        data = delimited_table(layout, positions, text)
    for name, value in part.values:
        if name in columns and name not in positions:
            data = data.append_column(name, pa.repeat(value, len(data)))
    return Table(path, data.select(columns), form, place)


def _positions(part: Part, columns: Sequence[str], names: Sequence[str], place: str) -> dict[str, int]:
    """Where the columns stand; those whose values a folder's name says stand nowhere. BenchError for an unknown one."""
    said = dict(part.values).keys() - set(without_types(names))
    return {column: position(place, column, names) for column in columns if column not in said}
