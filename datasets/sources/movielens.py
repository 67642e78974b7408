"""The source `movielens`: MovieLens as GroupLens publishes it, with posters beside it or without.

100K: `u.data` and `u.item`; 1M and 10M: `ratings.dat` and `movies.dat`; others: `ratings.csv` and `movies.csv` (or
`items.csv`). Posters are called as their movie, `{movie_id}.jpg`, in a folder `posters`.
"""

from pathlib import Path

from ...errors import BenchError
from ...files import read_text
from .published import ITEM, RATING, USER, Columns
from .registry import register
from .tabular import Contents, ItemTable, Tabular
from .taken import Taken

_MOST = 1 << 24
_TAKEN = ("user", "item", "rating", "time")
_GENRES = "unknown action adventure animation children comedy crime documentary drama fantasy film_noir horror musical"
_GENRES += " mystery romance sci_fi thriller war western"
_ITEMS = {
    "u.item": ("id", "title", "released", "released_on_video", "link", *_GENRES.split()),
    "movies.dat": ("id", "title", "genres"),
}
"""The columns of files without a header."""


@register("movielens")
class MovieLens(Tabular):
    """MovieLens as published (100K, 1M, 10M, CSV), with posters or without"""

    def contents(self) -> Contents:
        there = self.there
        file = there.one("ratings", "u.data", "ratings.dat", "ratings.csv")
        if file.suffix == ".csv":
            columns = Columns.of(file)
            user, item, rating = (columns.pick(*each) for each in (("user", USER), ("item", ITEM), ("rating", RATING)))
            taken = Taken([file], user, item, columns.time(self.chosen.order), rating, unit="s")
            movies = Columns.of(there.one("movies", "movies.csv", "items.csv"))
            items = ItemTable([movies.file], movies.pick("item", ITEM), movies.template(self.chosen.template))
        else:
            taken = Taken([file], "user", "item", "time", "rating", header=_TAKEN, unit="s")
            items = self._without_header(there.one("movies", "u.item" if file.name == "u.data" else "movies.dat"))
        return Contents(taken, items, there.pictures())

    def _without_header(self, file: Path) -> ItemTable:
        header = _ITEMS[file.name.lower()]
        template = Columns(file, header).template(self.chosen.template)
        return ItemTable([file], "id", template, header=header, encoding=_encoding(file))


def _encoding(file: Path) -> str:
    """That of the old releases, unless it is UTF-8, as since 10M."""
    try:
        read_text(file, _MOST)
    except BenchError:
        return "latin-1"
    return "utf-8"
