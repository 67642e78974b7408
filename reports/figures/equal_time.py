"""Test accuracy over the seconds of training, with bands over seeds."""

import numpy as np
from matplotlib.figure import Figure

from ...metrics import axis_label
from ..analysis.comparison import Comparison
from ..analysis.equal_time import curves
from ..analysis.statistics import mean_interval
from ..quantities import Unit, show
from .costs import logarithmic
from .drawing import Picture, draw, legend, line_looks, written


def equal_time(comparison: Comparison, metric: str) -> Picture | None:
    """The best so far by valid of each row, as steps; the band is the interval over seeds. None without any."""
    found = curves(comparison, metric)
    if not found:
        return None
    longest = max(curve.end for curve in found.values())

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        looks = line_looks(comparison.drawn)
        for number, (label, curve) in enumerate(found.items()):
            seconds = np.append(curve.seconds, max(longest, curve.seconds[-1]))
            values = np.concatenate([curve.values, curve.values[:, -1:]], axis=1)
            every = (number % 3, max(len(seconds) // 6, 1))
            look = looks[label] | {"markevery": every, "linewidth": 1.8, "drawstyle": "steps-post"}
            axes.plot(seconds, values.mean(axis=0), label=written(label), **look)
            low, high = np.array([(each.low, each.high) for each in map(mean_interval, values.T)]).T
            axes.fill_between(seconds, low, high, step="post", color=look["color"], alpha=0.15, linewidth=0)
        logarithmic(axes)
        axes.set_xlabel("training time so far in s, cache included (logarithmic)")
        axes.set_ylabel(axis_label(metric, "test users"))
        legend(figure, axes.get_legend_handles_labels()[0])

    ends = "; ".join(f"{label} {show(curve.values[:, -1].mean(), 'metric', Unit())}" for label, curve in found.items())
    bands = "bands: 95 % intervals over seeds (Student's t)" if any(len(c.seeds) > 1 for c in found.values()) else ""
    caption = f"Test {metric} of the best epoch so far by valid, over training time{bands and f'; {bands}'}."
    name = f"equal-time-{metric.replace('@', '-').lower()}"
    return draw(name, caption, f"Test {metric} over training time. At the end: {ends}.", 5.4, paint)
