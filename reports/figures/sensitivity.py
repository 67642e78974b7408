"""The triangle of TPME's weights: which method is the best where."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from ..analysis.sensitivity import Region
from ..analysis.tpme import PRESETS
from ..quantities import show, unit
from .drawing import SMALL, Picture, draw, legend, wrapped, written
from .looks import INK, PAPER, SOFT, Look

POSITIONS = np.array([[0.0, 0.0], [0.5, np.sqrt(3) / 2], [1.0, 0.0]])
"""Corners of the drawn triangle: all weight on time (left), parameters (top), memory (right)."""
HATCHES = ("", "//", "..", "\\\\", "xx", "--", "++", "oo")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")


@dataclass(frozen=True)
class Map:
    """Where each of some methods has the lowest TPME: `title` over the triangle, `among` in the sentence beneath."""

    title: str
    among: str
    regions: Sequence[Region]

    def finding(self) -> str:
        """What the triangle shows, in a sentence."""
        share = unit("share", [])
        parts = [f"{region.title} under {show(region.share, 'share', share)} %" for region in self.regions]
        if len(parts) == 1:
            parts = [f"{self.regions[0].title} under all weights"]
        return f"Of {self.among}, the lowest TPME has {', '.join(parts)}{' of all weights' * (len(parts) > 1)}."


def ternary(maps: Sequence[Map], looks: Mapping[str, Look]) -> Picture:
    """One triangle a map, a colour and hatch a winning method, presets marked."""
    winners = dict.fromkeys((region.labels, region.title) for one in maps for region in one.regions)
    drawn = {title: (looks[labels[0]].colour, HATCHES[n % len(HATCHES)]) for n, (labels, title) in enumerate(winners)}

    def paint(figure: Figure) -> None:
        plots = figure.subplots(1, max(len(maps), 2), squeeze=False)[0]
        for axes in plots:
            axes.set_axis_off()
        for axes, one in zip(plots, maps, strict=False):
            triangle(axes, one, drawn)
        handles = [
            Patch(facecolor=colour, hatch=hatch, edgecolor=PAPER, label=written(label))
            for label, (colour, hatch) in drawn.items()
        ]
        mark = {"color": PAPER, "markeredgecolor": INK, "linestyle": "none"}
        handles += [plots[0].plot([], [], marker=MARKERS[n], label=name, **mark)[0] for n, name in enumerate(PRESETS)]
        legend(figure, handles)

    findings = " ".join(one.finding() for one in maps)
    caption = f"{findings} White marks: presets. Figures on a side: the weight of the corner that they grow towards."
    rows = -(-(len(drawn) + len(PRESETS)) // 3)
    return draw("weights", caption, f"Triangles of weights. {findings}", 3.3 + 0.24 * rows, paint)


def triangle(axes: Axes, one: Map, looks: Mapping[str, tuple[str, str]]) -> None:
    """One map: regions, presets, corners named, a scale of weights on each side."""
    axes.set_title(wrapped(one.title, 30))
    axes.set_aspect("equal")
    for region in one.regions:
        colour, hatch = looks[region.title]
        corners = region.corners @ POSITIONS
        axes.add_patch(Polygon(corners, facecolor=colour, hatch=hatch, edgecolor=PAPER, linewidth=1.2))
    axes.add_patch(Polygon(POSITIONS, fill=False, edgecolor=INK, linewidth=1.2))
    for number, weights in enumerate(PRESETS.values()):
        x, y = weights.array() @ POSITIONS
        axes.plot(x, y, marker=MARKERS[number], color=PAPER, markeredgecolor=INK, markersize=8, zorder=5)
    for start, end, shift, side in (
        (0, 2, (0, -0.065), "center"),
        (2, 1, (0.04, 0.01), "left"),
        (1, 0, (-0.04, 0.01), "right"),
    ):
        for part in (0.25, 0.5, 0.75):
            x, y = POSITIONS[start] * (1 - part) + POSITIONS[end] * part + np.array(shift)
            axes.text(x, y, f"{part:.0%}", ha=side, va="center", fontsize=SMALL, color=SOFT)
    axes.text(-0.03, -0.13, "all on\ntime", ha="center", va="top", fontsize=SMALL)
    axes.text(1.03, -0.13, "all on\nmemory", ha="center", va="top", fontsize=SMALL)
    axes.text(0.5, 0.89, "all on parameters", ha="center", va="bottom", fontsize=SMALL)
    axes.set_xlim(-0.2, 1.2)
    axes.set_ylim(-0.36, 1.0)
