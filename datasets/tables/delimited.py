"""Reading a table of text by its layout, and saying in which line it breaks off from it."""

import csv
import io
import re
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.csv as pa_csv

from ...errors import BenchError
from .layout import Layout, dialect
from .streams import parsed_bytes
from .unpacking import unpacked

BLOCK_BYTES = 1 << 22
"""As much is parsed at a time; a row is no longer."""


def delimited_table(layout: Layout, positions: Mapping[str, int], texts: Container[str]) -> pa.Table:
    """The columns at these positions: texts as strings, others in the type that all their values have.

    BenchError, with the line, for a row of another width or a quote without an end.
    """
    if not layout.is_quoted:
        layout = replace(layout, is_quoted=_quotes_text(layout))
    read = pa_csv.ReadOptions(
        use_threads=False,  # one block in memory at a time
        block_size=BLOCK_BYTES,
        column_names=[str(number) for number in range(len(layout.names))],
        skip_rows_after_names=layout.skipped,
    )
    parse = pa_csv.ParseOptions(
        delimiter=layout.parsed_delimiter,
        quote_char='"' if layout.is_quoted else False,
        newlines_in_values=layout.is_quoted,
    )
    convert = pa_csv.ConvertOptions(
        column_types={str(number): pa.string() for name, number in positions.items() if name in texts},
        include_columns=[str(number) for number in set(positions.values())],
    )
    with parsed_bytes(layout) as source:
        try:
            stream = cast(Any, io.BufferedReader(source, BLOCK_BYTES))
            data = pa_csv.read_csv(stream, read_options=read, parse_options=parse, convert_options=convert)
        except pa.ArrowInvalid as error:
            raise _fault(layout) or error from error
    if layout.is_quoted and source.quotes % 2:
        _refuse_open_quote(layout)
    columns = {name: data[str(number)] for name, number in positions.items()}
    return pa.table(columns)


def _quotes_text(layout: Layout) -> bool:
    """Whether quotes enclose text in a table in which they need not: each then encloses a field, and one had to."""
    with unpacked(layout.path) as source:
        if not any(b'"' in part for part in iter(lambda: source.read(1 << 20), b"")):
            return False
    delimiter = re.escape(layout.delimiter)
    enclosed = re.compile(rf'(?:^|(?<={delimiter}))"((?:[^"]|"")*+)"(?=$|[\r\n]|{delimiter})')
    needed = re.compile(rf'"|[\r\n]|{delimiter}')
    had_to = False
    try:
        with replace(layout, is_quoted=True).numbered() as rows:
            for _, row, _ in rows:
                if '"' in row:
                    if '"' in enclosed.sub("", row):
                        return False
                    had_to = had_to or any(needed.search(inside) for inside in enclosed.findall(row))
    except csv.Error:  # a quote that encloses the rest of the file
        return False
    return had_to


def _fault(layout: Layout) -> BenchError | None:
    """What is wrong with the first row of another width; None when there is none."""
    width = len(layout.names)
    with suppress(csv.Error), layout.numbered() as rows:
        for number, row, fields in rows:
            if len(fields) == width:
                continue
            place = f"{layout.path}, line {number}"
            if _is_open(layout, row):
                return _open_quote(place)
            return BenchError(
                f"{place}: {len(fields)} fields, where the first line has {width}: mend the row, or quote a field that "
                "holds a separator"
            )
    return None


def _refuse_open_quote(layout: Layout) -> None:
    """BenchError when a quote opens that has no end, and so takes the rest of the table for one field."""
    number, row = 1, ""
    try:
        with layout.numbered() as rows:
            for each in rows:
                number, row, _ = each
    except csv.Error as error:  # more than its reader takes
        raise _open_quote(f"{layout.path}, after line {number}") from error
    if _is_open(layout, row):
        raise _open_quote(f"{layout.path}, line {number}")


def _is_open(layout: Layout, row: str) -> bool:
    """Whether a quote encloses the end of a row."""
    try:
        next(csv.reader([row], **dialect(layout.parsed_delimiter, is_quoted=layout.is_quoted), strict=True), None)
    except csv.Error as error:
        return "end of data" in str(error)
    return False


def _open_quote(place: str) -> BenchError:
    return BenchError(f"{place}: a quote opens there that has no end: close it")
