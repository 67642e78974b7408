"""Pictures as people see them; the plain ones keep their pixels and their place in the store, bit for bit."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tpmebench.datasets.images import ImageFiles
from tpmebench.datasets.pictures.decoding import decode
from tpmebench.files import file_digest

CORNERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], dtype=np.uint8)
"""Red, green; blue, yellow."""
UPRIGHT = Image.fromarray(CORNERS.repeat(16, 0).repeat(16, 1))
STORED = {
    1: [[0, 1], [2, 3]],
    2: [[1, 0], [3, 2]],
    3: [[3, 2], [1, 0]],
    4: [[2, 3], [0, 1]],
    5: [[0, 2], [1, 3]],
    6: [[1, 3], [0, 2]],
    7: [[3, 1], [2, 0]],
    8: [[2, 0], [3, 1]],
}
"""For each EXIF orientation, which corner of the upright picture is stored in which corner of the file."""


def pixels(path: Path, side: int = 32) -> np.ndarray:
    return np.asarray(decode(path, side)).astype(int)


def fingerprint(path: Path) -> str:
    return ImageFiles([path]).fingerprint(1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_upright(tmp_path: Path, kind: str, orientation: int):
    stored = CORNERS.reshape(4, 3)[np.array(STORED[orientation])].repeat(16, 0).repeat(16, 1)
    exif = Image.Exif()
    exif[274] = orientation
    more: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0}
    Image.fromarray(stored).save(tmp_path / "p", kind, exif=exif, **(more if kind in {"JPEG", "WEBP"} else {}))
    assert np.abs(pixels(tmp_path / "p") - np.asarray(UPRIGHT)).max() < 10
    plain = orientation == 1 or kind == "TIFF"  # which Pillow always turned
    assert (fingerprint(tmp_path / "p") == file_digest(tmp_path / "p")) is plain


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_is_none_turns_nothing(tmp_path: Path, orientation: int):
    exif = Image.Exif()
    exif[274] = orientation
    UPRIGHT.save(tmp_path / "p", "PNG", exif=exif)
    assert np.array_equal(pixels(tmp_path / "p"), np.asarray(UPRIGHT))


def test_damaged_exif_data_hinder_nothing(tmp_path: Path):
    UPRIGHT.save(tmp_path / "p", "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(40))
    assert pixels(tmp_path / "p").shape == (32, 32, 3)


def half_clear(mode: str) -> Image.Image:
    """Blue (grey without colours) on the left, nothing on the right, where the colours that nobody sees are black."""
    image = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 16, 32))
    if mode == "P":
        palette = Image.new("P", (32, 32), 0)
        palette.putpalette([0, 0, 0, 0, 0, 255])
        palette.paste(1, (0, 0, 16, 32))
        return palette
    return image.convert(mode)


@pytest.mark.parametrize(
    ("kind", "mode", "more"),
    [
        ("PNG", "RGBA", {}),
        ("PNG", "LA", {}),
        ("PNG", "P", {"transparency": 0}),
        ("GIF", "P", {"transparency": 0}),
        ("WEBP", "RGBA", {"lossless": True}),
        ("TIFF", "RGBA", {}),
        ("PNG", "RGB", {"transparency": (0, 0, 0)}),
        ("PNG", "L", {"transparency": 0}),
    ],
)
def test_white_is_behind_what_is_transparent(tmp_path: Path, kind: str, mode: str, more: dict[str, Any]):
    half_clear(mode).save(tmp_path / "p", kind, **more)
    shown = pixels(tmp_path / "p")
    assert (shown[:, 24:] == 255).all()
    assert (shown[:, :8, 0] < 40).all()
    assert fingerprint(tmp_path / "p") == f"{file_digest(tmp_path / 'p')} as seen"


def test_half_transparent_is_half_white(tmp_path: Path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 128)).save(tmp_path / "p", "PNG")
    assert np.abs(pixels(tmp_path / "p", 8) - 127).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_are_scaled(tmp_path: Path, kind: str):
    levels = np.linspace(0, 65535, 256).round().astype(np.uint16)
    Image.fromarray(np.tile(levels, (256, 1))).save(tmp_path / "p", kind)
    assert np.array_equal(pixels(tmp_path / "p", 256)[0, :, 0], np.arange(256))
    assert fingerprint(tmp_path / "p").endswith(" as seen")


def test_twelve_bits_of_grey_are_scaled(tmp_path: Path):
    from tpmebench.datasets.pictures.looks import Look, show

    image = Image.fromarray(np.full((8, 8), 4095, dtype=np.uint16))
    assert (np.asarray(show(image, Look(brightest=4095), 8)) == 255).all()


def sixteen_bit_colours() -> bytes:
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + struct.pack(">HHH", 65535, 32896, 0) * 8 for _ in range(8))
    head = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_sixteen_bits_of_a_colour_are_scaled(tmp_path: Path):
    (tmp_path / "p").write_bytes(sixteen_bit_colours())
    assert pixels(tmp_path / "p", 8)[0, 0].tolist() == [255, 128, 0]


def test_a_print_of_four_colours_is_not_inverted(tmp_path: Path):
    """As Adobe's programs write it: no ink is 255 in the file."""
    UPRIGHT.convert("CMYK").save(tmp_path / "p", "JPEG", quality=100)
    assert b"Adobe" in (tmp_path / "p").read_bytes()
    assert np.abs(pixels(tmp_path / "p") - np.asarray(UPRIGHT))[4:12, 4:12].max() < 20
    assert fingerprint(tmp_path / "p") == file_digest(tmp_path / "p")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_plain_pictures_keep_their_pixels_and_fingerprints(tmp_path: Path, mode: str):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)).convert(mode)
    noise.save(tmp_path / "p", "PNG")
    expected = noise.convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(pixels(tmp_path / "p", 16), np.asarray(expected))
    assert fingerprint(tmp_path / "p") == file_digest(tmp_path / "p")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_a_moving_picture_the_first_is_shown(tmp_path: Path, kind: str):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    more: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(tmp_path / "p", kind, save_all=True, append_images=frames[1:], **more)
    assert pixels(tmp_path / "p", 8)[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_a_picture_of_one_pixel(tmp_path: Path, kind: str):
    Image.new("RGB", (1, 1), (200, 100, 50)).save(tmp_path / "p", kind)
    shown = pixels(tmp_path / "p", 8)
    assert (shown == shown[0, 0]).all() and np.abs(shown[0, 0] - (200, 100, 50)).max() < 9


def test_a_quick_look_sees_the_same(tmp_path: Path):
    file = io.BytesIO()
    UPRIGHT.resize((400, 400)).save(file, "JPEG")
    (tmp_path / "p").write_bytes(file.getvalue())
    assert np.abs(np.asarray(decode(tmp_path / "p", 4, quick=True)).astype(int) - pixels(tmp_path / "p", 4)).max() < 30
