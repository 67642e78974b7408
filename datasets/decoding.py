"""Picture files to pixels: only in the stated formats, and never more of them at once than memory was set aside for."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from ..errors import BenchError
from ..files import open_file

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What is opened, whatever a file is called. Of Pillow's other formats some start another program (PostScript)."""
MOST_PIXELS = 1 << 26
"""The largest picture, 8192 × 8192; a larger JPEG is decoded at a half, a quarter or an eighth."""
MOST_SIDE = 1 << 16
"""The longest side: that of the longest JPEG. Resizing takes memory by the side as well, 32 bytes a pixel of it."""
PICTURE_BYTES = 1 << 28
"""The largest file; some decoders read all of it before they look at what it holds."""
BYTES_PER_PIXEL = 8
"""While a picture is decoded and converted: Pillow takes four bytes a pixel for the one and four for the other."""
_OWN_BYTES_PER_PIXEL = {"WEBP": 8}
"""What a format's decoder takes beside that, for a canvas of its own."""


class Budget:
    """Bytes that all threads together may hold; who wants more waits for the others."""

    def __init__(self, most: int) -> None:
        self._most, self._held, self._changed = most, 0, threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Holds `count` bytes during the block; one who wants more than there is has all to himself."""
        count = min(count, self._most)
        with self._changed:
            self._changed.wait_for(lambda: self._held + count <= self._most)
            self._held += count
        try:
            yield
        finally:
            with self._changed:
                self._held -= count
                self._changed.notify_all()


_BUDGET = Budget(MOST_PIXELS * BYTES_PER_PIXEL)


def decode(path: Path, side: int) -> Image.Image:
    """The whole picture as RGB, resized to `side` × `side` in one bicubic step.

    BenchError, naming the file, when it is none in the stated formats, is damaged, or has too many pixels.
    """
    try:
        with open_file(path, PICTURE_BYTES) as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                image.draft(None, (side, side))  # a JPEG's own scaling; of another format nothing changes
            if image.width * image.height > MOST_PIXELS:
                raise BenchError(
                    f"{path}: {image.width} × {image.height} pixels are more than the {MOST_PIXELS >> 20} million "
                    "that a picture may have: scale it down"
                )
            if max(image.size) > MOST_SIDE:
                raise BenchError(
                    f"{path}: {image.width} × {image.height} pixels: no side may have more than {MOST_SIDE}: crop it"
                )
            per_pixel = BYTES_PER_PIXEL + _OWN_BYTES_PER_PIXEL.get(image.format or "", 0)
            with _BUDGET.taken(image.width * image.height * per_pixel):
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
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise BenchError(f"{path}: cannot decode the picture ({reason}): replace the file or remove it") from error
