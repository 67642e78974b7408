"""Side and normalisation of pictures come from what prepares them; what is taken for want of that is said."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.pixels import Pixels, read_pixels

KNOWN = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.5]}


def read(folder: Path, settings: Any, name: str = "preprocessor_config.json", side: Any = None) -> Pixels:
    path = folder / name
    path.write_text(json.dumps(settings))
    return read_pixels(path).completed(SimpleNamespace(image_size=side))


@pytest.mark.parametrize(
    ("settings", "side"),
    [
        ({"crop_size": 32, "size": 36}, 32),
        ({"crop_size": {"height": 32, "width": 32}, "size": {"shortest_edge": 36}}, 32),
        ({"crop_size": 32, "do_center_crop": False, "size": 36}, 36),
        ({"size": {"height": 40, "width": 40}}, 40),
        ({"size": {"shortest_edge": 24}}, 24),
        ({"size": {"longest_edge": 24}}, 64),
        ({"size": 24, "do_resize": False}, 64),
        ({}, 64),
    ],
)
def test_the_side_is_what_leaves_the_preprocessor(tmp_path: Path, settings: dict[str, Any], side: int) -> None:
    found = read(tmp_path, settings | KNOWN, side=64)
    assert found.side == side
    assert found.said_by == ("config.json" if side == 64 else "preprocessor_config.json")
    assert [str(side) in note and "64" in note for note in found.notes] == ([] if side == 64 else [True])
    inside = read(tmp_path, {"image_processor": settings | KNOWN}, "processor_config.json", side=64)
    assert (inside.side, inside.normalisation) == (side, found.normalisation)


@pytest.mark.parametrize("size", [0, -3, 9000, "224", {"height": 0}, {"shortest_edge": 1.5}, [16, "x"], True])
def test_a_size_that_no_picture_has_is_refused(tmp_path: Path, size: Any) -> None:
    with pytest.raises(BenchError, match=r"preprocessor_config\.json: crop_size should be pixels"):
        read(tmp_path, {"crop_size": size} | KNOWN)


@pytest.mark.parametrize("missing", [["image_mean"], ["image_std"], ["image_mean", "image_std"]])
def test_half_a_normalisation_is_not_made_up_silently(tmp_path: Path, missing: list[str]) -> None:
    settings = {key: value for key, value in KNOWN.items() if key not in missing}
    (note,) = read(tmp_path, settings).notes
    assert all(key in note for key in missing) and "0.5 was taken" in note
    assert read(tmp_path, KNOWN).notes == ()
    assert read(tmp_path, settings | {"do_normalize": False}).notes == ()


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({}, lambda byte: (byte / 255 - 0.5) / 0.25),
        ({"do_normalize": False}, lambda byte: byte / 255),
        ({"rescale_factor": 1 / 127.5}, lambda byte: (byte / 127.5 - 0.5) / 0.25),
        ({"rescale_factor": 1 / 127.5, "rescale_offset": True}, lambda byte: (byte / 127.5 - 1 - 0.5) / 0.25),
        ({"do_rescale": False, "do_normalize": False}, lambda byte: byte),
    ],
)
def test_bytes_become_what_the_preprocessor_makes_of_them(tmp_path: Path, settings: Any, value: Any) -> None:
    mean, std = read(tmp_path, {**KNOWN, **settings}).normalisation
    for byte in (0, 100, 255):
        assert (byte / 255 - mean[1]) / std[1] == pytest.approx(value(byte), abs=1e-5)
