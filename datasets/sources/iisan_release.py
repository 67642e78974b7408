"""The source `iisan-release`: the layout in which the IISAN paper's data were published.

A folder with `…_items.tsv` (id, tab, title) and `…_users.tsv` or `…_users_10K.tsv` (user, tab, ids in time order with
spaces between), both without a header, and perhaps pictures named `{id}.jpg` or with another suffix: in a folder
`images`, or one whose name ends in it, or in a zip. Whatever else lies there is left alone.
"""

import re
from pathlib import Path
from zipfile import is_zipfile

import numpy as np
import pyarrow as pa

from ...errors import BenchError
from ...files import digest, file_digest, is_file, is_folder, read_bytes
from ..pictures.finding import count_fitting
from ..pictures.opening import open_pictures
from ..pictures.places import listed, open_place
from ..raw import Interactions, RawData
from ..tables.parquet import pc
from ..tables.unpacking import TABLE_BYTES
from .registry import register
from .source import Source

PATTERN = "{id}.jpg"
"""How pictures are looked for; another picture's suffix is as good."""


@register("iisan-release")
class IISANRelease(Source):
    """the layout in which the IISAN paper's data were published (two TSV files)"""

    def read(self) -> RawData:
        items_file, users_file = _files(self.path)
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
        place = _picture_place(self.path)
        pictures = open_pictures(place, [PATTERN.replace("{id}", name) for name in names]) if place else None
        facts: dict[str, str | int | float] = {"source": f"{items_file.name}, {users_file.name}"}
        if pictures:
            facts |= pictures.facts
        return RawData(
            name=self.path.resolve().name,
            ids=names,
            texts=titles.to_pylist(),
            images=pictures.images if pictures else None,
            interactions=Interactions(users, items, None),
            facts=facts,
            missing_images=pictures.missing if pictures else (),
        )

    def fingerprint(self) -> str:
        """Of the bytes of both tables, the pictures' names and sizes."""
        place, files = _picture_place(self.path), _files(self.path)
        return digest("iisan-release", *(file_digest(file) for file in files), *(listed(place) if place else []))

    def picture_folders(self) -> list[Path]:
        return [_picture_place(self.path) or self.path / "images"]

    def inspect(self, *, pictures: bool, strict: bool) -> list[str]:
        """The files that would be read, and how many pictures there are; BenchError for other names of pictures."""
        items, users = _files(self.path)
        place = _picture_place(self.path)
        if not pictures or place is None:
            return [f"{items.name}, {users.name}"]
        there = open_place(place)
        fitting = count_fitting(there, PATTERN)
        if strict and there.sizes and not fitting:
            raise BenchError(
                f"{place}: pictures are named {{id}}.jpg or {{id}}.png; there is '{min(there.sizes)}': rename them"
            )
        return [f"{items.name}, {users.name}, {fitting:,} pictures in {place.name}"]

    def without_pictures(self) -> str:
        """They may lie in an archive."""
        if _picture_place(self.path) is None:
            for file in _entries(self.path):
                if file.suffix in _PACKED and is_file(file):
                    return f"{file.name} is packed: unpack it into {self.path / 'images'}"
        return super().without_pictures()


_PACKED = {".zip", ".tar", ".gz", ".tgz", ".7z"}  # zips are read as they are, but for one of several
_USERS = re.compile(r".*_users(_\w+)?\.tsv")
_ITEMS = re.compile(r".*_items(_\w+)?\.tsv")


def _picture_place(path: Path) -> Path | None:
    """The folder `images`, else the only one whose name ends so, else the only zip."""
    if not is_folder(path) or is_folder(path / "images"):
        return path / "images" if is_folder(path) else None
    folders = [folder for folder in _entries(path) if folder.name.lower().endswith("images") and is_folder(folder)]
    found = folders or [file for file in _entries(path) if is_file(file) and is_zipfile(file)]
    return found[0] if len(found) == 1 else None


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError as error:
        raise BenchError(f"{path}: cannot be looked through ({error.strerror}): mend it") from error


def _files(path: Path) -> tuple[Path, Path]:
    """The items file and the users file of a folder."""
    if not is_folder(path):
        raise BenchError(f"{path}: there is no such folder: iisan-release:PATH names the one with the published files")
    found = []
    for name, shape in (("_items.tsv", _ITEMS), ("_users.tsv or *_users_10K.tsv", _USERS)):
        matches = [file for file in _entries(path) if shape.fullmatch(file.name)]
        if len(matches) != 1:
            names = ", ".join(match.name for match in matches) or "none"
            raise BenchError(f"{path}: one file *{name} is needed, found: {names}")
        found.append(matches[0])
    return found[0], found[1]


def _pairs(file: Path, first: str, second: str) -> tuple[pa.Array, pa.Array]:
    """The two fields of every line, split at its first tab; the first one never empty and never repeated."""
    try:
        # Not splitlines(): titles may hold characters that it takes for line ends.
        lines = read_bytes(file, TABLE_BYTES).decode("utf-8-sig").removesuffix("\n").split("\n")
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
