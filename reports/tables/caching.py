"""What caching really saves: the price of building the cache, and after how many epochs it is paid back."""

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..analysis.comparison import Comparison
from ..figures.drawing import Picture, draw, legend, line_looks, written
from .table import Column, Table, present

LONGEST = 60


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


def rivals(comparison: Comparison, label: str) -> pd.DataFrame:
    """What a cached method is held against: its uncached twin, embedded methods and full tuning."""
    ranked, method = comparison.ranked, str(comparison.methods.loc[label, "method"])
    uncached = next((result.record.uncached for result in comparison.ok(label)), "")
    twin = ranked.index == uncached + label.removeprefix(method)  # that with the same options, where there is one
    if not twin.any():
        twin = ranked["method"] == uncached
    held = twin | ranked["family"].isin(["embedded", "hybrid", "full"])
    return ranked[held & (ranked.index != label) & ranked["cache_build"].isna()]


def caching_plot(comparison: Comparison) -> Picture | None:
    """Seconds spent so far by epoch, the build included; None without a cached method."""
    cached = cached_methods(comparison)
    held = [rivals(comparison, str(label)) for label in cached.index]
    if cached.empty or all(part.empty for part in held):
        return None
    others = pd.concat(held)
    others = others[~others.index.duplicated()]
    points = [
        break_even(c["cache_build"], c["time"], o["time"]) for _, c in cached.iterrows() for _, o in others.iterrows()
    ]
    finite = [point for point in points if math.isfinite(point)]
    last = int(min(max([*finite, 3]) * 1.25 + 1, max(LONGEST, float(cached["epochs"].max()))))
    epochs = np.arange(last + 1)

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        every, looks = max(last // 6, 1), line_looks(comparison.drawn)
        for number, (label, method) in enumerate(pd.concat([cached, others]).iterrows()):
            look: dict[str, Any] = looks[str(label)] | {"linewidth": 1.8}
            if label in cached.index:
                look |= {"linestyle": "-", "linewidth": 2.8}
            build = method["cache_build"] if label in cached.index else 0.0
            times = build + epochs * method["time"]
            axes.plot(epochs, times, markevery=(number % every, every), label=written(label), **look)
        top = float((cached["cache_build"] + last * cached["time"]).max())
        axes.set_ylim(0, min(max(top * 2.5, 1e-9), float(others["time"].max()) * last * 1.02 + 1e-9))
        axes.set_xlim(0, last)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("epochs trained (number)")
        axes.set_ylabel("time so far, cache build included (s)")
        legend(figure, axes.get_legend_handles_labels()[0])

    alt = "Seconds spent by epoch; cached methods start with the time of building the cache and rise slowly."
    return draw(
        "caching", "When building the cache is paid back: where a thick line falls below a thin one.", alt, 5.4, paint
    )
