"""How sure a comparison is of its costs: intervals of T and TPME, groups not told apart."""

import numpy as np
import pandas as pd

from . import statistics
from .comparison import Comparison
from .epochs import timed_epochs
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
