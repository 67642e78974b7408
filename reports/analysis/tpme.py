"""TPME, the score that puts training time (T), trainable parameters (P) and peak memory (M) together.

    x_norm = (x − min) / (max − min)      over the compared methods, for x in T, P, M
    TPME   = α_T·T_norm + α_P·P_norm + α_M·M_norm      α ≥ 0, summing to 1; lower is better

(IISAN, SIGIR 2024, equations 6 to 10, where α = 0.45, 0.10, 0.45.) Equal values, or a single method, give 0.

Limits. TPME has no unit and no absolute meaning: 0 says "cheapest of these in everything", 1 "dearest of these in
everything". Because of the min-max it depends on which methods are compared; leaving one out rescales all the others
and can even change their order. `cost_ratio` does not: it compares each method with one reference method only.
"""

from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd

from ...errors import BenchError, unknown

COSTS = ("time", "parameters", "memory")
LEAST_RANKED = 3
"""Of fewer rows TPME says nothing: over two, min-max makes each cost 0 and 1 whatever they are."""


@dataclass(frozen=True)
class CostWeights:
    """How much each cost counts; none negative, together 1. BenchError otherwise."""

    time: float = 0.45
    parameters: float = 0.10
    memory: float = 0.45

    def __post_init__(self) -> None:
        values = astuple(self)
        if not all(np.isfinite(values)) or min(values) < 0:
            raise BenchError(f"weights {self}: each must be a number of at least 0")
        total = sum(values)
        if abs(total - 1) > 1e-9:
            hint = f"; did you mean {','.join(f'{v / total:.4g}' for v in values)}?" if total > 0 else ""
            raise BenchError(f"weights {self}: they sum to {total:.6g}, not to 1{hint}")

    def __str__(self) -> str:
        return ",".join(f"{value:.4g}" for value in astuple(self))

    def array(self) -> np.ndarray:
        """`[3]`, in the order of COSTS."""
        return np.array(astuple(self))


PRESETS = {
    "paper": CostWeights(0.45, 0.10, 0.45),
    "equal": CostWeights(1 / 3, 1 / 3, 1 / 3),
    "data-center": CostWeights(0.70, 0.10, 0.20),
    "edge": CostWeights(0.20, 0.10, 0.70),
    "mobile": CostWeights(0.20, 0.60, 0.20),
}
"""The paper's own, equal ones, and those that suit where a model is deployed; `docs/tpme.md` gives the reasons."""
EARLIER = {"time-bound": "data-center", "memory-bound": "edge", "storage-bound": "mobile"}
"""What presets were called before: the weights are the same."""


def preset(name: str) -> CostWeights:
    """A named choice of weights, by its name or an earlier one. BenchError when there is none of that name."""
    name = EARLIER.get(name, name)
    if name not in PRESETS:
        raise unknown("preset", name, list(PRESETS))
    return PRESETS[name]


def parse_weights(text: str) -> CostWeights:
    """`0.45,0.10,0.45` (time, parameters, memory) or `time=0.45,parameters=0.1,memory=0.45`. BenchError otherwise."""
    parts = [part.strip() for part in text.split(",")]
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    if named and (len(named) != len(parts) or set(named) != set(COSTS)):
        raise BenchError(f"--weights {text}: give each of time=, parameters= and memory= once")
    values = [named[cost] for cost in COSTS] if named else parts
    if len(values) != len(COSTS):
        raise BenchError(f"--weights {text}: three numbers are needed, for time, parameters and memory")
    try:
        return CostWeights(*(float(value) for value in values))
    except ValueError:
        raise BenchError(f"--weights {text}: not three numbers; write for example {PRESETS['paper']}") from None


def normalise(costs: np.ndarray) -> np.ndarray:
    """Min-max over the first axis: `[methods, …]` → `[methods, …]` in 0..1, 0 where all methods are equal."""
    if len(costs) == 0:
        return costs.astype(float)
    low = costs.min(axis=0)
    span = costs.max(axis=0) - low
    return (costs - low) / np.where(span > 0, span, 1.0)


def rankable(costs: pd.DataFrame) -> bool:
    """Whether there are rows enough for TPME to say anything."""
    return len(costs) >= LEAST_RANKED


def tpme(costs: pd.DataFrame, weights: CostWeights) -> pd.DataFrame:
    """The weighted parts `time`, `parameters`, `memory` and their sum `tpme`, for the methods in the index.

    `costs` has the columns of COSTS, in any units. Failed methods and reference rows must not be in it.
    """
    parts = normalise(costs[list(COSTS)].to_numpy(float)) * weights.array()
    scored = pd.DataFrame(parts, index=costs.index, columns=list(COSTS))
    return scored.assign(tpme=scored.sum(axis=1))


def cost_ratio(costs: pd.DataFrame, weights: CostWeights, reference: str) -> pd.Series:
    """Weighted geometric mean of each cost's ratio to the reference method's; 1 for the reference, lower is better.

    It does not change when methods are added or left out. NaN where the reference is not among the methods or one
    of the two costs is 0.
    """
    if reference not in costs.index:
        return pd.Series(np.nan, index=costs.index)
    values = costs[list(COSTS)].to_numpy(float)
    base = costs.loc[reference, list(COSTS)].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(weights.array() > 0, weights.array() * np.log(values / base), 0.0)
    ratio = np.exp(logs.sum(axis=1))
    return pd.Series(np.where((ratio > 0) & np.isfinite(ratio), ratio, np.nan), index=costs.index)


def pareto(cost: pd.Series, gain: pd.Series) -> pd.Series:
    """Which methods no other dominates, that is costs no more, gains no less and is better in one. NaN: dominated."""
    flags = []
    for name in cost.index:
        no_worse = (cost <= cost[name]) & (gain >= gain[name])
        better = (cost < cost[name]) | (gain > gain[name])
        flags.append(bool(pd.notna(cost[name]) and pd.notna(gain[name]) and not (no_worse & better).any()))
    return pd.Series(flags, index=cost.index, dtype=bool)
