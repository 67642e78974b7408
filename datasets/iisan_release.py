"""The source `iisan-release`: the layout in which the IISAN paper's data were published.

A folder with `…_items.tsv` (id, tab, title) and `…_users.tsv` (user, tab, ids in time order, spaces between), both
without a header, and perhaps a folder `images` with `{id}.jpg` or `{id}.png`.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from ..errors import BenchError
from ..files import digest, file_digest
from .folder import listed
from .images import ImageFiles
from .raw import Interactions, RawData
from .tables import pc

PICTURE_SUFFIXES = (".jpg", ".png")


def read(path: Path) -> RawData:
    """Reads such a folder; BenchError names file and line of whatever does not follow the layout."""
    items_file, users_file = _files(path)
    ids, titles = _pairs(items_file, "item", "title")
    _, histories = _pairs(users_file, "user", "items")
    split = pc.ascii_split_whitespace(histories)
    tokens = split.flatten()
    named = pc.not_equal(tokens, "").to_numpy(zero_copy_only=False)
    users = np.repeat(np.arange(len(split)), split.value_lengths().to_numpy())[named]
    items = pc.index_in(tokens, value_set=ids).fill_null(-1).to_numpy(zero_copy_only=False)[named]
    if (items < 0).any():
        first = int(np.argmax(items < 0))
        name = tokens[int(np.flatnonzero(named)[first])].as_py()
        line = int(users[first]) + 1
        raise BenchError(
            f"{users_file}, line {line}: item '{name}' is not in {items_file.name}: add it there or remove it here"
        )
    names = ids.to_pylist()
    pictures = [_picture(path / "images", name) for name in names] if (path / "images").is_dir() else None
    return RawData(
        name=path.resolve().name,
        ids=names,
        texts=titles.to_pylist(),
        images=None if pictures is None else ImageFiles(pictures),
        interactions=Interactions(users, items, None),
        facts={"source": f"{items_file.name}, {users_file.name}"},
        missing_images=[row for row, picture in enumerate(pictures or []) if picture is None],
    )


def fingerprint(path: Path) -> str:
    """What changes when the dataset does: the bytes of both tables, the pictures' names and sizes."""
    listing = listed(path / "images") if (path / "images").is_dir() else []
    return digest("iisan-release", *(file_digest(file) for file in _files(path)), *listing)


def picture_folders(path: Path) -> list[Path]:
    """Where the dataset's pictures lie."""
    return [path / "images"]


def _files(path: Path) -> tuple[Path, Path]:
    """The items file and the users file of a folder."""
    if not path.is_dir():
        raise BenchError(f"{path}: there is no such folder: iisan-release:PATH names the one with the published files")
    found = []
    for suffix in ("_items.tsv", "_users.tsv"):
        matches = sorted(path.glob(f"*{suffix}"))
        if len(matches) != 1:
            names = ", ".join(match.name for match in matches) or "none"
            raise BenchError(f"{path}: one file *{suffix} is needed, found: {names}")
        found.append(matches[0])
    return found[0], found[1]


def _pairs(file: Path, first: str, second: str) -> tuple[pa.Array, pa.Array]:
    """The two fields of every line, split at its first tab; the first one never empty and never repeated."""
    try:
        # Not splitlines(): titles may hold characters that it takes for line ends.
        lines = file.read_bytes().decode("utf-8-sig").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise BenchError(f"{file}, line {line}: not UTF-8 text: convert the file to UTF-8") from error
    fields = pc.split_pattern(pa.array(lines), "\t", max_splits=1)
    short = fields.value_lengths().to_numpy() < 2
    if short.any():
        line = int(np.argmax(short)) + 1
        raise BenchError(f"{file}, line {line}: no tab: a line is {first}, tab, {second}")
    left, right = pc.list_element(fields, 0), pc.utf8_trim_whitespace(pc.list_element(fields, 1))
    encoded = left.dictionary_encode()
    codes = encoded.indices.to_numpy()
    again = codes != np.arange(len(codes))
    if again.any():
        row = int(np.argmax(again))
        raise BenchError(
            f"{file}, line {row + 1}: {first} '{left[row].as_py()}' stands there again, "
            f"first in line {int(codes[row]) + 1}: give every {first} one line"
        )
    empty = pc.index(left, "").as_py()
    if empty >= 0:
        raise BenchError(f"{file}, line {empty + 1}: no {first} before the tab")
    return left, right


def _picture(folder: Path, item: str) -> Path | None:
    return next((file for suffix in PICTURE_SUFFIXES if (file := folder / f"{item}{suffix}").is_file()), None)
