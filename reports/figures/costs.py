"""Pictures of what methods cost: TPME's parts, an epoch's time, peak memory by kind and by phase."""

import pandas as pd
from matplotlib.figure import Figure

from ..analysis.cells import PHASES
from ..analysis.comparison import Comparison
from ..analysis.tpme import CostWeights
from ..quantities import NONE, quantity, show, unit
from .drawing import BLACK, BLUE, GREEN, MARKERS, ORANGE, Picture, bar_height, draw, legend, stacked_bars, wrapped

COST_NAMES = {"time": "training time", "parameters": "trainable parameters", "memory": "peak memory"}


def tpme_parts(scored: pd.DataFrame, weights: CostWeights) -> Picture:
    """Stacked bars of TPME's weighted parts, the best method on top. `scored` comes from `tpme.tpme`."""
    ordered = scored.sort_values("tpme")
    names = {cost: f"{text} × {getattr(weights, cost):g}" for cost, text in COST_NAMES.items()}

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        texts = [show(value, "score") for value in ordered["tpme"]]
        stacked_bars(axes, ordered[list(names)].rename(columns=names), texts, (BLUE, ORANGE, GREEN))
        axes.set_xlabel("TPME (no unit, 0 to 1, lower is better)")
        axes.set_xlim(0, max(float(ordered["tpme"].max()), 0.05) * 1.16)

    listed = "; ".join(f"{label} {show(value, 'score')}" for label, value in ordered["tpme"].items())
    caption = "TPME and its weighted, normalised parts. Lower is better."
    return draw("tpme-parts", caption, f"Stacked bars of TPME. {listed}.", bar_height(len(ordered), 2.1), paint)


def epoch_time(comparison: Comparison) -> Picture | None:
    """Where the wall time of a training epoch goes; None when no method was trained."""
    methods = comparison.methods[comparison.methods["time"].notna()]
    if methods.empty:
        return None
    parts = methods[list(PHASES)].fillna(0.0)
    parts["other"] = (methods["time"] - parts.sum(axis=1)).clip(lower=0.0)
    if parts["other"].max() < 0.01 * methods["time"].max():
        parts = parts.drop(columns="other")

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        stacked_bars(axes, parts, [quantity(value, "seconds") for value in methods["time"]])
        axes.set_xlabel("seconds an epoch")

    alt = "Stacked bars of the seconds of an epoch. " + in_words(methods["time"], "seconds")
    return draw("epoch-time", "Where the time of a training epoch goes.", alt, bar_height(len(parts)), paint)


def memory_kinds(comparison: Comparison) -> Picture | None:
    """What the training peak consists of; None when no cell tells."""
    kinds = comparison.breakdown(lambda record: dict(record.memory.kinds) if record.memory else {})
    if kinds.empty:
        return None
    scale = unit("bytes", kinds.sum(axis=1))

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        texts = [f"{show(value, 'bytes', scale)} {scale.name}" for value in kinds.sum(axis=1)]
        stacked_bars(axes, kinds / scale.scale, texts)
        axes.set_xlabel(f"{scale.name} at the peak of a training step")

    alt = "Stacked bars of memory at the peak. " + in_words(kinds.sum(axis=1), "bytes")
    return draw("memory-kinds", "What the peak of a training step consists of.", alt, bar_height(len(kinds)), paint)


def memory_phases(comparison: Comparison) -> Picture | None:
    """Peak memory of cache build, training and evaluation, on a logarithmic axis; None when nothing was measured."""
    columns = {"memory_cache_build": "cache build", "memory": "training", "memory_evaluation": "evaluation"}
    methods = comparison.methods[list(columns)].rename(columns=columns)
    methods = methods.dropna(how="all").dropna(axis="columns", how="all")
    if methods.empty:
        return None
    scale = unit("bytes", [methods.min().min()])

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        colours = {"cache build": ORANGE, "training": BLUE, "evaluation": BLACK}
        for number, phase in enumerate(methods.columns):
            axes.scatter(
                methods[phase] / scale.scale,
                range(len(methods)),
                s=90,
                marker=MARKERS[number],
                color=colours[phase],
                edgecolors="white",
                linewidths=0.6,
                label=phase,
                zorder=3,
            )
        axes.set_yticks(range(len(methods)), [wrapped(str(label)) for label in methods.index])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        logarithmic(axes)
        axes.set_xlabel(f"peak memory of the phase in {scale.name} (logarithmic)")
        legend(figure, axes.get_legend_handles_labels()[0])

    alt = "Peak memory by phase. Training: " + in_words(comparison.methods["memory"].dropna(), "bytes")
    return draw("memory-phases", "Peak memory of each phase.", alt, bar_height(len(methods)), paint)


def logarithmic(axes: object) -> None:
    """A logarithmic x axis whose ticks are plain numbers, at 1, 2 and 5 when it spans little."""
    from matplotlib.axes import Axes
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    assert isinstance(axes, Axes)
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    steps = (1.0, 2.0, 5.0) if high / low < 200 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(subs=steps))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def in_words(values: pd.Series, kind: str) -> str:
    """The numbers of a picture in words."""
    shown = (f"{label} {quantity(value, kind)}" for label, value in values.items())  # type: ignore[arg-type]
    return "; ".join(shown) + "." if len(values) else NONE
