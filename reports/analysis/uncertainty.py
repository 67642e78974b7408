"""How sure a comparison is of its numbers: intervals of T and TPME, groups not told apart, tests over users."""

import numpy as np
import pandas as pd

from ...metrics import of_users, to_test
from . import statistics
from .cells import timed_epochs
from .comparison import Comparison
from .ranks import kept_ranks
from .tpme import COSTS, CostWeights, normalise, tpme

DRAWS = 2000


def times_by_run(comparison: Comparison, label: str) -> dict[tuple[int, int], list[float]]:
    """A method's raw epoch times that count for T, by seed and repeat."""
    found = {}
    for result in comparison.costs_of(label):
        times = [epoch.total for epoch in timed_epochs(result.record, comparison.disturbed)]
        if sum(times) > 0:
            found[result.record.cell.seed, result.record.cell.repeat] = times
    return found


def peaks(comparison: Comparison, label: str) -> dict[tuple[int, int], list[float]]:
    """A method's peak memory, in bytes, by seed and repeat."""
    return {
        (result.record.cell.seed, result.record.cell.repeat): [float(result.record.memory.peak)]
        for result in comparison.costs_of(label)
        if result.record.memory and result.record.memory.peak is not None
    }


def epoch_times(comparison: Comparison) -> dict[str, dict[tuple[int, int], list[float]]]:
    """The `times_by_run` of every ranked method."""
    return {str(label): times_by_run(comparison, str(label)) for label in comparison.ranked.index}


def time_ratios(comparison: Comparison, reference: str) -> pd.DataFrame:
    """T of each ranked method over the reference's: columns `ratio`, `low`, `high`; empty without the reference."""
    times = epoch_times(comparison)
    if reference not in times:
        return pd.DataFrame(columns=["ratio", "low", "high"], dtype=float)
    shared = statistics.Resampling(times.values(), DRAWS)
    found = {label: statistics.ratio_interval(own, times[reference], shared) for label, own in times.items()}
    return pd.DataFrame({label: [i.value, i.low, i.high] for label, i in found.items()}, ["ratio", "low", "high"]).T


def cost_draws(comparison: Comparison) -> np.ndarray | None:
    """Resampled costs `[methods, 3, draws]` of the ranked methods; None when one has nothing to resample."""
    times = epoch_times(comparison)
    if not times or not all(map(statistics.varies, times.values())):
        return None
    shared = statistics.Resampling(times.values(), DRAWS)
    drawn = np.repeat(comparison.ranked[list(COSTS)].to_numpy(float)[:, :, None], DRAWS, axis=2)
    for number, (label, own) in enumerate(times.items()):
        drawn[number, 0] = shared.means(own)
        if timed := {run: peak for run, peak in peaks(comparison, label).items() if run in own}:
            drawn[number, 2] = shared.means(timed)
    return drawn


def tpme_intervals(comparison: Comparison, weights: CostWeights) -> pd.DataFrame:
    """`low`, `high` and `group` (letters; a shared one: not told apart) of TPME, in order of TPME; NaN if unknown."""
    scored = tpme(comparison.ranked, weights).sort_values("tpme")
    costs = cost_draws(comparison)
    if costs is None or len(scored) < 2:
        return pd.DataFrame({"low": np.nan, "high": np.nan, "group": ""}, index=scored.index)
    order = comparison.ranked.index.get_indexer(scored.index)
    draws = np.einsum("mcd,c->md", normalise(costs), weights.array())[order]
    low, high = np.quantile(draws, [0.025, 0.975], axis=1)
    differences = np.quantile(draws[:, None] - draws[None], [0.025, 0.975], axis=2)
    apart = (differences[0] > 0) | (differences[1] < 0)
    return pd.DataFrame({"low": low, "high": high, "group": statistics.letters(apart)}, index=scored.index)


def ranks_by_seed(comparison: Comparison, label: str) -> dict[int, np.ndarray]:
    """A method's kept ranks by seed; repeats of a seed only time it again, so the first one stands for all."""
    found: dict[int, np.ndarray] = {}
    for result in comparison.ok(label):
        if result.ranks is not None and result.record.cell.seed not in found:
            found[result.record.cell.seed] = kept_ranks(result.ranks, result.record)
    return found


def user_tests(comparison: Comparison, reference: str) -> pd.DataFrame:
    """Paired tests over users between each method and the reference, one row a method.

    A user's difference is the mean over the seeds that both have (a method with one seed, such as popularity, meets
    every seed of the reference). For each headline metric: `… difference`, `… low`, `… high`, `… flip p`, `… sign p`;
    p-values are Holm-corrected over all methods and metrics, for each test. Empty without ranks.
    """
    metrics = [metric.name for metric in to_test(comparison.metrics, comparison.primary.name)]
    base = ranks_by_seed(comparison, reference) if reference in comparison.methods.index else {}
    rows: dict[str, dict[str, float]] = {}
    for label in comparison.methods.index:
        pairs = seed_pairs(ranks_by_seed(comparison, str(label)), base) if label != reference else []
        if not pairs:
            continue
        rows[str(label)] = {"seeds": float(len(pairs))}
        for metric in metrics:
            mean = np.mean([of_users(metric, ours) - of_users(metric, theirs) for ours, theirs in pairs], axis=0)
            found = statistics.paired_test(mean)
            rows[str(label)] |= {
                "users": found.users,
                f"{metric} difference": found.difference.value,
                f"{metric} low": found.difference.low,
                f"{metric} high": found.difference.high,
                f"{metric} flip p": found.flip_p,
                f"{metric} sign p": found.sign_p,
            }
    frame = pd.DataFrame(rows).T
    for test in ("flip p", "sign p") if len(frame) else ():
        columns = [f"{metric} {test}" for metric in metrics]
        frame[columns] = statistics.holm(frame[columns].to_numpy().ravel().tolist()).reshape(-1, len(columns))
    return frame


def seed_pairs(ours: dict[int, np.ndarray], theirs: dict[int, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ranks of the same seed, method and reference; only arrays over the same number of users can be paired."""
    if len(ours) == 1 and len(theirs) > 1:
        ours = dict.fromkeys(theirs, next(iter(ours.values())))
    pairs = [(ours[seed], theirs[seed]) for seed in sorted(ours.keys() & theirs.keys())]
    return [(left, right) for left, right in pairs if left.size == right.size]
