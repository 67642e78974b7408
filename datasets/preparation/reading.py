"""Reading a prepared folder: each table as its card and its codes allow, whatever the file claims to be."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...cell import Modality
from ...errors import BenchError
from ...files import open_file, reason
from ..features import Features
from ..raw import SEEN, TRAIN, Interactions
from ..tables.parquet import pc
from ..tables.reading import read_table
from ..tables.table import Table
from .card import FEATURES, INTERACTIONS, ITEMS, PICTURES, USERS, Card, FileName, check_bytes

_TEXT = (pa.string(),)
_CODES = (pa.int32(),)
_NUMBERS = (pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.uint64())
_COLUMNS: dict[FileName, dict[str, tuple[pa.DataType, ...]]] = {
    INTERACTIONS: {"user": _CODES, "item": _CODES, "time": _NUMBERS, "rating": _NUMBERS, "part": (pa.int8(),)},
    USERS: {"id": _TEXT, "window": _CODES},
    ITEMS: {
        "id": _TEXT,
        "text": _TEXT,
        "picture_offset": (pa.int64(),),
        "picture_size": (pa.int64(),),
        "picture_sha256": _TEXT,
        "link": _TEXT,
    },
}
_NEEDED: dict[FileName, set[str]] = {INTERACTIONS: {"user", "item"}, USERS: {"id"}, ITEMS: {"id"}}
_REMEDY = "prepare the dataset again"


@dataclass(frozen=True)
class StoredItems:
    """The items of a folder, and where their pictures lie: size 0 without one, no entries where nobody has one."""

    ids: list[str]
    texts: list[str] | None
    links: list[str] | None
    offsets: np.ndarray
    sizes: np.ndarray
    digests: list[str]


def read_items(folder: Path, card: Card) -> StoredItems:
    """Every item; BenchError unless each picture lies in `pictures.bin`."""
    table = _read(folder, card, ITEMS)
    names = set(table.data.column_names)
    texts, links = (table.strings(name) if name in names else None for name in ("text", "link"))
    if PICTURES not in card.files:
        return StoredItems(table.strings("id"), texts, links, np.array([]), np.array([]), [])
    if "picture_size" not in names:
        raise BenchError(f"{folder / ITEMS}: has no pictures, but the card names {PICTURES}: {_REMEDY}")
    offsets, sizes = (_numbers(table, name, empty=0) for name in ("picture_offset", "picture_size"))
    end = card.files[PICTURES].bytes
    _refuse(table, (offsets < 0) | (sizes < 0) | (offsets > end - sizes), f"a picture outside {PICTURES}")
    return StoredItems(table.strings("id"), texts, links, offsets, sizes, table.strings("picture_sha256"))


def read_features(folder: Path, card: Card, items: int) -> dict[Modality, Features]:
    """The vectors of items that the folder has."""
    found = {}
    for modality, name in FEATURES.items():
        if name in card.files:
            check_bytes(folder, card, name)
            found[modality] = Features.open(folder / name, items)
    return found


def read_users(folder: Path, card: Card) -> list[str]:
    """What each user is called."""
    return _read(folder, card, USERS).strings("id")


def read_interactions(folder: Path, card: Card, users: int, items: int) -> Interactions:
    """Every interaction; BenchError for a user, item or part that there is none of, and for rows out of order."""
    table = _read(folder, card, INTERACTIONS)
    names = set(table.data.column_names)
    who, what = _numbers(table, "user"), _numbers(table, "item")
    _refuse(table, (who < 0) | (who >= users), "no such user")
    _refuse(table, (what < 0) | (what >= items), "no such item")
    times, ratings, parts = (_numbers(table, name) if name in names else None for name in ("time", "rating", "part"))
    if parts is not None:
        _refuse(table, (parts < TRAIN) | (parts > SEEN), "no such part of a split")
    elif card.split != "leave-one-out":
        raise BenchError(f"{table.path}: no column 'part', of a split by {card.split}: {_REMEDY}")
    back = np.zeros(len(who), dtype=bool)
    back[1:] = who[1:] < who[:-1]
    if times is not None:
        back[1:] |= (who[1:] == who[:-1]) & (times[1:] < times[:-1])
    _refuse(table, back, "out of order by user and time")
    return Interactions(who, what, times, ratings, parts)


def _read(folder: Path, card: Card, name: FileName) -> Table:
    path, known = folder / name, _COLUMNS[name]
    check_bytes(folder, card, name)
    try:
        with open_file(path) as file:
            schema = pq.ParquetFile(cast(Any, file)).schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise BenchError(f"{path}: no Parquet file ({reason(error)}): {_REMEDY}") from error
    for column in _NEEDED[name] - set(schema.names):
        raise BenchError(f"{path}: no column '{column}': {_REMEDY}")
    for field in schema:
        if field.type not in known.get(field.name, ()):
            raise BenchError(f"{path}: column '{field.name[:60]}' of {str(field.type)[:60]} is none of ours: {_REMEDY}")
    texts = [column for column in schema.names if known[column] == _TEXT]
    return read_table(path, texts, [column for column in schema.names if column not in texts])


def _numbers(table: Table, column: str, empty: int | None = None) -> np.ndarray:
    """A column of numbers; BenchError for an empty place, unless it is `empty` that stands for one."""
    values = table.data[column]
    if values.null_count and empty is None and column != "rating":
        _refuse(table, values.is_null().to_numpy(), f"an empty '{column}'")
    if values.null_count and empty is not None:
        values = pc.fill_null(values, empty)
    return values.to_numpy()


def _refuse(table: Table, wrong: np.ndarray, what: str) -> None:
    if wrong.any():
        raise BenchError(f"{table.path}, row {int(np.argmax(wrong)) + 1}: {what}: {_REMEDY}")
