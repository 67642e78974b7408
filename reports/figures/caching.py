"""The picture of caching: seconds spent so far by epoch, the build included, and where the build is paid back."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..analysis.caching import break_even, cached_methods, crossing, rivals, twins
from ..analysis.comparison import Comparison
from .curves import MOST
from .drawing import Picture, draw, logarithmic, plain, written
from .ends import End, name_ends, names_height
from .labels import Label, place_labels
from .looks import INK, looks

LONGEST = 60
"""Epochs that are shown at most, where no method was trained for more."""
NUMBERED = 12
"""Break-evens in one plot that can have their epoch beside them."""


@dataclass(frozen=True)
class BreakEven:
    """Where a cached method and another have taken as long: after `x` epochs, `y` seconds; `epoch`: the whole one."""

    cached: str
    x: float
    y: float
    epoch: float


def caching_plot(comparison: Comparison) -> Picture | None:
    """Seconds spent so far by epoch, break-evens ringed; None without a cached method that is held against another."""
    cached = cached_methods(comparison)
    held = {str(label): rivals(comparison, str(label)) for label in cached.index}
    cached = cached.loc[[label for label in cached.index if len(held[str(label)])]]
    if cached.empty:
        return None
    others = told(comparison, pd.concat(held.values()), held, len(cached))
    marks = break_evens(cached, others, held)
    known = looks(comparison.methods)
    last = min(max([*(mark.x for mark in marks), 3]) * 1.4 + 1, max(LONGEST, float(cached["epochs"].max())))
    first = min([*(mark.x for mark in marks), 1.0]) / 1.5
    epochs = np.geomspace(first, last, 100)
    lines = {str(label): row["cache_build"] + epochs * row["time"] for label, row in cached.iterrows()}
    lines |= {str(label): epochs * row["time"] for label, row in others.iterrows()}

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, (label, times) in enumerate(lines.items()):
            wide = 3.0 if label in held else 1.4
            every = (5 + 7 * number % 20, 25)
            axes.plot(epochs, times, markevery=every, label=written(label), linewidth=wide, **known[label].line())
        shown = [mark for mark in marks if mark.x <= last]
        ring: dict[str, Any] = {
            "linestyle": "none",
            "marker": "o",
            "markersize": 9,
            "color": INK,
            "markerfacecolor": "none",
        }
        axes.plot([mark.x for mark in shown], [mark.y for mark in shown], label="break-even", **ring)
        axes.set_xlim(first, last)
        axes.set_yscale("log")
        logarithmic(axes)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(plain))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("epochs trained (number, logarithmic)")
        axes.set_ylabel("time so far in s, cache build\nincluded (logarithmic)")
        name_ends(figure, [(axes, [End(label, known[label], last, times[-1]) for label, times in lines.items()])])
        place_labels(axes, [Label((mark.x, mark.y), f"epoch {mark.epoch:.0f}", INK) for mark in numbered(shown)])

    caption = "When building the cache is paid back: rings, where a thick line falls below a thin one"
    caption += ", with the first epoch at whose end it is." if numbered(marks) else "."
    if len(others) < len(set().union(*(rows.index for rows in held.values()))):
        caption += " Of embedded methods and hybrids the quickest and the slowest are drawn."
    alt = "Seconds spent by epoch; cached methods start with the time of building the cache and rise slowly."
    return draw("caching", caption, alt, max(3.4, names_height(list(lines))) + 0.9, paint)


def told(comparison: Comparison, others: pd.DataFrame, held: dict[str, pd.DataFrame], cached: int) -> pd.DataFrame:
    """Those of the others that are drawn: all, or where they are many the twins, and of each family two extremes."""
    others = others[~others.index.duplicated()]
    if cached + len(others) <= MOST:
        return others
    twin = pd.concat([twins(comparison, label) for label in held], axis=1).any(axis=1).reindex(others.index)
    times = others["time"].groupby(others["family"])
    extreme = (others["time"] == times.transform("min")) | (others["time"] == times.transform("max"))
    return others[twin | extreme]


def numbered(marks: list[BreakEven]) -> list[BreakEven]:
    """The break-evens whose epoch stands beside them, one of those of a method in the same epoch; none of very many."""
    found = {(mark.cached, mark.epoch): mark for mark in marks}
    return list(found.values()) if len(found) <= NUMBERED else []


def break_evens(cached: pd.DataFrame, others: pd.DataFrame, held: dict[str, pd.DataFrame]) -> list[BreakEven]:
    """Of each cached method and each of its rivals that are drawn, where it has caught up with that one."""
    found = []
    for label, own in cached.iterrows():
        for _, rival in others[others.index.isin(held[str(label)].index)].iterrows():
            costs = (own["cache_build"], own["time"], rival["time"])
            x = crossing(*costs)
            if 0 < x < math.inf:
                found.append(BreakEven(str(label), x, x * rival["time"], break_even(*costs)))
    return found
