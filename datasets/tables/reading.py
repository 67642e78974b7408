"""Reading the named columns of a table, whatever its format."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
import pyarrow as pa

from .columns import position, without_types
from .delimited import delimited_table
from .faults import errors_named
from .parquet import is_parquet, parquet_schema, parquet_table, refuse_nested
from .parts import Part, parts_of
from .sniffing import layout_of
from .table import Table


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
    found: list[Table] = []
    for part in parts_of(path):
        with errors_named(part.path):
            found.append(_read(part, text, other or [], header, encoding))
    if len(found) == 1:
        return found[0]
    with errors_named(path):
        data = pa.concat_tables([table.data for table in found], promote_options="permissive").unify_dictionaries()
    ends = np.array([*accumulate(map(len, found))])

    def place(row: int) -> str:
        number = int(np.searchsorted(ends, row, side="right"))
        return found[number].where(row - int(ends[number]) + len(found[number]))

    return Table(path, data, _of_parts(found[0].format, found), place)


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
    """One part of a table."""
    path, columns = part.path, [*dict.fromkeys([*text, *other])]
    if is_parquet(path):
        names = parquet_schema(path).names
        positions = _positions(part, columns, names, str(path))
        data = parquet_table(path, positions, text)
        form, place = "Parquet", None
    else:
        layout = layout_of(path, columns, header, encoding)
        positions = _positions(part, columns, layout.names, f"{path}, line 1")
        data = delimited_table(layout, positions, text)
        form, place = layout.format, layout.place
    for name, value in part.values:
        if name in columns and name not in positions:
            data = data.append_column(name, pa.DictionaryArray.from_arrays(np.zeros(len(data), np.int32), [value]))
    return Table(path, data.select(columns).unify_dictionaries(), form, place or (lambda row: f"{path}, row {row + 1}"))


def _positions(part: Part, columns: Sequence[str], names: Sequence[str], place: str) -> dict[str, int]:
    """Where the columns stand; those whose values a folder's name says stand nowhere. BenchError for an unknown one."""
    said = dict(part.values).keys() - set(without_types(names))
    return {column: position(place, column, names) for column in columns if column not in said}
