"""The metrics of a record: names, order and direction, which is primary, and what each is of a single user.

Every metric is a mean over users of a number from 0 to 1. A task names its own; where nothing is said they are those of
ranking (`RANKING`), and `PRIMARY` is the one that chooses the best epoch and that reports judge by.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

PRIMARY = "HR@10"
CUTOFFS = (5, 10, 20)

MetricName = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9@._%+-]{0,39}$")]
"""Begins with a capital letter, which tells it from every other column of a table, and holds no space."""

_OF_RANKS = re.compile(r"(HR|NDCG)@([1-9]\d{0,8})|MRR")


class Metric(BaseModel):
    """A metric by name. `better`: whether more or less of it is. `headline`: tables show it beside the primary one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: MetricName
    better: Literal["more", "less"] = "more"
    headline: bool = False


RANKING = (
    *(Metric(name=f"HR@{k}", headline=k == 10) for k in CUTOFFS),
    *(Metric(name=f"NDCG@{k}", headline=k == 10) for k in CUTOFFS),
    Metric(name="MRR"),
)
"""What a ranking of the whole catalogue is judged by."""
METRICS = tuple(metric.name for metric in RANKING)


def cutoff(name: str) -> float:
    """The k of HR@k and NDCG@k, infinite for a metric without one."""
    found = _OF_RANKS.fullmatch(name)
    return float(found[2]) if found and found[2] else float("inf")


def headline(metrics: Iterable[Metric], primary: str) -> tuple[Metric, ...]:
    """The metrics that tables show: the primary one, then the others that are a headline."""
    chosen = [metric for metric in metrics if metric.headline or metric.name == primary]
    return tuple(sorted(chosen, key=lambda metric: metric.name != primary))


def told(metrics: Iterable[Metric], primary: str) -> tuple[Metric, ...]:
    """Those that what is kept of each user tells: of ranks all that ranks give, else the primary one."""
    ranks_are_kept = bool(_OF_RANKS.fullmatch(primary))
    return tuple(m for m in metrics if m.name == primary or (ranks_are_kept and _OF_RANKS.fullmatch(m.name)))


def to_test(metrics: Iterable[Metric], primary: str) -> tuple[Metric, ...]:
    """Those of `headline` that can be tested over users."""
    return told(headline(metrics, primary), primary)


def of_users(name: str, kept: np.ndarray) -> np.ndarray:
    """A metric of each user, float64 `[users]`, whose mean is the metric, from what was kept of each.

    That is the rank of the user's target for HR@k, NDCG@k with one target (1 / log2(rank + 1) within the first k) and
    MRR (1 / rank; an infinite rank, of a missed target, gives 0). Of any other metric it is the user's own value.
    """
    found = _OF_RANKS.fullmatch(name)
    if found is None:
        return kept.astype(float)
    if found[1] is None:
        return 1.0 / kept
    within = kept <= int(found[2])
    return within.astype(float) if found[1] == "HR" else np.where(within, 1.0 / np.log2(kept + 1.0), 0.0)


def means(metrics: Sequence[Metric], kept: np.ndarray) -> dict[str, float]:
    """Each metric over all users, by name; empty for no users."""
    return {metric.name: float(np.mean(of_users(metric.name, kept))) for metric in metrics} if len(kept) else {}


def is_better(value: float, than: float, better: str) -> bool:
    """Whether a value of a metric beats another one."""
    return value > than if better == "more" else value < than


def axis_label(name: str, users: str) -> str:
    """A metric with its unit, as an axis is labelled: HR is a share of `users`, any other a mean over them."""
    return f"{name} (share of {users})" if name.startswith("HR@") else f"{name} (mean over {users})"
