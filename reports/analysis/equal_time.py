"""Accuracy at equal time: what each row had reached after so many seconds of training, its cache build included.

After an epoch a run stands at its best epoch so far, chosen on valid; its value is the test metric of that epoch. In
between it stands where the last whole epoch left it: a step function, for nobody can use half an epoch. Seconds are the
row's own T, which a quiet run may have measured, times the epochs, after the seconds of building its feature cache.
Past its end a run keeps what it reached.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, takewhile

import numpy as np
import pandas as pd

from ...metrics import is_better
from ..records import Record
from .comparison import Comparison

TARGETS = (0.90, 0.95, 1.00)
"""Shares of what the reference reaches, to which the time is told."""


@dataclass(frozen=True)
class Curve:
    """A row's way: `seconds` `[epochs]` at the end of each epoch, `values` `[seeds, epochs]`, `end` in seconds."""

    seconds: np.ndarray
    values: np.ndarray
    end: float

    def at(self, seconds: float) -> np.ndarray | None:
        """What each seed had reached by then, `[seeds]`; None before the end of the first epoch."""
        done = int(np.searchsorted(self.seconds, seconds * (1 + 1e-9), side="right"))
        return self.values[:, done - 1] if done else None

    def until(self, target: float, better: str) -> float:
        """When the mean over the seeds first was as good as the target; infinite if it never was."""
        means = self.values.mean(axis=0)
        reached = means >= target - 1e-12 if better == "more" else means <= target + 1e-12
        return float(self.seconds[reached.argmax()]) if reached.any() else float("inf")


def best_so_far(valid: Sequence[float], test: Sequence[float], better: str) -> list[float]:
    """The test metric of the best epoch on valid, after each epoch; of equal ones the first is the best."""
    found, best = [], 0
    for number, value in enumerate(valid):
        if is_better(value, valid[best], better):
            best = number
        found.append(test[best])
    return found


def curves(comparison: Comparison, metric: str) -> dict[str, Curve]:
    """Those of every row whose T and test metrics of every epoch are known."""
    found = {str(label): _curve(comparison, str(label), metric) for label in comparison.methods.index}
    return {label: curve for label, curve in found.items() if curve is not None}


def _curve(comparison: Comparison, label: str, metric: str) -> Curve | None:
    time, cache = (_number(comparison, label, name) for name in ("time", "cache_build"))
    by_seed: dict[int, list[float]] = {}
    for result in comparison.ok(label):  # repeats of a seed only time it again: the first stands for all
        if way := _way(result.record, metric, comparison.primary.better):
            by_seed.setdefault(result.record.cell.seed, way)
    ways = list(by_seed.values())
    if not ways or math.isnan(time):
        return None
    longest = max(map(len, ways))
    values = np.array([[*way, *[way[-1]] * (longest - len(way))] for way in ways])
    build = 0.0 if math.isnan(cache) else cache
    seconds = build + time * np.arange(1, longest + 1)
    return Curve(seconds, values, build + time * float(np.mean([len(way) for way in ways])))


def _number(comparison: Comparison, label: str, name: str) -> float:
    return float(dict(comparison.methods[name])[label])


def _way(record: Record, metric: str, better: str) -> list[float]:
    primary, epochs = record.primary_metric, record.time.epochs
    if not epochs or not all(primary in epoch.valid and metric in epoch.test for epoch in epochs):
        return []
    return best_so_far([epoch.valid[primary] for epoch in epochs], [epoch.test[metric] for epoch in epochs], better)


def multiples(longest: float) -> list[int]:
    """1, 2, 5, 10, 20, 50, … up to `longest`, and 1 at least."""
    steps = (factor * 10**power for power in count() for factor in (1, 2, 5))
    return list(takewhile(lambda step: step <= max(longest, 1), steps))


def at_equal_time(comparison: Comparison, reference: str, metric: str) -> pd.DataFrame:
    """One row a method, with `1`, `2`, `5`, … (epochs' time of the reference), `end`, and `end_seconds`; `… sd` over
    the seeds. NaN where no epoch was over. Empty without the reference's curve.
    """
    found = curves(comparison, metric)
    if reference not in found:
        return pd.DataFrame()
    unit = _number(comparison, reference, "time")
    steps = multiples(max(curve.end for curve in found.values()) / unit)
    rows = {}
    for label, curve in found.items():
        values = {str(step): curve.at(step * unit) for step in steps} | {"end": curve.values[:, -1]}
        rows[label] = {"end_seconds": curve.end}
        for name, reached in values.items():
            known = reached is not None
            rows[label][name] = float(reached.mean()) if known else float("nan")
            rows[label][f"{name} sd"] = float(reached.std(ddof=1)) if known and len(reached) > 1 else float("nan")
    return pd.DataFrame(rows).T


def time_to_target(comparison: Comparison, reference: str) -> pd.DataFrame:
    """One row a method: seconds to each of TARGETS (its column the share) of what the reference reaches, infinite where
    it never does, and the `end` of its longest run. Empty without the reference's curve.
    """
    found = curves(comparison, comparison.primary.name)
    if reference not in found:
        return pd.DataFrame()
    goal, better = float(found[reference].values[:, -1].mean()), comparison.primary.better
    targets = {share: goal * share if better == "more" else goal / share for share in TARGETS}
    rows = {
        label: {share: curve.until(target, better) for share, target in targets.items()} | {"end": curve.seconds[-1]}
        for label, curve in found.items()
    }
    return pd.DataFrame(rows).T
