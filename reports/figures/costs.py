"""Pictures of what methods cost: TPME's parts, an epoch's time, peak memory by kind and by phase."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..analysis.cells import PHASES
from ..analysis.comparison import Comparison
from ..analysis.tpme import COSTS, CostWeights
from ..quantities import NONE, Kind, quantity, show, unit
from .bars import bar_height, name_rows, stacked_bars
from .drawing import SMALL, Picture, draw, legend, logarithmic
from .looks import INK, PARTS

COST_NAMES = {"time": "training time", "parameters": "trainable parameters", "memory": "peak memory"}
RAW: dict[str, Kind] = {"time": "seconds", "parameters": "count", "memory": "bytes"}
COUNTS = {"": "numbers", "K": "thousand", "M": "million"}
COLUMNS = (0.2, 0.65, 1.0)
"""Where the three costs end to the right of the bars."""


def tpme_parts(scored: pd.DataFrame, weights: CostWeights, ranked: pd.DataFrame) -> Picture:
    """Stacked bars of TPME's weighted parts, the best method on top, with the raw costs beside them.

    `scored` comes from `tpme.tpme`, `ranked` has the costs that went into it.
    """
    ordered = scored.sort_values("tpme")
    names = {cost: f"{text} × {getattr(weights, cost):g}" for cost, text in COST_NAMES.items()}
    raw = ranked.loc[ordered.index, list(COSTS)].astype(float)

    def paint(figure: Figure) -> None:
        bars, texts = figure.subplots(1, 2, sharey=True, width_ratios=(1, 0.8))
        stacked_bars(
            bars, ordered[list(names)].rename(columns=names), [show(value, "score") for value in ordered["tpme"]]
        )
        bars.set_xlabel("TPME (no unit, 0 to 1, lower is better)")
        bars.set_xlim(0, max(float(ordered["tpme"].max()), 0.05) * 1.24)
        raw_costs(texts, raw)
        legend(figure, bars.get_legend_handles_labels()[0])

    listed = "; ".join(f"{label} {show(value, 'score')}" for label, value in ordered["tpme"].items())
    caption = "TPME and its weighted, normalised parts, lower is better; to the right the costs as measured."
    return draw("tpme-parts", caption, f"Stacked bars of TPME. {listed}.", bar_height(list(ordered.index), 1.6), paint)


def raw_costs(axes: Axes, raw: pd.DataFrame) -> None:
    """T, P and M of every row, as numbers in columns, each in a unit of its own."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    for place, cost in enumerate(COSTS):
        scale = unit(RAW[cost], raw[cost])
        head = f"{cost}\n{COUNTS.get(scale.name, scale.name)}"
        at = {"ha": "right", "fontsize": SMALL}
        axes.annotate(head, (COLUMNS[place], 1), (0, 2), "axes fraction", "offset points", va="bottom", **at)
        for row, value in enumerate(raw[cost]):
            axes.text(COLUMNS[place], row, show(value, RAW[cost], scale), va="center", **at)


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
        legend(figure, axes.get_legend_handles_labels()[0], most=4)

    alt = "Stacked bars of the seconds of an epoch. " + in_words(methods["time"], "seconds")
    return draw("epoch-time", "Where the time of a training epoch goes.", alt, bar_height(list(parts.index)), paint)


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
        legend(figure, axes.get_legend_handles_labels()[0], most=4)

    alt = "Stacked bars of memory at the peak. " + in_words(kinds.sum(axis=1), "bytes")
    return draw(
        "memory-kinds", "What the peak of a training step consists of.", alt, bar_height(list(kinds.index)), paint
    )


def memory_phases(comparison: Comparison) -> Picture | None:
    """Peak memory of cache build, training and evaluation, on a logarithmic axis; None when nothing was measured."""
    columns = {"memory_cache_build": "cache build", "memory": "training", "memory_evaluation": "evaluation"}
    methods = comparison.methods[list(columns)].rename(columns=columns)
    methods = methods.dropna(how="all").dropna(axis="columns", how="all")
    if methods.empty:
        return None
    scale = unit("bytes", [methods.min().min()])
    looks = {"cache build": ("^", PARTS[1]), "training": ("o", INK), "evaluation": ("s", "#ffffff")}

    def paint(figure: Figure) -> None:
        axes = figure.add_subplot()
        for phase in methods.columns:
            marker, colour = looks[phase]
            axes.scatter(
                methods[phase] / scale.scale, range(len(methods)), s=64, marker=marker, color=colour, edgecolors=INK,
                linewidths=1.0, label=phase, zorder=3,
            )  # fmt: skip
        name_rows(axes, list(methods.index))
        logarithmic(axes)
        axes.set_xlabel(f"peak memory of the phase in {scale.name} (logarithmic)")
        legend(figure, axes.get_legend_handles_labels()[0])

    alt = "Peak memory by phase. Training: " + in_words(comparison.methods["memory"].dropna(), "bytes")
    return draw("memory-phases", "Peak memory of each phase.", alt, bar_height(list(methods.index)), paint)


def in_words(values: pd.Series, kind: str) -> str:
    """The numbers of a picture in words."""
    shown = (f"{label} {quantity(value, kind)}" for label, value in values.items())  # type: ignore[arg-type]
    return "; ".join(shown) + "." if len(values) else NONE
