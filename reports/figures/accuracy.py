"""The picture of accuracy against each cost: small plots with one y axis, each with its Pareto front as steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ...metrics import axis_label
from ..analysis.comparison import Comparison
from ..analysis.tpme import COSTS, pareto
from ..quantities import unit
from .costs import COUNTS, RAW
from .drawing import SMALL, TINY, Picture, draw, legend, logarithmic, name_y_axis, written
from .labels import Label, place_labels
from .looks import COLOURS, DASHES, INK, MARKERS, SOFT, Look, looks

AXES = {
    "time": "T, training time in {unit} an epoch",
    "parameters": "P, trainable parameters in {unit}",
    "memory": "M, peak training memory in {unit}",
}
FEW = 10
"""Points in a plot that can all be named beside it; of more, those off the front have numbers."""
NAME = 20
"""Characters of a name beside its point, and of one in a legend of three columns."""
_TWO_COLUMNS = 36


@dataclass(frozen=True)
class Plot:
    """Accuracy against one cost: `points` by label with `x`, `y`, `sd` and `front`; `axis` is the x axis' label."""

    points: pd.DataFrame
    axis: str
    log: bool


@dataclass(frozen=True)
class Names:
    """How points are named: `numbers` of those that the legend names, `kept` those named everywhere."""

    numbers: dict[str, int]
    kept: frozenset[str]

    def of(self, label: str, front: bool) -> str:
        """What stands beside a point. Of a name that is too long the end, which tells settings apart, would be lost."""
        number = self.numbers.get(label)
        named = number is None or label in self.kept or (front and len(label) <= NAME)
        return written(label, NAME) if named else str(number)


