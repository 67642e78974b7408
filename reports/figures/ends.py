"""Names at the ends of lines: to the right of a plot, each beside a piece of its line, none over another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from scipy.optimize import isotonic_regression

from .drawing import SMALL, laid_out, wrapped
from .looks import Look

_SAMPLE = (8.0, 34.0)
"""Where, in points right of the axes, the piece of a line stands that its name follows."""


@dataclass(frozen=True)
class End:
    """Where a line ends, in data, and whose it is."""

    label: str
    look: Look
    x: float
    y: float


def names_height(labels: Sequence[str]) -> float:
    """Inches that the names take one above the other."""
    return sum(0.19 * (wrapped(label).count("\n") + 1) + 0.03 for label in labels)


def name_ends(figure: Figure, plots: Sequence[tuple[Axes, Sequence[End]]]) -> None:
    """Names the lines of each plot; lays the figure out, which must be whole but for this."""
    notes = [[_note(axes, end) for end in ends] for axes, ends in plots]
    laid_out(figure)
    for (axes, ends), texts in zip(plots, notes, strict=True):
        _spread(axes, ends, texts)


def _note(axes: Axes, end: End) -> Annotation:
    text, place = wrapped(end.label, 22), (_SAMPLE[1] + 5, 0)
    return axes.annotate(
        text, (1, 0.5), place, xycoords="axes fraction", textcoords="offset points", va="center", fontsize=SMALL,
        annotation_clip=False, linespacing=1.0,
    )  # fmt: skip


def _spread(axes: Axes, ends: Sequence[End], notes: Sequence[Annotation]) -> None:
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    frame, scale = axes.get_window_extent(renderer), figure.dpi / 72
    points = np.array([axes.transData.transform((end.x, end.y)) for end in ends]).reshape(-1, 2)
    points = np.clip(points, frame.min, frame.max)
    heights = np.array([note.get_window_extent(renderer).height for note in notes]) + 2 * scale
    middles = spread(points[:, 1], heights, frame.y0, frame.y1)
    inverse = axes.transAxes.inverted()
    for (x, y), middle, end, note in zip(points, middles, ends, notes, strict=True):
        note.xy = (1, inverse.transform((0, middle))[1])
        left, right = (frame.x1 + part * scale for part in _SAMPLE)
        lead, sample = (inverse.transform(way) for way in ([(x, y), (left, middle)], [(left, middle), (right, middle)]))
        plain = {"transform": axes.transAxes, "clip_on": False, "color": end.look.colour, "zorder": 1.9}
        axes.add_line(Line2D(*lead.T, linewidth=0.7, alpha=0.7, **plain))
        line = Line2D(*sample.T, linewidth=1.8, linestyle=end.look.dashes, **plain)  # type: ignore[arg-type]
        axes.add_line(line)
        axes.add_line(Line2D(*sample.mean(axis=0)[:, None], marker=end.look.marker, markersize=6, **plain))


def spread(wanted: np.ndarray, heights: np.ndarray, low: float, high: float) -> np.ndarray:
    """Middles as near as can be to those `wanted` of things so high that stand one above the other, from low to high.

    Neighbours that would overlap are moved together by as much as leaves their order. Where there is not room for all,
    they stand around the middle.
    """
    if not len(wanted):
        return wanted
    order = np.argsort(wanted, kind="stable")
    offsets = np.cumsum(heights[order]) - heights[order] / 2
    bases = isotonic_regression(wanted[order] - offsets).x
    room = high - low - heights.sum()
    bases = np.clip(bases, low, low + room) if room >= 0 else np.full(len(bases), low + room / 2)
    found = np.empty(len(wanted))
    found[order] = bases + offsets
    return found
