"""A table's bytes on their way to the parser: in UTF-8, with separators of one character, ending in a line end."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, TextIO

from .layout import Layout
from .unpacking import UTF8, text_of, unpacked

_PART = 1 << 18


@contextmanager
def parsed_bytes(layout: Layout) -> Iterator["Watched"]:
    """The table's bytes as its parser takes them."""
    if layout.is_padded:
        with text_of(layout.path, layout.encoding) as text:
            yield Watched(_rewritten(text, layout))
    elif layout.encoding == UTF8 and layout.delimiter == layout.parsed_delimiter:
        with unpacked(layout.path) as source:
            yield Watched(iter(lambda: source.read(_PART), b""))
    else:
        with text_of(layout.path, layout.encoding) as text:
            yield Watched(_recoded(text, layout))


class Watched(io.RawIOBase):
    """Parts one after another as a stream; `quotes` counts the quotes that have passed."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts, self._waiting, self._last = parts, memoryview(b""), b"\n"
        self.quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._waiting:
            part = next(self._parts, b"") or (b"\n" if self._last != b"\n" else b"")
            self.quotes += part.count(b'"')
            self._waiting, self._last = memoryview(part), part[-1:] or self._last
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count


def _recoded(text: TextIO, layout: Layout) -> Iterator[bytes]:
    while part := text.read(_PART):
        while part.endswith(layout.delimiter[0]) and len(layout.delimiter) > 1 and (more := text.read(1)):
            part += more
        yield part.replace(layout.delimiter, layout.parsed_delimiter).encode()


def _rewritten(text: TextIO, layout: Layout) -> Iterator[bytes]:
    """Rows written anew without the spaces after their separators."""
    rows = layout.fields(text)
    while part := [*islice(rows, 1 << 12)]:
        written = io.StringIO(newline="")
        csv.writer(written, delimiter=layout.parsed_delimiter, lineterminator="\n").writerows(part)
        yield written.getvalue().encode()
