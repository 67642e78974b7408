"""The source `parquet`: a dataset of the Hugging Face hub, in parts: `data/train-00000-of-00002.parquet`.

Tables are told apart by their columns: those with users and items are interactions, in the hub's splits where there are
train, validation and test; one with items alone describes them, else the interactions do. Pictures may stand in the
table of items (`{bytes, path}`), or in a folder beside it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from pydantic import Field

from ...errors import BenchError
from ..pictures.embedded import embedded_pictures, picture_column
from ..pictures.files import ImageFiles
from ..pictures.opening import Pictures
from .assembly import ItemRows
from .published import ITEM, RATING, USER, Columns, Published, listed
from .registry import register
from .tabular import Contents, ItemTable, TableOptions, Tabular
from .taken import Taken

_PART = re.compile(r"(?P<split>.+?)[-_](?P<number>\d{1,5})[-_]of[-_](?P<count>\d{1,5})(?:-\w+)?")
_SPLITS = ({"train"}, {"validation", "valid", "val", "dev"}, {"test"})


class ParquetOptions(TableOptions):
    """What the columns are called, where it isn't usual."""

    user: str | None = Field(default=None, max_length=1000)
    item: str | None = Field(default=None, max_length=1000)
    time: str | None = Field(default=None, max_length=1000)
    image: str | None = Field(default=None, max_length=1000)


@register("parquet")
class Parquet(Tabular):
    """a dataset of the Hugging Face hub saved as Parquet"""

    options = ParquetOptions

    def contents(self) -> Contents:
        there, chosen = self.there, cast(ParquetOptions, self.chosen)
        tables = _tables(there)
        taken = [each for each in tables if each.of.perhaps(USER, chosen.user) and each.of.perhaps(ITEM, chosen.item)]
        if not taken:
            seen = "; ".join(f"{each.of.file.relative_to(self.path)}: {listed(each.of.names)}" for each in tables)
            raise BenchError(f"{self.path}: no table with users and items: name the columns, user=…,item=…: {seen}")
        first = taken[0].of
        item = first.pick("item", ITEM, chosen.item)
        described = [each for each in tables if each not in taken and each.of.perhaps((item, *ITEM))]
        if len(described) > 1:
            names = listed([str(each.of.file.relative_to(self.path)) for each in described])
            raise BenchError(f"{self.path}: several tables of items: {names}: leave one")
        items = described or taken
        files = [file for each in items for file in each.files]
        pictured = picture_column(files[0], chosen.image) if described else None
        table = _WithPictures if pictured else ItemTable
        return Contents(
            Taken(
                [file for each in taken for file in each.files],
                user=first.pick("user", USER, chosen.user),
                item=item,
                time=first.time(chosen.order, chosen.time),
                rating=first.perhaps(RATING),
                parts=_parts(taken),
            ),
            table(files, items[0].of.pick("item", (item, *ITEM)), items[0].of.template(chosen.template)),
            there.pictures(),
            shown=partial(_embedded, files, pictured) if pictured else None,
        )


class _WithPictures(ItemTable):
    """A table of items with a picture in each row, called by the row's number."""

    def rows(self) -> ItemRows:
        rows = super().rows()
        return replace(rows, pictures=[str(row) for row in range(len(rows.ids.codes))])


def _embedded(files: Sequence[Path], column: str, ids: Sequence[str], names: Sequence[str] | None) -> Pictures:
    del ids
    there = embedded_pictures(files, column)
    found = [there[int(name)] if name else None for name in names or ()]
    return Pictures(ImageFiles(found), [row for row, picture in enumerate(found) if picture is None], {})


@dataclass(frozen=True)
class _Table:
    """The parts of one table, and the columns of the first."""

    split: str
    files: Sequence[Path]
    of: Columns


def _tables(there: Published) -> list[_Table]:
    """Files that are parts of one table together, each; BenchError when a part is missing."""
    parts: dict[tuple[Path, str], list[Path]] = {}
    for file in there.every("*.parquet"):
        match = _PART.fullmatch(file.stem)
        split = match["split"] if match else file.parent.name if file.stem.isdecimal() else file.stem
        place = file.parent.parent if not match and file.stem.isdecimal() else file.parent
        parts.setdefault((place, split), []).append(file)
    if not parts:
        there.one("a table", "*.parquet")
    for files in parts.values():
        match = _PART.fullmatch(files[0].stem)
        if match and len(files) != int(match["count"]):
            raise BenchError(f"{files[0]}: {len(files)} of {int(match['count'])} parts are there: add the others")
    return [_Table(split, files, Columns.of(files[0])) for (_, split), files in sorted(parts.items())]


def _parts(taken: Sequence[_Table]) -> list[int] | None:
    """The part of each file, where the tables are the three of a ready split; else None."""
    numbers = [next((part for part, names in enumerate(_SPLITS) if each.split.lower() in names), -1) for each in taken]
    if sorted(numbers) != [0, 1, 2]:
        return None
    return [number for number, each in zip(numbers, taken, strict=True) for _ in each.files]
