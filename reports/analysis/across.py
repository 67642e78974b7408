"""One summary over several datasets: each row's mean rank, mean ratio to the reference, and how often it leads.

A dataset, such as another generated shop, is one observation: the interval is over datasets, not over users or seeds.
On each, rows are ranked among all that have an accuracy there, as they stand on the reference's seeds
(`footing.level`). A row is the same on all of them when its method and its settings are, but for those that were
searched: what was chosen may differ.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ...files import canonical_json
from ...naming import written_settings
from .comparison import Comparison
from .convergence import bounds
from .footing import BySeed, by_seed, level, pair
from .statistics import mean_interval

LEAST = 2
"""Datasets from which on there is a summary."""

Asked = tuple[str, str]
"""What a row is on every dataset: its method, and its settings but for those searched, in words."""


def alike(comparisons: Sequence[Comparison]) -> list[list[Comparison]]:
    """The comparisons that differ in their dataset alone, where there are several: the newest of each dataset."""
    groups: dict[tuple[tuple[str, str], ...], dict[str, Comparison]] = {}
    for comparison in comparisons:
        rest = tuple((name, value) for name, value in comparison.conditions.items() if "dataset" not in name)
        groups.setdefault(rest, {}).setdefault(comparison.conditions["dataset"], comparison)
    return [list(group.values()) for group in groups.values() if len(group) >= LEAST]


@dataclass(frozen=True)
class Summary:
    """`rows`: one a row that every dataset has, by mean rank: `rank`, `ratio` (geometric mean of its primary metric
    over the reference's) with `low` and `high`, `wins`, `datasets`. Ratios are NaN without the reference or where it
    is 0.
    `bounded`: those of them that are a bound on any dataset. `left_out`: rows that have an accuracy on some datasets
    alone, and on which.
    """

    rows: pd.DataFrame
    bounded: set[str]
    left_out: Mapping[str, list[str]]


@dataclass(frozen=True)
class _Place:
    """A dataset: its rows by what they are, with their metric by seed, and the rank of each."""

    dataset: str
    labels: dict[Asked, str]
    values: dict[Asked, BySeed]
    ranks: dict[Asked, float]
    first: set[Asked]
    bounded: set[Asked]
    reference: Asked | None

    def ratio(self, row: Asked) -> tuple[float, float]:
        """A row's metric and the reference's, on the seeds that both have."""
        return pair(self.values[row], self.values[self.reference]) if self.reference else (0.0, 0.0)


def over_datasets(group: Sequence[Comparison], reference: str) -> Summary:
    """The summary of comparisons that differ in their dataset alone."""
    places = [_place(one, reference) for one in group]
    every = list(dict.fromkeys(row for place in places for row in place.values))
    names, rows, left_out = _names(places, every), {}, {}
    for row in every:
        having = [place for place in places if row in place.values]
        if len(having) < len(places):
            left_out[names[row]] = [place.dataset for place in having]
            continue
        ours, theirs = zip(*(place.ratio(row) for place in places), strict=True)
        ratio, low, high = geometric(ours, theirs)
        rows[names[row]] = {
            "rank": sum(place.ranks[row] for place in places) / len(places),
            "ratio": ratio,
            "low": low,
            "high": high,
            "wins": float(sum(row in place.first for place in places)),
            "datasets": float(len(places)),
        }
    frame = pd.DataFrame(rows).T
    bounded = {names[row] for row in every if any(row in place.bounded for place in places)}
    return Summary(frame.sort_values("rank", kind="stable") if len(frame) else frame, bounded & rows.keys(), left_out)


def _place(comparison: Comparison, reference: str) -> _Place:
    values, less = by_seed(comparison), comparison.primary.better == "less"
    asked = _asked(comparison)
    values = {label: values[label] for label in asked if label in values}
    own = comparison.row(reference)
    levels = pd.Series(level(values, own), dtype=float).round(12)
    ranks = levels.rank(ascending=less, method="average")
    first = levels.rank(ascending=less, method="min") == 1
    return _Place(
        comparison.conditions["dataset"],
        labels={asked[label]: label for label in values},
        values={asked[label]: of_row for label, of_row in values.items()},
        ranks={asked[label]: float(ranks[label]) for label in values},
        first={asked[label] for label in values if first[label]},
        bounded={asked[label] for label in bounds(comparison) if label in values},
        reference=asked[own] if own in values else None,
    )


def _asked(comparison: Comparison) -> dict[str, Asked]:
    """Row → what it is. Rows of one method that differ in what was searched alone are told by their names."""
    searched = {result.record.cell_id: search.keys for search in comparison.searches for result in search.rows}
    found: dict[str, Asked] = {}
    for result in comparison.results:
        cell, keys = result.record.cell, searched.get(result.record.cell_id, [])
        settings = {key: value for key, value in {**cell.options, **cell.rates}.items() if key not in keys}
        found.setdefault(comparison.labels[result.record.cell_id], (cell.method, canonical_json(settings)))
    every = list(found.values())
    return {label: row if every.count(row) == 1 else (label, "{}") for label, row in found.items()}


def _names(places: Sequence[_Place], rows: Sequence[Asked]) -> dict[Asked, str]:
    """What each row is called: as on all datasets, or by the settings in which it differs from others of its method."""
    names = {}
    for row in rows:
        labels = {place.labels[row] for place in places if row in place.labels}
        names[row] = labels.pop() if len(labels) == 1 else _told_by_settings(row, rows)
    return names


def _told_by_settings(row: Asked, rows: Sequence[Asked]) -> str:
    of_method = [dict(json.loads(settings)) for method, settings in rows if method == row[0]]
    own = dict(json.loads(row[1]))
    given = {key: value for key, value in own.items() if any(other.get(key) != value for other in of_method)}
    return f"{row[0]} ({written_settings(given)})" if given else row[0]


def geometric(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The geometric mean of ratios and its 95 % interval (Student's t of the logarithms); NaN where there is none."""
    if min(*ours, *theirs) <= 0:
        return math.nan, math.nan, math.nan
    found = mean_interval([math.log(our / their) for our, their in zip(ours, theirs, strict=True)])
    return math.exp(found.value), math.exp(found.low), math.exp(found.high)
