"""From the names that pictures are looked for by to the files that are there, however those are called."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote

from .places import Place

SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff")
"""Of pictures, in the order in which one of several files of a name is taken; files without any are pictures too."""
_OF_SYSTEMS = {"thumbs.db", "desktop.ini", "__macosx", "@eadir"}


@dataclass
class Finding:
    """What became of the names: of each the file that is there, or None. By row, why a file that is there isn't taken;
    `several`: for how many names one of several files was taken.
    """

    files: list[str | None] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    several: int = 0


class _Name(NamedTuple):
    """A name as it is compared: the folders, the last part without a picture's suffix, and that suffix."""

    folders: tuple[str, ...]
    stem: str
    suffix: str

    def fits(self, other: "_Name") -> bool:
        """Whether one path is the end of the other: deeper in sub-folders, or named from further up."""
        shared = min(len(self.folders), len(other.folders))
        return not shared or self.folders[-shared:] == other.folders[-shared:]

    def nearness(self, other: "_Name") -> tuple[bool, int]:
        """How well a path that fits does so: the same one before all others, then the one that shares more folders."""
        return self.folders == other.folders, min(len(self.folders), len(other.folders))


def find(place: Place, names: Sequence[str | None]) -> Finding:
    """Looks for each name: exactly so, else with another picture's suffix, in a sub-folder or from a folder further up.

    Names are the same in either separator, percent encoding and Unicode form; nothing else is guessed: `01` is not `1`.
    Of several files that fit alike the one with the suffix that was looked for is taken, else the first in `SUFFIXES`;
    of several even then none. Hidden files are no pictures.
    """
    index: dict[str, list[tuple[str, _Name]]] = {}
    for name in place.sizes:
        if not is_hidden(name):
            there = _compared(name)
            index.setdefault(there.stem, []).append((name, there))
    found = Finding()
    for row, name in enumerate(names):
        file = _find_one(place, index, name, found, row) if name else None
        if file is not None and file in place.refused:
            found.refused[row] = f"{file} ({place.refused[file]})"
            file = None
        found.files.append(file)
    return found


def count_fitting(place: Place, pattern: str) -> int:
    """How many files may be pictures of items, whose ids stand for `{id}`, in whatever folder."""
    before, _, after = _compared(pattern).stem.partition("{id}")
    after = after.replace("{id}", "")
    return sum(
        there.stem.startswith(before) and there.stem.endswith(after)
        for there in map(_compared, place.sizes)
        if there.suffix or not pattern.endswith(SUFFIXES)
    )


def is_hidden(name: str) -> bool:
    """Whether a file belongs to a system, not to the dataset: `.DS_Store`, `Thumbs.db`, `__MACOSX/…`."""
    return any(
        (part.startswith(".") and part.strip(".") != "") or part.lower() in _OF_SYSTEMS
        for part in name.replace("\\", "/").split("/")
    )


def _find_one(
    place: Place, index: dict[str, list[tuple[str, _Name]]], name: str, found: Finding, row: int
) -> str | None:
    looked = _compared(name)
    fitting = [(file, there) for file, there in index.get(looked.stem, ()) if looked.fits(there)]
    nearest = max((looked.nearness(there) for _, there in fitting), default=None)
    best = sorted(
        (_rank(there.suffix, looked.suffix), file) for file, there in fitting if looked.nearness(there) == nearest
    )
    exact = next((each for each in (name, name.replace("\\", "/")) if each in place.sizes), None)
    if exact is None and len(best) > 1 and best[0][0] == best[1][0]:
        found.refused[row] = f"{best[0][1]} (or {best[1][1]}, it is not said which)"
        return None
    found.several += len(best) > 1
    return exact or (best[0][1] if best else None)


def _rank(suffix: str, looked: str) -> int:
    if suffix == looked:
        return -1
    return SUFFIXES.index(suffix) if suffix else len(SUFFIXES)


def _compared(name: str) -> _Name:
    """Unicode composed, percent encoding undone, `/` as separator, and a picture's suffix apart in lower case."""
    plain = unicodedata.normalize("NFC", unquote(name) if "%" in name else name).strip().replace("\\", "/")
    *folders, last = [part for part in plain.split("/") if part not in {"", "."}] or [""]
    stem, dot, end = last.rpartition(".")
    suffix = f".{end.lower()}"
    return (
        _Name(tuple(folders), stem, suffix) if dot and stem and suffix in SUFFIXES else _Name(tuple(folders), last, "")
    )
