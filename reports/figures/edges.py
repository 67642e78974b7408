"""Ranks by TPME as its weight moves once round the triangle of weights: from one cost to the next."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from ..analysis.sensitivity import EDGES, ranks_along
from .drawing import Picture, draw, written
from .ends import End, name_ends, names_height
from .looks import SOFT, Look


def edges(costs: pd.DataFrame, looks: Mapping[str, Look]) -> Picture:
    """A line a method, its rank over the weights: all on time, on parameters, on memory, and on time again."""
    ways = [ranks_along(costs, edge) for edge in EDGES]
    ranks = pd.concat([way.set_axis(way.index + number) for number, way in enumerate(ways)])
    labels = [str(label) for label in ranks.columns]

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for number, label in enumerate(labels):
            every = (5 + 7 * number % 30, 40)
            axes.plot(ranks.index, ranks[label], markevery=every, label=written(label), **looks[label].line())
        for corner in range(1, len(EDGES)):
            axes.axvline(corner, color=SOFT, linewidth=0.8, zorder=0)
        axes.set_xticks(range(len(EDGES) + 1), [f"all on\n{name}" for name in (*(edge[0] for edge in EDGES), "time")])
        axes.set_xlabel("weight of TPME, moving from one cost to the next")
        axes.set_xlim(0, len(EDGES))
        axes.set_ylim(len(labels) + 0.5, 0.5)
        step = next(step for step in (1, 2, 5, 10, 50, 1000) if len(labels) <= 7 * step)
        axes.set_yticks([1, *range(max(step, 2), len(labels) + 1, step)])
        axes.set_ylabel("rank by TPME (1 is best)")
        name_ends(figure, [(axes, [End(label, looks[label], len(EDGES), ranks[label].iloc[-1]) for label in labels])])

    alt = "Ranks by TPME as weight moves from time to parameters, from parameters to memory, from memory to time."
    caption = "How ranks change as weight moves from one cost to the next."
    return draw("weights-edges", caption, alt, max(2.4, names_height(labels)) + 1.0, paint)
