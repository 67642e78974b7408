"""What a method's costs are made of: time by phase, memory by kind, parameters by part, operations; what is saved."""

import pandas as pd

from ..analysis.comparison import Comparison
from ..analysis.tpme import COSTS
from ..quantities import Kind
from .table import Column, Table, present

SAVES = 0.5


def savings_table(comparison: Comparison, reference: str) -> Table | None:
    """Which method saves what, as measured: the share of the reference's T, P and M that it does without."""
    ranked = comparison.ranked
    if reference not in ranked.index or len(ranked) < 2:
        return None
    shares = 1 - ranked[list(COSTS)] / ranked.loc[reference, list(COSTS)]
    frame = shares.assign(family=ranked["family"])
    words = {"time": "time", "parameters": "parameters", "memory": "memory"}
    frame["saves"] = [
        ", ".join(word for cost, word in words.items() if row[cost] >= SAVES) or "nothing much"
        for _, row in frame.iterrows()
    ]
    columns = (
        Column("family", "family"),
        Column("time", "time saved", "share", "more"),
        Column("parameters", "parameters saved", "share", "more"),
        Column("memory", "memory saved", "share", "more"),
        Column("saves", "at least half of"),
    )
    note = f"Measured here, against {reference}; negative: the method costs more."
    return Table("savings", "Which method saves what", frame.drop(index=reference), columns, notes=(note,))


def time_table(comparison: Comparison) -> Table | None:
    """Seconds of an epoch by phase, percentiles of a step, validation and test."""
    headings = {
        "data": "data",
        "forward": "forward",
        "backward": "backward",
        "update": "update",
        "step_p50": "step p50",
        "step_p90": "step p90",
        "step_p99": "step p99",
        "validation": "validation",
        "test_time": "test",
    }
    return numbers("time", "Time by phase", comparison.methods, headings, "seconds")


def memory_table(comparison: Comparison) -> Table | None:
    """Peak bytes by phase and by other meters, and what the training peak consists of."""
    kinds = comparison.breakdown(lambda record: dict(record.memory.kinds) if record.memory else {})
    headings = {
        "memory": "training",
        "memory_reserved": "reserved",
        "memory_process": "process",
        "memory_rss": "RSS",
        "memory_without_cache": "training, without the cache on the GPU",
        "memory_evaluation": "evaluation",
        "memory_cache_build": "cache build",
        **{f"of {kind}": f"of it {kind}" for kind in kinds.columns},
    }
    frame = comparison.methods.join(kinds.add_prefix("of "))
    return numbers("memory", "Memory by phase and kind", frame, headings, "bytes")


def parameters_table(comparison: Comparison) -> Table | None:
    """Trainable parameters by part, their total and share, and the bytes of the saved state."""
    parts = comparison.breakdown(
        lambda record: {k: v[0] for k, v in record.parameters.parts.items()} if record.parameters else {}
    )
    parts = parts.loc[:, (parts > 0).any()]
    methods = comparison.methods
    frame = methods.join(parts.add_prefix("part ")).assign(share=methods["parameters"] / methods["parameters_total"])
    columns = (
        Column("parameters", "trainable", "count"),
        Column("parameters_total", "total", "count"),
        Column("share", "trainable share", "share"),
        Column("saved_bytes", "saved state", "bytes"),
        *(Column(f"part {name}", str(name), "count") for name in parts.columns),
    )
    return tidy("parameters", "Trainable parameters by part", frame, columns)


def operations_table(comparison: Comparison) -> Table | None:
    """Floating-point operations of the metered step, forward and backward, and what it encoded."""
    methods = comparison.methods
    frame = methods.assign(flops=methods["flops_forward"] + methods["flops_backward"])
    columns = (
        Column("flops_forward", "forward", "operations"),
        Column("flops_backward", "backward", "operations"),
        Column("flops", "both", "operations", "less"),
        Column("items", "distinct items", "integer"),
        Column("slots", "slots", "integer"),
    )
    return tidy("operations", "Operations of a training step", frame, columns)


def numbers(name: str, caption: str, frame: pd.DataFrame, headings: dict[str, str], kind: Kind) -> Table | None:
    """A table of columns that share a kind."""
    return tidy(name, caption, frame, tuple(Column(key, heading, kind) for key, heading in headings.items()))


def tidy(name: str, caption: str, frame: pd.DataFrame, columns: tuple[Column, ...]) -> Table | None:
    """The table without rows and columns that hold nothing; None when nothing is left."""
    columns = present(frame, columns)
    keys = [column.key for column in columns]
    kept = frame[frame[keys].notna().any(axis=1)] if keys else frame.iloc[:0]
    return None if kept.empty else Table(name, caption, kept, columns)
