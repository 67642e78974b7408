"""What Amazon's reviews have in common, whatever their year: lines of JSON, and metadata that link to pictures."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from ...errors import BenchError
from ...values import TimeUnit
from ..tables.faults import errors_named
from ..tables.json_lines import Pick, as_text, read_json_lines
from ..tables.unpacking import text_of
from .assembly import Coded, InteractionRows, ItemRows
from .policies import Policies
from .published import Published
from .texts import Template

_FIRST = 1 << 24
"""Characters of a first line that are looked at."""


class AmazonOptions(Policies):
    """Which of several categories is read, what texts are made of, and what becomes of dirt."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    category: str | None = Field(default=None, min_length=1, max_length=200)
    """Which, where the folder has several: as in the file's name, `Gift_Cards_5`."""
    template: str = Field(default="title", min_length=1, max_length=1000)
    """What texts are made of: a field of the metadata, or several in one text: `{title}. {brand}`."""
    missing_items: Literal["error", "drop", "keep"] = "drop"
    titles: Literal["error", "first", "last"] = "first"
    text: Literal["as-is", "clean"] = "clean"


class ReviewOptions(AmazonOptions):
    """Those of a release that comes without a split."""

    split: ClassVar[str] = "ready"


@dataclass(frozen=True)
class Reviews:
    """A file of reviews, and what its fields are called."""

    file: Path
    user: str
    item: str
    time: str
    rating: str
    unit: TimeUnit

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    def check(self) -> str:
        """The format; BenchError unless the first review has the fields."""
        return first_has(self.file, (self.user, self.item, self.time))

    def rows(self) -> InteractionRows:
        """An interaction a review; BenchError, with the line, for what is wrong with one."""
        self.check()
        table = read_json_lines(self.file, [self.user, self.item], [self.time, self.rating])
        return InteractionRows(
            users=Coded(*table.codes(self.user)),
            items=Coded(*table.codes(self.item)),
            place=str(self.file),
            where=table.where,
            times=table.times(self.time)[0],
            unit=self.unit,
            ratings=table.numbers(self.rating),
        )


@dataclass(frozen=True)
class Metadata:
    """A file of items; `links` are the fields that link to pictures, those of the best ones first."""

    file: Path
    id: str
    template: Template
    links: Sequence[str]
    link: Callable[[Any], str]
    picks: Mapping[str, Pick] = field(default_factory=dict)

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    def check(self) -> str:
        """The format; BenchError unless the first item has an id."""
        return first_has(self.file, (self.id,))

    def rows(self) -> ItemRows:
        """Every row; the pictures that they link to are never fetched."""
        self.check()
        fields = self.template.fields
        picks = {**dict.fromkeys(fields, _words), **self.picks, **dict.fromkeys(self.links, self.link)}
        table = read_json_lines(self.file, list(dict.fromkeys([self.id, *fields, *self.links])), pick=picks)
        texts = {name: table.strings(name) for name in fields}
        for name, column in texts.items():
            if not any(column):
                raise BenchError(f"{self.file}: no item has a field '{name}' with a text: correct template")
        links = zip(*map(table.strings, self.links), strict=True)
        return ItemRows(
            ids=Coded(*table.codes(self.id)),
            place=str(self.file),
            where=table.where,
            template=self.template,
            fields=texts,
            links=[next(filter(None, row), "") for row in links],
        )


def first_has(file: Path, names: Sequence[str]) -> str:
    """How a file of JSON lines is called in a report; BenchError when its first object lacks one of the fields."""
    with errors_named(file), text_of(file) as lines:
        line = next(filter(str.strip, islice(iter(lambda: lines.readline(_FIRST), ""), 100)), "")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return "JSON lines"  # whoever reads it says what is wrong
    missing = [name for name in names if isinstance(value, dict) and name not in value]
    if missing:
        there = ", ".join(name[:40] for name in list(value)[:12]) or "nothing"
        raise BenchError(
            f"{file}, line 1: no field '{missing[0]}', but {there}: Amazon's reviews of 2018 are read as "
            "amazon-2018:PATH, those of 2023 as amazon-2023:PATH"
        )
    return "JSON lines"


def stem(file: Path) -> str:
    """A file's name up to its first suffix that says how it is written."""
    return file.name.partition(".")[0]


def matching(there: Published, shape: re.Pattern[str], *patterns: str) -> list[Path]:
    """The files that match any of the patterns and whose whole name has a shape."""
    return [file for pattern in patterns for file in there.every(pattern) if shape.fullmatch(file.name)]


def of_category(there: Published, what: str, found: Sequence[Path], chosen: str | None) -> Path:
    """The one of some files, or that of the chosen category; BenchError, naming them, unless it is one."""
    if chosen is not None:
        asked = [name for name in (chosen, f"{chosen}_5") if any(stem(file) == name for file in found)]
        fitting = [file for file in found if asked and stem(file) == asked[0]]
    else:
        fitting = list(found)
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(dict.fromkeys(stem(file) for file in fitting or found))
    if not found:
        return there.only(what, [], what)
    if not fitting:
        raise BenchError(f"{there.root}: no {what} of category '{chosen}': choose category = {names}")
    if len({stem(file) for file in fitting}) == 1:
        files = ", ".join(str(file.relative_to(there.root)) for file in fitting)
        raise BenchError(f"{there.root}: the same {what} twice: {files}: remove one")
    raise BenchError(f"{there.root}: {what} of several categories: choose category = {names}")


def metadata_of(there: Published, category: str, suffix: str) -> Path | None:
    """The metadata of a category, also of its 5-core; None when there are none."""
    name = category.removeprefix("ratings_").removeprefix("reviews_").removesuffix("_5")
    shapes = [f"meta_{each}.{suffix}{packed}" for each in dict.fromkeys((name, category)) for packed in ("", ".gz")]
    return there.perhaps("metadata", *shapes)


def no_metadata(there: Published, category: str, suffix: str) -> BenchError:
    """The error where they are needed."""
    name = category.removeprefix("reviews_").removesuffix("_5")
    return BenchError(
        f"{there.root}: no metadata, which have the titles: add meta_{name}.{suffix}, plain or as .gz, from where the "
        "reviews are from"
    )


def _words(value: Any) -> str:
    """Texts of a list one after the other; a record as JSON."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    return as_text(value)
