"""The source `microlens`: MicroLens 50k or 100k as Westlake published it.

A folder with `…_pairs.csv` (header user,item,timestamp in ms) or else `…_pairs.tsv` (user, tab, items in time order),
perhaps titles, `…_titles.csv` or `…_title_en.csv` (item, the first comma, title; with a header or without), and covers,
`…_covers/{item}.jpg`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from .assembly import ItemRows
from .lines import described, split_lines
from .policies import Policies
from .published import Columns, Published
from .registry import register
from .tabular import Contents, Tabular
from .taken import Histories, Taken


class MicroLensOptions(Policies):
    """What becomes of dirt; an item without a title is kept, its cover may be there."""

    missing_items: Literal["error", "drop", "keep"] = "keep"
    split: ClassVar[str] = "ready"


@register("microlens")
class MicroLens(Tabular):
    """MicroLens 50k or 100k: pairs, titles and covers"""

    options = MicroLensOptions

    def contents(self) -> Contents:
        there = self.there
        titles = there.perhaps("titles", "*_titles.csv", "*_title_en.csv", "*_title.csv")
        return Contents(_interactions(there), Titles(titles) if titles else None, there.pictures())


def _interactions(there: Published) -> Taken | Histories:
    """Those with times before those that are only in order."""
    file = there.one("pairs", "*_pairs.csv", "*_pairs.tsv")
    if file.suffix == ".tsv":
        return Histories(file, "user", "items", header=("user", "items"))
    columns = Columns.of(file)
    user, item, time = (columns.pick(name, (name,)) for name in ("user", "item", "timestamp"))
    return Taken([file], user, item, time, unit="ms")


@dataclass(frozen=True)
class Titles:
    """A file whose lines are an item, a comma, and a title with commas of its own."""

    file: Path

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    def check(self) -> str:
        """How its lines are read."""
        return "split at the first comma"

    def rows(self) -> ItemRows:
        """Every line but the header, if there is one."""
        return described(split_lines(self.file, "item", "title", ",", header=("item", "item_id")), "title", quotes=True)
