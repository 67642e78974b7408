"""The source `perpeft`: what PerPEFT is published with, a dataset of its `mmrec_datasets.zip`, unpacked.

`NAME_final.txt` has a line an interaction, user and item as numbers, each user's in time order; pictures are
`NAME_images/{asin}.jpg`. What the numbers stand for, and the titles, are published as pickles, which run code when they
are read and so aren't: the same as JSON, `NAME_item2id_final.json` and `NAME_texts_final.json`, takes their place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...files import read_bytes, read_json
from ..tables.parquet import pc
from ..tables.unpacking import TABLE_BYTES
from .assembly import Coded, InteractionRows, ItemRows
from .published import Published
from .registry import register
from .tabular import Contents, Tabular
from .texts import Template

_JSON_BYTES = 1 << 28


@register("perpeft")
class PerPEFT(Tabular):
    """what PerPEFT is published with: pairs, images, and titles as JSON"""

    def contents(self) -> Contents:
        there = self.there
        pairs = there.one("interactions", "*_final.txt")
        name = pairs.name.removesuffix("_final.txt")
        numbers, texts = (_json(there, f"{name}_{part}_final") for part in ("item2id", "texts"))
        return Contents(_Pairs(pairs, numbers), _Texts(texts), there.folder(f"{name}_images") or there.pictures())


def _json(there: Published, name: str) -> Path:
    pickled = there.perhaps(name, f"{name}.pickle", f"{name}.pkl")
    if pickled and not there.every(f"{name}.json"):
        written = f"json.dump(pickle.load(open('{pickled.name}', 'rb')), open('{name}.json', 'w'))"
        raise BenchError(
            f"{pickled}: a pickle, which runs code when it is read: if you trust it, write it as JSON, in its folder: "
            f'python -c "import json, pickle; {written}"'
        )
    return there.one(name, f"{name}.json")


@dataclass(frozen=True)
class _Pairs:
    """Users and items, a line each, and what the items' numbers stand for."""

    file: Path
    numbers: Path

    @property
    def files(self) -> Sequence[Path]:
        return [self.file, self.numbers]

    def check(self) -> str:
        """How it is written."""
        return "pairs of numbers"

    def rows(self) -> InteractionRows:
        """An entry a line."""
        lines = read_bytes(self.file, TABLE_BYTES).decode("utf-8", "replace").removesuffix("\n").split("\n")
        pairs = pc.ascii_split_whitespace(pc.utf8_trim_whitespace(pa.array(lines)))
        wrong = pairs.value_lengths().to_numpy() != 2
        if wrong.any():
            raise BenchError(f"{self.file}, line {int(np.argmax(wrong)) + 1}: a line is a user, a space and an item")
        users, items = (pc.list_element(pairs, place).dictionary_encode() for place in (0, 1))
        called = _mapping(self.numbers)
        names = [called.get(number) for number in items.dictionary.to_pylist()]
        if None in names:
            number = items.dictionary[names.index(None)].as_py()
            raise BenchError(f"{self.numbers}: nothing for item {number} of {self.file.name}: add it there")
        return InteractionRows(
            users=Coded(users.indices.to_numpy(), users.dictionary),
            items=Coded(items.indices.to_numpy(), pa.array(names)),
            place=str(self.file),
            where=lambda row: f"{self.file}, line {row + 1}",
        )


@dataclass(frozen=True)
class _Texts:
    """Texts of items, by their ids."""

    file: Path

    @property
    def files(self) -> Sequence[Path]:
        return [self.file]

    def check(self) -> str:
        """How it is written."""
        return "JSON"

    def rows(self) -> ItemRows:
        """An entry an item."""
        texts = _mapping(self.file)
        return ItemRows(
            ids=Coded(np.arange(len(texts)), pa.array(list(texts), pa.string())),
            place=str(self.file),
            where=lambda row: f"{self.file}, entry {row + 1}",
            template=Template.of("text"),
            fields={"text": list(texts.values())},
        )


def _mapping(file: Path) -> dict[str, str]:
    """An object of texts; a list stands for one by number."""
    values = read_json(file, _JSON_BYTES)
    if isinstance(values, list):
        values = dict(enumerate(values))
    if not isinstance(values, dict) or not all(isinstance(each, str | int) for each in values.values()):
        raise BenchError(f'{file}: no object of texts, as {{"B00…": "a title"}}: write it anew from the pickle')
    return {str(key): str(value) for key, value in values.items()}
