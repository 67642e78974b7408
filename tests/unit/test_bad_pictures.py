"""Bad pictures count as missing: by name, by reason, under the same policy."""

import io
import os
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bounds import bounded, examples
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tpmebench.bench.console import Screen
from tpmebench.bench.study.found import describe_data
from tpmebench.bench.study.study import Study
from tpmebench.datasets.images import ImageFiles, ImageStore
from tpmebench.datasets.pictures import checking
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.errors import BenchError
from tpmebench.reports.analysis.data_facts import data_warnings

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))


def encoded(kind: str, mode: str = "RGB", **more: object) -> bytes:
    file = io.BytesIO()
    NOISE.convert(mode).save(file, kind, **more)
    return file.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def png(width: int, height: int, data: bytes = b"", depth: int = 8) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def floats() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(file, "TIFF")
    return file.getvalue()


def tiff_of(width: int, height: int) -> bytes:
    """A head without pixels."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: height, 279: 100}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


BROKEN: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "empty"),
    "only zeros, as a broken copy leaves it": (lambda: bytes(5000), "nothing but zeros"),
    "half a JPEG": (lambda: half(encoded("JPEG")), "cut off"),
    "half a progressive JPEG": (lambda: half(encoded("JPEG", progressive=True)), "cut off"),
    "half a PNG": (lambda: half(encoded("PNG")), "cut off"),
    "half a BMP": (lambda: half(encoded("BMP")), "cut off"),
    "half a GIF": (lambda: half(encoded("GIF")), "cut off"),
    "half a WebP": (lambda: half(encoded("WEBP")), "damaged|WebP"),
    "half a TIFF": (lambda: half(encoded("TIFF")), "cut off|damaged|TIFF"),
    "a JPEG of three bytes": (lambda: encoded("JPEG")[:3], "JPEG with a damaged head|cut off"),
    "a PNG without pixels": (lambda: encoded("PNG")[:33], "cut off|damaged|PNG"),
    "a PNG with a wrong checksum in its head": (lambda: flipped(encoded("PNG"), 20), "damaged|PNG"),
    "a PNG with wrong pixels": (lambda: flipped(encoded("PNG"), 200), "damaged"),
    "a web page": (lambda: b"<html><body>404 Not Found</body></html>", "a web page"),
    "a web page with a head of its kind": (lambda: b"\n<!DOCTYPE html>\n<p>Sorry</p>", "a web page"),
    "JSON": (lambda: b'{"error": "not found"}', "JSON"),
    "XML of a storage service": (lambda: b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
    "SVG": (lambda: b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
    "text": (lambda: b"Access denied", "text"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", "PostScript"),
    "PDF": (lambda: b"%PDF-1.7\n", "a PDF"),
    "a video": (lambda: b"\0\0\0\x20ftypisom" + bytes(100), "a video"),
    "Matroska": (lambda: b"\x1aE\xdf\xa3" + bytes(100), "a video"),
    "AVIF": (lambda: b"\0\0\0\x20ftypavif" + bytes(100), "AVIF"),
    "HEIC": (lambda: b"\0\0\0\x20ftypheic" + bytes(100), "HEIC"),
    "a zip": (lambda: b"PK\x03\x04" + bytes(100), "a zip"),
    "a Git LFS pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
    "a PNG of 50,000 × 50,000": (lambda: png(50_000, 50_000, zlib.compress(bytes(9))), "more pixels|too many"),
    "a PNG of 13,300 × 13,300": (lambda: png(13_300, 13_300, zlib.compress(bytes(9))), "13300 × 13300 pixels"),
    "a TIFF of 60,000 × 60,000": (lambda: tiff_of(60_000, 60_000), "more pixels|too many"),
    "a line of pixels": (lambda: png(1 << 17, 1, zlib.compress(bytes(9))), "131072 × 1 pixels: too many"),
    "a TIFF of floats": (floats, "no colours"),
}


def shop_of(folder: Path, broken: dict[str, bytes], items: int = 9) -> Path:
    """Items of which each is bought, with pictures, some of them broken."""
    (folder / "pictures").mkdir(parents=True)
    (folder / "items.csv").write_text("id,title\n" + "".join(f"i{n},title {n}\n" for n in range(items)))
    rows = [f"u{user},i{(user + step) % items},{step}" for user in range(items) for step in range(6)]
    (folder / "ratings.csv").write_text("user,item,time\n" + "\n".join(rows) + "\n")
    for n in range(items):
        NOISE.save(folder / "pictures" / f"i{n}.png")
    for name, content in broken.items():
        (folder / "pictures" / name).write_bytes(content)
    (folder / "dataset.toml").write_text(
        'name = "shop"\n[interactions]\nfile = "ratings.csv"\nuser = "user"\nitem = "item"\ntime = "time"\n'
        '[items]\nfile = "items.csv"\nid = "id"\ntext = "title"\n[images]\nfolder = "pictures"\npattern = "{id}.png"\n'
    )
    return folder


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_said(tmp_path: Path, what: str):
    make, reason = BROKEN[what]
    (tmp_path / "i3.png").write_bytes(make())
    with bounded(megabytes=40):
        bad = ImageFiles([tmp_path / "i3.png"]).bad([1])
    assert list(bad) == [1], f"{what} was decoded"
    assert re.match(rf"i3\.png \((.*({reason}).*)\)$", bad[1]), bad[1]
    with pytest.raises(BenchError, match=r"i3\.png: "):
        ImageFiles([tmp_path / "i3.png"]).load(1, 8)


THREE = {
    "i3.png": half(encoded("PNG")),
    "i5.png": b"",
    "i7.png": b"<html>404</html>",
}
NAMED = "i3.png (cut off); i5.png (empty); i7.png (a web page)"


def test_bad_pictures_show_the_neutral_one_and_are_named(tmp_path: Path):
    dataset = load_dataset(shop_of(tmp_path / "shop", THREE))
    assert dataset.facts["missing images"] == dataset.facts["bad pictures"] == 3
    assert dataset.facts["first bad pictures"] == NAMED
    store = ImageStore.open(dataset.catalogue, 8, tmp_path / "store")
    assert store.missing == 3
    grey = [item for item in range(1, 10) if (store.pixels[item] == 128).all()]
    assert [dataset.catalogue.ids[item] for item in grey] == ["i3", "i5", "i7"]
    (warning,) = (line for line in data_warnings(dataset.facts) if "cannot be shown" in line)
    assert warning == f"3 pictures are there but cannot be shown, and count as missing: {NAMED}"


def test_bad_pictures_are_dropped_with_their_items(tmp_path: Path):
    dataset = load_dataset(shop_of(tmp_path / "shop", THREE), missing_images="drop")
    assert not {"i3", "i5", "i7"} & set(dataset.catalogue.ids)
    assert dataset.facts["missing images"] == 0
    assert dataset.facts["items dropped without image"] == dataset.facts["bad pictures"] == 3


def test_all_bad_and_missing_pictures_are_an_error_at_once(tmp_path: Path):
    folder = shop_of(tmp_path / "shop", THREE)
    (folder / "pictures" / "i1.png").unlink()
    with pytest.raises(BenchError) as caught:
        load_dataset(folder, missing_images="error")
    line = str(caught.value)
    assert "4 items have no picture that can be shown" in line and "\n" not in line
    for name in ("'i1'", "i3.png (cut off)", "i5.png (empty)", "i7.png (a web page)"):
        assert name in line
    assert load_dataset(folder, modalities="text", missing_images="error").catalogue.size == 9


def test_of_many_the_first_are_named_and_the_rest_counted(tmp_path: Path):
    folder = shop_of(tmp_path / "shop", {f"i{n}.png": b"" for n in range(12)}, items=30)
    with pytest.raises(BenchError, match=r"12 items have .*'i9': i9\.png \(empty\); and 2 more\)"):
        load_dataset(folder, missing_images="error")
    assert str(load_dataset(folder).facts["first bad pictures"]).endswith("i4.png (empty); and 7 more")


def test_the_terminal_names_each_and_refuses_when_most_are_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = shop_of(tmp_path / "shop", THREE)
    describe_data(Study(datasets=[str(folder)]), Screen(), read=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines[-3:]] == NAMED.split("; ")
    assert "pictures: 3 of 9 missing" in lines[-6 if "9 items" in lines[-5] else -5] or any(
        "3 of 9" in x for x in lines
    )
    for n in range(6):
        (folder / "pictures" / f"i{n}.png").write_bytes(b"{}")
    with pytest.raises(BenchError, match=r"7 of 9 items have no picture \(7 of them are there but .*i0\.png \(JSON\)"):
        describe_data(Study(datasets=[str(folder)]), Screen(), read=True)


def test_pictures_are_tried_once_and_again_when_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    tried: list[str] = []
    why = checking._why
    monkeypatch.setattr(checking, "_why", lambda file: (tried.append(file.name), why(file))[1])
    paths = [tmp_path / f"i{n}.png" for n in range(3)]
    for path in paths:
        path.write_bytes(encoded("PNG"))
    paths[1].write_bytes(b"")
    first = ImageFiles(paths).bad([1, 2, 3])
    assert first == ImageFiles(paths).bad([1, 2, 3]) == {2: "i1.png (empty)"}
    assert len(tried) == 3
    paths[1].write_bytes(encoded("PNG"))
    assert ImageFiles(paths).bad([1, 2, 3]) == {}
    before = paths[0].stat()
    os.utime(paths[0], ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert ImageFiles(paths).bad([1, 2, 3]) == {} and len(tried) == 9


@pytest.mark.parametrize("content", [b"", b"[]", b'{"digest": 1}', b'{"bad": []}', b"\x80\x04pickle"])
def test_what_is_remembered_wrongly_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes):
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "i1.png").write_bytes(b"")
    files = ImageFiles([tmp_path / "i1.png"])
    files.bad([1])
    (about,) = (tmp_path / "cache").rglob("about.json")
    about.write_bytes(content)
    assert files.bad([1]) == {1: "i1.png (empty)"}


def test_a_cache_that_cannot_be_written_hinders_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "i1.png").write_bytes(b"")
    assert ImageFiles([tmp_path / "i1.png"]).bad([1]) == {1: "i1.png (empty)"}


KINDS = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("GIF", {}),
    ("BMP", {}),
    ("TIFF", {}),
]


@settings(max_examples=examples(100))
@given(st.sampled_from(KINDS), st.floats(0, 1), st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_a_picture_cut_anywhere_is_shown_or_counted(
    tmp_path_factory: pytest.TempPathFactory, kind: tuple[str, dict[str, bool]], part: float, zeros: bool
):
    """Nothing else escapes, and what the check takes the store takes too."""
    content = encoded(kind[0], "RGB", **kind[1])
    cut = int(part * len(content))
    path = tmp_path_factory.mktemp("cut") / "i1.bin"
    path.write_bytes(content[:cut] + bytes(len(content) - cut) * zeros)
    files = ImageFiles([path])
    with bounded("i1.bin"):
        bad = files.bad([1])
    if bad:
        assert bad[1].startswith("i1.bin (") and len(bad[1]) < 200
    else:
        picture = files.load(1, 8)
        assert picture is not None and picture.size == (8, 8)
