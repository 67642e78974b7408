"""Whether a row's accuracy has converged: whether more training would have changed it.

A run that ended by its patience holds the answer for half of it, too, since a shorter run is the beginning of a longer
one. Its row has converged when the doubling changed its valid metric by less than the metric's interval. Every other
trained row, above all one that was stopped by its limit of epochs, is a lower bound; so is one whose epochs are so long
that half the patience ends with the same epoch, which tells nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ...metrics import is_better
from ...patience import halved, is_over
from ..records import Record
from .comparison import Comparison

BOUND = "‡"
"""What stands behind an accuracy that is a lower bound."""
CONVERGED, LOWER = "converged", "lower bound"
BY_PATIENCE = "by patience"
Z = 1.959964
"""Of a normal distribution, 95 % lie within so many deviations."""


def chosen(valid: Sequence[float], steps: Sequence[int], patience: int | str, better: str) -> int:
    """The best epoch, from 1, of a training with this patience, given the valid metric and the steps of each epoch."""
    best = 0
    for number in range(1, len(valid) + 1):
        if is_over(patience, steps[: number - 1], best) and best:
            break
        if not best or is_better(valid[number - 1], valid[best - 1], better):
            best = number
    return best


def half_width(share: float, users: int) -> float:
    """Half of the 95 % interval of a share of users (Wilson, 1927): of a mean of values from 0 to 1, at most that."""
    if not users:
        return float("nan")
    inner = share * (1 - share) / users + Z**2 / (4 * users**2)
    return Z * math.sqrt(inner) / (1 + Z**2 / users)


@dataclass(frozen=True)
class Ending:
    """How a cell's training ended, and what it would have been with half the patience.

    `by_limit`: by that of its epochs, before its patience was over. `valid` and `earlier`: the valid primary metric
    reached, and reached with half the patience, None where the curve does not tell or where that would have ended no
    earlier. `width`: half of the interval of `valid`.
    """

    epochs: int
    best_epoch: int
    by_limit: bool
    valid: float
    earlier: float | None
    width: float

    @property
    def at_the_last(self) -> bool:
        """Whether the best epoch is the last: nobody knows what the next would have been."""
        return self.best_epoch == self.epochs

    @classmethod
    def of(cls, record: Record) -> "Ending | None":
        """That of a record; None where nothing was trained to an end."""
        epochs, accuracy, training = record.time.epochs, record.accuracy, record.cell.training
        if record.status != "ok" or not epochs or accuracy is None:
            return None
        metric, steps = record.primary_metric, [epoch.steps for epoch in epochs]
        better = next(each.better for each in record.metrics if each.name == metric)
        curve = [epoch.valid[metric] for epoch in epochs if metric in epoch.valid]
        half, reached = halved(training.patience), accuracy.valid.metrics.get(metric, float("nan"))
        by_limit = not is_over(training.patience, steps, accuracy.best_epoch)
        earlier = None
        if half is not None and not by_limit and len(curve) == len(epochs):
            best = chosen(curve, steps, half, better)
            earlier = curve[best - 1] if is_over(half, steps[:-1], best) else None
        return cls(
            epochs=len(epochs),
            best_epoch=accuracy.best_epoch,
            by_limit=by_limit,
            valid=reached,
            earlier=earlier,
            width=half_width(reached, accuracy.valid.users),
        )


def endings(comparison: Comparison) -> dict[str, list[Ending]]:
    """Those of every trained row."""
    found = {
        str(label): [ending for result in comparison.ok(str(label)) if (ending := Ending.of(result.record))]
        for label in comparison.methods.index
    }
    return {label: of_row for label, of_row in found.items() if of_row}


def convergence(comparison: Comparison) -> pd.DataFrame:
    """One row a trained method, means over its cells: `epochs`, `best_epoch`, `ended`, `earlier`, `valid`, `change`,
    `width` (of one seed's interval, as a single run is judged by it) and `verdict`, CONVERGED or LOWER.
    """
    rows = {}
    for label, of_row in endings(comparison).items():
        frame = pd.DataFrame([vars(ending) for ending in of_row])
        frame["earlier"] = pd.to_numeric(frame["earlier"])
        limited = int(frame["by_limit"].sum())
        change = float((frame["valid"] - frame["earlier"]).abs().mean()) if frame["earlier"].notna().all() else math.nan
        width = float(frame["width"].mean())
        rows[label] = {
            "epochs": frame["epochs"].mean(),
            "best_epoch": frame["best_epoch"].mean(),
            "ended": _ended(limited, len(of_row)),
            "earlier": frame["earlier"].mean(),
            "valid": frame["valid"].mean(),
            "change": change,
            "width": width,
            "verdict": CONVERGED if not limited and change < width else LOWER,
        }
    return pd.DataFrame(rows).T


def bounds(comparison: Comparison) -> set[str]:
    """The rows whose accuracy is a lower bound."""
    found = convergence(comparison)
    return set(map(str, found.index[found["verdict"] == LOWER])) if len(found) else set()


def unchecked(comparison: Comparison) -> list[str]:
    """The rows that ended by their patience, and that half of it tells nothing of."""
    found = convergence(comparison)
    return [str(label) for label, row in found.iterrows() if row["ended"] == BY_PATIENCE and math.isnan(row["change"])]


def doubts(comparison: Comparison) -> list[str]:
    """What a reader must know of the accuracies before any table, a line each; of random towers they say nothing."""
    if comparison.random_towers:
        return []
    of_rows = endings(comparison)
    adapting = [label for label in of_rows if comparison.methods["family"][label] != "reference"]
    cells = [ending for label in adapting or of_rows for ending in of_rows[label]]
    last = sum(ending.at_the_last for ending in cells)
    lines = []
    if last:
        bound = "lower" if comparison.primary.better == "more" else "upper"
        were = "was best at its" if last == 1 else "were best at their"
        lines.append(f"{last} of {len(cells)} cells {were} last epoch: accuracies are {bound} bounds.")
    first = {
        label: sum(ending.best_epoch == 1 < ending.epochs for ending in of_row) for label, of_row in of_rows.items()
    }
    of = {label: f"{label} (in {count} of {len(of_rows[label])} cells)" for label, count in first.items() if count}
    if of:
        lines.append(f"Best at its first epoch, so that its learning rate may be too high: {', '.join(of.values())}.")
    return lines + _below_popularity(comparison, list(of_rows))


def _below_popularity(comparison: Comparison, trained: list[str]) -> list[str]:
    """Rows that learned less than to count."""
    name, better = comparison.primary.name, comparison.primary.better
    values = comparison.methods[name]
    counted = comparison.row("popularity")
    if counted not in values.index or pd.isna(values[counted]):
        return []
    floor = float(values[counted])
    below = [label for label in trained if is_better(floor, float(values[label]), better)]
    shown = ", ".join(f"{label} {values[label]:.4f}" for label in below)
    return [f"Trained, and yet worse than popularity ({name} {floor:.4f}): {shown}."] if below else []


def _ended(limited: int, cells: int) -> str:
    if not limited:
        return BY_PATIENCE
    return "by the limit of epochs" if limited == cells else f"by the limit of epochs in {limited} of {cells}"
