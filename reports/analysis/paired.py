"""Accuracies held against each other, user by user: differences, how sure they are, and tests.

Methods of one seed are judged on the same users. So a user's difference is taken within a seed, and an interval comes
from drawing seeds and users together, both with replacement and the same for all rows (the pigeonhole bootstrap, Owen,
Annals of Applied Statistics, 2007): it says what other users and other seeds of training would have given.
"""

from collections.abc import Iterable, Mapping
from itertools import chain, combinations

import numpy as np
import pandas as pd

from ...metrics import of_users, to_test
from . import statistics
from .comparison import Comparison
from .footing import on_every_seed
from .ranks import kept_ranks

DRAWS = 2000
MOST_GROUPS = 20_000
"""Of more users several are drawn together."""
_AT_ONCE = 100
MOST_ROWS = 8
"""Of a family are held against each other: the best, where it has more."""

BySeed = dict[int, np.ndarray]
Pairs = Mapping[str, tuple[str, str]]
"""By what a pair is called: the row that is judged, and that which it is held against."""


def ranks_by_seed(comparison: Comparison, labels: Iterable[str]) -> dict[str, BySeed]:
    """Each method's kept ranks by seed; repeats of a seed only time it again, so the first one stands for all. What
    trains nothing and ran once has the same on every seed of the others.
    """
    found: dict[str, BySeed] = {}
    for label in dict.fromkeys(labels):
        found[label] = {}
        for result in comparison.ok(label):
            if result.ranks is not None and result.record.cell.seed not in found[label]:
                found[label][result.record.cell.seed] = kept_ranks(result.ranks, result.record)
    return on_every_seed(comparison, found)


def user_tests(comparison: Comparison, reference: str) -> pd.DataFrame:
    """The `tests` of every other row against the reference, by the row."""
    labels = [str(label) for label in comparison.methods.index]
    pairs = {label: (label, reference) for label in labels if label != reference and reference in labels}
    return tests(comparison, pairs)


def within_families(comparison: Comparison) -> Pairs:
    """The rows of each family of methods by twos, the better one on average first, MOST_ROWS of a family at most.

    A method that does the same without the feature cache as another row does with it, is left out.
    """
    name, more = comparison.primary.name, comparison.primary.better == "more"
    twins = {result.record.uncached for result in comparison.results}
    methods = comparison.methods
    known = methods[methods[name].notna() & ~methods["method"].isin(twins)]
    known = known.sort_values(name, ascending=not more, kind="stable")
    pairs: dict[str, tuple[str, str]] = {}
    for _, rows in known[known["family"] != "reference"].groupby("family", sort=False):
        for one, other in combinations(map(str, rows.index[:MOST_ROWS]), 2):
            pairs[f"{one} – {other}"] = (one, other)
    return pairs


def tests(comparison: Comparison, pairs: Pairs) -> pd.DataFrame:
    """Paired tests, one row a pair: of the headline metrics `… value` and `… other` (of the two rows),
    `… difference`, `… low`, `… high`, `… flip p`, `… sign p`.

    A user's difference is the mean over the seeds that both have (what trains nothing, such as popularity, is the same
    on every seed). Rows without a seed in common are not tested. `low` and `high`: the 95 % interval, seeds and users
    drawn together; of one seed of users alone. p-values are Holm-corrected over all pairs and metrics, for each test.
    Empty without ranks.
    """
    metrics = [metric.name for metric in to_test(comparison.metrics, comparison.primary.name)]
    ranks = ranks_by_seed(comparison, chain(*pairs.values()))
    resampled = _Resampled({metric: _values(metric, ranks) for metric in metrics})
    rows: dict[str, dict[str, float]] = {}
    for name, (one, other) in pairs.items():
        seeds = common_seeds(ranks[one], ranks[other])
        if not seeds:
            continue
        rows[name] = {"seeds": float(len(seeds)), "users": float(ranks[one][seeds[0]].size)}
        for metric in metrics:
            ours, theirs = (
                np.array([of_users(metric, ranks[label][seed]) for seed in seeds]) for label in (one, other)
            )
            of_each = (ours - theirs).mean(axis=0)
            drawn = resampled.differences(metric, [((one, seed), (other, seed)) for seed in seeds])
            bounds = statistics.interval(float(of_each.mean()), drawn)
            rows[name] |= {
                f"{metric} value": round(float(ours.mean()), 12),
                f"{metric} other": round(float(theirs.mean()), 12),
                f"{metric} difference": bounds.value,
                f"{metric} low": bounds.low,
                f"{metric} high": bounds.high,
                f"{metric} flip p": statistics.flip_p(of_each),
                f"{metric} sign p": statistics.sign_p(of_each),
            }
    frame = pd.DataFrame(rows).T
    for test in ("flip p", "sign p") if len(frame) else ():
        columns = [f"{metric} {test}" for metric in metrics]
        frame[columns] = statistics.holm(frame[columns].to_numpy().ravel().tolist()).reshape(-1, len(columns))
    return frame


def common_seeds(ours: BySeed, theirs: BySeed) -> list[int]:
    """The seeds that two rows have; only arrays over the same number of users can be paired."""
    return [seed for seed in sorted(ours.keys() & theirs.keys()) if ours[seed].size == theirs[seed].size]


Run = tuple[str, int]
"""A row and a seed."""


def _values(metric: str, ranks: Mapping[str, BySeed]) -> dict[Run, np.ndarray]:
    return {(label, seed): of_users(metric, kept) for label, own in ranks.items() for seed, kept in own.items()}


class _Resampled:
    """The metrics of each run as other users would have given them, all runs over the same draws of users."""

    def __init__(self, values: Mapping[str, Mapping[Run, np.ndarray]]) -> None:
        self._means: dict[tuple[str, Run], np.ndarray] = {}
        runs = [(metric, run, of_run) for metric, own in values.items() for run, of_run in own.items()]
        for users in {of_run.size for _, _, of_run in runs}:
            alike = [each for each in runs if each[2].size == users]
            means = resampled_means(np.array([of_run for _, _, of_run in alike]))
            self._means |= {(metric, run): column for (metric, run, _), column in zip(alike, means.T, strict=True)}

    def differences(self, metric: str, pairs: list[tuple[Run, Run]]) -> np.ndarray:
        """Mean differences `[draws]` over as many pairs of runs, drawn with replacement."""
        each = np.stack([self._means[metric, one] - self._means[metric, other] for one, other in pairs], axis=1)
        counts = statistics.times_drawn(np.random.default_rng(1), len(pairs), len(each))
        return statistics.weighted_mean(counts, each).round(12)


def resampled_means(values: np.ndarray, draws: int = DRAWS, seed: int = 0) -> np.ndarray:
    """Means `[draws, runs]` of each run's `values` `[runs, users]` over users drawn with replacement, alike for all."""
    runs, users = values.shape
    groups = min(users, MOST_GROUPS)
    sums, sizes = np.zeros((runs, groups)), np.zeros(groups)
    for start in range(0, users, groups):
        part = values[:, start : start + groups]
        sums[:, : part.shape[1]] += part
        sizes[: part.shape[1]] += 1
    rng = np.random.default_rng(seed)
    means = np.empty((draws, runs))
    for start in range(0, draws, _AT_ONCE):
        several = range(min(_AT_ONCE, draws - start))
        counts = np.array([np.bincount(rng.integers(groups, size=groups), minlength=groups) for _ in several], float)
        means[start : start + len(several)] = counts @ sums.T / (counts @ sizes)[:, None]
    return means
