"""Lines over training with bands over seeds, named at their ends; many methods are divided among several plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.cells import FAMILIES
from .drawing import written
from .ends import End, name_ends, names_height
from .looks import LINE, Look

MOST = 9
"""Lines in one plot that can be followed."""


@dataclass(frozen=True)
class Curve:
    """A method's line: where it is `[n]`, its mean, and the bounds of its band, NaN where there is none."""

    x: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def groups(ends: pd.DataFrame, more: bool) -> list[tuple[str, list[str]]]:
    """Which lines share a plot, with its title: all where they are few, else those of a family by what they reached.

    `ends` has `family` and `end`, a row a label; the best first where `more` is better. Families of a few lines share.
    """
    ordered = ends.sort_values("end", ascending=not more, kind="stable")
    if len(ordered) <= MOST:
        return [("", [str(label) for label in ordered.index])]
    of_family = {name: [str(one) for one in ordered.index[ordered["family"] == name]] for name in FAMILIES}
    small = [name for name, labels in of_family.items() if 0 < len(labels) <= MOST // 3]
    together = [str(label) for label in ordered.index if ordered["family"][label] in small]
    parts = {", ".join(small): together} if small and len(together) <= MOST else {}
    parts |= {name: labels for name, labels in of_family.items() if labels and not (parts and name in small)}
    found = []
    for name, labels in parts.items():
        pieces = np.array_split(np.array(labels, dtype=object), -(-len(labels) // MOST))
        for number, piece in enumerate(pieces, 1):
            found.append((f"{name} ({number} of {len(pieces)})" if len(pieces) > 1 else name, list(piece)))
    return found


def grid_height(divided: Sequence[tuple[str, list[str]]]) -> float:
    """Inches for a row of plots a group."""
    rows = [max(2.0 if len(divided) > 1 else 2.9, names_height(labels)) + 0.25 for _, labels in divided]
    return 0.5 + sum(rows)


def draw_curves(
    figure: Figure, columns: Sequence[Mapping[str, Curve]], divided: Sequence[tuple[str, list[str]]],
    looks: Mapping[str, Look], steps: bool = False,
) -> list[Axes]:  # fmt: skip
    """A row of plots a group, a plot a column; the other groups' lines are pale behind. Returns the lowest row.

    The y axis holds every mean; bands that reach far beyond are cut.
    """
    heights = [max(2.0, names_height(labels)) for _, labels in divided]
    grid = figure.subplots(len(divided), len(columns), squeeze=False, sharex="col", sharey=True, height_ratios=heights)
    means = np.concatenate([curve.mean for column in columns for curve in column.values()])
    spare = 0.25 * (means.max() - means.min()) or 0.1 * abs(means.max()) or 0.01
    grid[0, 0].set_ylim(max(means.min() - spare, min(0.0, means.min())), means.max() + spare)
    for row, (title, labels) in zip(grid, divided, strict=True):
        row[0].set_title(title)
        for axes, column in zip(row, columns, strict=True):
            for label, curve in column.items():
                if label in labels:
                    _line(axes, label, curve, looks[label], labels.index(label), steps)
                else:
                    axes.plot(curve.x, curve.mean, color=LINE, linewidth=1, zorder=1, **_drawn(steps))
    return list(grid[-1])


def name_curves(
    figure: Figure, column: Mapping[str, Curve], divided: Sequence[tuple[str, list[str]]], looks: Mapping[str, Look]
) -> None:
    """Names the lines of the last column of `draw_curves`, when all else of the figure is there."""
    last = [axes for axes in figure.axes if axes.get_subplotspec().is_last_col()]  # type: ignore[union-attr]
    plots = []
    for axes, (_, labels) in zip(last, divided, strict=True):
        known = [(label, column[label]) for label in labels if label in column]
        plots.append((axes, [End(label, looks[label], curve.x[-1], curve.mean[-1]) for label, curve in known]))
    name_ends(figure, plots)


def _line(axes: Axes, label: str, curve: Curve, look: Look, number: int, steps: bool) -> None:
    every = (number % 3, max(len(curve.x) // 5, 1)) if len(curve.x) > 6 else 1
    axes.plot(curve.x, curve.mean, label=written(label), markevery=every, **look.line(), **_drawn(steps))
    step: dict[str, Any] = {"step": "post"} if steps else {}
    axes.fill_between(curve.x, curve.low, curve.high, color=look.colour, alpha=0.15, linewidth=0, zorder=1.5, **step)


def _drawn(steps: bool) -> dict[str, Any]:
    return {"drawstyle": "steps-post"} if steps else {}
