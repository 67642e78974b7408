"""What time buys: accuracy after as many seconds as the reference's epochs take, and seconds to the reference's own."""

import math

import pandas as pd

from ...metrics import Metric
from ..analysis.comparison import Comparison
from ..analysis.convergence import bounds
from ..analysis.equal_time import TARGETS, Lead, at_equal_time, leaders, missing_curves, time_to_target
from ..quantities import NONE, missing, quantity, show
from .significance import span
from .table import Column, Table

OVER_SEEDS = (
    "95 % intervals over seeds alone, by Student's t: of the epochs in between no user's rank is kept, so they say "
    "what other seeds would have given these users."
)
ONE_SEED = "One seed: no interval over seeds can be given."
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
    steps = [str(name) for name in frame.columns if str(name).isdigit()]
    headings = {name: _after(comparison, reference, int(name)) for name in steps} | {"end": "at its end"}
    for name in headings:
        frame[f"{name} sign"] = [
            _bounds(*of_row) for of_row in zip(frame[f"{name} low"], frame[f"{name} high"], strict=True)
        ]
    columns = (
        *(Column(name, heading, "metric", metric.better) for name, heading in headings.items()),
        Column("end_seconds", "its end", "seconds"),
    )
    epoch = quantity(_unit(comparison, reference), "seconds")
    notes = [f"{reference}'s epoch takes {epoch}. {HOW}", f"{NONE}: its first epoch is not over."]
    notes.append(
        f"In brackets: {OVER_SEEDS}" if any(frame[f"{name} low"].notna().any() for name in headings) else ONE_SEED
    )
    cut = sorted(bounds(comparison) & set(map(str, frame.index)))
    if cut:
        notes.append(f"Not trained to convergence, so that more time would change the last columns: {', '.join(cut)}.")
    notes += left_out(comparison, metric.name)
    name = f"equal-time-{metric.name.replace('@', '-').lower()}"
    caption = f"{metric.name} at equal time, in epochs of {reference}"
    return Table(name, caption, frame, columns, notes=tuple(notes))


def left_out(comparison: Comparison, metric: str) -> list[str]:
    """Which rows and seeds were trained and are no part of what is told, and why: "every other row" is none of them."""
    found = missing_curves(comparison, metric)
    notes = [
        f"Trained and left out, because {why}: {', '.join(rows)}."
        for why, rows in (
            ("T is not known", found.untimed),
            ("test metrics of each epoch were not recorded", found.untold),
        )
        if rows
    ]
    if found.partly:
        some = ", ".join(f"{label} ({count} of {seeds})" for label, (count, seeds) in found.partly.items())
        notes.append(
            "Only some seeds have test metrics of each epoch, so that what is reached at the end is not the main "
            f"table's: {some}."
        )
    return notes


def _unit(comparison: Comparison, reference: str) -> float:
    return float(comparison.methods.loc[reference, "time"])  # type: ignore[arg-type]


def _after(comparison: Comparison, reference: str, step: int) -> str:
    return f"{step} × ({quantity(step * _unit(comparison, reference), 'seconds')})"


def _bounds(low: float, high: float) -> str:
    return "" if missing(low) else f"[{show(low, 'metric')}, {show(high, 'metric')}]"


def leaders_table(comparison: Comparison, reference: str, metric: Metric) -> Table | None:
    """Which row leads after 1, 2, 5, … epochs' time of the reference, and whether that is told apart from 0."""
    found = leaders(comparison, reference, metric)
    if not found:
        return None
    rows = {
        _after(comparison, reference, step): {
            "leader": lead.leader,
            "value": lead.value,
            "second": lead.second,
            "lead": lead.lead.value,
            "interval": span(lead.lead.low, lead.lead.high, "metric"),
            "verdict": verdict(lead),
        }
        for step, lead in found.items()
    }
    columns = (
        Column("leader", "first"),
        Column("value", metric.name, "metric"),
        Column("second", "second"),
        Column("lead", "ahead by", "metric"),
        Column("interval", "95 % interval"),
        Column("verdict", "verdict"),
    )
    notes = (
        "Leads: ahead of every other row in the mean of the differences within each seed, by more than the interval of "
        f"that. {OVER_SEEDS if any(not missing(lead.lead.low) for lead in found.values()) else ONE_SEED}",
        *left_out(comparison, metric.name),
    )
    name = f"leaders-{metric.name.replace('@', '-').lower()}"
    frame = pd.DataFrame(rows).T
    return Table(name, f"Who leads in {metric.name} at equal time", frame, columns, index="after", notes=notes)


def verdict(lead: Lead) -> str:
    """Whether the first of some rows leads, as far as the seeds can tell."""
    said = [f"not told apart from {', '.join(lead.close)}"] if lead.close else []
    if lead.untold:
        said.append(f"too few seeds in common to tell it from {', '.join(lead.untold)}")
    return "; ".join(said) or "leads"


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
    bound = f"What {reference} reaches is itself a bound: more training may set a higher goal."
    notes = (
        f"Until the mean {metric}, over the seeds that both have, is as good as that share of what {reference} reaches "
        "at its own end. >: not reached by the end of its training, which is the time that is shown.",
        *([bound] if reference in bounds(comparison) else []),
        *left_out(comparison, metric),
    )
    columns = tuple(Column(name, name) for name in texts)
    return Table("time-to-target", f"Time to the {metric} of {reference}", frame, columns, notes=notes)
