"""What is decoded: the stated formats alone, within a limit for one picture and a budget for all."""

import os
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bounds import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tpmebench.datasets.pictures import decoding
from tpmebench.datasets.pictures.decoding import FORMATS, Budget, decode
from tpmebench.errors import BenchError

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_stated_formats_are_decoded_whatever_the_name(tmp_path: Path, kind: str):
    NOISE.save(tmp_path / "picture.xyz", kind)
    with Image.open(tmp_path / "picture.xyz") as image:
        expected = image.convert("RGB").resize((8, 8), Image.Resampling.BICUBIC)
    assert decode(tmp_path / "picture.xyz", 8).tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "PCX", "TGA", "PDF"])
def test_another_format_under_a_pictures_name_is_refused(tmp_path: Path, kind: str):
    NOISE.save(tmp_path / "picture.png", kind)
    with pytest.raises(BenchError, match=r"picture\.png: cannot decode the picture \(none of JPEG, PNG"):
        decode(tmp_path / "picture.png", 8)


def test_postscript_starts_no_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    started = tmp_path / "started"
    (tmp_path / "gs").write_text(f"#!/bin/sh\ntouch {started}\n")
    (tmp_path / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    text = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    (tmp_path / "picture.png").write_text(text)
    with pytest.raises(BenchError, match=r"picture\.png"):
        decode(tmp_path / "picture.png", 8)
    assert not started.exists()


def empty_png(path: Path, width: int, height: int) -> Path:
    """A small file of very many pixels, of which only the first row is there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(3 * width + 1))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("size", [(1, 1 << 17), (1 << 17, 1)])
def test_a_line_of_pixels_is_refused(tmp_path: Path, size: tuple[int, int]):
    """Few pixels, but what resizing them takes grows with the longer side."""
    with pytest.raises(BenchError, match=r"picture\.png: .* no side may have more than 65536"):
        decode(empty_png(tmp_path / "picture.png", *size), 8)


@pytest.mark.parametrize("begins", [b"RIFF\xff\xff\xff\x7fWEBPVP8X", b"\xff\xd8\xff\xe0", b"GIF89a\1\0\1\0\0\0\0"])
def test_a_file_of_no_pictures_size_is_refused_unread(tmp_path: Path, begins: bytes):
    """Decoders read all of some formats at once."""
    with (tmp_path / "picture.webp").open("wb") as file:
        file.write(begins)
        file.truncate(30 << 30)  # of which nothing is on the disk
    with pytest.raises(BenchError, match=r"picture\.webp: more than the 256 MB"):
        decode(tmp_path / "picture.webp", 8)


@pytest.mark.filterwarnings("ignore:Image size")
@pytest.mark.parametrize("side", [8200, 13_300, 60_000])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(tmp_path: Path, side: int):
    start = time.process_time()
    with pytest.raises(BenchError, match=r"picture\.png: .*pixels.*scale it down"):
        decode(empty_png(tmp_path / "picture.png", side, side), 8)
    assert time.process_time() - start < 1


def test_a_jpeg_of_too_many_pixels_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    Image.new("RGB", (400, 300), (200, 100, 50)).save(tmp_path / "picture.jpg", quality=95)
    monkeypatch.setattr(decoding, "_BUDGET", Budget(200 * 150 * 8))
    assert np.abs(np.asarray(decode(tmp_path / "picture.jpg", 8)).astype(int) - (200, 100, 50)).max() < 4
    monkeypatch.setattr(decoding, "_BUDGET", Budget(30 * 30 * 8))
    with pytest.raises(BenchError, match="scale it down"):
        decode(tmp_path / "picture.jpg", 8)


def counting(taken: list[int]) -> Budget:
    """A budget that keeps what was taken of it."""

    class Counting(Budget):
        def taken(self, count: int):
            taken.append(count)
            return super().taken(count)

    return Counting(1 << 30)


ENCODED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "PNG": ("PNG", "RGB", {}),
    "grey PNG": ("PNG", "L", {}),
    "BMP": ("BMP", "RGB", {}),
    "GIF": ("GIF", "P", {}),
    "JPEG": ("JPEG", "RGB", {}),
    "JPEG of four colours": ("JPEG", "CMYK", {}),
    "progressive JPEG": ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    "progressive JPEG of four colours": ("JPEG", "CMYK", {"progressive": True}),
    "lossless WebP": ("WEBP", "RGB", {"lossless": True}),
    "WebP": ("WEBP", "RGBA", {}),
    "TIFF": ("TIFF", "RGB", {}),
    "TIFF in one strip": ("TIFF", "RGBA", {"compression": "tiff_lzw", "strip_size": 1 << 30}),
}


MEASURE = """
import os, sys
from pathlib import Path
from tpmebench.bench.meters.process import peak_rss, reset_peak_rss, rss
from tpmebench.datasets.pictures.decoding import decode

small, *large = map(Path, sys.argv[1:])
decode(small, 8)  # what is loaded once is no part of it
for path in large:
    if os.fork() == 0:
        reset_peak_rss()
        before = rss()
        decode(path, 8)
        print(peak_rss() - before, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peaks restart on Linux only")
def test_decoding_takes_no_more_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    taken: list[int] = []
    monkeypatch.setattr(decoding, "_BUDGET", counting(taken))
    NOISE.save(tmp_path / "small.png")
    paths = [tmp_path / kind for kind in ENCODED]
    for path, (form, mode, more) in zip(paths, ENCODED.values(), strict=True):
        Image.new("RGB", (2000, 1500), (1, 2, 3)).convert(mode).save(path, form, **more)
        decode(path, 8)
    command = [sys.executable, "-c", MEASURE, tmp_path / "small.png", *paths]
    took = [int(line) for line in subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()]
    for kind, said, peak in zip(ENCODED, taken, took, strict=True):
        assert 0.4 * said < peak < said + (2 << 20), f"{kind}: {peak >> 20} MB, said {said >> 20}"


def test_junk_in_a_jpeg_takes_no_time(tmp_path: Path):
    """Pillow looks through it one byte at a time."""
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0\0\2" + bytes(20 << 20))
    with bounded(megabytes=10), pytest.raises(BenchError, match=r"picture\.jpg: .*too much in it that is no picture"):
        decode(tmp_path / "picture.jpg", 8)


def tiled_tiff(path: Path, side: int, tile: int) -> Path:
    """A grey TIFF of one tile, of which there is but the beginning."""
    data = zlib.compress(bytes(1 << 20))
    tags = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 277: 1, 322: tile, 323: tile, 324: 8, 325: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    return path


def test_a_tile_of_more_pixels_than_its_picture_counts(tmp_path: Path):
    with pytest.raises(BenchError, match=r"picture\.tif: .*scale it down"):
        decode(tiled_tiff(tmp_path / "picture.tif", 16, 30_000), 8)


def test_threads_together_hold_no_more_than_the_budget():
    budget, held, most = Budget(100), [0], [0]
    guard = threading.Lock()

    def work(count: int) -> None:
        with budget.taken(count):
            with guard:
                held[0] += count
                most[0] = max(most[0], held[0])
            time.sleep(0.01)
            with guard:
                held[0] -= count

    threads = [threading.Thread(target=work, args=(count,)) for count in [40, 60, 10, 100, 30, 25, 70] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert 60 < most[0] <= 100


def test_decoding_holds_what_the_picture_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    taken: list[int] = []
    monkeypatch.setattr(decoding, "_BUDGET", counting(taken))
    NOISE.save(tmp_path / "picture.png")
    decode(tmp_path / "picture.png", 8)
    assert taken == [20 * 30 * decoding.BYTES_PER_PIXEL]


@settings(max_examples=examples(150))
@given(st.sampled_from(FORMATS), st.data())
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_picture_is_decoded_or_named(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
):
    path = tmp_path_factory.mktemp("damaged") / "picture.bin"
    NOISE.save(path, kind)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    with bounded("picture.bin"):
        assert decode(path, 8).size == (8, 8)
