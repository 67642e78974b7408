"""The source `folder`: what a user brings, a `dataset.toml` over tables of interactions and items and a picture folder.

name = "movielens"
source = "https://grouplens.org"        # optional, shown in the report, like `licence`

[interactions]
file = "ratings.csv"                    # CSV, TSV (both also .gz) or Parquet; paths are relative to this file
user = "user_id"
item = "movie_id"
time = "timestamp"                      # optional; without it rows stand in time order
time_unit = "s"                         # optional: s, ms, us or ns since 1970; dates need none

[items]
file = "items.csv"
id = "movie_id"
text = ["title", "overview"]            # optional: one column or several
image = "poster"                        # optional: the column with the picture's file name …

[images]
folder = "posters"
pattern = "{id}.jpg"                    # … or how it follows from the id
"""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..errors import BenchError, unknown
from ..files import digest, file_digest, is_folder, read_toml
from .images import ImageFiles
from .raw import Interactions, RawData
from .tables import Table, TimeUnit, pc, read_table


class Section(BaseModel):
    """A table of the description: a misspelt key is an error, not a silence."""

    model_config = ConfigDict(extra="forbid")


class InteractionColumns(Section):
    """Who took what, when."""

    file: Path
    user: str
    item: str
    time: str | None = None
    time_unit: TimeUnit | None = None

    @model_validator(mode="after")
    def _unit_of_something(self) -> "InteractionColumns":
        if self.time_unit and not self.time:
            raise ValueError("'time_unit' stands without 'time': name the column or remove the unit")
        return self


class ItemColumns(Section):
    """What an item is called and shows."""

    file: Path
    id: str
    text: str | list[str] | None = None
    image: str | None = None

    @property
    def text_columns(self) -> list[str]:
        return [self.text] if isinstance(self.text, str) else self.text or []


class Pictures(Section):
    """Where pictures lie, and how a file's name follows from the item's id where no column says it."""

    folder: Path
    pattern: str = "{id}.jpg"

    @model_validator(mode="after")
    def _names_differ(self) -> "Pictures":
        if "{id}" not in self.pattern:
            raise ValueError(f"pattern '{self.pattern}' is the same for every item: put {{id}} into it")
        return self


class Description(Section):
    """A whole `dataset.toml`."""

    name: str = Field(min_length=1)
    source: str = ""
    licence: str = ""
    interactions: InteractionColumns
    items: ItemColumns
    images: Pictures | None = None

    @model_validator(mode="after")
    def _pictures_somewhere(self) -> "Description":
        if self.items.image and not self.images:
            raise ValueError("items.image names pictures: add [images] with their folder")
        return self


def describe(path: Path) -> tuple[Path, Description]:
    """The description at `path` (a folder with `dataset.toml`, or such a file), its paths made absolute."""
    file = path / "dataset.toml" if is_folder(path) else path
    if not os.path.lexists(file):
        raise BenchError(f"{file}: there is no such file: a dataset of your own needs a dataset.toml")
    values = read_toml(file)
    try:
        description = Description.model_validate(values)
    except ValidationError as error:
        raise BenchError(f"{file}: {_first_fault(error)}") from error
    base = file.resolve().parent
    for section in (description.interactions, description.items):
        section.file = base / section.file
    if description.images:
        description.images.folder = base / description.images.folder
        if not description.images.folder.is_dir():
            raise BenchError(f"{file}: images.folder: there is no folder {description.images.folder}: correct the path")
    return file, description


def read(path: Path) -> RawData:
    """Reads the dataset described at `path`; every mistake in it is a BenchError naming file, line or key."""
    _, description = describe(path)
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
    if len(rows) < len(table):
        facts["repeated item rows"] = len(table) - len(rows)
    for key in ("source", "licence"):
        if said := getattr(description, key):
            facts[key] = said
    return RawData(
        name=description.name,
        ids=ids.to_pylist(),
        texts=texts,
        images=None if pictures is None else ImageFiles(pictures),
        interactions=interactions,
        facts=facts,
        missing_images=[row for row, picture in enumerate(pictures or []) if picture is None],
    )


def fingerprint(path: Path) -> str:
    """What changes when the dataset does: the bytes of description and tables, the pictures' names and sizes."""
    file, description = describe(path)
    tables = (description.interactions.file, description.items.file)
    for table in tables:
        if not table.is_file():
            raise BenchError(f"{table}: there is no such file: correct its name in {file}")
    listing = listed(description.images.folder) if description.images else []
    return digest("folder", file_digest(file), *(file_digest(table) for table in tables), *listing)


def picture_folders(path: Path) -> list[Path]:
    """Where the dataset's pictures lie."""
    _, description = describe(path)
    return [description.images.folder] if description.images else []


def listed(folder: Path) -> list[str]:
    """Every file under a folder as `name size`, sorted."""
    found: list[str] = []
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file():
                    found.append(f"{Path(entry.path).relative_to(folder).as_posix()} {entry.stat().st_size}")
    return sorted(found)


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


def _pictures(description: Description, items: Table, ids: list[str]) -> list[Path | None] | None:
    if description.images is None:
        return None
    if description.items.image:
        names = items.strings(description.items.image)
    else:
        names = [description.images.pattern.replace("{id}", item) for item in ids]
    paths = [description.images.folder / name if name else None for name in names]
    return [path if path and path.is_file() else None for path in paths]


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
    if columns.time is None:
        return Interactions(users, rows[codes], None), {}
    times, unit = table.times(columns.time)
    return Interactions(users, rows[codes], times), _span(times, unit or columns.time_unit, table.path)


def _span(times: np.ndarray, unit: TimeUnit | None, path: Path) -> dict[str, str | int | float]:
    """The first and the last day, when the unit is known; a unit that puts them beyond 2200 is wrong."""
    if unit is None or len(times) == 0:
        return {}
    first, last = (str(np.datetime64(int(value), unit).astype("datetime64[D]")) for value in (times.min(), times.max()))
    if last > "2200" or len(last) > 10:
        raise BenchError(f"{path}: the last interaction would be of {last}: correct interactions.time_unit ('{unit}')")
    return {"first interaction": first, "last interaction": last}


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        section: type[BaseModel] = Description
        for part in fault["loc"][:-1]:
            section = _SECTIONS[str(part)]
        prefix = place.removesuffix(str(fault["loc"][-1]))
        return str(unknown("key", place, [prefix + key for key in section.model_fields]))
    if fault["type"] == "missing":
        return f"'{place}' is missing: add it"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


_SECTIONS: dict[str, type[BaseModel]] = {
    "interactions": InteractionColumns,
    "items": ItemColumns,
    "images": Pictures,
}
