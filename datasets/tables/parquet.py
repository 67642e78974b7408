"""Reading Parquet within the bounds of a table."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ...errors import BenchError
from ...files import open_file
from .unpacking import TABLE_BYTES, most_unpacked, unpacks_to_more

pc: Any = pyarrow.compute  # most of its functions are made at import, where type checkers cannot see them

OF_ANY_LENGTH = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
"""Tests of the types whose values are as long as they happen to be."""


def is_parquet(path: Path) -> bool:
    """Whether a file begins as Parquet does, whatever it is called."""
    with open_file(path) as source:
        return source.peek(4).startswith(b"PAR1")


def parquet_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file."""
    with open_file(path, TABLE_BYTES) as source:
        return pq.ParquetFile(cast(Any, source)).schema_arrow


def refuse_nested(path: Path, field: pa.Field) -> None:
    """BenchError when a column holds lists or structures."""
    if pa.types.is_nested(field.type):
        raise BenchError(f"{path}: column '{field.name}' holds {str(field.type)[:100]}: name another column")


def parquet_table(path: Path, positions: Mapping[str, int]) -> pa.Table:
    """The columns at these positions, without dictionaries, texts of every kind as strings, which may hold any bytes.

    BenchError when they unpack to far more than a table of its size has, or one holds lists or structures.
    """
    with open_file(path, TABLE_BYTES) as source:
        schema = pq.ParquetFile(cast(Any, source)).schema_arrow
        fields = [schema.field(index) for index in positions.values()]
        for field in fields:
            refuse_nested(path, field)
        names = [field.name for field in fields]
        # A text that is repeated stays in its dictionary until it is known how much all of them are.
        file = pq.ParquetFile(cast(Any, source), read_dictionary=names)
        most = most_unpacked(path)
        if _stated_bytes(file.metadata) > most:
            raise unpacks_to_more(path, most)
        parts, held = [[_plain(pa.array([], field.type)) for field in fields]], 0
        for batch in file.iter_batches(batch_size=1 << 18, columns=names, use_threads=False):
            held += sum(map(_plain_bytes, batch.columns))
            if held > most:
                raise unpacks_to_more(path, most)
            parts.append([_plain(batch.column(name)) for name in names])
    return pa.table(dict(zip(positions, map(pa.chunked_array, zip(*parts, strict=True)), strict=True)))


def _stated_bytes(metadata: Any) -> int:
    """What all pages unpack to, as the file says; asked for a column alone, pyarrow ends the process on some files."""
    return sum(metadata.row_group(number).total_byte_size for number in range(metadata.num_row_groups))


def _plain(column: pa.Array) -> pa.Array:
    values = column.dictionary_decode() if isinstance(column, pa.DictionaryArray) else column
    return values.cast(next((simple for simple, kinds in _SIMPLE.items() if values.type in kinds), values.type))


_SIMPLE = {
    pa.string(): (pa.large_string(), pa.string_view()),
    pa.binary(): (pa.large_binary(), pa.binary_view()),
}


def _plain_bytes(column: pa.Array) -> int:
    """Bytes that a column takes without a dictionary."""
    if not isinstance(column, pa.DictionaryArray):
        return column.nbytes
    kind = column.type.value_type
    if any(test(kind) for test in OF_ANY_LENGTH):
        return 4 * len(column) + (pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)
    return len(column) * max(kind.bit_width // 8, 1)
