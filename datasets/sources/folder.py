"""The source `folder`: what a user brings, tables of interactions and items and a picture folder, by a `dataset.toml`.

The keys are those of `description.py`.
"""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...files import canonical_json, digest, file_digest
from ...values import TimeUnit
from ..pictures.finding import count_fitting
from ..pictures.opening import Pictures, open_pictures
from ..pictures.places import listed, open_place
from ..raw import Interactions, RawData
from ..tables.parquet import pc
from ..tables.parts import table_digest
from ..tables.reading import check_columns, read_table
from ..tables.table import Table
from .description import Description, InteractionColumns, describe
from .registry import register
from .source import Source


@register("folder")
class Folder(Source):
    """your own data: tables (CSV, TSV, Parquet, …) and pictures, described by a dataset.toml"""

    usage = "PATH"

    def read(self) -> RawData:
        _, description = describe(self.path)
        columns = description.items
        shown = [*columns.text_columns, *([columns.image] if columns.image else [])]
        table = read_table(columns.file, [columns.id, *shown])
        ids, rows = _distinct(table, columns.id, shown)
        items = table.take(rows)
        texts = None
        if columns.text_columns:
            parts = zip(*(items.strings(column) for column in columns.text_columns), strict=True)
            texts = [" ".join(part.strip() for part in row if part.strip()) for row in parts]
        pictures = _pictures(description, items, ids.to_pylist())
        interactions, facts = _interactions(description.interactions, ids, columns.file)
        facts["items file"] = f"{columns.file.name}, {table.format}"
        if len(rows) < len(table):
            facts["repeated item rows"] = len(table) - len(rows)
        for key in ("source", "licence"):
            if said := getattr(description, key):
                facts[key] = said
        if pictures:
            facts |= pictures.facts
        return RawData(
            name=description.name,
            ids=ids.to_pylist(),
            texts=texts,
            images=pictures.images if pictures else None,
            interactions=interactions,
            facts=facts,
            missing_images=pictures.missing if pictures else (),
        )

    def fingerprint(self) -> str:
        """Of what is read of the tables, their bytes, the pictures' names and sizes.

        How the description is written, and what the dataset is called, is no part of it.
        """
        _, description = describe(self.path)
        return digest("folder", canonical_json(description.reading), *_content(description))

    def former_fingerprint(self) -> str:
        """Took the bytes of the description."""
        file, description = describe(self.path)
        return digest("folder", file_digest(file), *_content(description))

    def label(self, written: str) -> str:
        """The folder's name, or that of its description."""
        del written
        place = self.path.resolve()
        if place.suffix == ".toml":
            place = place.parent if place.name == "dataset.toml" else place.with_suffix("")
        return place.name

    def picture_folders(self) -> list[Path]:
        _, description = describe(self.path)
        return [description.images.folder] if description.images else []

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        """Whether columns and pictures are called as the description says. No row of a table is read."""
        _, description = describe(self.path)
        columns, of = description.items, description.interactions
        shown = [columns.id, *columns.text_columns, *([columns.image] if columns.image else [])]
        items = check_columns(columns.file, shown)
        rows = check_columns(of.file, [of.user, of.item, *([of.time] if of.time else [])])
        found = [f"{of.file.name} ({rows}) and {columns.file.name} ({items}) have the columns that are named"]
        if description.images is None or not pictures:
            return found
        place, pattern = open_place(description.images.folder, description.folders), description.images.pattern
        files = len(place.sizes)
        if columns.image:
            return [*found, f"{files:,} files in the picture folder"]
        fitting = count_fitting(place, pattern)
        if files and not fitting and strict:
            raise BenchError(
                f"{place.path}: none of {files:,} files is named as pattern '{pattern}' says; there is "
                f"'{min(place.sizes)}': correct the pattern"
            )
        return [*found, f"{fitting:,} of {files:,} files in the picture folder are named as the pattern says"]


def _content(description: Description) -> list[str]:
    tables = (description.interactions.file, description.items.file)
    return [*map(table_digest, tables), *(listed(description.images.folder) if description.images else [])]


def _distinct(items: Table, id_column: str, shown: list[str]) -> tuple[pa.Array, np.ndarray]:
    """The items' ids and the rows to read them from; rows that repeat an item must show the same as its first."""
    codes, ids = items.codes(id_column)
    _, rows = np.unique(codes, return_index=True)
    repeated = np.flatnonzero(rows[codes] != np.arange(len(codes)))
    for column in shown if len(repeated) else []:
        values = items.strings(column)
        for row in repeated.tolist():
            first = int(rows[codes[row]])
            if values[row] != values[first]:
                raise BenchError(
                    f"{items.where(row)}: item '{ids[int(codes[row])].as_py()}' has another '{column}' than in "
                    f"{items.where(first)}: give every item one row"
                )
    return ids, rows


def _pictures(description: Description, items: Table, ids: list[str]) -> Pictures | None:
    """Each item's picture; BenchError for one outside the picture folder."""
    if description.images is None:
        return None
    folder = description.images.folder
    if description.items.image:
        names = items.strings(description.items.image)
    else:
        names = [description.images.pattern.replace("{id}", item) for item in ids]
    prefix = f"{folder}{os.sep}"
    for row, name in enumerate(names):
        if name.startswith("/") or (".." in name and not os.path.normpath(prefix + name).startswith(prefix)):
            raise BenchError(
                f"{items.path}: item '{ids[row]}' has its picture outside {folder} ('{name[:200]}'): name one below it"
            )
    return open_pictures(folder, names, description.folders)


def _interactions(
    columns: InteractionColumns, ids: pa.Array, items_file: Path
) -> tuple[Interactions, dict[str, str | int | float]]:
    table = read_table(columns.file, [columns.user, columns.item], [columns.time] if columns.time else [])
    users, _ = table.codes(columns.user)
    codes, names = table.codes(columns.item)
    rows = pc.index_in(names, value_set=ids).fill_null(-1).to_numpy(zero_copy_only=False)
    if (rows < 0).any():
        row = int(np.argmax(rows[codes] < 0))
        name = names[int(codes[row])].as_py()
        raise BenchError(
            f"{table.where(row)}: item '{name}' is not in {items_file}: add it there or remove the interaction"
        )
    facts: dict[str, str | int | float] = {"interactions file": f"{columns.file.name}, {table.format}"}
    if columns.time is None:
        return Interactions(users, rows[codes], None), facts
    times, unit = table.times(columns.time)
    return Interactions(users, rows[codes], times), facts | _span(times, unit or columns.time_unit, table.path)


def _span(times: np.ndarray, unit: TimeUnit | None, path: Path) -> dict[str, str | int | float]:
    """The first and the last day, when the unit is known; a unit that puts them beyond 2200 is wrong."""
    if unit is None or len(times) == 0:
        return {}
    days = [int(value) // (_PER_SECOND[unit] * 86400) for value in (times.min(), times.max())]
    first, last = (str(np.datetime64(min(max(day, -_FAR), _FAR), "D")) for day in days)
    if days[1] > (np.datetime64("2200-01-01") - np.datetime64("1970-01-01")).astype(int):
        raise BenchError(f"{path}: the last interaction would be of {last}: correct interactions.time_unit ('{unit}')")
    if days[0] < -_FAR:
        raise BenchError(f"{path}: the first interaction would be of before {first}: correct interactions.time_unit")
    return {"first interaction": first, "last interaction": last}


_PER_SECOND: dict[TimeUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FAR = 700_000  # days from 1970 that still make a date of four digits
