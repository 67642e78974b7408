"""The source `amazon-ratings`: Amazon's ratings without reviews, a CSV without a header.

In 2014 (`ratings_{C}.csv`) a row is user, item, rating, time, in 2018 (`{C}.csv`) item, user, rating, time: which it is
the ids tell, and the run says it. With `meta_{C}.json.gz` beside it, as of `amazon-2018`, items have titles.
"""

import csv
import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ...errors import BenchError
from ..tables.faults import errors_named
from ..tables.unpacking import text_of
from .amazon import ReviewOptions, matching, metadata_of, of_category, stem
from .amazon_2018 import WITHOUT_PICTURES, items_of
from .published import Columns
from .registry import register
from .tabular import Contents, Tabular
from .taken import Taken

_ITEM = re.compile(r"B[0-9A-Z]{9}|\d{9}[0-9X]")
_USER = re.compile(r"A[0-9A-Z]{10,30}")
_LOOKED_AT = 1000
_SURE = 0.95
"""The share of rows whose ids have to look like it."""
_FILE = re.compile(r"[^.]+\.csv(\.gz)?")
_ORDERS = {"2014": ("user", "item", "rating", "time"), "2018": ("item", "user", "rating", "time")}
_NAMES = {"user": ("user", "user_id", "reviewerid"), "item": ("item", "asin", "item_id", "parent_asin")}
_NAMES |= {"rating": ("rating", "overall"), "time": ("timestamp", "time", "unixreviewtime")}


@register("amazon-ratings")
class AmazonRatings(Tabular):
    """Amazon's ratings-only CSV of 2014 or 2018, told apart by the ids"""

    options = ReviewOptions

    def contents(self) -> Contents:
        there = self.there
        found = matching(there, _FILE, "*.csv", "*.csv.gz")
        file = of_category(there, "ratings", found, self.chosen.category) if found else there.one("ratings", "{C}.csv")
        meta = metadata_of(there, stem(file), "json")
        return Contents(_taken(file), items_of(meta, self.chosen.template) if meta else None)

    def without_texts(self) -> str:
        """They are in the metadata."""
        return f"put the category's metadata, meta_….json.gz, into {self.path}"

    def without_pictures(self) -> str:
        """Ratings have none, metadata addresses only."""
        return WITHOUT_PICTURES


@dataclass(frozen=True)
class _Ordered(Taken):
    """Ratings without a header, whose columns' order was told by their ids."""

    year: str = ""

    def check(self) -> str:
        """The order that was found."""
        return f"{', '.join(self.header or ())} (as in {self.year})"


def _taken(file: Path) -> Taken:
    """The ratings with their columns named; BenchError when nothing tells users from items."""
    with errors_named(file), text_of(file) as text:
        rows = [row for row in islice(csv.reader(text), _LOOKED_AT) if any(map(str.strip, row))]
    if not rows:
        raise BenchError(f"{file}: is empty: rows are user, item, rating, time")
    if not re.search(r"\d", "".join(rows[0])):
        columns = Columns.of(file)
        user, item, rating, time = (columns.pick(name, _NAMES[name]) for name in ("user", "item", "rating", "time"))
        return Taken([file], user, item, time, rating, unit="s")
    if (wrong := next((number for number, row in enumerate(rows) if len(row) != 4), None)) is not None:
        raise BenchError(
            f"{file}, line {wrong + 1}: {len(rows[wrong])} fields, where a rating has 4: user, item, rating, time"
        )
    for year, header in _ORDERS.items():
        users, items = ([row[header.index(name)] for row in rows] for name in ("user", "item"))
        fitting = sum(
            bool(_USER.fullmatch(user) and _ITEM.fullmatch(item)) for user, item in zip(users, items, strict=True)
        )
        if fitting >= _SURE * len(rows):
            return _Ordered([file], "user", "item", "time", "rating", header=header, unit="s", year=year)
    raise BenchError(
        f"{file}, line 1: '{rows[0][0][:40]}' and '{rows[0][1][:40]}': neither column holds Amazon's ids of items "
        "(B00…, or an ISBN) beside users (A…), so which is which cannot be told: give it a header "
        "user,item,rating,timestamp"
    )
