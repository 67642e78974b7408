"""Picture files to pixels: only in the stated formats, and never more of them at once than memory was set aside for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from PIL import Image

from ...errors import BenchError
from ...files import reason
from .places import PictureFile, as_file

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is opened, whatever a file is called. Of Pillow's other formats some start another program (PostScript)."""
MOST_BYTES = 1 << 29
"""What decoding may take at once, all threads together: a picture of 8192 × 8192 in most formats."""
MOST_SIDE = 1 << 16
"""The longest side: that of the longest JPEG. Resizing takes memory by the side as well, 32 bytes a pixel of it."""
MOST_READS = 1 << 18
"""In how many pieces a file may be read; Pillow looks for the next part of a JPEG one byte at a time."""
BYTES_PER_PIXEL = 8
"""While a picture is decoded and converted: Pillow takes four bytes a pixel for the one and four for the other."""
_OWN_BYTES_PER_PIXEL = {"WEBP": 12}
"""What a format's decoder takes beside that, for canvases of its own."""


class Budget:
    """Bytes that all threads together may hold; who wants more waits for the others."""

    def __init__(self, most: int) -> None:
        self.most, self._held, self._changed = most, 0, threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Holds `count` bytes, of which there are so many, during the block."""
        with self._changed:
            self._changed.wait_for(lambda: self._held + count <= self.most)
            self._held += count
        try:
            yield
        finally:
            with self._changed:
                self._held -= count
                self._changed.notify_all()


_BUDGET = Budget(MOST_BYTES)


def decode(path: Path | PictureFile, side: int) -> Image.Image:
    """The whole picture as RGB, resized to `side` × `side` in one bicubic step.

    BenchError, naming the file, when it is none in the stated formats, is damaged, or has too many pixels.
    """
    try:
        with as_file(path).open() as file, Image.open(cast(Any, _FewReads(file)), formats=FORMATS) as image:
            size = image.size
            if bytes_needed(image, size) > _BUDGET.most:
                image.draft(None, (side, side))  # a JPEG's own scaling; of another format nothing changes
            needed = bytes_needed(image, size)
            if needed > _BUDGET.most:
                raise BenchError(
                    f"{path}: {size[0]} × {size[1]} pixels of {image.format} take more than the "
                    f"{_BUDGET.most >> 20} MB that a picture may: scale it down"
                )
            if max(image.size) > MOST_SIDE:
                raise BenchError(
                    f"{path}: {image.width} × {image.height} pixels: no side may have more than {MOST_SIDE}: crop it"
                )
            with _BUDGET.taken(needed):
                image.load()
                colours = image if image.mode == "RGB" else image.convert("RGB")
                return colours.resize((side, side), Image.Resampling.BICUBIC)
    except (MemoryError, BenchError):
        raise
    except Image.DecompressionBombError as error:
        raise BenchError(f"{path}: more pixels than a picture may have ({error}): scale it down") from error
    except Image.UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise BenchError(f"{path}: cannot decode the picture (none of {kinds}): replace or remove the file") from error
    except Exception as error:  # a decoder fails in any way on bytes that are damaged
        raise BenchError(
            f"{path}: cannot decode the picture ({reason(error)}): replace the file or remove it"
        ) from error


def bytes_needed(image: Any, size: tuple[int, int]) -> int:
    """What decoding and converting a picture takes that is open, not loaded, and was of `size` before any scaling."""
    pixels = image.width * image.height
    needed = pixels * (BYTES_PER_PIXEL + _OWN_BYTES_PER_PIXEL.get(image.format, 0))
    if image.format == "TIFF":
        needed += _largest_piece(image)
    if getattr(image, "layers", 0) and _is_in_passes(image):  # then a JPEG's coefficients are held, all at full size
        factors = [across * down for _, across, down, _ in image.layer]
        needed += size[0] * size[1] * _BYTES_PER_COEFFICIENT * sum(factors) // max(1, *factors)
    return needed


_BYTES_PER_COEFFICIENT = 2
_SCAN_OF_ONE = b"\xff\xda\x00\x08\x01"


def _largest_piece(image: Any) -> int:
    """Bytes of a TIFF's strips or tiles, each of which is unpacked whole; a tile may be larger than the picture."""
    tags = image.tag_v2
    rows = min(tags.get(278, image.height), image.height)
    pixels = max(image.width * rows, tags.get(322, 0) * tags.get(323, 0))
    bits = tags.get(258, (8,))
    return pixels * max(sum(bits), max(bits) * tags.get(277, 1)) // 8


def _is_in_passes(image: Any) -> bool:
    """Whether a JPEG is progressive, or has a scan for each colour."""
    if image.info.get("progressive"):
        return True
    place = image.fp.tell()  # behind the first scan's header
    image.fp.seek(max(place - 10, 0))
    header = image.fp.read(10)
    image.fp.seek(place)
    return image.layers > 1 and header[:5] == _SCAN_OF_ONE


class _FewReads:
    """A file that fails when it is read in more pieces than a picture has."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MOST_READS

    def read(self, count: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise OSError("too much in it that is no picture")
        return self._file.read(count)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
