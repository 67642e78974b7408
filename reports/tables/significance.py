"""Tables of what can be told apart: ratios of times with their intervals, paired tests over users."""

from dataclasses import replace

import pandas as pd

from ...metrics import to_test
from ..analysis import paired
from ..analysis.comparison import Comparison
from ..analysis.difference import ALPHA, verdict
from ..analysis.uncertainty import time_ratios
from ..quantities import NONE, missing, show
from .table import Column, Table, present

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

    `tests` comes from `paired.user_tests`.
    """
    caption = f"Accuracy against {reference}, tested"
    return _tested(comparison, tests, Table("tests", caption, tests, (), notes=_notes(comparison, tests)))


def families_table(comparison: Comparison) -> Table | None:
    """The same of the methods of each family against each other; None without ranks of two of one."""
    tests = paired.tests(comparison, paired.within_families(comparison))
    pairs = (
        f"Pairs of rows of one family, the better one first; of a family of more than {paired.MOST_ROWS} rows the "
        "best ones. A row that another gives with the feature cache is left out."
    )
    first, *others = _notes(comparison, tests) or ("",)
    caption, notes = "Methods of a family against each other, tested", (f"{pairs} {first}", *others)
    return _tested(comparison, tests, Table("families", caption, tests, (), index="pair", notes=notes))


def _tested(comparison: Comparison, tests: pd.DataFrame, table: Table) -> Table | None:
    """The table with its columns: a difference, its interval and p-values of each metric tested, and the verdict.

    Which of the differences is best is marked where all are to one row.
    """
    if tests.empty:
        return None
    frame = tests.copy()
    columns: list[Column] = []
    for metric in to_test(comparison.metrics, comparison.primary.name):
        better = metric.better if table.index == "method" else None
        bounds = zip(frame[f"{metric.name} low"], frame[f"{metric.name} high"], strict=True)
        frame[f"{metric.name} interval"] = [span(low, high, "metric") for low, high in bounds]
        columns += [
            Column(f"{metric.name} difference", f"Δ {metric.name}", "metric", better),
            Column(f"{metric.name} interval", "95 % interval"),
            Column(f"{metric.name} flip p", "p, sign-flip", "p"),
            Column(f"{metric.name} sign p", "p, sign test", "p"),
        ]
    frame["verdict"] = [verdict(row, comparison.primary) for _, row in frame.iterrows()]
    headed = distinct((Column("verdict", "verdict", stays=True), *columns))
    return replace(table, frame=frame, columns=present(frame, headed))


def _notes(comparison: Comparison, tests: pd.DataFrame) -> tuple[str, ...]:
    """How the tests were made and what the verdict says."""
    if tests.empty:
        return ()
    primary = comparison.primary.name
    tested = to_test(comparison.metrics, primary)
    users = ", ".join(f"{int(count):,}" for count in tests["users"].unique())
    counts = sorted(map(int, tests["seeds"].unique()))
    alone = " Of one seed it is over users alone, and says nothing of another training." if 1 in counts else ""
    of_all = "all rows of this table" + _ALL_METRICS[min(len(tested), 3)]
    return (
        f"Paired over the {users} test users, each user's difference averaged over the seeds that both have "
        f"({', '.join(map(str, counts))}): the exact sign-flip test of the mean and the exact sign test, each "
        f"Holm-corrected over {of_all}.",
        f"Intervals: 95 %, seeds and users resampled together, alike for all rows; not corrected.{alone}",
        f"Verdict on {primary}: told apart where the sign-flip test's p is below {ALPHA:g} and the interval leaves out "
        f"0, as {primary.partition('@')[0]} is a mean. The sign test counts the users who gain or lose, in one seed or "
        "in all.",
    )


def distinct(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """Columns whose headings name their metric where two would be headed alike."""
    headings = [column.heading for column in columns]
    return tuple(
        replace(c, heading=f"{c.heading}, {c.key.split()[0]}") if headings.count(c.heading) > 1 else c for c in columns
    )


def not_worse(comparison: Comparison, tests: pd.DataFrame) -> pd.Index:
    """The ranked methods that are not significantly worse than the reference, by primary metric; all without tests."""
    if tests.empty:
        return comparison.ranked.index
    worse = tests.index[[verdict(row, comparison.primary) == "worse" for _, row in tests.iterrows()]]
    return comparison.ranked.index.difference(worse, sort=False)
