"""PSCP, the score of PEFT-Bench (Belanec et al., 2025, arXiv 2511.21285): accuracy, less soft penalties for costs.

    PSCP = accuracy × (1 + P / C_P)^(−β_P) × (1 + F / C_F)^(−β_F) × (1 + M / C_M)^(−β_M)      higher is better

over trainable parameters P, floating-point operations F of a forward pass and peak training memory M. A cost of C
halves the score where β is 1; with β = 0 a cost counts nothing. It is computed from a row's own numbers: what else is
compared changes nothing.

F is of the forward pass of the metered training step, on the same items for every method: with a feature cache that is
without the towers. Where no constant is given, C is what the reference method costs on the same dataset, so that the
reference has its accuracy divided by 2^(β_P + β_F + β_M).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...errors import BenchError
from ...metrics import Metric

PENALISED = ("parameters", "flops_forward", "memory")
"""The columns of P, F and M."""


@dataclass(frozen=True)
class Penalties:
    """PSCP's constants, in parameters, operations and bytes, None for the reference method's costs, and its exponents.

    BenchError unless constants are above 0 and exponents at least 0.
    """

    constants: tuple[float, float, float] | None = None
    betas: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.constants is not None and not all(np.isfinite(value) and value > 0 for value in self.constants):
            raise BenchError(f"constants of PSCP {_listed(self.constants)}: each must be a number above 0")
        if not all(np.isfinite(value) and value >= 0 for value in self.betas):
            raise BenchError(f"exponents of PSCP {_listed(self.betas)}: each must be a number of at least 0")

    def of(self, methods: pd.DataFrame, reference: str) -> np.ndarray:
        """C of parameters, operations and memory, `[3]`; NaN where the reference method has no such cost."""
        if self.constants is not None:
            return np.array(self.constants)
        if reference not in methods.index:
            return np.full(3, np.nan)
        values = methods.loc[reference, list(PENALISED)].to_numpy(float)
        return np.where(values > 0, values, np.nan)


def pscp(methods: pd.DataFrame, metric: Metric, penalties: Penalties, reference: str) -> pd.Series:
    """PSCP of each row of `Comparison.methods`; NaN where a number is missing, or less of the metric is better."""
    if metric.better != "more" or not {metric.name, *PENALISED} <= set(methods.columns):
        return pd.Series(np.nan, index=methods.index)
    costs = methods[list(PENALISED)].to_numpy(float) / penalties.of(methods, reference)
    factors = np.where(np.array(penalties.betas) > 0, (1 + costs) ** -np.array(penalties.betas), 1.0)
    return methods[metric.name].astype(float) * factors.prod(axis=1)


def parse_three(option: str, text: str) -> tuple[float, float, float]:
    """Three numbers with commas between, for parameters, operations and memory. BenchError otherwise."""
    try:
        parameters, operations, memory = (float(part) for part in text.split(","))
    except ValueError:
        raise BenchError(
            f"{option} {text}: three numbers are needed, for parameters, operations and bytes of memory"
        ) from None
    return parameters, operations, memory


def _listed(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)
