"""One summary over several datasets: each row's mean rank, mean ratio to the reference, and how often it leads.

A dataset, such as another generated shop, is one observation: the interval is over datasets, not over users or seeds.
"""

import math
from collections.abc import Sequence

import pandas as pd

from .comparison import Comparison
from .statistics import mean_interval

LEAST = 2
"""Datasets from which on there is a summary."""


def alike(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    """The comparisons that differ in their dataset alone, where there are several: the newest of each dataset."""
    groups: dict[tuple[tuple[str, str], ...], dict[str, Comparison]] = {}
    for comparison in comparisons:
        rest = tuple((name, value) for name, value in comparison.conditions.items() if "dataset" not in name)
        groups.setdefault(rest, {}).setdefault(comparison.conditions["dataset"], comparison)
    return [list(group.values()) for group in groups.values() if len(group) >= LEAST]


def over_datasets(group: Sequence[Comparison], reference: str) -> pd.DataFrame:
    """One row a method that every dataset has, by mean rank: `rank`, `ratio` (geometric mean of its primary metric over
    the reference's) with `low` and `high`, `wins`, `datasets`. Ratios are NaN without the reference or where it is 0.
    """
    metric, better = group[0].primary.name, group[0].primary.better
    values = pd.DataFrame({number: one.methods[metric] for number, one in enumerate(group)}).dropna()
    if values.empty:
        return pd.DataFrame()
    ranks = values.rank(ascending=better == "less", method="average")
    first = values.rank(ascending=better == "less", method="min") == 1
    rows = {}
    for label in values.index:
        ours = [float(value) for value in values.T[label]]
        base = [float(value) for value in values.T[reference]] if reference in values.index else [0.0] * len(ours)
        ratio, low, high = geometric(ours, base)
        rows[str(label)] = {
            "rank": float(ranks.T[label].mean()),
            "ratio": ratio,
            "low": low,
            "high": high,
            "wins": float(first.T[label].sum()),
            "datasets": float(len(ours)),
        }
    return pd.DataFrame(rows).T.sort_values("rank", kind="stable")


def geometric(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios and its 95 % interval (Student's t of the logarithms); NaN where there is none."""
    if min(*ours, *theirs) <= 0:
        return math.nan, math.nan, math.nan
    found = mean_interval([math.log(our / their) for our, their in zip(ours, theirs, strict=True)])
    return math.exp(found.value), math.exp(found.low), math.exp(found.high)
