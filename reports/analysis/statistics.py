"""Spread and significance: deviations, bootstrap intervals, paired tests over users, correction for many tests.

Intervals of times come from raw epoch times. Epochs of one run share its machine's mood, so an interval from a single
run is too narrow; seeds are resampled first, repeats in them second, their epochs last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...errors import BenchError

DRAWS = 2000
LEVELS = 100
STEPS, MOST_STEPS = 60, 1 << 19
FLOOR = 1e-12
"""The least p-value that is told from 0: what is smaller lies within the rounding of a Fourier transform."""
TimesByRun = Mapping[tuple[int, int], "Sequence[float] | np.ndarray"]
"""A method's raw epoch times, in seconds, by (seed, repeat); no run without any."""


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
    flip_p: float
    sign_p: float
    users: int


def interval(value: float, draws: np.ndarray, confidence: float = 0.95) -> Interval:
    """The percentile interval of resampled estimates `[draws]`; no bounds when one of them is not finite."""
    if draws.size == 0 or not np.isfinite(draws).all():
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(draws, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))


def mean_interval(values: Sequence[float] | np.ndarray, confidence: float = 0.95) -> Interval:
    """The mean of a few observations with its interval by Student's t, which holds for few where resampling doesn't.

    No bounds for a single one, or where all are alike, which tells nothing of how far another would lie.
    """
    values = np.asarray(values, float)
    mean = float(values.mean())
    if np.ptp(values) <= FLOOR:
        return Interval(mean, float("nan"), float("nan"))
    from scipy import stats

    width = float(stats.t.ppf((1 + confidence) / 2, values.size - 1) * stats.sem(values))
    return Interval(mean, mean - width, mean + width)


class Resampling:
    """One bootstrap of seeds, repeats and epochs, drawn once and shared by all methods that are compared.

    Methods of one seed see the same batches, and runs of one seed and repeat follow each other on the same machine. So
    each draw takes the same seeds, the same repeats in them and the same epochs in those for every method: what all of
    them share cancels in any ratio or difference of two methods' draws.

        resampling = Resampling(times.values())             # times: {method: TimesByRun}
        draws = {method: resampling.means(runs) for method, runs in times.items()}     # [draws] each
        interval(value, draws["lora"] / draws["fft"])

    `methods` are the runs of all that will be asked for, and nobody else may be. A method need not have every run or
    epoch: it takes of a draw what it has, and all that it has, alike, where the draw holds none of it. Two studies,
    such as a baseline and a new one, share nothing: they take one resampling each, with different `seed`s.
    """

    def __init__(self, methods: Iterable[TimesByRun], draws: int = DRAWS, seed: int = 0) -> None:
        longest: dict[tuple[int, int], int] = {}
        for runs in methods:
            for key, times in runs.items():
                longest[key] = max(longest.get(key, 0), len(times))
        rng = np.random.default_rng(seed)
        repeats: dict[int, list[int]] = {}
        for number, repeat in sorted(longest):
            repeats.setdefault(number, []).append(repeat)
        self.draws = draws
        self._seeds = dict(zip(repeats, times_drawn(rng, len(repeats), draws).T, strict=True))
        self._repeats = {
            (number, repeat): column
            for number, found in repeats.items()
            for repeat, column in zip(found, times_drawn(rng, len(found), draws).T, strict=True)
        }
        self._epochs = {key: times_drawn(rng, longest[key], draws) for key in sorted(longest)}

    def means(self, runs: TimesByRun) -> np.ndarray:
        """`[draws]`: the mean over the drawn seeds, of that over the drawn repeats, of that over the drawn epochs."""
        by_seed: dict[int, list[tuple[int, int]]] = {}
        for key in sorted(runs):
            by_seed.setdefault(key[0], []).append(key)
        of_seeds = []
        for keys in by_seed.values():
            of_runs = [
                weighted_mean(self._epochs[key][:, : len(runs[key])], np.asarray(runs[key], float)) for key in keys
            ]
            of_seeds.append(weighted_mean(np.stack([self._repeats[key] for key in keys], 1), np.stack(of_runs, 1)))
        return weighted_mean(np.stack([self._seeds[number] for number in by_seed], 1), np.stack(of_seeds, 1))


def times_drawn(rng: np.random.Generator, size: int, draws: int) -> np.ndarray:
    """How often each of `size` things comes up when as many are drawn with replacement: `[draws, size]`."""
    return rng.multinomial(size, np.full(size, 1 / size), size=draws).astype(np.uint16)


