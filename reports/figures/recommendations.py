"""The picture of a recommendation: the items of a history, and beside them those that were recommended after it."""

import textwrap
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from .drawing import Picture, draw, written
from .looks import SOFT

_TITLE, _LINE, _LINES = 200, 20, 3
"""Characters of a title that are looked at, and of a line; lines of a title."""


@dataclass(frozen=True)
class Shown:
    """An item as it is shown: its id, title and picture where it has them, and its score where it was recommended."""

    id: str
    title: str
    picture: Image.Image | None
    score: float | None = None


def recommendations(name: str, history: list[Shown], found: list[Shown]) -> Picture:
    """Side by side: the history, oldest first, and what was recommended, best first."""
    blocks = [("history, oldest first", history, 2), ("recommended, best first", found, 3)]
    rows = max(-(-len(items) // columns) for _, items, columns in blocks)

    def paint(figure: Figure) -> None:
        parts = figure.subfigures(1, len(blocks), squeeze=False, width_ratios=[columns for *_, columns in blocks])[0]
        for part, (title, items, columns) in zip(parts, blocks, strict=True):
            part.suptitle(title, fontsize=12)
            grid = part.subplots(rows, columns, squeeze=False)
            for place, axes in enumerate(grid.flat):
                axes.set_axis_off()
                if place < len(items):
                    _item(axes, items[place])

    titles = "; ".join(each.title or each.id for each in found)
    caption = f"What {name} recommends after a history of {len(history)} items."
    return draw("recommendations", caption, f"{caption} Recommended: {titles}.", 0.5 + 2.2 * rows, paint)


def _item(axes: Axes, item: Shown) -> None:
    axes.imshow(np.asarray(item.picture) if item.picture is not None else np.full((2, 2, 3), 240, np.uint8))
    if item.picture is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", color=SOFT, fontsize=9, transform=axes.transAxes)
    text = written(item.title or item.id, _TITLE)
    lines = textwrap.wrap(text, _LINE, max_lines=_LINES, placeholder=" …")
    lines += [f"{item.score:.3f}"] if item.score is not None else []
    axes.set_title("\n".join(lines), fontsize=9, fontweight="normal", y=-0.12, va="top")
