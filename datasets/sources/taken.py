"""Interactions as published tables have them: a row each, or a row a user with the items in time order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...values import TimeUnit
from ..tables.parquet import pc
from ..tables.reading import check_columns, read_table
from ..tables.table import Table
from .assembly import Coded, InteractionRows

WITHOUT_HEADER = "no header"


@dataclass(frozen=True)
class Taken:
    """Tables with a row an interaction, and what their columns are called.

    `parts` are those of a ready split, one a file, `part` a column that says them; `header` names the columns of files
    without one.
    """

    files: Sequence[Path]
    user: str
    item: str
    time: str | None = None
    rating: str | None = None
    part: str | None = None
    parts: Sequence[int] | None = None
    header: Sequence[str] | None = None
    unit: TimeUnit | None = None

    def check(self) -> str:
        """The tables' format; BenchError unless each has the columns. No row is read."""
        if self.header is not None:
            return WITHOUT_HEADER
        columns = [each for each in (self.user, self.item, self.time, self.rating, self.part) if each]
        return " or ".join(dict.fromkeys(check_columns(file, columns) for file in self.files))

    def rows(self) -> InteractionRows:
        """Every row of every table, in their order."""
        other = [each for each in (self.time, self.rating, self.part) if each]
        tables = [read_table(file, [self.user, self.item], other, header=self.header) for file in self.files]
        times = [table.times(self.time) for table in tables] if self.time else []
        units: list[TimeUnit] = [unit for _, unit in times if unit]
        return InteractionRows(
            users=joined([table.codes(self.user) for table in tables]),
            items=joined([table.codes(self.item) for table in tables]),
            place=str(self.files[0]),
            where=places(tables),
            times=np.concatenate([each for each, _ in times]) if times else None,
            unit=units[0] if units else self.unit,
            ratings=np.concatenate([table.numbers(self.rating) for table in tables]) if self.rating else None,
            parts=self._parts(tables),
        )

    def _parts(self, tables: Sequence[Table]) -> np.ndarray | None:
        if self.part:
            return np.concatenate([_labels(table, self.part) for table in tables])
        if self.parts is None:
            return None
        return np.repeat(np.array(self.parts, dtype=np.int8), [len(table) for table in tables])


@dataclass(frozen=True)
class Histories:
    """A table with a row a user: the items in time order, with spaces between, and perhaps the one after them.

    Where there is a `target`, it is the test's, and the item before it the validation's.
    """

    file: Path
    user: str
    items: str
    target: str | None = None
    header: Sequence[str] | None = None

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    def check(self) -> str:
        """The table's format; BenchError unless it has the columns. No row is read."""
        columns = [each for each in (self.user, self.items, self.target) if each]
        return check_columns(self.file, columns) if self.header is None else WITHOUT_HEADER

    def rows(self) -> InteractionRows:
        """An entry an item; BenchError, with the line, for a user who has two rows."""
        names = [each for each in (self.user, self.items, self.target) if each]
        table = read_table(self.file, names, header=self.header)
        users, ids = table.codes(self.user)
        if len(ids) < len(users):
            row = int(np.argmax(users != np.arange(len(users))))
            raise BenchError(
                f"{table.where(row)}: user '{ids[int(users[row])].as_py()}' stands there again: each needs one row "
                "with the whole history; bring the interactions one a row, if there are several targets a user"
            )
        columns = [pa.array(table.strings(each)) for each in names[1:]]
        owner, items = in_lists(pc.binary_join_element_wise(*columns, " "))
        from_end = np.cumsum(np.bincount(owner, minlength=len(ids)))[owner] - np.arange(len(owner))
        return InteractionRows(
            users=Coded(owner, ids),
            items=items,
            place=str(self.file),
            where=lambda row: table.where(int(owner[row])),
            parts=np.maximum(3 - from_end, 0).astype(np.int8) if self.target else None,
        )


def in_lists(texts: pa.Array) -> tuple[np.ndarray, Coded]:
    """The ids in texts that have spaces between them: of each the number of its text, and the ids themselves."""
    lists = pc.ascii_split_whitespace(texts)
    tokens = lists.flatten()
    named = pc.not_equal(tokens, "").to_numpy(zero_copy_only=False)
    encoded = tokens.filter(pa.array(named)).dictionary_encode()
    owner = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy())[named]
    return owner, Coded(encoded.indices.to_numpy(), encoded.dictionary)


def joined(columns: Sequence[tuple[np.ndarray, pa.Array]]) -> Coded:
    """One column from those of several tables."""
    if len(columns) == 1:
        return Coded(*columns[0])
    ids = pa.chunked_array([each for _, each in columns]).unique()
    places = [pc.index_in(each, value_set=ids).to_numpy(zero_copy_only=False) for _, each in columns]
    return Coded(np.concatenate([place[codes] for place, (codes, _) in zip(places, columns, strict=True)]), ids)


def places(tables: Sequence[Table]) -> Callable[[int], str]:
    """Names a row of several tables, one behind the other, as a person finds it."""
    starts = np.cumsum([0, *(len(table) for table in tables)])

    def where(row: int) -> str:
        table = int(np.searchsorted(starts, row, side="right")) - 1
        return tables[table].where(row - int(starts[table]))

    return where


def _labels(table: Table, column: str) -> np.ndarray:
    """0, 1 and 2 for training, validation and test; BenchError, with the line, for anything else."""
    values = table.numbers(column)
    wrong = ~np.isin(values, (0, 1, 2))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise BenchError(
            f"{table.where(row)}: {values[row]:g} in column '{column}': 0 is training, 1 validation and 2 test"
        )
    return values.astype(np.int8)
