"""How a model's pictures are prepared: their side and their normalisation, as its own files say."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import BenchError
from ...files import read_json

FILES = ("preprocessor_config.json", "processor_config.json")
"""Where a model says it: the first as it has always been, the second as transformers 5 saves it."""
LARGEST_SIDE = 8192
USUAL_SIDE = 224
"""Of pictures that a model is tried with where nothing states a side."""
_BYTE = 255.0

Normalisation = tuple[list[float], list[float]]
_HALF = [0.5, 0.5, 0.5]
HALF: Normalisation = (_HALF, _HALF)
"""What is taken where nothing is stated: bytes become -1 to 1."""


@dataclass(frozen=True)
class Pixels:
    """A picture's side in pixels, None where nothing states it, and what is taken from and divides its bytes / 255.

    `said_by`: what the side was read from. `notes`: a line for whatever was taken for want of better.
    """

    side: int | None
    normalisation: Normalisation
    said_by: str = ""
    notes: tuple[str, ...] = ()

    def completed(self, config: Any) -> "Pixels":
        """With the configuration's side where there is none, and a note where the two differ."""
        known = configured_side(config)
        if self.side is None and known is not None:
            return replace(self, side=known, said_by="config.json")
        if known in (None, self.side):
            return self
        note = f"pictures of {self.side} pixels by its {self.said_by}, where config.json has {known}"
        return replace(self, notes=(*self.notes, note))


def read_pixels(path: Path | None) -> Pixels:
    """From the file that says how a model's pictures are prepared. BenchError when it says what cannot be."""
    settings = {} if path is None else _read(path)
    side = None if path is None else _prepared_side(settings, path)
    normalisation, notes = _normalisation(settings, path)
    return Pixels(side, normalisation, path.name if path and side else "", notes)


def _read(path: Path) -> Mapping[str, Any]:
    settings = read_json(path)
    if isinstance(settings, dict) and path.name == FILES[1]:
        settings = settings.get("image_processor", settings)
    if not isinstance(settings, dict):
        raise BenchError(f"{path}: no table of a preprocessor's settings; restore the file")
    return settings


def _prepared_side(settings: Mapping[str, Any], path: Path) -> int | None:
    """The side of what leaves the preprocessor: what it crops to, else what it resizes to."""
    for key, done in (("crop_size", "do_center_crop"), ("size", "do_resize")):
        if settings.get(key) is not None and settings.get(done, True) is not False:
            return _side(settings[key], f"{path}: {key}")
    return None


def _side(size: Any, where: str) -> int | None:
    """One number, {height, width} or {shortest_edge}, as the side of a square."""
    if isinstance(size, dict):
        sides = [size.get(key) for key in ("height", "width", "shortest_edge")]
    else:
        sides = size if isinstance(size, list | tuple) else [size]
    stated = [each for each in sides if each is not None]
    if not stated:
        return None  # of sizes like {longest_edge} no side follows
    if not all(isinstance(each, int) and not isinstance(each, bool) and 0 < each <= LARGEST_SIDE for each in stated):
        raise BenchError(f"{where} should be pixels, from 1 to {LARGEST_SIDE}; restore the file")
    return max(stated)


def configured_side(config: Any) -> int | None:
    """The side that a model's configuration states; None where it states none."""
    side = getattr(config, "image_size", None)
    sides = side if isinstance(side, list | tuple) else [side]
    stated = [each for each in sides if isinstance(each, int) and 0 < each <= LARGEST_SIDE]
    return max(stated) if stated and len(stated) == len(sides) else None


def _normalisation(settings: Mapping[str, Any], path: Path | None) -> tuple[Normalisation, tuple[str, ...]]:
    """Mean and std of bytes / 255, whatever the file multiplies bytes by; and a note for what it leaves open."""
    if settings.get("do_normalize", True) is False:
        mean, std, notes = [0.0] * 3, [1.0] * 3, ()
    else:
        missing = [key for key in ("image_mean", "image_std") if not settings.get(key)]
        mean, std = (_three(settings.get(key) or _HALF, path) for key in ("image_mean", "image_std"))
        where = path.name if path else "no preprocessor_config.json:"
        notes = (f"{where} states no {' and no '.join(missing)}: 0.5 was taken",) if missing else ()
    if not all(0 < each < 100 for each in std) or not all(abs(each) < 100 for each in mean):
        raise BenchError(f"{path}: image_std should be above 0, of pixels in 0..1; restore the file")
    factor = settings.get("rescale_factor", 1 / _BYTE) if settings.get("do_rescale", True) is not False else 1.0
    if not (isinstance(factor, int | float) and 0 < factor <= 1):
        raise BenchError(f"{path}: rescale_factor should be above 0 and at most 1; restore the file")
    if settings.get("rescale_offset") is True:  # bytes become -1..1 before they are normalised
        mean = [each + 1.0 for each in mean]
    scale = factor * _BYTE
    if abs(scale - 1.0) > 1e-6:
        mean, std = [each / scale for each in mean], [each / scale for each in std]
    return (mean, std), notes


def _three(numbers: Any, path: Path | None) -> list[float]:
    if not (isinstance(numbers, list) and [isinstance(n, int | float) for n in numbers] == [True] * 3):
        raise BenchError(f"{path}: image_mean and image_std should be three numbers each; restore the file")
    return numbers
