"""The decoded store of a catalogue's pictures, which every method reads."""

import os
import warnings
import zlib
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import map_array
from ..errors import BenchError, Mended
from ..files import (
    atomic_path,
    cache_directory,
    canonical_json,
    digest,
    is_folder,
    lock,
    open_file,
    read_json,
    write_atomic,
)
from ..ownership import take, take_over
from .catalogue import Catalogue, ImageSource
from .pictures.decoding import quietly
from .pictures.files import ImageFiles as ImageFiles
from .pictures.parallel import chunks, parallel

VERSION = "2"  # of the pixels: raised when the same picture would be stored otherwise
NEUTRAL = 128
CHUNK_BYTES = 1 << 23
CHUNK_ITEMS = 1024

_FILES = {"about.json", "pixels.npy"}


class SelectedImages:
    """The pictures of `source` under new numbers: item n shows what `rows[n - 1] + 1` did, nothing for row -1."""

    def __init__(self, source: ImageSource, rows: np.ndarray):
        self.source = source
        self.rows = rows

    def fingerprint(self, item: int) -> str:
        number = self._number(item)
        return self.source.fingerprint(number) if number else ""

    def load(self, item: int, side: int) -> Image.Image | None:
        number = self._number(item)
        return self.source.load(number, side) if number else None

    def _number(self, item: int) -> int:
        return int(self.rows[item - 1]) + 1 if item else 0


@dataclass(frozen=True)
class ImageStore:
    """Every picture of a catalogue, decoded once: `pixels` is a read-only map, uint8 `[n_items + 1, 3, side, side]`.

    Row 0 and items without a picture (`missing` of them) are mid grey. `digest` identifies pictures, size and
    resampling together.
    """

    pixels: np.memmap
    digest: str
    missing: int

    @classmethod
    def open(
        cls, catalogue: Catalogue, side: int, directory: Path | None = None, workers: int | None = None
    ) -> "ImageStore":
        """Maps the store of these pictures at `side` × `side`, decoding them first when there is none yet.

        Any number of processes may ask at once; one builds. `directory` defaults to the suite's cache, `workers`
        (threads) to the cores. Raises BenchError when a picture cannot be decoded or the store cannot be written.
        """
        if catalogue.images is None:
            raise BenchError("this dataset has no pictures to decode: use --modalities text")
        workers = workers or os.cpu_count() or 1
        with quietly():
            hashes = _fingerprints(catalogue.images, catalogue.size, workers)
        missing = hashes.count("")
        key = digest("images", VERSION, str(side), "bicubic", *hashes)
        folder = (directory or cache_directory() / "images") / key[:32]
        about = {"digest": key, "items": catalogue.size, "side": side, "missing": missing, "version": VERSION}
        pixels = _mapped(folder, about, workers)
        if pixels is None:
            try:
                with lock(folder):
                    pixels = _mapped(folder, about, workers)  # whoever held the lock may have built it meanwhile
                    if pixels is None:
                        with quietly():
                            _build(folder, catalogue.images, about, workers)
                        pixels = _mapped(folder, about, workers)
            except OSError as error:
                raise BenchError(f"{folder}: cannot write the image store ({error.strerror or error})") from error
        if pixels is None:
            raise BenchError(f"{folder}: the image store cannot be read back: remove the folder and run again")
        return cls(pixels, key, missing)


def verify(folder: Path) -> list[str]:
    """What is wrong with the pixels in a complete store's folder, a line that names the file: one pass of CRC-32."""
    path = folder / "pixels.npy"
    try:
        about = read_json(folder / "about.json")
        if "checked" in about:  # which pictures can be decoded, and nothing else
            return []
        if "crc32" not in about:
            return [f"{path}: written without checksums by an earlier version; the next run builds it again"]
        damaged = about["crc32"] != _checksums(path, os.cpu_count() or 1)
    except (BenchError, TypeError) as error:
        return [f"{error}; remove the folder and it is built again"]
    return [f"{path}: changed since it was written; remove the folder and it is built again"] if damaged else []


def _mapped(folder: Path, about: dict[str, str | int], workers: int) -> np.memmap | None:
    """The store's pixels, or None unless it is complete, of the expected shape, and as it was written."""
    path = folder / "pixels.npy"
    if not (folder / "about.json").exists():
        return None
    try:
        said = read_json(folder / "about.json")
        pixels = map_array(path)
        shape = (int(about["items"]) + 1, 3, about["side"], about["side"])
        if not isinstance(said, dict) or {**said, "crc32": None} != {**about, "crc32": None} or "crc32" not in said:
            return None
        if pixels.shape != shape or pixels.dtype != np.uint8 or said["crc32"] != _checksums(path, workers):
            raise BenchError(f"{path}: changed since it was written")
    except BenchError as error:
        warnings.warn(f"{error}; the pictures are decoded again", Mended, stacklevel=2)
        return None
    return pixels


def _checksums(path: Path, workers: int) -> list[int]:
    """CRC-32 of each stretch of the file, so that all cores check it: about a second for a gigabyte and core."""
    with open_file(path) as file:
        handle, size = file.fileno(), os.fstat(file.fileno()).st_size
        stretches = chunks(0, size, CHUNK_BYTES)
        return list(parallel(lambda part: zlib.crc32(os.pread(handle, len(part), part.start)), stretches, workers))


def _build(folder: Path, source: ImageSource, about: dict[str, str | int], workers: int) -> None:
    """Decodes every picture into `pixels.npy`; `about.json`, written last, marks it as complete."""
    if is_folder(folder) and all(file.name in _FILES or file.suffix == ".tmp" for file in folder.iterdir()):
        take_over(folder)  # an earlier version's, which set no marker
    take(folder)
    for abandoned in folder.glob(".*.tmp"):
        abandoned.unlink()
    rows, side = int(about["items"]) + 1, int(about["side"])
    header = {"descr": "|u1", "fortran_order": False, "shape": (rows, 3, side, side)}
    parts = chunks(0, rows, max(1, min(CHUNK_ITEMS, CHUNK_BYTES // (3 * side * side))))
    # Written as a plain stream: a full disk is then an error, where a memory map would kill the process.
    with atomic_path(folder / "pixels.npy") as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in parallel(lambda items: _decode(source, items, side), parts, workers):
            file.write(block.data)
    marked = about | {"crc32": _checksums(folder / "pixels.npy", workers)}
    write_atomic(folder / "about.json", canonical_json(marked))


def _decode(source: ImageSource, items: range, side: int) -> np.ndarray:
    """The pictures of some items, resized in one step: uint8 `[len(items), 3, side, side]`."""
    block = np.full((len(items), 3, side, side), NEUTRAL, dtype=np.uint8)
    for row, item in enumerate(items):
        picture = source.load(item, side) if item else None
        if picture is not None:
            block[row] = np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    return block


def _fingerprints(source: ImageSource, n_items: int, workers: int) -> list[str]:
    """Content hashes of items 1..n, "" where there is no picture."""
    parts = chunks(1, n_items + 1, CHUNK_ITEMS)
    blocks = parallel(lambda items: [source.fingerprint(item) for item in items], parts, workers)
    return list(chain.from_iterable(blocks))
