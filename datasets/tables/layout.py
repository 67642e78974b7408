"""How a table of text is laid out: what separates its fields, what quotes mean in it, what its columns are called."""

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from .columns import without_types
from .unpacking import UTF8, text_of

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "pipe", "::": "double-colon"}
_UNIT = "\x1f"
"""Stands for a separator of two characters: parsers take one."""


@dataclass(frozen=True)
class Layout:
    """How to read a table of text.

    `names` has one entry a field of a row; `skipped` rows stand before the first of data, `heads` of them not blank.
    """

    path: Path
    delimiter: str
    is_quoted: bool
    names: tuple[str, ...]
    heads: int
    skipped: int
    encoding: str
    packing: str

    @property
    def format(self) -> str:
        """As a person says it: `tab-separated, gzip`."""
        typed = without_types(self.names) != [name.strip() for name in self.names]
        encoding = "" if self.encoding == UTF8 else self.encoding.upper()
        said = [f"{DELIMITERS[self.delimiter]}-separated", "typed header" if typed else "", encoding, self.packing]
        return ", ".join(filter(None, said))

    @property
    def is_padded(self) -> bool:
        """Whether a space follows each separator."""
        return len(self.names) > 1 and all(name.startswith(" ") for name in self.names[1:])

    @property
    def parsed_delimiter(self) -> str:
        """The one character that parsers see."""
        return self.delimiter if len(self.delimiter) == 1 else _UNIT

    @contextmanager
    def numbered(self) -> Iterator[Iterator[tuple[int, str, list[str]]]]:
        """Every filled row of data: the number of its first line, its text as it stands there, its fields.

        csv.Error for a row that holds more than the reader takes.
        """
        with text_of(self.path, self.encoding) as file:
            yield islice(self._numbered(file), self.heads, None)

    def fields(self, lines: Iterable[str]) -> Iterator[list[str]]:
        """The fields of every row, of the header and of blank ones too."""
        parsed = (line.replace(self.delimiter, self.parsed_delimiter) for line in lines)
        how = dialect(self.parsed_delimiter, is_quoted=self.is_quoted)
        return csv.reader(parsed, **how, skipinitialspace=self.is_padded)

    def _numbered(self, file: Iterable[str]) -> Iterator[tuple[int, str, list[str]]]:
        taken, number = list[str](), 1

        def lines() -> Iterator[str]:
            for line in file:
                taken.append(line)
                yield line

        for fields in self.fields(lines()):
            if fields:
                yield number, "".join(taken), fields
            number += len(taken)
            taken.clear()

    def place(self, row: int) -> str:
        """Names a row of data (from 0) as a person finds it."""
        try:
            with self.numbered() as rows:
                return f"{self.path}, line {next(islice(rows, row, None))[0]}"
        except (csv.Error, StopIteration):  # a field that only the other reader takes
            return f"{self.path}, row {row + 1}"


def dialect(delimiter: str, *, is_quoted: bool) -> dict:
    """How csv.reader is to read it."""
    return {"delimiter": delimiter} if is_quoted else {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
