"""When a feature cache has paid for itself: what its methods are held against, and after how many epochs."""

import math

import pandas as pd

from .comparison import Comparison


def crossing(build: float, cached: float, other: float) -> float:
    """After how many epochs, in parts of one, both have taken as long; infinite when the other is as fast.

    `build` in seconds, the others in seconds an epoch.
    """
    return max(build, 0.0) / (other - cached) if other > cached else math.inf


def break_even(build: float, cached: float, other: float) -> float:
    """The first epoch at whose end building and training cached took no longer than training the other way.

    `build` in seconds, the others in seconds an epoch; infinite when the other is as fast.
    """
    if build <= 0 and cached <= other:
        return 1.0
    return float(max(math.ceil(build / (other - cached)), 1)) if other > cached else math.inf


def cached_methods(comparison: Comparison) -> pd.DataFrame:
    """The rows that read a feature cache and know what it cost to build."""
    methods = comparison.methods
    return methods[methods["cache_build"].notna() & methods["time"].notna()]


def twins(comparison: Comparison, label: str) -> pd.Series:
    """Which of the ranked rows is a cached method's uncached twin, that with the same options where there is one."""
    ranked, method = comparison.ranked, str(comparison.methods.loc[label, "method"])
    uncached = next((result.record.uncached for result in comparison.ok(label)), "")
    twin = pd.Series(ranked.index == uncached + label.removeprefix(method), ranked.index)
    return twin if twin.any() else ranked["method"] == uncached


def rivals(comparison: Comparison, label: str) -> pd.DataFrame:
    """What a cached method is held against: its uncached twin, embedded methods and full tuning."""
    ranked = comparison.ranked
    held = twins(comparison, label) | ranked["family"].isin(["embedded", "hybrid", "full"])
    return ranked[held & (ranked.index != label) & ranked["cache_build"].isna()]
