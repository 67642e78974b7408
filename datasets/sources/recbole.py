"""The source `recbole`: a folder of RecBole's atomic files.

`NAME.inter` (`user_id:token`, `item_id:token`, perhaps `timestamp:float` and `rating:float`) and `NAME.item`, or the
parts of a ready split, `NAME.train.inter`, `NAME.valid.inter` and `NAME.test.inter`. Where those hold histories
(`item_id_list:token_seq`), the test's are each user's whole one: its last item and the target are held out.
"""

from pathlib import Path

from ...errors import BenchError
from .published import ITEM, RATING, USER, Columns, Published
from .registry import register
from .tabular import Contents, ItemTable, TableOptions, Tabular
from .taken import Histories, Taken

_HISTORY = ("item_id_list", "item_seq", "item_list")
_PARTS = {"train": 0, "valid": 1, "validation": 1, "val": 1, "dev": 1, "test": 2}


@register("recbole")
class RecBole(Tabular):
    """a folder of RecBole's atomic files: .inter, .item, ready splits"""

    def contents(self) -> Contents:
        there = self.there
        items = Columns.of(there.one("items", "*.item", "*.text"))
        return Contents(
            interactions=_interactions(there, self.chosen),
            items=ItemTable([items.file], items.pick("item", ITEM), items.template(self.chosen.template)),
            pictures=there.pictures(),
        )


def _interactions(there: Published, chosen: TableOptions) -> Taken | Histories:
    files = there.every("*.inter")
    parts = [_PARTS.get(Path(file.stem).suffix[1:].lower()) for file in files]
    whole = [file for file, part in zip(files, parts, strict=True) if part is None]
    if whole or not files:
        return _rows([there.only("interactions", whole, "*.inter")], None, chosen)
    if sorted(filter(None, parts)) != [1, 2] or parts.count(0) != 1:
        names = ", ".join(file.name for file in files)
        raise BenchError(f"{there.root}: a ready split is one file each of train, valid and test, not {names}: mend it")
    by_part = dict(zip(parts, files, strict=True))
    train, valid, test = (by_part[part] for part in (0, 1, 2))
    columns = Columns.of(test)
    if history := columns.perhaps(_HISTORY):
        return Histories(test, columns.pick("user", USER), history, target=columns.pick("item", ITEM))
    return _rows([train, valid, test], (0, 1, 2), chosen)


def _rows(files: list[Path], parts: tuple[int, ...] | None, chosen: TableOptions) -> Taken:
    columns = Columns.of(files[0])
    return Taken(
        files,
        user=columns.pick("user", USER),
        item=columns.pick("item", ITEM),
        time=columns.time(chosen.order),
        rating=columns.perhaps(RATING),
        parts=parts,
    )
