"""Pictures of a catalogue that lie in files, one an item or none."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from PIL import Image

from .checking import find_bad
from .decoding import decode, looks_plain
from .places import PictureFile, as_file

_SEEN = " as seen"
"""Added to the fingerprint of a picture that earlier versions showed otherwise: turned, on black, in sixteen bits."""


class ImageFiles:
    """Pictures in files: `paths[r]` belongs to item number r + 1, None where there is none.

    `refused`: by row, what is there but is not taken, as `NAME (why)`.
    """

    def __init__(self, paths: Sequence[Path | PictureFile | None], refused: Mapping[int, str] | None = None):
        self.paths, self.refused = paths, refused or {}

    def file(self, item: int) -> PictureFile | None:
        """An item's file, None without one."""
        path = self.paths[item - 1] if item else None
        return None if path is None else as_file(path)

    def fingerprint(self, item: int) -> str:
        """SHA-256 of the file, marked where its colours are not shown as they stand in it; "" without one."""
        file = self.file(item)
        if file is None:
            return ""
        with file.open() as content:
            found = hashlib.file_digest(cast(Any, content), "sha256").hexdigest()
            content.seek(0)
            return found if looks_plain(content) else found + _SEEN

    def load(self, item: int, side: int) -> Image.Image | None:
        """The whole picture as RGB at `side` × `side`; BenchError, naming the file, when it cannot be decoded."""
        file = self.file(item)
        return decode(file, side) if file else None

    def bad(self, items: Sequence[int]) -> dict[int, str]:
        """Those of some items whose picture is there but cannot be shown, each with `NAME (why)`."""
        files = {item: file for item in items if (file := self.file(item)) is not None}
        numbers = list(files)
        found = {numbers[place]: why for place, why in find_bad(list(files.values())).items()}
        return found | {item: self.refused[item - 1] for item in items if item - 1 in self.refused}
