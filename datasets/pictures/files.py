"""Pictures of a catalogue that lie in files, one an item or none."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from .decoding import decode
from .places import PictureFile, as_file


class ImageFiles:
    """Pictures in files: `paths[r]` belongs to item number r + 1, None where there is none.

    `refused`: by row, why a file that is there is not taken, as `finding` says it.
    """

    def __init__(self, paths: Sequence[Path | PictureFile | None], refused: Mapping[int, str] | None = None):
        self.paths, self.refused = paths, refused or {}

    def file(self, item: int) -> PictureFile | None:
        """An item's file, None without one."""
        path = self.paths[item - 1] if item else None
        return as_file(path) if path else None

    def fingerprint(self, item: int) -> str:
        """SHA-256 of the file, "" without one."""
        file = self.file(item)
        if file is None:
            return ""
        with file.open() as content:
            return hashlib.file_digest(content, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]

    def load(self, item: int, side: int) -> Image.Image | None:
        """The whole picture as RGB at `side` × `side`; BenchError, naming the file, when it cannot be decoded."""
        file = self.file(item)
        return decode(file, side) if file else None
