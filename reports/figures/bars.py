"""Horizontal bars, a row a method, stacked from the parts of a cost."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from .drawing import SMALL, plain, wrapped, written
from .looks import INK, PARTS

HATCHES = ("", "//", "", ".", "\\\\", "xx", "--", "++")


def bar_height(labels: Sequence[object], extra: float = 1.3) -> float:
    """Inches for a picture of bars, whose rows are as high as the highest name."""
    two_lines = any("\n" in wrapped(str(label)) for label in labels)
    return extra + (0.44 if two_lines else 0.34) * len(labels)


def stacked_bars(axes: Axes, parts: pd.DataFrame, texts: Sequence[str]) -> None:
    """First row on top, one grey and hatch a column, `texts` at the ends."""
    left = pd.Series(0.0, index=parts.index)
    rows = range(len(parts))
    for number, column in enumerate(parts.columns):
        axes.barh(
            rows,
            parts[column],
            left=left,
            height=0.72,
            color=PARTS[number % len(PARTS)],
            hatch=HATCHES[number % len(HATCHES)],
            edgecolor=INK,
            linewidth=0.5,
            label=written(column),
        )
        left = left + parts[column]
    for position, (end, text) in enumerate(zip(left, texts, strict=True)):
        axes.annotate(text, (end, position), xytext=(4, 0), textcoords="offset points", va="center", fontsize=SMALL)
    name_rows(axes, list(parts.index))
    axes.xaxis.set_major_formatter(FuncFormatter(plain))
    axes.set_xlim(0, max(float(left.max()), 1e-12) * 1.22)


def name_rows(axes: Axes, labels: Sequence[object]) -> None:
    """The names beside rows of bars or points, the first on top."""
    axes.set_yticks(range(len(labels)), [wrapped(str(label)) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
