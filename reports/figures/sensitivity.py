"""Pictures of TPME's dependence on its weights: the triangle of weights, and ranks along its edges."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from ..analysis.sensitivity import EDGES, Region, ranks_along
from ..analysis.tpme import PRESETS
from ..quantities import show, unit
from .drawing import HATCHES, MARKERS, Picture, draw, legend, line_looks, written

POSITIONS = np.array([[0.0, 0.0], [0.5, np.sqrt(3) / 2], [1.0, 0.0]])
"""Corners of the drawn triangle: all weight on time (left), parameters (top), memory (right)."""


def ternary(maps: Sequence[tuple[str, list[Region]]], methods: Sequence[str]) -> Picture:
    """One triangle a map (its title, its regions), one colour and hatch a winning method, presets marked.

    `methods`: all that are drawn, in the order in which the other pictures colour them.
    """
    colours = {label: look["color"] for label, look in line_looks(methods).items()}
    winners = dict.fromkeys((region.labels, region.title) for _, regions in maps for region in regions)
    looks = {title: (colours[labels[0]], HATCHES[n % len(HATCHES)]) for n, (labels, title) in enumerate(winners)}

    def paint(figure: Figure) -> None:
        rows = figure.subplots(len(maps), 1, squeeze=False)[:, 0]
        for axes, (title, regions) in zip(rows, maps, strict=True):
            triangle(axes, title, regions, looks)
        handles = [
            Patch(facecolor=colour, hatch=hatch, edgecolor="white", label=written(label))
            for label, (colour, hatch) in looks.items()
        ]
        handles += [
            rows[0].plot(
                [], [], marker=MARKERS[n], color="white", markeredgecolor="black", linestyle="none", label=name
            )[0]
            for n, name in enumerate(PRESETS)
        ]
        legend(figure, handles)

    share = unit("share", [])
    words = [
        f"{title}: " + ", ".join(f"{region.title} {show(region.share, 'share', share)} %" for region in regions)
        for title, regions in maps
    ]
    caption = (
        "Which method has the lowest TPME under which weights. White marks: presets. Figures on a side: the weight of "
        "the corner that they grow towards, going round anticlockwise."
    )
    return draw("weights", caption, "Triangles of weights. " + "; ".join(words) + ".", 1.0 + 4.2 * len(maps), paint)


def triangle(axes: Axes, title: str, regions: list[Region], looks: dict[str, tuple[str, str]]) -> None:
    """One map: regions, presets, corners named with their unit, a scale of weights on each side."""
    axes.set_title(written(title, 60))
    axes.set_axis_off()
    axes.set_aspect("equal")
    for region in regions:
        colour, hatch = looks[region.title]
        corners = region.corners @ POSITIONS
        axes.add_patch(Polygon(corners, facecolor=colour, hatch=hatch, edgecolor="white", linewidth=1.2))
    axes.add_patch(Polygon(POSITIONS, fill=False, edgecolor="#333333", linewidth=1.5))
    for number, weights in enumerate(PRESETS.values()):
        x, y = weights.array() @ POSITIONS
        axes.plot(x, y, marker=MARKERS[number], color="white", markeredgecolor="black", markersize=10, zorder=5)
    for start, end, shift, side in (
        (0, 2, (0, -0.06), "center"),
        (2, 1, (0.05, 0), "left"),
        (1, 0, (-0.05, 0), "right"),
    ):
        for part in (0.25, 0.5, 0.75):
            x, y = POSITIONS[start] * (1 - part) + POSITIONS[end] * part + np.array(shift)
            axes.text(x, y, f"{part:.0%}", ha=side, va="center", fontsize=11, color="#444444")
    axes.text(-0.03, -0.03, "all weight\non time", ha="right", va="center")
    axes.text(1.03, -0.03, "all weight\non memory", ha="left", va="center")
    axes.text(0.5, 0.9, "all weight on parameters", ha="center", va="bottom")
    axes.set_xlim(-0.35, 1.35)
    axes.set_ylim(-0.12, 1.0)


def edges(costs: pd.DataFrame, methods: Sequence[str]) -> Picture:
    """Ranks along the three edges of the triangle of weights; `methods` as for `ternary`."""
    looks = line_looks(methods)

    def paint(figure: Figure) -> None:
        rows = figure.subplots(len(EDGES), 1, sharey=True)
        for axes, edge in zip(rows, EDGES, strict=True):
            ranks = ranks_along(costs, edge)
            for number, label in enumerate(ranks.columns):
                name = written(label) if axes is rows[0] else None
                axes.plot(
                    ranks.index, ranks[label], markevery=(4 + 3 * number % 10, 25), label=name, **looks[str(label)]
                )
            axes.set_xlabel(f"weight of {edge[1]}, 0 to 1; the rest on {edge[0]}")
            axes.set_xlim(0, 1)
            axes.set_ylim(len(ranks.columns) + 0.5, 0.5)
            step = max(1, len(ranks.columns) // 5)
            axes.set_yticks(range(1, len(ranks.columns) + 1, step))
        figure.supylabel("rank by TPME (1 is best)", fontsize=13)
        legend(figure, rows[0].get_legend_handles_labels()[0])

    height = 7.6 + 0.27 * np.ceil(len(costs) / 3)
    alt = "Ranks by TPME as weight moves from time to memory, from time to parameters, from parameters to memory."
    return draw("weights-edges", "How ranks change as weight moves from one cost to another.", alt, height, paint)
