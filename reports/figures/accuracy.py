"""Pictures of accuracy: against a cost with the Pareto front, and over the epochs and seconds of training."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...metrics import axis_label
from ..analysis.comparison import Comparison
from ..analysis.tpme import pareto
from ..quantities import Unit, missing, show
from .costs import logarithmic
from .drawing import DASHES, FAMILY_COLOURS, FAMILY_MARKERS, GREY, Picture, draw, legend, line_looks, written
from .labels import place_labels


def against_cost(comparison: Comparison, cost: pd.Series, axis: str, name: str, log: bool = True) -> Picture | None:
    """The primary metric over a cost, one point a method, the Pareto front joined, dominated methods grey.

    None without points. `cost` is by method; `axis` is the x axis' label with its unit.
    """
    metric, more = comparison.primary.name, comparison.primary.better == "more"
    methods = comparison.methods.join(cost.rename("x"), how="inner").dropna(subset=["x", metric])
    if methods.empty:
        return None
    front = pareto(methods["x"], methods[metric] if more else -methods[metric])
    anchors = comparison.methods[comparison.methods["family"] == "reference"][metric].drop(
        methods.index, errors="ignore"
    )

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, (label, value) in enumerate(anchors.dropna().items()):
            axes.axhline(
                value, color=GREY, linestyle=DASHES[1 + number % 4], linewidth=1.6, label=written(label), zorder=1
            )
        on_front = methods[front].sort_values("x")
        axes.plot(on_front["x"], on_front[metric], color="#444444", linewidth=1.4, zorder=2, label="Pareto front")
        for family in FAMILY_COLOURS:
            of_family = methods[methods["family"] == family]
            scatter_family(axes, of_family.rename(columns={metric: "y", f"{metric} sd": "y sd"}), front, family)
        if log and methods["x"].min() > 0:
            logarithmic(axes)
        axes.margins(x=0.12, y=0.14)
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))  # a share: from 0, so that small differences look small
        axes.set_xlabel(axis)
        axes.set_ylabel(axis_label(metric, "test users"))
        legend(figure, axes.get_legend_handles_labels()[0])
        colours = ["black" if front[label] else "#707070" for label in methods.index]
        points = list(zip(methods["x"], methods[metric], strict=True))
        place_labels(axes, points, [written(label) for label in methods.index], colours)

    best = ", ".join(map(str, methods[front].sort_values("x").index))
    caption = "Accuracy against cost. Filled: on the Pareto front; grey: dominated by another method."
    return draw(name, caption, f"{metric} against {axis}. On the Pareto front: {best}.", 5.2, paint)


def scatter_family(axes: Axes, methods: pd.DataFrame, front: pd.Series, family: str) -> None:
    """Points of one family, each with its std over seeds; hollow and grey where dominated."""
    if methods.empty:
        return
    marker, colour = FAMILY_MARKERS[family], FAMILY_COLOURS[family]
    for label, one in methods.iterrows():
        leads = bool(front[str(label)])
        shade = colour if leads else GREY
        std = one["y sd"] if pd.notna(one["y sd"]) else 0.0
        axes.errorbar(
            one["x"],
            one["y"],
            yerr=std or None,
            marker=marker,
            color=shade,
            markerfacecolor=shade if leads or marker == "x" else "white",
            markersize=10,
            capsize=3,
            elinewidth=1.2,
            linestyle="none",
            zorder=4 if leads else 3,
        )
    axes.scatter([], [], marker=marker, s=90, color=colour, label=family)


def learning_curves(comparison: Comparison) -> Picture | None:
    """Valid primary metric by epoch and by seconds of training, mean over seeds; None when no epoch was validated."""
    curves = {label: curve for label in comparison.drawn if (curve := mean_curve(comparison, label)) is not None}
    if not curves:
        return None
    primary = comparison.primary

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharey=True)
        looks = line_looks(comparison.drawn)
        for number, (label, curve) in enumerate(curves.items()):
            every = (number % 3, max(len(curve) // 6, 1)) if len(curve) > 6 else 1
            look = looks[label] | {"markevery": every, "linewidth": 1.8}
            upper.plot(curve["epoch"], curve["valid"], label=written(label), **look)
            lower.plot(curve["seconds"], curve["valid"], **look)
        upper.set_xlabel("epoch (number)")
        upper.xaxis.set_major_locator(MaxNLocator(integer=True))
        logarithmic(lower)
        lower.set_xlabel("training time so far in s, cache included (logarithmic)")
        figure.supylabel(f"valid {axis_label(primary.name, 'users')}", fontsize=13)
        legend(figure, upper.get_legend_handles_labels()[0])

    most, word = (pd.Series.max, "Highest") if primary.better == "more" else (pd.Series.min, "Lowest")
    best = "; ".join(f"{label} {show(most(curve['valid']), 'metric', Unit())}" for label, curve in curves.items())
    alt = f"Valid {primary.name} over training. {word}: {best}."
    height = 6.6 + 0.27 * np.ceil(len(curves) / 3)
    return draw("learning-curves", f"Valid {primary.name} over the epochs and seconds of training.", alt, height, paint)


def mean_curve(comparison: Comparison, label: str) -> pd.DataFrame | None:
    """Columns epoch, seconds, valid: means over a method's cells, as far as at least half of them went.

    Seconds are a cell's own; where other cells measured the costs, those of the row.
    """
    rows, metric = [], comparison.primary.name
    costs = dict(comparison.methods.T[label])
    timed = {result.record.cell_id for result in comparison.costs_of(label)}
    results = comparison.ok(label)
    for result in results:
        time, own = result.record.time, result.record.cell_id in timed
        built = time.cache_build if own else costs["cache_build"]
        seconds = 0.0 if built is None or missing(built) else float(built)
        for number, epoch in enumerate(time.epochs, start=1):
            seconds += epoch.total if own else float(costs["time"])
            if metric in epoch.valid:
                rows.append({"epoch": number, "seconds": seconds, "valid": epoch.valid[metric]})
    if not rows:
        return None
    grouped = pd.DataFrame(rows).groupby("epoch", as_index=False)
    means = grouped.mean()
    return means[grouped.size()["size"] * 2 >= len(results)]
