"""Tables of what can be told apart: ratios of times with their intervals, paired tests over users."""

import pandas as pd

from ...metrics import Metric, is_better, to_test
from ..analysis.comparison import Comparison
from ..analysis.uncertainty import time_ratios
from ..quantities import NONE, missing, show
from .table import Column, Table, present

ALPHA = 0.05
_ALL_METRICS = {1: "", 2: " and both metrics", 3: " and metrics"}


def span(low: float, high: float, kind: str) -> str:
    """An interval in words."""
    if missing(low) or missing(high):
        return NONE
    return f"{show(low, kind)} to {show(high, kind)}"  # type: ignore[arg-type]


def ratios_table(comparison: Comparison, reference: str) -> Table | None:
    """T over the reference's T, with a bootstrap interval."""
    frame = time_ratios(comparison, reference)
    if len(frame) < 2:
        return None
    frame = frame.assign(
        interval=[span(low, high, "ratio") for low, high in zip(frame["low"], frame["high"], strict=True)]
    )
    columns = (Column("ratio", f"T / T of {reference}", "ratio", "less"), Column("interval", "95 % interval"))
    note = (
        "From raw epoch times: seeds are resampled, repeats in them and epochs in those, alike for all methods. "
        "From a single run the interval is too narrow: its epochs share the machine's mood."
    )
    return Table("ratios", f"Epoch time as a ratio to {reference}", frame, columns, notes=(note,))


def tests_table(comparison: Comparison, tests: pd.DataFrame, reference: str) -> Table | None:
    """Differences of the headline metrics to the reference with corrected p-values; None when no ranks were kept.

    `tests` comes from `uncertainty.user_tests`.
    """
    if tests.empty:
        return None
    frame = tests.copy()
    columns: list[Column] = []
    primary = comparison.primary.name
    tested = to_test(comparison.metrics, primary)
    for metric, better in ((metric.name, metric.better) for metric in tested):
        bounds = zip(frame[f"{metric} low"], frame[f"{metric} high"], strict=True)
        frame[f"{metric} interval"] = [span(low, high, "metric") for low, high in bounds]
        columns += [
            Column(f"{metric} difference", f"Δ {metric}", "metric", better),
            Column(f"{metric} interval", "95 % interval"),
            Column(f"{metric} flip p", "p, sign-flip", "p"),
            Column(f"{metric} sign p", "p, sign test", "p"),
        ]
    frame["verdict"] = [verdict(row, comparison.primary) for _, row in frame.iterrows()]
    users = ", ".join(f"{int(count):,}" for count in frame["users"].unique())
    seeds = ", ".join(str(int(count)) for count in sorted(frame["seeds"].unique()))
    of_all = "all methods" + _ALL_METRICS[min(len(tested), 3)]
    mean = primary.partition("@")[0]
    notes = (
        f"Paired over the {users} test users, each user's difference averaged over seeds ({seeds}): the exact "
        f"sign-flip test of the mean and the exact sign test, each Holm-corrected over {of_all}.",
        f"Verdict on {primary}: the sign-flip test's at {ALPHA:g}, as {mean} is a mean. The sign test counts the users "
        "who gain or lose, in one seed or in all. Intervals: 95 % bootstrap over users, not corrected, so one may "
        "leave out 0 beside 'not told apart'.",
    )
    headed = distinct((*columns, Column("verdict", "verdict")))
    return Table("tests", f"Accuracy against {reference}, tested", frame, present(frame, headed), notes=notes)


def distinct(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns whose headings name their metric where two would be headed alike."""
    headings = [column.heading for column in columns]
    return tuple(
        Column(c.key, f"{c.heading}, {c.key.split()[0]}", c.kind, c.better) if headings.count(c.heading) > 1 else c
        for c in columns
    )


def verdict(row: pd.Series, metric: Metric) -> str:
    """Whether a method is better or worse than the reference, as far as the sign-flip test can tell."""
    if row[f"{metric.name} flip p"] >= ALPHA:
        return "not told apart"
    return "better" if is_better(row[f"{metric.name} difference"], 0.0, metric.better) else "worse"


def not_worse(comparison: Comparison, tests: pd.DataFrame) -> pd.Index:
    """The ranked methods that are not significantly worse than the reference, by primary metric; all without tests."""
    if tests.empty:
        return comparison.ranked.index
    worse = tests.index[[verdict(row, comparison.primary) == "worse" for _, row in tests.iterrows()]]
    return comparison.ranked.index.difference(worse, sort=False)
