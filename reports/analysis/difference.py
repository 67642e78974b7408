"""The accuracy of a row held against another's: how much, and how sure that is."""

from dataclasses import dataclass

import pandas as pd

from ...metrics import Metric, is_better
from .statistics import Interval

ALPHA = 0.05
NOT_TOLD_APART, UNTESTED = "not told apart", "untested"


@dataclass(frozen=True)
class Difference:
    """A row's primary metric less another's, with its 95 % interval, and what the test says.

    `value` and `other`: the two, over the seeds that both rows have.
    `share`: of the other's metric, nan where that is 0. `p`: of the sign-flip test, Holm-corrected. `told`: "better",
    "worse" or NOT_TOLD_APART; UNTESTED without ranks of both: then bounds and p are nan, `seeds` and `users` 0.
    `behind`: whether its interval alone says that the row is worse, or, untested, its average. The correction for many
    rows keeps chance from passing for a difference; a row that lies behind by itself is not as good for being one of
    many.
    """

    value: float
    other: float
    interval: Interval
    share: float
    p: float
    told: str
    behind: bool
    seeds: int
    users: int


def difference(tests: pd.DataFrame, name: str, metric: Metric, value: float, other: float) -> Difference:
    """That of a row of `paired.tests`; where there is none of that name, of two means that nobody tested."""
    if name in tests.index:
        row = tests.T[name]
        bounds = Interval(*(float(row[f"{metric.name} {part}"]) for part in ("difference", "low", "high")))
        value, other = float(row[f"{metric.name} value"]), float(row[f"{metric.name} other"])
        told, p = verdict(row, metric), float(row[f"{metric.name} flip p"])
        behind = bounds.excludes(0.0) and is_better(0.0, bounds.value, metric.better)
        seeds, users = int(row["seeds"]), int(row["users"])
    else:
        bounds, told, p = Interval(value - other, float("nan"), float("nan")), UNTESTED, float("nan")
        behind, seeds, users = is_better(other, value, metric.better), 0, 0
    share = bounds.value / other if other else float("nan")
    return Difference(value, other, bounds, share, p, told, behind, seeds, users)


def verdict(row: pd.Series, metric: Metric) -> str:
    """Whether a row is better or worse than the other, as far as the sign-flip test and the interval can tell."""
    inside = row[f"{metric.name} low"] <= 0 <= row[f"{metric.name} high"]
    if row[f"{metric.name} flip p"] >= ALPHA or inside:
        return NOT_TOLD_APART
    return "better" if is_better(row[f"{metric.name} difference"], 0.0, metric.better) else "worse"