def weighted_mean(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Means `[draws]` of `values` `[n]` or `[draws, n]`, each counted `[draws, n]` times; where none counts, all do."""
    weights = np.where(counts.sum(axis=1, keepdims=True) > 0, counts, 1)
    return (weights * values).sum(axis=1) / weights.sum(axis=1)


def mean(runs: TimesByRun) -> float:
    """A method's T: the mean over its seeds, of that over their repeats, of that over their epochs."""
    by_seed: dict[int, list[float]] = {}
    for (number, _), times in runs.items():
        by_seed.setdefault(number, []).append(float(np.mean(times)))
    return float(np.mean([np.mean(found) for found in by_seed.values()]))


def varies(runs: TimesByRun) -> bool:
    """Whether there is anything to resample: more than one time."""
    return sum(map(len, runs.values())) > 1


def mean_draws(runs: TimesByRun, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Resampled means `[draws]` of a method by itself; empty when a single epoch leaves nothing to resample."""
    return Resampling([runs], draws, seed).means(runs) if varies(runs) else np.empty(0)


def ratio_interval(
    runs: TimesByRun,
    reference: TimesByRun,
    resampling: Resampling | None = None,
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Interval:
    """Ratio of two methods' mean epoch times, with a bootstrap interval.

    Only runs of the same seed and repeat, which an interleaved study makes close together in time, are held against
    each other, so that a drift of the machine that meets both cancels; without common runs each side is resampled
    alone. `resampling`: the one of the whole comparison; by default `draws` of these two.
    BenchError when one of the two has no epoch times.
    """
    if not runs or not reference:
        raise BenchError("no ratio of epoch times: one of the two methods has none")
    if runs is reference:
        return Interval(1.0, 1.0, 1.0)
    common = runs.keys() & reference.keys()
    ours, theirs = ({key: side[key] for key in common or side} for side in (runs, reference))
    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(np.divide(mean(ours), mean(theirs)))
        if not varies(ours) or not varies(theirs):
            return Interval(value, float("nan"), float("nan"))
        if not common:
            apart = [mean_draws(side, draws, seed) for seed, side in enumerate((ours, theirs))]
            return interval(value, apart[0] / apart[1], confidence)
        shared = resampling or Resampling([ours, theirs], draws)
        return interval(value, shared.means(ours) / shared.means(theirs), confidence)


def paired_test(differences: np.ndarray, draws: int = 5000, seed: int = 0, confidence: float = 0.95) -> Paired:
    """Whether a difference per user, `[users]`, is 0 on average: a bootstrap interval over users, and two exact tests.

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
    found = interval(float(differences.mean()), resampled, confidence)
    return Paired(found, flip_p(differences), sign_p(differences), users)


def sign_p(differences: np.ndarray) -> float:
    """The two-sided p-value of the sign test, `[users]`: whether as many gain as lose; not below FLOOR."""
    better, worse = int((differences > 0).sum()), int((differences < 0).sum())
    from scipy import stats

    return max(float(stats.binomtest(better, better + worse).pvalue), FLOOR) if better + worse else 1.0


def flip_p(differences: np.ndarray) -> float:
    """The two-sided p-value of the sign-flip test of a mean difference, `[users]`, exact down to FLOOR.

    Were two methods alike, each user's difference would be as likely to have either sign. p is the share of all ways to
    set the signs that give a mean at least as far from 0 (the randomisation test that Smucker, Allan and Carterette
    recommend for ranked retrieval, CIKM 2007). No signs are drawn: the distribution of the sum is the inverse Fourier
    transform of the product of the users' characteristic functions, cos(t·|difference|), for differences in whole
    steps: a STEPS-th of the largest, or coarser where very many users differ.
    """
    sizes = np.abs(differences)
    if not sizes.any():
        return 1.0
    step = max(sizes.max() / STEPS, sizes.sum() / MOST_STEPS)
    steps = np.rint(differences / step).astype(np.int64)
    steps //= max(int(np.gcd.reduce(steps)), 1)
    values, counts = np.unique(np.abs(steps[steps != 0]), return_counts=True)
    length = 2 * int(values @ counts) + 2
    frequencies = 2 * np.pi / length * np.arange(length // 2 + 1)
    product = np.ones(frequencies.size)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        product *= np.cos(value * frequencies) ** count
    chances = np.fft.irfft(product, length)
    far = abs(int(steps.sum()))  # sums below 0 stand at the end, as likely as those above it
    return float(np.clip(2 * chances[far : length // 2 + 1].sum(), FLOOR, 1.0)) if far else 1.0


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
