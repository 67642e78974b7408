"""The source `folder`: what a user brings, tables of interactions and items and a picture folder, by a `dataset.toml`.

The keys are those of `description.py`.
"""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...errors import BenchError
from ...files import canonical_json, digest, file_digest
from ..features import Features, stated
from ..pictures.finding import count_fitting
from ..pictures.opening import Pictures, open_pictures
from ..pictures.places import listed, open_place
from ..raw import RawData
from ..tables.parts import table_digest
from ..tables.reading import check_columns, read_table
from .assembly import Coded, Facts, Found, InteractionRows, ItemRows, assemble
from .description import Description, InteractionColumns, describe
from .registry import register
from .source import Source
from .texts import Template


@register("folder")
class Folder(Source):
    """your own data: tables (CSV, TSV, Parquet, …) and pictures, described by a dataset.toml"""

    usage = "PATH"

    def read(self) -> RawData:
        _, description = describe(self.path)
        columns = description.items
        image = [columns.image] if columns.image else []
        table = read_table(columns.file, [columns.id, *columns.text_columns, *image])
        items = ItemRows(
            ids=Coded(*table.codes(columns.id)),
            place=str(columns.file),
            where=table.where,
            template=Template.of(columns.text) if columns.text else None,
            fields={name: table.strings(name) for name in columns.text_columns},
            pictures=table.strings(columns.image) if columns.image else None,
            features={name: Features.open(path, len(table)) for name, path in description.features.files.items()},
        )
        interactions, form = _interactions(description.interactions)
        facts: Facts = {"interactions file": form, "items file": f"{columns.file.name}, {table.format}"}
        facts |= {key: getattr(description, key) for key in ("source", "licence") if getattr(description, key)}
        pictures = partial(_pictures, description) if description.images else None
        return assemble(Found(description.name, interactions, items, pictures, facts), description.policies)

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
        for name, path in description.features.files.items():
            count, width, dtype = stated(path)
            found.append(f"{path.name}: {name} features of {count:,} items, {width} numbers of {dtype} each")
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
    features = [file_digest(file) for file in description.features.files.values()]
    pictures = listed(description.images.folder) if description.images else []
    return [*map(table_digest, tables), *features, *pictures]


def _pictures(description: Description, ids: Sequence[str], names: Sequence[str] | None) -> Pictures:
    """Each item's picture; BenchError for one outside the picture folder."""
    assert description.images is not None
    folder = description.images.folder
    if names is None:
        names = [description.images.pattern.replace("{id}", item) for item in ids]
    prefix = f"{folder}{os.sep}"
    for row, name in enumerate(names):
        if name.startswith("/") or (".." in name and not os.path.normpath(prefix + name).startswith(prefix)):
            raise BenchError(
                f"{description.items.file}: item '{ids[row]}' has its picture outside {folder} ('{name[:200]}'): "
                "name one below it"
            )
    return open_pictures(folder, names, description.folders)


def _interactions(columns: InteractionColumns) -> tuple[InteractionRows, str]:
    """The rows of their table, and how that is written."""
    table = read_table(columns.file, [columns.user, columns.item], [columns.time] if columns.time else [])
    times, unit = table.times(columns.time) if columns.time else (None, None)
    rows = InteractionRows(
        users=Coded(*table.codes(columns.user)),
        items=Coded(*table.codes(columns.item)),
        place=str(columns.file),
        where=table.where,
        times=times,
        unit=unit or columns.time_unit,
        unit_key="interactions.time_unit",
    )
    return rows, f"{columns.file.name}, {table.format}"
