"""Reading files with one JSON object a line, as Amazon's reviews and metadata are distributed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

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
    picks = {name: (pick or {}).get(name, as_text) for name in text}
    numbers = [name for name in other or [] if name not in picks]
    with errors_named(path):
        with open_file(path) as file:
            packing = packing_of(file.peek(8))
        with unpacked(path) as source:
            refuse_foreign(path, source.peek(512))
        parts, objects = [], _objects(path)
        while lines := [*islice(objects, _ROWS)]:
            columns: dict[str, pa.Array] = {}
            for name, texts in picks.items():
                columns[name] = _strings([texts(value.get(name)) for _, value in lines])
            for name in numbers:
                columns[name] = pa.array([_number(path, line, name, value.get(name)) for line, value in lines])
            parts.append(pa.table(columns))
        if not parts:
            raise BenchError(f"{path}: is empty, where a JSON object a line is needed")
        data = pa.concat_tables(parts, promote_options="permissive")

    def place(row: int) -> str:
        return f"{path}, line {next(islice(_objects(path), row, None))[0]}"

    return Table(path, encoded(data, text), ", ".join(filter(None, ("JSON lines", packing))), place)


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


def _number(path: Path, line: int, name: str, value: Any) -> int | float | None:
    if value is None or value == "":
        return None
    try:
        number = value if isinstance(value, int | float) else float(value)
        return number if abs(number) < 2**63 else float(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise BenchError(
            f"{path}, line {line}: {quoted(value)} in field '{name}' is no number: give a number"
        ) from error


def _strings(values: list[str]) -> pa.Array:
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:  # half a character of two, which JSON can write
        return pa.array([value.encode("utf-8", "replace").decode() for value in values], pa.string())
