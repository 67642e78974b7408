"""What was planned beside what was measured, row by row, and by how much the plan was off."""

from collections.abc import Callable

import pandas as pd

from ..analysis.cells import origin
from ..analysis.comparison import Comparison
from ..analysis.epochs import mean_epoch
from ..analysis.planned import Planned
from ..quantities import Kind
from ..records import Record
from .table import Column, Table, present

EPOCH = "epoch"
FIGURES: dict[str, tuple[Kind, Callable[[Record], float | None]]] = {
    "parameters": ("count", lambda record: record.parameters.trainable if record.parameters else None),
    "operations": (
        "operations",
        lambda record: record.compute.forward + record.compute.backward if record.compute else None,
    ),
    "cache": ("bytes", lambda record: record.memory.feature_cache if record.memory else None),
    "training": ("bytes", lambda record: record.memory.peak if record.memory else None),
    EPOCH: ("seconds", lambda record: record.plan.seconds if record.plan else mean_epoch(record, lambda e: e.total)),
}
"""What is set side by side: trained parameters, a step's operations, the cache's and training's peak bytes, and the
seconds of an epoch where both are of one machine."""
COUNTED = ("parameters", "operations", "cache")
"""Those that a plan gives exactly."""


def planned_table(comparison: Comparison, planned: Planned) -> Table | None:
    """Each figure planned, measured, and the difference relative to the measured; None where no row was planned."""
    pairs = planned.beside(comparison)
    rows = {label: _row(plan, measured) for label, (plan, measured) in pairs.items()}
    columns = list[Column]()
    for name, (kind, _) in FIGURES.items():
        if name == EPOCH and not any(row[f"{name} planned"] and row[f"{name} measured"] for row in rows.values()):
            continue
        columns += [
            Column(f"{name} planned", f"{name}, planned", kind, stays=True),
            Column(f"{name} measured", f"{name}, measured", kind, stays=True),
            Column(f"{name} difference", f"{name}, difference", "share", stays=True),
        ]
    frame = pd.DataFrame.from_dict(rows, orient="index")
    if frame.empty:
        return None
    notes = [
        "A difference is relative to what was measured. Operations: forward and backward of the heaviest step; "
        "training: peak of live tensor bytes.",
        _exactness(rows),
    ]
    if any(origin(plan) != origin(measured) for plan, measured in pairs.values()):
        notes.append(
            "The measured peak is that of a card's allocator: workspaces of its libraries and a feature cache that "
            "lies on the card count there beside live tensors; a plan has neither."
        )
    if errors := {plan.plan.seconds_error for plan, _ in pairs.values() if plan.plan and plan.plan.seconds_error}:
        said = " or ".join(f"{error:.0%}" for error in sorted(errors))
        notes.append(f"Epochs: planned ± {said} for the machine that was calibrated, held against that alone.")
    other = [label for label, (plan, measured) in pairs.items() if plan.cell.seed != measured.cell.seed]
    if other:
        notes.append(
            f"No cell with the plan's seed was measured of {', '.join(other)}: another seed's heaviest batch differs, "
            "and with it operations and bytes."
        )
    without = [label for label, (plan, _) in pairs.items() if plan.status != "ok"]
    if without:
        notes.append(f"No forecast of {', '.join(without)}.")
    return Table("planned", "Planned and measured", frame, present(frame, columns), notes=tuple(notes))


def _on_one_machine(plan: Record, measured: Record) -> bool:
    """Whether the processor and threads that a plan's times are of are those of a measured cell."""
    there = measured.environment
    planned = (plan.plan.processor, plan.plan.threads) if plan.plan else None
    return measured.cell.device == "cpu" and planned == (there.cpu, there.threads)


def _exactness(rows: dict[str, dict[str, float | None]]) -> str:
    """Which figures that are counted differ at all: rounding must not hide a difference of one."""
    differing = [
        f"{name} of {label} ({planned - measured:+,.0f})"
        for label, row in rows.items()
        for name in COUNTED
        if (planned := row[f"{name} planned"]) is not None
        and (measured := row[f"{name} measured"]) is not None
        and planned != measured
    ]
    if differing:
        return f"Not equal to the last digit: {', '.join(differing)}."
    return "Parameters, operations and cache are equal to the last digit wherever both are known."


def _row(plan: Record, measured: Record) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for name, (_, value) in FIGURES.items():
        before, now = value(plan), value(measured)
        if name == EPOCH and not _on_one_machine(plan, measured):
            before = now = None
        row |= {f"{name} planned": before, f"{name} measured": now}
        row[f"{name} difference"] = before / now - 1 if before is not None and now else None
    return row
