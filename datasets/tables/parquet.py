"""Reading Parquet within the bounds of a table."""

from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from ...files import open_file
from .unpacking import TABLE_BYTES, most_unpacked, unpacks_to_more

pc: Any = pyarrow.compute  # most of its functions are made at import, where type checkers cannot see them

OF_ANY_LENGTH = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
"""Tests of the types whose values are as long as they happen to be."""


def parquet_table(path: Path, columns: list[str]) -> pa.Table:
    """The named columns of a Parquet file; BenchError when they unpack to far more than a table of its size has."""
    with open_file(path, TABLE_BYTES) as source:
        # A text that is repeated stays in its dictionary until it is known how much all of them are.
        file = pq.ParquetFile(cast(Any, source), read_dictionary=columns)
        most = most_unpacked(path)
        if _stated_bytes(file.metadata) > most:
            raise unpacks_to_more(path, most)
        schema = pa.schema([(name, _plain_type(file.schema_arrow.field(name).type)) for name in columns])
        parts, held = [], 0
        for batch in file.iter_batches(batch_size=1 << 16, columns=columns, use_threads=False):
            held += sum(map(_plain_bytes, batch.columns))
            if held > most:
                raise unpacks_to_more(path, most)
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
    if any(test(kind) for test in OF_ANY_LENGTH):
        return 4 * len(column) + (pc.sum(pc.take(pc.binary_length(column.dictionary), column.indices)).as_py() or 0)
    return len(column) * max(kind.bit_width // 8, 1)
