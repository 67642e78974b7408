"""The source `pixelrec`: a dataset of PixelRec or NineRec.

PixelRec: a table of interactions (`item_id`, `user_id`, `timestamp`), one of items (`item_id`, `title`, …) and a folder
`cover` with `{item_id}.jpg`. NineRec, without headers: `NAME_pair.csv` (user, item, time), `NAME_item.csv` (item, text
in Chinese, in English) and `NAME_cover/`; where no time is published, `NAME_behaviour.tsv` (user, tab, items in order).
"""

from collections.abc import Sequence
from pathlib import Path

from ..tables.reading import column_names
from .published import ITEM, TIME, USER, Columns, Published
from .registry import register
from .tabular import Contents, ItemTable, TableOptions, Tabular
from .taken import Histories, Taken

_ITEMS = {2: ("item", "title"), 3: ("item", "chinese", "english")}


@register("pixelrec")
class PixelRec(Tabular):
    """a dataset of PixelRec or NineRec: pairs, texts and covers"""

    def contents(self) -> Contents:
        there = self.there
        if pairs := there.perhaps("interactions", "*_pair.csv", "*_pairs.csv", "*_behaviour.tsv"):
            return _ninerec(there, pairs, self.chosen)
        tables = [Columns.of(file) for file in there.every("*.csv", "*.parquet", "*.tsv")]
        taken = [each for each in tables if each.perhaps(USER) and each.perhaps(TIME)]
        described = [each for each in tables if each not in taken and each.perhaps(("title",))]
        of = Columns.of(
            there.only("interactions", [each.file for each in taken], "item_id,user_id,timestamp in a .csv")
        )
        items = Columns.of(there.only("items", [each.file for each in described], "item_id,title,… in a .csv"))
        return Contents(
            Taken([of.file], of.pick("user", USER), of.pick("item", ITEM), of.time(self.chosen.order)),
            ItemTable([items.file], items.pick("item", ITEM), items.template(self.chosen.template)),
            there.pictures(),
        )


def _ninerec(there: Published, pairs: Path, chosen: TableOptions) -> Contents:
    file = there.one("texts", "*_item.csv", "*_items.csv")
    header = _ITEMS.get(len(column_names(file)), _ITEMS[3])
    template = Columns(file, header).template(chosen.template, ("english", "title"))
    return Contents(
        _interactions(there, pairs, chosen), ItemTable([file], "item", template, header=header), there.pictures()
    )


def _interactions(there: Published, pairs: Path, chosen: TableOptions) -> Taken | Histories:
    first = column_names(pairs)
    ordered = there.perhaps("histories", "*_behaviour.tsv")
    if ordered and (pairs == ordered or len(first) == 2):
        return Histories(ordered, "user", "items", header=("user", "items"))
    header = _orientation(first)
    return Taken([pairs], "user", "item", Columns(pairs, header).time(chosen.order), header=header)


def _orientation(first: Sequence[str]) -> tuple[str, ...]:
    """Which column is which, by a row: users' ids begin with `u`. The source datasets have items before them."""
    pair = (
        ("item", "user")
        if first[1:2] and first[1].startswith("u") and not first[0].startswith("u")
        else ("user", "item")
    )
    return (*pair, "time")[: len(first)]