def accuracy_panels(comparison: Comparison, scores: pd.Series, reference: str) -> Picture | None:
    """The primary metric over T, P, M and TPME, one point a method. None without points.

    `scores`: TPME by label, may be empty. Rows without costs are lines across. `reference` is named everywhere.
    """
    plots = [plot for plot in (*_costs(comparison), _scores(comparison, scores)) if len(plot.points)]
    if not plots:
        return None
    metric, known = comparison.primary.name, looks(comparison.methods)
    labels = list(dict.fromkeys(str(label) for plot in plots for label in plot.points.index))
    anchors = comparison.methods[metric][comparison.methods["family"] == "reference"].dropna()
    anchors = anchors.drop(labels, errors="ignore")
    ordered = [str(label) for label in comparison.methods.index if str(label) in labels]
    numbers = {label: place for place, label in enumerate(ordered, 1)} if len(labels) > FEW else {}
    names = Names(numbers, frozenset({reference}))

    def paint(figure: Figure) -> None:
        grid = figure.subplots(-(-len(plots) // 2), min(len(plots), 2), squeeze=False, sharey=True)
        for axes in grid.flat[len(plots) :]:
            axes.set_axis_off()
        panels = list(zip(grid.flat, plots, strict=False))
        for axes, plot in panels:
            for label, value in anchors.items():
                dashes = DASHES[1 + list(anchors.index).index(label) % 3]
                axes.axhline(value, color=known[str(label)].colour, linestyle=dashes, linewidth=1.4, zorder=1)
            _paint(axes, plot, known)
        _one_y_axis([axes for axes, _ in panels], room=0.3 if numbers else 0.05)
        name_y_axis(figure, axis_label(metric, "test users"))
        small: dict[str, Any] = {"handlelength": 1.4, "columnspacing": 1.0} if numbers else {}
        legend(figure, _handles(comparison, known, anchors, names), below=True, **small)
        for axes, plot in panels:
            _steps(axes, plot.points)
            place_labels(axes, _labels(plot.points, names))

    fronts = [f"{plot.axis}: {', '.join(map(str, _front(plot.points).index))}" for plot in plots]
    caption = "Accuracy against each cost. Filled: on the Pareto front, which the steps join; hollow: dominated."
    caption += " Numbers: see beneath." * bool(numbers)
    entries = len(anchors) + 1 + (len(numbers) or 4)
    longest = max((len(written(label)) for label in numbers), default=0)
    columns = 3 if longest <= NAME else 2 if longest <= _TWO_COLUMNS else 1
    height = -(-len(plots) // 2) * (3.9 if numbers else 2.95) + 0.4 + 0.23 * -(-entries // columns)
    alt = f"{metric} against costs. On the Pareto fronts: {'; '.join(fronts)}."
    return draw("accuracy-costs", caption, alt, height, paint)


def _costs(comparison: Comparison) -> list[Plot]:
    plots = []
    for cost in COSTS:
        values = comparison.methods[cost].dropna().astype(float)
        scale = unit(RAW[cost], values)
        log = bool(len(values) and values.min() > 0)
        label = AXES[cost].format(unit=COUNTS.get(scale.name, scale.name)) + "\n(logarithmic)" * log
        plots.append(Plot(_points(comparison, values / scale.scale), label, log))
    return plots


def _scores(comparison: Comparison, scores: pd.Series) -> Plot:
    return Plot(_points(comparison, scores), "TPME (no unit, 0 to 1,\nlower is better)", False)


def _points(comparison: Comparison, cost: pd.Series) -> pd.DataFrame:
    metric, more = comparison.primary.name, comparison.primary.better == "more"
    columns = {metric: "y", f"{metric} sd": "sd"}
    points = comparison.methods[list(columns)].rename(columns=columns).join(cost.rename("x"), how="inner")
    points = points.dropna(subset=["x", "y"])
    return points.assign(front=pareto(points["x"], points["y"] if more else -points["y"]))


def _front(points: pd.DataFrame) -> pd.DataFrame:
    return points[points["front"]].sort_values(["x", "y"])


def _paint(axes: Axes, plot: Plot, known: dict[str, Look]) -> None:
    """Every point with its std over seeds; hollow where dominated."""
    for label, one in plot.points.iterrows():
        look, leads = known[str(label)], bool(one["front"])
        axes.errorbar(
            one["x"], one["y"], yerr=float(one["sd"]) if pd.notna(one["sd"]) and one["sd"] else None,
            marker=look.marker, color=look.colour, markerfacecolor=look.colour if leads else "#ffffff",
            markersize=8, capsize=2, elinewidth=0.9, linestyle="none", zorder=4 if leads else 3,
        )  # fmt: skip
    if plot.log:
        logarithmic(axes, spread=40)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.margins(x=0.16, y=0.12)
    axes.set_xlabel(plot.axis)


def _one_y_axis(panels: Sequence[Axes], room: float) -> None:
    """A share: from 0, so that small differences look small. Above the best is `room` for names, a share of all."""
    low, high = panels[0].get_ylim()
    low = min(0.0, low)
    panels[0].set_ylim(low, high + room * (high - low))


def _steps(axes: Axes, points: pd.DataFrame) -> None:
    """The best accuracy that every cost buys: level until the next method of the front, and then on to the edge."""
    front, edge = _front(points), axes.get_xlim()
    xs, ys = [*front["x"], edge[1]], [*front["y"], front["y"].iloc[-1]]
    axes.plot(xs, ys, color=SOFT, linewidth=1.2, zorder=2, label="Pareto front", drawstyle="steps-post")
    axes.set_xlim(edge)


def _labels(points: pd.DataFrame, names: Names) -> list[Label]:
    """Names first, as they need the most room; then numbers."""
    found = []
    for label, one in points.iterrows():
        text, colour = names.of(str(label), bool(one["front"])), INK if one["front"] else SOFT
        found.append(Label((one["x"], one["y"]), text, colour, TINY if text.isdigit() else SMALL))
    return sorted(found, key=lambda label: -len(label.text))


def _handles(comparison: Comparison, known: dict[str, Look], anchors: pd.Series, names: Names) -> list[Line2D]:
    """The front, the rows across, and the families, or every method by its number."""
    front = Line2D([], [], color=SOFT, linewidth=1.2, label="Pareto front", drawstyle="steps-post")
    across = [
        Line2D([], [], color=known[str(label)].colour, linestyle=DASHES[1 + place % 3], linewidth=1.4,
               label=written(label))
        for place, label in enumerate(anchors.index)
    ]  # fmt: skip
    plain = {"linestyle": "none", "markersize": 8}
    if names.numbers:
        marks = [
            Line2D([], [], marker=known[label].marker, color=known[label].colour, label=text, **plain)
            for label, text in ((label, f"{number} {written(label)}") for label, number in names.numbers.items())
        ]
    else:
        families = [name for name in COLOURS if name in set(comparison.methods["family"].drop(anchors.index))]
        marks = [
            Line2D([], [], marker=MARKERS[name][0], color=COLOURS[name][0], label=name, **plain) for name in families
        ]
    return [*marks, *across, front]
