"""Accuracy at equal time: what each row had reached after so many seconds of training, its cache build included.

After an epoch a run stands at its best epoch so far, chosen on valid; its value is the test metric of that epoch. In
between it stands where the last whole epoch left it: a step function, for nobody can use half an epoch. Seconds are the
row's own T, which a quiet run may have measured, times the epochs, after the seconds of building its feature cache.
Past its end a run keeps what it reached.

Of an epoch in between a record keeps metrics and no ranks. So intervals are over seeds alone, by Student's t, and a
lead is the mean of the differences within each seed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count, takewhile
from statistics import fmean

import numpy as np
import pandas as pd

from ...metrics import Metric, is_better
from ..records import Record
from .comparison import Comparison
from .footing import first, pair
from .statistics import Interval, mean_interval

TARGETS = (0.90, 0.95, 1.00)
"""Shares of what the reference reaches, to which the time is told."""


NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Curve:
    """A row's way: `seconds` `[epochs]` at the end of each epoch, `values` `[seeds, epochs]`, `end` in seconds."""

    seconds: np.ndarray
    values: np.ndarray
    end: float
    seeds: tuple[int, ...]

    def at(self, seconds: float) -> np.ndarray | None:
        """What each seed had reached by then, `[seeds]`; None before the end of the first epoch."""
        done = int(np.searchsorted(self.seconds, seconds * (1 + 1e-9), side="right"))
        return self.values[:, done - 1] if done else None

    def among(self, seeds: Sequence[int]) -> "Curve":
        """The curve of those of its seeds that are among others; of all where none is."""
        kept = [number for number, seed in enumerate(self.seeds) if seed in seeds]
        if not kept:
            return self
        return replace(self, values=self.values[kept], seeds=tuple(self.seeds[number] for number in kept))

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
    return Curve(seconds, values, build + time * float(np.mean([len(way) for way in ways])), tuple(by_seed))


@dataclass(frozen=True)
class Missing:
    """What was trained and has no curve: rows without T, or without test metrics of every epoch; and of the rows that
    have one, those of which only some seeds stand behind it, with how many of how many.
    """

    untimed: tuple[str, ...]
    untold: tuple[str, ...]
    partly: dict[str, tuple[int, int]]


def missing_curves(comparison: Comparison, metric: str) -> Missing:
    """What `curves` leaves out, so that no lead before it can be told."""
    found, seeds = curves(comparison, metric), dict[str, int]()
    for label in map(str, comparison.methods.index):
        records = [result.record for result in comparison.ok(label)]
        seeds[label] = len({record.cell.seed for record in records if record.time.epochs and record.accuracy})
    without = [label for label, count in seeds.items() if count and label not in found]
    untimed = tuple(label for label in without if math.isnan(_number(comparison, label, "time")))
    return Missing(
        untimed=untimed,
        untold=tuple(label for label in without if label not in untimed),
        partly={label: (len(c.seeds), seeds[label]) for label, c in found.items() if len(c.seeds) < seeds[label]},
    )


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
    """One row a method, with `1`, `2`, `5`, … (epochs' time of the reference), `end`, and `end_seconds`; `… low` and
    `… high` of the mean over the seeds. NaN where no epoch was over. Empty without the reference's curve.
    """
    found = curves(comparison, metric)
    if reference not in found:
        return pd.DataFrame()
    unit = _number(comparison, reference, "time")
    steps, rows = _steps(found, unit), {}
    for label, curve in found.items():
        values = {str(step): curve.at(step * unit) for step in steps} | {"end": curve.values[:, -1]}
        rows[label] = {"end_seconds": curve.end}
        for name, reached in values.items():
            bounds = NOTHING if reached is None else mean_interval(reached)
            rows[label] |= {name: bounds.value, f"{name} low": bounds.low, f"{name} high": bounds.high}
    return pd.DataFrame(rows).T


def _steps(found: dict[str, Curve], unit: float) -> list[int]:
    return multiples(max(curve.end for curve in found.values()) / unit)


@dataclass(frozen=True)
class Lead:
    """Who leads after some time, and by how much before the `second`; `value` and `lead` over the seeds that both have.

    `apart`: the rows from which the leader is told apart, by the interval of its lead; `close`: those from which it is
    not; `untold`: those with which it has fewer than two seeds in common, so that nothing can be told.
    """

    leader: str
    value: float
    second: str
    lead: Interval
    apart: tuple[str, ...]
    close: tuple[str, ...]
    untold: tuple[str, ...]


def leaders(comparison: Comparison, reference: str, metric: Metric) -> dict[int, Lead]:
    """After each number of the reference's epochs, by their number, wherever two rows have ended an epoch by then."""
    found = curves(comparison, metric.name)
    if reference not in found:
        return {}
    unit = _number(comparison, reference, "time")
    leads = {}
    for step in _steps(found, unit):
        reached = {
            label: dict(zip(curve.seeds, map(float, values), strict=True))
            for label, curve in found.items()
            if (values := curve.at(step * unit)) is not None
        }
        if len(reached) > 1:
            leads[step] = _lead(reached, metric.better)
    return leads


def _lead(reached: dict[str, dict[int, float]], better: str) -> Lead:
    """Given what each row had reached by seed."""
    sign = 1 if better == "more" else -1
    leader, second = first(reached, better)
    value, of_second = pair(reached[leader], reached[second])
    others = {label: sign * fmean(of_row.values()) for label, of_row in reached.items() if label != leader}
    leads: dict[str, Interval] = {}
    for other in sorted(others, key=lambda label: -others[label]):
        common = sorted(reached[leader].keys() & reached[other].keys())
        differences = [sign * (reached[leader][seed] - reached[other][seed]) for seed in common]
        leads[other] = mean_interval(differences) if len(common) > 1 else NOTHING
    lead = leads[second]
    if lead is NOTHING:
        lead = Interval(sign * (value - of_second), NOTHING.low, NOTHING.high)
    return Lead(
        leader=leader,
        value=value,
        second=second,
        lead=lead,
        apart=tuple(label for label, lead in leads.items() if lead.low > 0),
        close=tuple(label for label, lead in leads.items() if lead is not NOTHING and not lead.low > 0),
        untold=tuple(label for label, lead in leads.items() if lead is NOTHING),
    )


def time_to_target(comparison: Comparison, reference: str) -> pd.DataFrame:
    """One row a method: seconds to each of TARGETS (its column the share) of what the reference reaches, infinite where
    it never does, and the `end` of its longest run; on the seeds that both have. Empty without the reference's curve.
    """
    found, better = curves(comparison, comparison.primary.name), comparison.primary.better
    if reference not in found:
        return pd.DataFrame()
    rows = {}
    for label, curve in found.items():
        mine, base = curve.among(found[reference].seeds), found[reference].among(curve.seeds)
        goal = float(base.values[:, -1].mean())
        targets = {share: goal * share if better == "more" else goal / share for share in TARGETS}
        rows[label] = {share: mine.until(target, better) for share, target in targets.items()}
        rows[label]["end"] = float(curve.seconds[-1])
    return pd.DataFrame(rows).T
