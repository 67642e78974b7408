"""Sources that are tables in a known layout: each says which files and columns it has; the rest is the same."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from pydantic import ConfigDict, Field

from ...cell import Modality
from ...files import canonical_json, digest, file_digest, is_folder
from ..pictures.opening import Pictures, open_pictures
from ..pictures.places import listed, open_place
from ..raw import RawData
from ..tables.reading import check_columns, read_table
from .assembly import Found, InteractionRows, ItemRows, assemble
from .policies import Policies
from .published import Published
from .published import listed as listed_names
from .source import Source
from .taken import WITHOUT_HEADER, joined, places
from .texts import Template

Read = TypeVar("Read", covariant=True)
OpenPictures = Callable[[Sequence[str], Sequence[str] | None], Pictures]
"""Takes the items' ids and the names of their pictures."""


class TableOptions(Policies):
    """What texts are made of, what the order is where nothing says when, and what becomes of dirt."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    template: str | None = Field(default=None, min_length=1, max_length=1000)
    """What texts are made of: a column, or several in one text: `{title}. {brand}`."""
    order: Literal["time", "rows"] = "time"
    """Interactions by their times, or, where they have none, as their rows stand."""
    split: Literal["ready", "leave-one-out"] = "ready"
    """The split that the data come with, if they do, or the published protocol."""


@dataclass(frozen=True)
class ItemTable:
    """A table of items, perhaps in parts, and its columns; `header` and `encoding` where the file doesn't say them."""

    files: Sequence[Path]
    id: str
    template: Template | None
    header: Sequence[str] | None = None
    encoding: str | None = None

    @property
    def fields(self) -> list[str]:
        """What the texts are made of."""
        return list(self.template.fields) if self.template else []

    def rows(self) -> ItemRows:
        """Every row of every part, in their order."""
        names = [self.id, *self.fields]
        tables = [read_table(file, names, header=self.header, encoding=self.encoding) for file in self.files]
        return ItemRows(
            ids=joined([table.codes(self.id) for table in tables]),
            place=str(self.files[0]),
            where=places(tables),
            template=self.template,
            fields={name: [text for table in tables for text in table.strings(name)] for name in self.fields},
        )

    def check(self) -> str:
        """The parts' format; BenchError unless each has the columns. No row is read."""
        if self.header is not None:
            return WITHOUT_HEADER
        columns = [self.id, *self.fields]
        return " or ".join(dict.fromkeys(check_columns(file, columns) for file in self.files))


class Rows(Protocol[Read]):
    """Something that rows are read from: `Taken` and `Histories` for interactions, `ItemTable` for items."""

    @property
    def files(self) -> Sequence[Path]:
        """All that is read of it."""
        ...

    def check(self) -> str:
        """How it is written; BenchError for columns that aren't there. No row is read."""
        ...

    def rows(self) -> Read:
        """Every row; BenchError, with the line, for what is wrong with one."""
        ...


@dataclass(frozen=True)
class Contents:
    """What a dataset's folder holds: its tables, where pictures lie that are called as their items, and features.

    `features` are files for the fingerprint; which row is whose the source says when it reads. `shown` opens pictures
    that lie in the tables themselves.
    """

    interactions: Rows[InteractionRows]
    items: Rows[ItemRows] | None
    pictures: Path | None = None
    features: Mapping[Modality, Path] = field(default_factory=dict)
    shown: OpenPictures | None = None

    @property
    def tables(self) -> list[Path]:
        """The files that are read whole, each once."""
        return list(dict.fromkeys([*self.interactions.files, *(self.items.files if self.items else [])]))


class Tabular(Source):
    """A source whose files are tables; which, and what their columns are, `contents` says."""

    options = TableOptions

    @cached_property
    def there(self) -> Published:
        """What the folder holds, looked through once."""
        return Published.of(self.path, self.usage)

    @abstractmethod
    def contents(self) -> Contents:
        """What the folder holds; headers are read, no row is. BenchError for what is missing or ambiguous."""

    def read(self) -> RawData:
        contents = self.contents()
        rows = contents.interactions.rows()
        found = Found(
            name=self.path.resolve().name,
            interactions=rows if self.chosen.split == "ready" else replace(rows, parts=None),
            items=contents.items.rows() if contents.items else None,
            open_pictures=contents.shown or (contents.pictures and partial(_named_as_items, contents.pictures)),
            facts=dict(self._read(contents)),
        )
        return self.completed(assemble(found, self.chosen), contents)

    def completed(self, raw: RawData, contents: Contents) -> RawData:
        """The data with what else the folder holds of their items: features, say."""
        del contents
        return raw

    def fingerprint(self) -> str:
        """Of what was chosen, the bytes of tables and features, the pictures' names and sizes."""
        contents = self.contents()
        return digest(
            self.name,
            canonical_json(self.chosen.model_dump(mode="json", exclude_defaults=True)),
            *map(file_digest, [*contents.tables, *contents.features.values()]),
            *(listed(contents.pictures) if contents.pictures else []),
        )

    def picture_folders(self) -> list[Path]:
        place = self.contents().pictures
        return [place] if place and is_folder(place) else []

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        """The files that would be read, and how many pictures there are; BenchError for columns that aren't there."""
        del strict
        contents = self.contents()
        found = [f"{what}: {files}" for what, files in self._read(contents)]
        if pictures and contents.pictures:
            found.append(f"{len(open_place(contents.pictures).sizes):,} files in {contents.pictures.name}")
        return found

    def without_pictures(self) -> str:
        """Where they may be put."""
        return f"use --modalities text, or put them into {self.path / 'images'}, each called as its item's id"

    def _read(self, contents: Contents) -> Iterator[tuple[str, str]]:
        """What is read, and how it is written; BenchError for columns that aren't there."""
        for what, rows in (("interactions file", contents.interactions), ("items file", contents.items)):
            if rows is not None:
                names = [str(file.relative_to(self.path)) for file in rows.files]
                yield what, f"{listed_names(names)}, {rows.check()}"


def _named_as_items(place: Path, ids: Sequence[str], names: Sequence[str] | None) -> Pictures:
    del names
    return open_pictures(place, [f"{name}.jpg" for name in ids])
