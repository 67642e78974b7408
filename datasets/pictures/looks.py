"""Pictures as people see them: turned as the camera says, on white where transparent, in eight bits a colour."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

_ORIENTATION = 274
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPARENT = ("RGBA", "LA")
_WITHOUT_COLOURS = ("I", "F", "LAB", "HSV")


@dataclass(frozen=True)
class Look:
    """What sets a picture's look apart from the colours in its file.

    `turn`: how it is turned or mirrored. `is_transparent`: white shows through it. `brightest`: what stands for white
    in a grey picture of more than eight bits, otherwise 0.
    """

    turn: Image.Transpose | None = None
    is_transparent: bool = False
    brightest: int = 0
    more_bytes_per_pixel: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether nothing does."""
        return self.turn is None and not self.is_transparent and not self.brightest


def look_of(image: Any) -> Look:
    """Of a picture that is open, not loaded."""
    if image.mode.startswith("I;16"):
        bits = image.tag_v2.get(258, (16,)) if image.format == "TIFF" else (16,)
        return Look(_turn(image), brightest=(1 << bits[0]) - 1)
    is_transparent = image.has_transparency_data
    return Look(_turn(image), is_transparent, 0, 4 * (is_transparent and image.mode not in _TRANSPARENT))


def show(image: Any, look: Look, side: int) -> Image.Image:
    """A loaded picture at `side` × `side` in one bicubic step. A side of a square may be turned after it as before it.

    ValueError for pixels that are no colours.
    """
    if look.brightest:
        image = _in_eight_bits(image, look.brightest)
    if image.mode in _WITHOUT_COLOURS:
        raise ValueError(f"its pixels are numbers that no colours are said of, mode {image.mode}")
    if look.is_transparent:
        layer = image if image.mode in _TRANSPARENT else image.convert("RGBA")
        small = Image.new("RGBA", (side, side), "white")
        small.alpha_composite(_resized(layer, side).convert("RGBA"))
        small = small.convert("RGB")
    else:
        small = _resized(image if image.mode == "RGB" else image.convert("RGB"), side)
    return small if look.turn is None else small.transpose(look.turn)


def _resized(image: Image.Image, side: int) -> Image.Image:
    return image.resize((side, side), Image.Resampling.BICUBIC)


def _in_eight_bits(image: Image.Image, brightest: int) -> Image.Image:
    """Grey of 0 to 255 from numbers up to `brightest`."""
    return Image.fromarray(np.minimum(np.asarray(image) // (brightest // 255), 255).astype(np.uint8))


def _turn(image: Any) -> Image.Transpose | None:
    """As its Exif data say, where those stand before the pixels."""
    if image.format == "TIFF":  # Pillow turns it while it loads it
        return None
    if image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys():
        return None
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # damaged, while the picture need not be
        return None
