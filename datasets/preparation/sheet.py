"""A contact sheet: some items of a dataset with picture, id and text, as a person sees them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ...errors import BenchError
from ...files import atomic_path
from ...text import visible
from ..raw import RawData

_COLUMNS, _ROWS = 6, 4
_SIDE, _MARGIN, _LINE = 160, 10, 15
_LINES = 3


def draw_sheet(raw: RawData, target: Path) -> None:
    """Writes a PNG of at most 24 items, drawn with one seed, in their order."""
    count = min(_COLUMNS * _ROWS, len(raw.ids))
    rows = np.sort(np.random.default_rng(0).choice(len(raw.ids), count, replace=False)).tolist()
    width, height = _SIDE + _MARGIN, _SIDE + _LINES * _LINE + _MARGIN
    sheet = Image.new("RGB", (_COLUMNS * width + _MARGIN, -(-count // _COLUMNS) * height + _MARGIN), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for number, row in enumerate(rows):
        left, top = number % _COLUMNS * width + _MARGIN, number // _COLUMNS * height + _MARGIN
        picture, instead = _picture(raw, row)
        if picture is not None:
            sheet.paste(picture, (left, top))
        else:
            draw.rectangle((left, top, left + _SIDE - 1, top + _SIDE - 1), fill=(128, 128, 128))
            draw.text((left + 8, top + _SIDE // 2), instead, fill="white", font=font)
        text = "" if raw.texts is None else str(raw.texts[row])
        for line, words in enumerate((raw.ids[row], *_broken(text, font))):
            draw.text((left, top + _SIDE + line * _LINE), _cut(visible(words), font), fill="black", font=font)
    with atomic_path(target) as temporary:
        sheet.save(temporary, "PNG")


def _picture(raw: RawData, row: int) -> tuple[Image.Image | None, str]:
    """An item's picture as large as a place, or what stands there instead."""
    if raw.images is None:
        return None, "no picture"
    try:
        picture = raw.images.load(row + 1, _SIDE)
    except BenchError:
        return None, "cannot be decoded"
    if picture is None:
        return None, "no picture"
    return picture.convert("RGB").resize((_SIDE, _SIDE)), ""


def _broken(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> list[str]:
    """The text in the lines that there is room for, broken between words."""
    lines = [""]
    for word in text.split()[:60]:
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= _SIDE or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines[: _LINES - 1]


def _cut(line: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    line = line[:80]
    while line and font.getlength(line) > _SIDE:
        line = line[:-1]
    return line
