"""What is left of the methods within a budget, and which of them is best.

A method is left when it is known to keep every bound that is set. The best of what is left is the most accurate, the
cheaper of equals. Who bounds the loss says by it which accuracy is enough: then the cheapest is the best, the more
accurate of equals. Cheapest: the lowest cost ratio, which is set by the weights and by nothing else that is compared.

`formats/templates/arithmetic.js` does the same in a page; a test holds it to this file.
"""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from .comparison import Comparison
from .tpme import COSTS, CostWeights

SLACK = 1e-9
"""By this share a bound may be passed: a number that was divided by a unit and multiplied again still fits."""


@dataclass(frozen=True)
class Budget:
    """The most that a method may take, None for any amount.

    `memory` in bytes; `time` in seconds an epoch; `total` in seconds of all epochs, what comes before them included;
    `loss` of the primary metric, as a share of the reference's.
    """

    memory: float | None = None
    time: float | None = None
    total: float | None = None
    loss: float | None = None


BOUNDS = tuple(asdict(Budget()))


def candidates(comparison: Comparison, reference: str) -> pd.DataFrame:
    """The ranked methods with COSTS, `total`, `loss` and `gain`: the primary metric so that more is better; or NaN."""
    ranked, primary = comparison.ranked, comparison.primary
    sign = 1.0 if primary.better == "more" else -1.0
    gains = sign * comparison.methods[primary.name].astype(float)
    of_reference = gains.get(reference, np.nan)
    before = sum(ranked[name].astype(float).fillna(0.0) for name in ("cache_build", "start") if name in ranked)
    frame = ranked[list(COSTS)].astype(float).assign(gain=gains.reindex(ranked.index))
    frame["total"] = ranked["time"] * ranked["epochs"].astype(float) + before
    frame["loss"] = (of_reference - frame["gain"]) / abs(of_reference) if of_reference else np.nan
    return frame


def within(frame: pd.DataFrame, budget: Budget) -> pd.DataFrame:
    """The candidates that keep every bound that is set. What was not measured keeps none."""
    for name, most in asdict(budget).items():
        if most is not None:
            frame = frame[frame[name] <= most + SLACK * abs(most)]
    return frame


def weighed_costs(frame: pd.DataFrame, weights: CostWeights) -> pd.Series:
    """The logarithm of a method's cost ratio to one that costs 1 of each: the order of the cost ratio to any other."""
    counted = [(cost, weight) for cost, weight in zip(COSTS, weights.array(), strict=True) if weight > 0]
    with np.errstate(divide="ignore"):
        return sum((weight * np.log(frame[cost]) for cost, weight in counted), pd.Series(0.0, index=frame.index))


def best(frame: pd.DataFrame, budget: Budget, weights: CostWeights) -> str | None:
    """The row of the best candidate within the budget; the first one of equals, None where nothing is left."""
    left = within(frame, budget)
    if left.empty:
        return None
    costs, losses = weighed_costs(left, weights), (-left["gain"]).fillna(np.inf)
    cheapest = budget.loss is not None or left["gain"].isna().all()
    for key in (costs, losses) if cheapest else (losses, costs):
        key = key[left.index]
        left = left[key <= key.min() + SLACK]
    return str(left.index[0])
