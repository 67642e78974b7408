"""The source `iisan-release`: the layout in which the IISAN paper's data were published.

A folder with `…_items.tsv` (id, tab, title) and `…_users.tsv` or `…_users_10K.tsv` (user, tab, ids in time order with
spaces between), both without a header, and perhaps pictures named `{id}.jpg` or with another suffix: in a folder
`images`, or one whose name ends in it, or in a zip. Whatever else lies there is left alone.
"""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from zipfile import is_zipfile

from ...errors import BenchError
from ...files import canonical_json, digest, file_digest, is_file, is_folder
from ..pictures.finding import count_fitting
from ..pictures.opening import Pictures, open_pictures
from ..pictures.places import listed, open_place
from ..raw import RawData
from .assembly import Found, assemble
from .lines import described, in_order, split_lines
from .policies import Policies
from .registry import register
from .source import Source

PATTERN = "{id}.jpg"
"""How pictures are looked for; another picture's suffix is as good."""


@register("iisan-release")
class IISANRelease(Source):
    """the layout in which the IISAN paper's data were published (two TSV files)"""

    options = Policies

    def read(self) -> RawData:
        items_file, users_file = _files(self.path)
        items, histories = split_lines(items_file, "item", "title"), split_lines(users_file, "user", "items")
        found = Found(
            name=self.path.resolve().name,
            interactions=in_order(histories),
            items=described(items, "title"),
            open_pictures=partial(_pictures, place) if (place := _picture_place(self.path)) else None,
            facts={"source": f"{items_file.name}, {users_file.name}"},
        )
        return assemble(found, self.chosen)

    def fingerprint(self) -> str:
        """Of the bytes of both tables, the pictures' names and sizes."""
        place, files = _picture_place(self.path), _files(self.path)
        chosen = self.chosen.model_dump(exclude_defaults=True)
        return digest(
            "iisan-release",
            *(file_digest(file) for file in files),
            *(listed(place) if place else []),
            *([canonical_json(chosen)] if chosen else []),
        )

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


def _pictures(place: Path, ids: Sequence[str], names: Sequence[str] | None) -> Pictures:
    del names
    return open_pictures(place, [PATTERN.replace("{id}", name) for name in ids])
