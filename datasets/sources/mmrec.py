"""The source `mmrec`: a folder as MMRec reads it, and as M³L is published for it.

`NAME.inter` (`userID`, `itemID`, perhaps `rating` and `timestamp`, and `x_label`: 0 training, 1 validation, 2 test) and
features, `text_feat.npy` and `image_feat.npy`, or some encoder's (`text/minilm.npy`, `image/vit.npy`). Items are
numbers from 0, rows of the features; `i_id_mapping.csv` and `u_id_mapping.csv` say what they and users were called
before. A table with `itemID` and `title` (`meta-….csv`) gives texts. Pickled graphs that lie there are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from ...cell import Modality
from ...errors import BenchError
from ..features import Features, stated
from ..raw import RawData
from ..tables.reading import read_table
from .published import ITEM, RATING, USER, Columns, Published
from .registry import register
from .tabular import Contents, ItemTable, TableOptions, Tabular
from .taken import Taken

_LABEL = ("x_label", "split", "label")


class MMRecOptions(TableOptions):
    """Which encoder's features count, where the folder has several."""

    text_features: str | None = None
    """The file with those of texts: `minilm` is `text/minilm.npy`."""
    image_features: str | None = None
    """The file with those of pictures: `vit` is `image/vit.npy`."""


@register("mmrec")
class MMRec(Tabular):
    """a folder as MMRec reads it: .inter with x_label, features as .npy (M³L too)"""

    options = MMRecOptions

    def contents(self) -> Contents:
        there = self.there
        columns = Columns.of(there.one("interactions", "*.inter"))
        taken = Taken(
            [columns.file],
            user=columns.pick("user", USER),
            item=columns.pick("item", ITEM),
            time=columns.time(self.chosen.order),
            rating=columns.perhaps(RATING),
            part=columns.perhaps(_LABEL),
        )
        items = _titles(there, self.chosen.template)
        features = {kind: file for kind in get_args(Modality) if (file := self._features(there, kind))}
        if not features and items is None:
            raise BenchError(f"{self.path}: no text_feat.npy, no image_feat.npy, no meta-*.csv with titles: add one")
        return Contents(taken, items, features=features)

    def _features(self, there: Published, kind: Modality) -> Path | None:
        chosen = getattr(self.chosen, f"{kind}_features")
        if chosen:
            return there.one(f"{kind} features", chosen, f"{chosen}.npy")
        found = there.every(f"{kind}_feat.npy", f"{kind}_feat*.npy") or there.below(kind, "*.npy")
        if len(found) > 1:
            names = ", ".join(file.stem for file in found)
            raise BenchError(f"{there.root}: {kind} features of several encoders: choose {kind}_features = {names}")
        return found[0] if found else None

    def completed(self, raw: RawData, contents: Contents) -> RawData:
        there = self.there
        numbers = _numbers(raw.ids, contents.interactions.files[0])
        features = {kind: _by_number(file, numbers) for kind, file in contents.features.items()}
        ids = _called(there, "i_id_mapping.csv", raw.ids)
        users = _called(there, "u_id_mapping.csv", raw.user_ids or ())
        return replace(raw, ids=ids, user_ids=users, features=features)


def _titles(there: Published, text: str | None) -> ItemTable | None:
    for file in there.every("meta*.csv"):
        columns = Columns.of(file)
        if number := columns.perhaps(("itemid",)):
            return ItemTable([file], number, columns.template(text))
    return None


def _numbers(ids: Sequence[str], place: Path) -> np.ndarray:
    wrong = next((name for name in ids if not (name.isascii() and name.isdecimal()) or len(name) > 18), None)
    if wrong is not None:
        raise BenchError(f"{place}: item '{wrong}': items are numbers from 0, as the rows of the features are")
    return np.array(ids, dtype=np.int64)


def _by_number(file: Path, numbers: np.ndarray) -> Features:
    """The rows of some items; BenchError when there are fewer than the highest number asks for."""
    rows, _, _ = stated(file)
    if rows <= numbers.max(initial=-1):
        raise BenchError(f"{file}: {rows} rows, and none for item {numbers.max()}: give each one, by its number")
    return Features.open(file, rows).take(numbers)


def _called(there: Published, name: str, numbers: Sequence[str]) -> list[str]:
    """What users or items are called in the table that maps them, of two columns; else as they were."""
    file = there.perhaps("names", name)
    if file is None:
        return list(numbers)
    columns = Columns.of(file)
    number = columns.pick("number", ("itemid", "userid"))
    other = next((each for each in columns.names if each != number), number)
    table = read_table(file, [number, other])
    called: Mapping[str, str] = dict(zip(table.strings(number), table.strings(other), strict=True))
    return [called.get(each) or each for each in numbers]
