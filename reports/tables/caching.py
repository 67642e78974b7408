"""What caching really saves: the price of building the cache, and after how many epochs it is paid back."""

import pandas as pd

from ..analysis.caching import break_even, cached_methods, rivals
from ..analysis.comparison import Comparison
from .table import Column, Table, present


def cache_table(comparison: Comparison) -> Table | None:
    """Building time, disk and T with the building spread over the epochs run, of every cached method."""
    frame = cached_methods(comparison)
    if frame.empty:
        return None
    frame = frame.assign(built_share=frame["cache_build"] / (frame["cache_build"] + frame["time"] * frame["epochs"]))
    columns = (
        Column("cache_build", "cache build", "seconds"),
        Column("feature_cache", "cache on disk", "bytes"),
        Column("memory_cache_build", "M of the build", "bytes"),
        Column("epochs", "epochs run", "integer"),
        Column("time", "T", "seconds"),
        Column("time_with_cache", "T incl. cache", "seconds"),
        Column("built_share", "build, of all training", "share"),
    )
    note = "A cell that found its cache ready is charged what building it took at the time."
    return Table("cache", "The feature cache", frame, present(frame, columns), notes=(note,))


def start_table(comparison: Comparison) -> Table | None:
    """What computing a start from the towers' weights took, of every method that does, beside what T holds."""
    methods = comparison.methods
    if "start" not in methods or methods["start"].isna().all():
        return None
    columns = (
        Column("start", "start", "seconds"),
        Column("time", "T", "seconds"),
        Column("epochs", "epochs run", "integer"),
    )
    frame = methods[methods["start"].notna()]
    note = "Once a run, before the first epoch, and so no part of T: from the weights, as by their singular vectors."
    return Table("start", "Starts computed from the weights", frame, present(frame, columns), notes=(note,))


def break_even_table(comparison: Comparison) -> Table | None:
    """After how many epochs each cached method has overtaken its uncached twin, the embedded methods and fft."""
    rows = {}
    for label, cached in cached_methods(comparison).iterrows():
        for other, rival in rivals(comparison, str(label)).iterrows():
            epochs = break_even(cached["cache_build"], cached["time"], rival["time"])
            over = cached["epochs"]
            rows[f"{label} against {other}"] = {
                "break_even": epochs,
                "cached": cached["cache_build"] + over * cached["time"],
                "other": over * rival["time"],
                "speedup": rival["time"] / cached["time"],
                "speedup_with_cache": over * rival["time"] / (cached["cache_build"] + over * cached["time"]),
                "epochs": over,
            }
    if not rows:
        return None
    columns = (
        Column("break_even", "break-even epoch", "integer"),
        Column("epochs", "epochs run", "integer"),
        Column("cached", "cached, build included", "seconds"),
        Column("other", "the other, as many epochs", "seconds"),
        Column("speedup", "faster an epoch, times", "ratio"),
        Column("speedup_with_cache", "faster in all, times", "ratio"),
    )
    notes = (
        "Break-even epoch: the first at whose end building the cache and training with it took no longer than the "
        "other; never: the other is as fast an epoch.",
    )
    return Table("break-even", "When the cache pays", pd.DataFrame(rows).T, columns, index="methods", notes=notes)
