"""Spread and significance: deviations, bootstrap intervals, paired tests over users, correction for many tests.

Intervals of times come from raw epoch times. Epochs of one run share its machine's mood, so an interval from a single
run is too narrow; runs (seeds, repeats) are resampled first, their epochs second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..errors import BenchError

LEVELS = 100
Runs = Mapping[tuple[int, int], "Sequence[float] | np.ndarray"]
"""A method's raw epoch times, in seconds, by (seed, repeat)."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its bounds; the bounds are NaN when the data cannot give any."""

    value: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether `value` lies outside; never, without bounds."""
        return bool(value < self.low or value > self.high)


@dataclass(frozen=True)
class Paired:
    """Mean difference per user between two methods, its interval, and the p-values of two tests against 0."""

    difference: Interval
    bootstrap_p: float
    sign_p: float
    users: int


def mean_deviation(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (of a sample: over n − 1), NaN where there are too few values."""
    array = np.asarray(values, float)
    return (
        float(array.mean()) if array.size else float("nan"),
        float(array.std(ddof=1)) if array.size > 1 else float("nan"),
    )


def interval(value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
    """The percentile interval of resampled estimates `[draws]`; no bounds when one of them is not finite."""
    if draws.size == 0 or not np.isfinite(draws).all():
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def resampled_means(
    runs: Sequence[Sequence[float] | np.ndarray], chosen: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Means of resampled runs: `chosen` `[draws, n]` are indices of runs, whose epochs are resampled in turn."""
    draws = len(chosen)
    means = np.empty((len(runs), draws))
    for number, epochs in enumerate(runs):
        array = np.asarray(epochs, float)
        means[number] = array[rng.integers(array.size, size=(draws, array.size))].mean(axis=1)
    return means[chosen, np.arange(draws)[:, None]].mean(axis=1)


def mean_draws(runs: Runs, draws: int = 2000, seed: int = 0) -> np.ndarray:
    """Resampled means `[draws]` of a method's epoch times; empty when a single epoch leaves nothing to resample."""
    series = list(runs.values())
    if not series or (len(series) == 1 and len(series[0]) < 2):
        return np.empty(0)
    rng = np.random.default_rng(seed)
    return resampled_means(series, rng.integers(len(series), size=(draws, len(series))), rng)


def ratio_interval(runs: Runs, reference: Runs, draws: int = 2000, seed: int = 0, level: float = 0.95) -> Interval:
    """Ratio of two methods' mean epoch times, with a bootstrap interval.

    Runs of the same seed and repeat, which an interleaved study makes close together in time, are resampled as pairs,
    so that a drift of the machine that meets both cancels; without common runs each side is resampled alone.
    BenchError when one of the two has no epoch times.
    """
    if not runs or not reference:
        raise BenchError("no ratio of epoch times: one of the two methods has none")
    common = sorted(runs.keys() & reference.keys())
    keys, reference_keys = (common, common) if common else (sorted(runs), sorted(reference))
    ours, theirs = [runs[key] for key in keys], [reference[key] for key in reference_keys]
    value = float(np.mean([np.mean(run) for run in ours]) / np.mean([np.mean(run) for run in theirs]))
    if runs is reference:
        return Interval(1.0, 1.0, 1.0)
    if min(sum(map(len, ours)), sum(map(len, theirs))) < 2:
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(ours), size=(draws, len(ours)))
    other = chosen if common else rng.integers(len(theirs), size=(draws, len(theirs)))
    return interval(value, resampled_means(ours, chosen, rng) / resampled_means(theirs, other, rng), level)


def hits(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """HR@k of each user: `[users]` ranks → 0 or 1."""
    return (ranks <= k).astype(float)


def gains(ranks: np.ndarray, k: int = 10) -> np.ndarray:
    """NDCG@k of each user with one target: 1 / log2(rank + 1), or 0 below the first k."""
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)


def paired_test(differences: np.ndarray, draws: int = 5000, seed: int = 0, level: float = 0.95) -> Paired:
    """Tests whether a difference per user, `[users]`, is 0 on average: a bootstrap over users and the exact sign test.

    Equal users are drawn together: how often each distinct difference comes up in a resample is multinomial, which is
    the same distribution as drawing users one by one, at a fraction of the work. Where there are more than LEVELS
    distinct ones they are first rounded to that many steps of their range, about the same mean.
    """
    if differences.ndim != 1 or differences.size == 0:
        raise BenchError(f"no paired test: differences of shape {differences.shape}, one per user is needed")
    users = differences.size
    values, counts = np.unique(differences, return_counts=True)
    if values.size > LEVELS:
        step = (values[-1] - values[0]) / LEVELS
        values, counts = np.unique(np.round(differences / step) * step, return_counts=True)
    shift = differences.mean() - (values * counts).sum() / users
    resampled = np.random.default_rng(seed).multinomial(users, counts / users, size=draws) @ values / users + shift
    tail = min((resampled <= 0).sum(), (resampled >= 0).sum())
    bootstrap_p = min(2 * (int(tail) + 1) / (draws + 1), 1.0)
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    sign_p = float(stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
    return Paired(interval(float(differences.mean()), resampled, level), bootstrap_p, sign_p, users)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's step-down correction: p-values that hold the chance of any false alarm, over all tests, at the level."""
    raw = np.asarray(p_values, float)
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * np.arange(raw.size, 0, -1))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def letters(apart: np.ndarray) -> list[str]:
    """Groups that cannot be told apart, as letters; `apart` `[n, n]` says which pairs can, for methods in order.

    A group is a longest run of neighbours in which no pair can be told apart; methods that share a letter share one.
    """
    size = len(apart)
    marks = [""] * size
    reached = -1
    number = 0
    for start in range(size):
        end = start
        while end + 1 < size and not apart[start : end + 1, end + 1].any():
            end += 1
        if end > reached:
            for place in range(start, end + 1):
                marks[place] += letter(number)
            number, reached = number + 1, end
    return marks


def letter(number: int) -> str:
    """a, b, …, z, a2, b2, …"""
    round_, place = divmod(number, 26)
    return chr(ord("a") + place) + (str(round_ + 1) if round_ else "")
