"""The picture of a search: what each setting reached on valid, one row of panels a method, one panel a setting."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ...naming import written as as_written
from ..analysis.comparison import Comparison
from ..analysis.search import Point, Search
from .drawing import Picture, draw, written
from .looks import INK, PAPER, looks

RATES = ("learning_rate_scale", "head_lr", "towers", "lr")
"""Settings on a logarithmic axis, which stand first; all others have a place a value."""
_SMALL = 10
_LONGEST = 26


def search_panels(comparison: Comparison, labels: list[str]) -> Picture | None:
    """The valid primary metric of every setting that was tried against each key; `labels` are the searches' rows."""
    searches = [(label, search) for label, search in zip(labels, comparison.searches, strict=True) if _reached(search)]
    if not searches:
        return None
    metric = comparison.primary.name
    columns = max(len(search.keys) for _, search in searches)
    known = looks(comparison.methods)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(len(searches), columns, squeeze=False, sharey="row")
        for axes, (label, search) in zip(grid, searches, strict=True):
            keys = sorted(search.keys, key=lambda key: (RATES.index(key) if key in RATES else len(RATES), key))
            axes[0].set_title(written(label, _LONGEST), fontsize=11)
            for panel, key in zip(axes, keys, strict=False):
                _panel(panel, search, key, known[label].colour)
            for panel in axes[len(keys) :]:
                panel.set_axis_off()
        figure.supylabel(f"{metric} of the valid users (share)", fontsize=12)

    best = "; ".join(f"{label} {max(_reached(search)):.4f}" for label, search in searches)
    caption = f"{metric} on valid of every setting that was tried, against each of what was searched. "
    caption += "Black diamond: the chosen; hollow: the method as it is."
    alt = f"Small panels of points, a row a method, a column a setting. Highest {metric} on valid: {best}."
    return draw("search", caption, alt, 0.5 + 1.9 * len(searches), paint)


def _reached(search: Search) -> list[float]:
    return [valid for point in search.points if (valid := point.valid) is not None]


def _panel(axes: Axes, search: Search, key: str, colour: str) -> None:
    """One setting of a method."""
    tried = [(point, point.used.get(key), point.valid) for point in search.points]
    known = [(point, value, valid) for point, value, valid in tried if value is not None and valid is not None]
    places = _places(axes, key, [value for _, value, _ in known])
    for (point, _, valid), place in zip(known, places, strict=True):
        axes.plot([place], [valid], linestyle="none", **_look(point, search, colour))
    axes.set_xlabel(key, fontsize=_SMALL)
    axes.tick_params(labelsize=_SMALL - 1)
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.margins(x=0.12, y=0.18)


def _look(point: Point, search: Search, colour: str) -> dict[str, Any]:
    if point is search.chosen:
        return {"marker": "D", "color": INK, "markersize": 9, "markeredgecolor": PAPER, "zorder": 3}
    face = PAPER if point is search.own else colour
    return {"marker": "o", "markersize": 6, "color": colour, "markerfacecolor": face}


def _places(axes: Axes, key: str, values: list[Any]) -> list[float]:
    """Where values stand on the axis: rates on a logarithmic one, others a place a value, in order."""
    if key in RATES:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        return [float(value) for value in values]
    numeric = all(isinstance(value, int | float) for value in values)
    ladder = {as_written(value): value for value in values}
    names = sorted(ladder, key=lambda name: ladder[name]) if numeric else sorted(ladder)
    axes.xaxis.set_major_locator(FixedLocator(list(range(len(names)))))
    axes.set_xticks(range(len(names)), [written(name, 12) for name in names])
    return [float(names.index(as_written(value))) for value in values]
