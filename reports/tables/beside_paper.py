"""What was planned at the paper's setting beside what the paper reports, as a table in markdown.

A directory holds `paper.csv`, the paper's figures, and a study of plans for each batch size, `batch-32` and the like.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..analysis.tpme import PRESETS, tpme
from ..reading import load_records
from ..records import Record

Range = tuple[float, float]
"""The least and the most; equal where the paper gives one number."""


@dataclass(frozen=True)
class Reported:
    """What the paper says of a method: its batch, seconds of an epoch and gigabytes as far as given, parameters."""

    batch: str
    seconds: Range | None
    gigabytes: Range | None
    parameters: int


def markdown(directory: Path, reference: str = "fft") -> str:
    """A row a method: planned and reported memory, and time and TPME as far as either has them.

    Operations of an epoch stand for the time that no plan knows. In TPME each method has the batch that the paper gives
    it, and only those count for which the paper has all figures, a range by its middle.
    """
    paper, batches = _reported(directory / "paper.csv"), sorted(directory.glob("batch-*"))
    plans = {folder.name.removeprefix("batch-"): _planned(folder) for folder in batches}
    ours = pd.DataFrame({name: plans[row.batch][name] for name, row in paper.items()}).T
    theirs = pd.DataFrame({name: _costs(row) for name, row in paper.items() if row.seconds and row.gigabytes}).T
    scores = [tpme(costs.loc[theirs.index], PRESETS["paper"])["tpme"] for costs in (ours, theirs)]
    times = ours["time"] / ours["time"][reference]
    lines = [
        f"| method | batch | {' | '.join(f'M planned at {batch} (GB)' for batch in plans)} | M reported (GB) "
        "| operations to fft's | time to fft's, reported | P planned | P reported | TPME planned | TPME reported |",
        "| --- |" + " ---: |" * (8 + len(plans)),
    ]
    for name, row in paper.items():
        cells = [
            name,
            row.batch,
            *(f"{plan[name]['memory'] / 1e9:.3g}" for plan in plans.values()),
            _shown(row.gigabytes),
            f"{times[name]:.3g}",
            _shown(row.seconds, theirs["time"][reference]),
            f"{ours['parameters'][name]:,.0f}",
            f"{row.parameters:,}",
            *(f"{score[name]:.3f}" if name in score else "–" for score in scores),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _reported(path: Path) -> dict[str, Reported]:
    def read(row: dict[str, str], name: str) -> Range | None:
        return (float(row[f"{name}_low"]), float(row[f"{name}_high"])) if row[f"{name}_low"] else None

    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["method"]: Reported(row["batch"], read(row, "seconds"), read(row, "gigabytes"), int(row["parameters"]))
            for row in csv.DictReader(file)
        }


def _planned(folder: Path) -> dict[str, dict[str, float]]:
    """The costs of each method planned, its operations as time."""
    return {record.cell.method: _planned_costs(record) for record in load_records(folder)}


def _planned_costs(record: Record) -> dict[str, float]:
    memory = record.memory and record.memory.training
    assert record.plan and record.plan.operations and record.parameters and memory and memory.tensors
    return {"time": record.plan.operations, "parameters": record.parameters.trainable, "memory": memory.tensors}


def _costs(row: Reported) -> dict[str, float]:
    assert row.seconds and row.gigabytes
    return {"time": sum(row.seconds) / 2, "parameters": row.parameters, "memory": sum(row.gigabytes) / 2}


def _shown(values: Range | None, scale: float = 1.0) -> str:
    if values is None:
        return "–"
    low, high = (f"{value / scale:.3g}" for value in values)
    return low if low == high else f"{low} to {high}"
