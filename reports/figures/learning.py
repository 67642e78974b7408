"""The picture of training: the valid primary metric over seconds and over epochs, with bands over seeds."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...metrics import axis_label
from ..analysis.comparison import Comparison
from ..analysis.statistics import mean_interval
from ..quantities import Unit, missing, show
from .curves import Curve, draw_curves, grid_height, groups, name_curves
from .drawing import Picture, draw, logarithmic, name_y_axis
from .looks import looks

BANDS = "95 % intervals over seeds (Student's t)"
SURVIVORS = (
    " Where some cells of a row have ended, its line is the mean of the others, while these are at least half: a jump "
    "there comes of the change of cells, not of training."
)


def learning_curves(comparison: Comparison) -> Picture | None:
    """Valid primary metric by seconds and by epoch, mean over a method's cells; None when no epoch was validated."""
    timed = comparison.methods.index[comparison.methods["time"].notna()]
    curves = {str(label): curve for label in timed if (curve := mean_curve(comparison, str(label))) is not None}
    if not curves:
        return None
    primary, known = comparison.primary, looks(comparison.methods)
    ends = pd.DataFrame({"end": {label: curve["valid"].iloc[-1] for label, curve in curves.items()}})
    divided = groups(ends.join(comparison.methods["family"]), primary.better == "more")
    by_time, by_epoch = (
        {label: Curve(*(frame[name].to_numpy(float) for name in (x, "valid", "low", "high"))) for label, frame in
         curves.items()} for x in ("seconds", "epoch")
    )  # fmt: skip

    def paint(figure: Figure) -> None:
        times, epochs = draw_curves(figure, (by_time, by_epoch), divided, known)
        logarithmic(times)
        times.set_xlabel("training time so far in s\ncache included (logarithmic)")
        epochs.set_xlabel("epoch (number)")
        epochs.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        name_y_axis(figure, f"valid {axis_label(primary.name, 'users')}")
        name_curves(figure, by_epoch, divided, known)

    most, word = (pd.Series.max, "Highest") if primary.better == "more" else (pd.Series.min, "Lowest")
    best = "; ".join(f"{label} {show(most(curve['valid']), 'metric', Unit())}" for label, curve in curves.items())
    bands = any(curve["low"].notna().any() for curve in curves.values())
    caption = f"Valid {primary.name} over the seconds and the epochs of training{'; bands: ' + BANDS if bands else ''}."
    caption += SURVIVORS * any(curve["cells"].nunique() > 1 for curve in curves.values()) + grouped(divided)
    alt = f"Valid {primary.name} over training. {word}: {best}."
    return draw("learning-curves", caption, alt, grid_height(divided) + 0.2, paint)


def grouped(divided: list[tuple[str, list[str]]]) -> str:
    """What a caption says of a division into groups."""
    return " A row of plots for some methods each, in the order of what they reached; grey: all others." * (
        len(divided) > 1
    )


def mean_curve(comparison: Comparison, label: str) -> pd.DataFrame | None:
    """Columns epoch, seconds, valid, low, high: means over a method's `cells`, as far as at least half of them went.

    Seconds are a cell's own; where other cells measured the costs, those of the row. Low and high bound the mean of
    valid over seeds, NaN where nothing tells.
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
                seed = result.record.cell.seed
                rows.append({"epoch": number, "seconds": seconds, "valid": epoch.valid[metric], "seed": seed})
    if not rows:
        return None
    frame = pd.DataFrame(rows)
    grouped = frame.groupby("epoch", as_index=False)
    means = grouped[["seconds", "valid"]].mean()
    over_seeds = frame.groupby(["epoch", "seed"])["valid"].mean().groupby("epoch")
    bounds = [mean_interval(values.to_numpy()) for _, values in over_seeds]
    means["low"], means["high"] = np.array([(bound.low, bound.high) for bound in bounds]).T
    means["cells"] = grouped.size()["size"]
    return means[means["cells"] * 2 >= len(results)]
