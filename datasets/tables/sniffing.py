"""Finding a table's layout by what it holds; its name only decides between two that fit as well."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...errors import BenchError
from ...files import open_file
from .columns import without_types
from .foreign import refuse_foreign
from .layout import DELIMITERS, Layout, dialect
from .unpacking import encoding_of, packing_of, text_of, unpacked

SAMPLE_CHARACTERS, SAMPLE_ROWS = 1 << 20, 100
_QUOTE_ALWAYS = {",", ";"}
_HINT = re.compile(r"sep=(.)\r?\n?$", re.I | re.M)
"""What Excel reads from a first line of its own."""
_JSON = re.compile(r"\s*[{[]\s*[\"'{[]")


def layout_of(
    path: Path, wanted: Sequence[str] = (), header: Sequence[str] | None = None, encoding: str | None = None
) -> Layout:
    """The layout of a table of text that should have the columns `wanted`; those of one without a header are `header`.

    Raises BenchError for an empty file and for one of another kind, csv.Error for a header that is none.
    """
    with open_file(path) as file:
        packing = packing_of(file.peek(8))
    with unpacked(path) as source:
        start = source.peek(512)
        refuse_foreign(path, start)
        encoding = encoding or encoding_of(start)
    with text_of(path, encoding) as text:
        head = text.read(SAMPLE_CHARACTERS)
    if not head.strip():
        raise BenchError(f"{path}: is empty, where a table is needed: its first line names its columns")
    if _JSON.match(head):
        raise BenchError(f"{path}: JSON, where a table is needed: write its fields as CSV or Parquet")
    if "\0" in head.splitlines()[0]:
        raise BenchError(f"{path}, line 1: holds NUL bytes, as no table in UTF-8 does: save it as CSV (UTF-8)")
    hint = _HINT.match(head)
    delimiters = [hint[1]] if hint and hint[1] in DELIMITERS else list(DELIMITERS)
    samples = {delimiter: _sample(head[hint.end() if hint else 0 :], delimiter) for delimiter in delimiters}
    preferred = "\t" if ".tsv" in path.suffixes else ","
    delimiter = max(
        delimiters,
        key=lambda each: (*_likelihood(samples[each], wanted, header), each == preferred, len(samples[each][0])),
    )
    rows = samples[delimiter]
    names = tuple(header or rows[0])
    width, data = len(names), rows if header else rows[1:]
    usual = Counter(map(len, data)).most_common(1)[0][0] if data else width
    if usual == width + 1 and not any(row[width] for row in data if len(row) == usual):
        names = (*names, "")  # each row ends in a separator
    elif usual == width - 1 and not names[-1]:
        names = names[:-1]  # only the header does
    if header and usual != len(names):
        raise BenchError(
            f"{path}, line 1: {usual} fields, where {len(header)} are expected ({', '.join(header)}): name another file"
        )
    blanks = len(head) - len(head.lstrip("\r\n"))
    lines = len(head[:blanks].splitlines())
    heads = (not header) + bool(hint)
    return Layout(path, delimiter, _quotes_header(head, delimiter), names, heads, heads + lines, encoding, packing)


def _sample(text: str, delimiter: str) -> list[list[str]]:
    """The first filled rows; but for the first of all none that may have been cut off."""
    is_whole = len(text) < SAMPLE_CHARACTERS // 2
    if len(delimiter) > 1:
        text, delimiter = text.replace(delimiter, "\x1f"), "\x1f"
    reader = csv.reader(io.StringIO(text, newline=""), **dialect(delimiter, is_quoted=_quotes_header(text, delimiter)))
    rows = list[list[str]]()
    try:
        for row in reader:
            if row:
                rows.append(row)
            if len(rows) > SAMPLE_ROWS:
                break
    except csv.Error:
        if not rows:
            raise
    return rows if is_whole or len(rows) < 2 else rows[:-1]


def _quotes_header(text: str, delimiter: str) -> bool:
    """Whether quotes enclose names in the header: where commas separate always, where tabs do if it begins with one."""
    return delimiter in _QUOTE_ALWAYS or text.lstrip("\r\n").startswith('"')


def _likelihood(rows: list[list[str]], wanted: Sequence[str], header: Sequence[str] | None) -> tuple[bool, bool, float]:
    """How well a separator fits: all columns are there, there is more than one, the share of rows that have as many."""
    width = len(header or rows[0])
    data = rows if header else rows[1:]
    share = sum(len(row) in {width, width + 1} for row in data) / len(data) if data else 1.0
    known = {*rows[0], *without_types(rows[0])}
    return bool(header) or known.issuperset(wanted), len(rows[0]) > 1, share
