"""Reading files with one JSON object a line, as Amazon's reviews and metadata are distributed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pa_json

from ...errors import BenchError, quoted
from ...files import open_file, reason
from .faults import errors_named
from .foreign import refuse_foreign
from .table import Table, encoded
from .unpacking import packing_of, text_of, unpacked

_ROWS, _LINE = 1 << 16, 1 << 24
_PYTHON = re.compile(r"\s*\{\s*u?'")

Pick = Callable[[Any], str]
"""Makes a text of a field's value, which may be whatever JSON holds."""


def read_json_lines(
    path: Path, text: list[str], other: list[str] | None = None, pick: Mapping[str, Pick] | None = None
) -> Table:
    """Reads the named fields of every object: `text` ones as strings, `other` ones as numbers.

    A field that is missing or null is an empty text, or a missing number. Other values of a text field become what
    `pick` of that field makes of them, else their JSON (`["a", "b"]`). The file may be packed as any table. Raises
    BenchError, with the line, for what is no JSON object and for an `other` field that is no number.
    """
    numbers = [name for name in other or [] if name not in text]
    with errors_named(path):
        with open_file(path) as file:
            packing = packing_of(file.peek(8))
        with unpacked(path) as source:
            refuse_foreign(path, source.peek(512))
        data = None if pick else _at_once(path, text, numbers)
        if data is None:
            picks = {name: (pick or {}).get(name, as_text) for name in text}
            data = pa.concat_tables(_line_by_line(path, picks, numbers), promote_options="permissive")
        if not len(data):
            raise BenchError(f"{path}: is empty, where a JSON object a line is needed")
        data = encoded(data, text)
        for name in numbers:
            data = data.set_column(data.schema.get_field_index(name), name, _whole(data[name]))

    def place(row: int) -> str:
        return f"{path}, line {next(islice(_objects(path), row, None))[0]}"

    return Table(path, data, ", ".join(filter(None, ("JSON lines", packing))), place)


def _at_once(path: Path, text: list[str], numbers: list[str]) -> pa.Table | None:
    """The fields, where each is what it should be in every line; ten times as fast as line by line."""
    fields = [*((name, pa.string()) for name in text), *((name, pa.float64()) for name in numbers)]
    with unpacked(path) as source:
        try:
            data = pa_json.read_json(
                source,
                read_options=pa_json.ReadOptions(use_threads=False, block_size=_LINE),
                parse_options=pa_json.ParseOptions(
                    explicit_schema=pa.schema(fields), unexpected_field_behavior="ignore"
                ),
            )
            data.validate(full=True)  # texts need not be UTF-8 yet
            return data
        except pa.ArrowInvalid:  # a number among texts, say, or no JSON
            return None


def _line_by_line(path: Path, picks: Mapping[str, Pick], numbers: list[str]) -> Iterator[pa.Table]:
    objects = _objects(path)
    while True:
        lines = [*islice(objects, _ROWS)]
        columns = {name: _strings([pick(value.get(name)) for _, value in lines]) for name, pick in picks.items()}
        for name in numbers:
            found = [_number(path, line, name, value.get(name)) for line, value in lines]
            columns[name] = pa.array(found, pa.float64())
        yield pa.table(columns)
        if not lines:
            return


def _whole(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as int64 where all are whole and none is missing."""
    try:
        return values if values.null_count else values.cast(pa.int64())
    except pa.ArrowInvalid:
        return values


def as_text(value: Any) -> str:
    """A JSON value as a text: a string itself, nothing for null, JSON for others."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every object and the number of its line."""
    with text_of(path) as file:
        number = 0
        while line := file.readline(_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _no_object(f"{path}, line {number}", line, reason(error)) from error
            if not isinstance(value, dict):
                raise _no_object(f"{path}, line {number}", line, "no object")
            yield number, value


def _no_object(place: str, line: str, why: str) -> BenchError:
    if _PYTHON.match(line):
        return BenchError(
            f"{place}: a Python dictionary in single quotes, as in Amazon's metadata of 2014, not JSON: take the "
            "release of 2018, or write each line as JSON"
        )
    if len(line) >= _LINE:
        return BenchError(f"{place}: more than {_LINE >> 20} MB in a line: write one JSON object a line")
    if line.lstrip().startswith("["):
        return BenchError(f"{place}: a JSON array, where one object a line is needed: write each on a line of its own")
    return BenchError(f"{place}: not a JSON object ({why}): mend or remove the line")


def _number(path: Path, line: int, name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        place = f"{path}, line {line}"
        raise BenchError(f"{place}: {quoted(value)} in field '{name}' is no number: give a number") from error


def _strings(values: list[str]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # half a character of two, which JSON can write
        return pa.array([value.encode("utf-8", "replace").decode() for value in values], pa.string())
