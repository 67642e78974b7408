"""Test accuracy over the seconds of training, with bands over seeds."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...metrics import axis_label
from ..analysis import equal_time as analysis
from ..analysis.comparison import Comparison
from ..analysis.statistics import mean_interval
from ..quantities import Unit, show
from .curves import Curve, draw_curves, grid_height, groups, name_curves
from .drawing import Picture, draw, logarithmic, name_y_axis
from .learning import BANDS, grouped
from .looks import looks


def equal_time(comparison: Comparison, metric: str) -> Picture | None:
    """The best so far by valid of each row, as steps; the band is the interval over seeds. None without any."""
    found = analysis.curves(comparison, metric)
    if not found:
        return None
    longest = max(max(curve.end, curve.seconds[-1]) for curve in found.values())
    drawn = {label: _drawn(curve, longest) for label, curve in found.items()}
    ends = pd.DataFrame({"end": {label: curve.mean[-1] for label, curve in drawn.items()}})
    [better] = [one.better for one in comparison.metrics if one.name == metric]
    divided = groups(ends.join(comparison.methods["family"]), better == "more")
    known = looks(comparison.methods)

    def paint(figure: Figure) -> None:
        [axes] = draw_curves(figure, [drawn], divided, known, steps=True)
        logarithmic(axes)
        axes.set_xlabel("training time so far in s, cache included (logarithmic)")
        name_y_axis(figure, axis_label(metric, "test users"))
        name_curves(figure, drawn, divided, known)

    reached = "; ".join(f"{label} {show(curve.mean[-1], 'metric', Unit())}" for label, curve in drawn.items())
    bands = f"; bands: {BANDS}" if any(len(curve.seeds) > 1 for curve in found.values()) else ""
    caption = f"Test {metric} of the best epoch so far by valid, over training time{bands}." + grouped(divided)
    name = f"equal-time-{metric.replace('@', '-').lower()}"
    alt = f"Test {metric} over training time. At the end: {reached}."
    return draw(name, caption, alt, grid_height(divided), paint)


def _drawn(curve: analysis.Curve, longest: float) -> Curve:
    """With what was reached in the end kept to the right of the plot."""
    values = np.concatenate([curve.values, curve.values[:, -1:]], axis=1)
    bounds = [mean_interval(each) for each in values.T]
    low, high = np.array([(each.low, each.high) for each in bounds]).T
    return Curve(np.append(curve.seconds, longest), values.mean(axis=0), low, high)
