"""What time buys: accuracy after as many seconds as the reference's epochs take, and seconds to the reference's own."""

import math

import pandas as pd

from ...metrics import Metric
from ..analysis.comparison import Comparison
from ..analysis.convergence import bounds
from ..analysis.equal_time import TARGETS, at_equal_time, time_to_target
from ..quantities import NONE, quantity
from .table import Column, Table

HOW = (
    "After each epoch a run stands at its best so far by valid, with the test metric of that epoch; in between where "
    "the last whole epoch left it. Seconds: T times the epochs, after building the feature cache. Past its end a run "
    "keeps what it reached."
)


def equal_time_table(comparison: Comparison, reference: str, metric: Metric) -> Table | None:
    """A metric at 1, 2, 5, … epochs' time of the reference, and at each row's own end; None without curves."""
    frame = at_equal_time(comparison, reference, metric.name)
    if frame.empty:
        return None
    unit = float(comparison.methods.loc[reference, "time"])  # type: ignore[arg-type]
    steps = [name for name in frame.columns if str(name).isdigit()]
    columns = (
        *(
            Column(name, f"{name} × ({quantity(int(name) * unit, 'seconds')})", "metric", metric.better)
            for name in steps
        ),
        Column("end", "at its end", "metric", metric.better),
        Column("end_seconds", "its end", "seconds"),
    )
    notes = [f"{reference}'s epoch takes {quantity(unit, 'seconds')}. {HOW}", f"{NONE}: its first epoch is not over."]
    cut = sorted(bounds(comparison) & set(map(str, frame.index)))
    if cut:
        notes.append(f"Not trained to convergence, so that more time would change the last columns: {', '.join(cut)}.")
    name = f"equal-time-{metric.name.replace('@', '-').lower()}"
    caption = f"{metric.name} at equal time, in epochs of {reference}"
    return Table(name, caption, frame, columns, notes=tuple(notes))


def target_table(comparison: Comparison, reference: str) -> Table | None:
    """Seconds until each row is as good as a share of what the reference reaches; None without curves."""
    times = time_to_target(comparison, reference)
    if times.empty:
        return None
    metric = comparison.primary.name

    def told(seconds: float, end: float) -> str:
        return f"> {quantity(end, 'seconds')}" if math.isinf(seconds) else quantity(seconds, "seconds")

    texts = {
        f"to {share:.0%}": [told(s, e) for s, e in zip(times[share], times["end"], strict=True)] for share in TARGETS
    }
    frame = pd.DataFrame(texts, index=times.index)
    notes = (
        f"Until the mean {metric} over the seeds is as good as that share of what {reference} reaches at its own end. "
        ">: not reached by the end of its training, which is the time that is shown.",
    )
    columns = tuple(Column(name, name) for name in texts)
    return Table("time-to-target", f"Time to the {metric} of {reference}", frame, columns, notes=notes)
