"""Picture files to pixels: only in the stated formats, and never more of them at once than memory was set aside for."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from PIL import Image

from ...errors import BenchError
from ...files import reason
from .looks import Look, look_of, show
from .places import PictureFile, as_file
from .signs import what_it_is

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


class BadPicture(BenchError):
    """A picture that is there but cannot be shown; `reason` says why in a few words."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


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


@contextmanager
def quietly() -> Iterator[None]:
    """Without Pillow's warnings: of damaged metadata, and of sizes, which have a limit here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def decode(path: Path | PictureFile, side: int, *, quick: bool = False) -> Image.Image:
    """The whole picture as people see it, RGB, resized to `side` × `side` in one bicubic step.

    `quick`: a JPEG at the smallest scale that its own decoder gives, to see whether it can be decoded. BenchError,
    naming the file, when it is none in the stated formats, is damaged, or has too many pixels.
    """
    file = as_file(path)
    with file.open() as content:
        try:
            with Image.open(cast(Any, _FewReads(content)), formats=FORMATS) as image:
                look, size = look_of(image), image.size
                if quick or bytes_needed(image, size, look) > _BUDGET.most:
                    image.draft(None, (side, side))  # a JPEG's own scaling; of another format nothing changes
                needed = bytes_needed(image, size, look)
                _check_size(file, image, size, needed)
                with _BUDGET.taken(needed):
                    image.load()
                    return show(image, look, side)
        except (MemoryError, BenchError):
            raise
        except Exception as error:  # a decoder fails in any way on bytes that are damaged
            raise _bad(file, content, error) from error


def looks_plain(content: IO[bytes]) -> bool:
    """Whether a picture is shown as its colours stand in the file, as far as its head says."""
    try:
        head = content.read(_HEAD)
        if head.startswith(b"\xff\xd8") and not any(mark in head for mark in _MARKS_OF_TURNED):
            return True  # nearly all pictures, without a decoder
        content.seek(0)
        with Image.open(cast(Any, _FewReads(content)), formats=FORMATS) as image:
            return look_of(image).is_plain
    except Exception:  # that it cannot be decoded is for those to say who need it
        return True


_HEAD = 1 << 16
_MARKS_OF_TURNED = (b"Exif", b"Orientation")


def _check_size(file: PictureFile, image: Any, size: tuple[int, int], needed: int) -> None:
    """BadPicture for one of too many pixels; `size` is that of the file, the image's own may be scaled down."""
    if needed > _BUDGET.most:
        pixels = f"{size[0]} × {size[1]} pixels of {image.format}"
        raise BadPicture(
            f"{file}: {pixels} take more than the {_BUDGET.most >> 20} MB that a picture may: scale it down",
            f"{pixels}: too many",
        )
    if max(image.size) > MOST_SIDE:
        pixels = f"{image.width} × {image.height} pixels"
        raise BadPicture(f"{file}: {pixels}: no side may have more than {MOST_SIDE}: crop it", f"{pixels}: too many")


def _bad(file: PictureFile, content: IO[bytes], error: Exception) -> BadPicture:
    """What is wrong with a picture that failed to decode, in few words and with the decoder's own."""
    if isinstance(error, Image.DecompressionBombError):
        return BadPicture(
            f"{file}: more pixels than a picture may have ({error}): scale it down",
            "more pixels than a picture may have",
        )
    if isinstance(error, Image.UnidentifiedImageError):
        what = what_it_is(content)
        return BadPicture(
            f"{file}: cannot decode the picture (none of {', '.join(FORMATS)} but {what}): replace or remove the file",
            what,
        )
    said = reason(error)
    short = "cut off" if "truncated" in said.lower() else f"damaged: {said[:80]}"
    return BadPicture(f"{file}: cannot decode the picture ({said}): replace the file or remove it", short)


def bytes_needed(image: Any, size: tuple[int, int], look: Look) -> int:
    """What decoding and converting a picture takes that is open, not loaded, and was of `size` before any scaling."""
    pixels = image.width * image.height
    needed = pixels * (BYTES_PER_PIXEL + _OWN_BYTES_PER_PIXEL.get(image.format, 0) + look.more_bytes_per_pixel)
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
