"""Files without a header whose lines are an id, a separator and the rest, whatever that holds."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...files import read_bytes
from ..tables.parquet import pc
from ..tables.unpacking import TABLE_BYTES
from .assembly import Coded, InteractionRows, ItemRows
from .taken import in_lists
from .texts import Template

_SEPARATORS = {"\t": "tab", ",": "comma"}


@dataclass(frozen=True)
class Lines:
    """The two fields of every line: ids, of which none is empty, and the rest without the space around it."""

    file: Path
    kind: str
    ids: Coded
    rest: pa.Array
    header: int = 0
    """How many lines stand before the first."""

    def where(self, row: int) -> str:
        """Names a row, from 0."""
        return f"{self.file}, line {row + 1 + self.header}"


def split_lines(file: Path, first: str, second: str, separator: str = "\t", header: tuple[str, ...] = ()) -> Lines:
    """The lines of a UTF-8 file, split at their first separator; `header` are the first fields of one that is none.

    Raises BenchError, with the line, for one without a separator or with nothing before it.
    """
    sign = _SEPARATORS[separator]
    lines = _lines(file)
    skipped = int(lines[0].partition(separator)[0].strip().strip('"').lower() in header)
    fields = pc.split_pattern(pa.array(lines[skipped:], pa.string()), separator, max_splits=1)
    short = fields.value_lengths().to_numpy() < 2
    if short.any():
        line = int(np.argmax(short)) + 1 + skipped
        raise BenchError(f"{file}, line {line}: no {sign}: a line is {first}, {sign}, {second}")
    left, right = pc.list_element(fields, 0), pc.utf8_trim_whitespace(pc.list_element(fields, 1))
    encoded = left.dictionary_encode()
    found = Lines(file, first, Coded(encoded.indices.to_numpy(), encoded.dictionary), right, skipped)
    empty = pc.index(left, "").as_py()
    if empty >= 0:
        raise BenchError(f"{found.where(empty)}: no {first} before the {sign}")
    return found


def in_order(lines: Lines) -> InteractionRows:
    """A user's items in time order, spaces between; BenchError for a user who stands there again."""
    codes = lines.ids.codes
    again = codes != np.arange(len(codes))
    if again.any():
        row = int(np.argmax(again))
        raise BenchError(
            f"{lines.where(row)}: {lines.kind} '{lines.ids.ids[int(codes[row])].as_py()}' stands there again, "
            f"first in line {int(codes[row]) + 1 + lines.header}: give every {lines.kind} one line"
        )
    users, items = in_lists(lines.rest)  # every line is a user of its own
    return InteractionRows(
        users=Coded(users, lines.ids.ids),
        items=items,
        place=str(lines.file),
        where=lambda row: lines.where(int(users[row])),
    )


def described(lines: Lines, field: str, *, quotes: bool = False) -> ItemRows:
    """Items whose text is the rest of their line; with `quotes` one that stands in quotes is without them."""
    texts: list[str] = lines.rest.to_pylist()
    if quotes:
        texts = [_QUOTED.sub(lambda match: match[1].replace('""', '"'), text) for text in texts]
    return ItemRows(lines.ids, str(lines.file), lines.where, Template.of(field), {field: texts})


_QUOTED = re.compile(r'\A"((?:[^"]|"")*)"\Z')


def _lines(file: Path) -> list[str]:
    """Not by splitlines(): titles may hold characters that it takes for line ends."""
    try:
        return read_bytes(file, TABLE_BYTES).decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BenchError(f"{file}, line {line}: not UTF-8 text: convert the file to UTF-8") from error
