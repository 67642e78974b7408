"""The check of convergence, row by row."""

from ..analysis.comparison import Comparison
from ..analysis.convergence import convergence, unchecked
from ..quantities import NONE
from .table import Column, Table, present


def convergence_table(comparison: Comparison) -> Table | None:
    """How each row's training ended, and what doubling the patience changed; None when nothing was trained."""
    frame, metric = convergence(comparison), comparison.primary.name
    if frame.empty:
        return None
    columns = (
        Column("epochs", "epochs run", "integer"),
        Column("best_epoch", "best epoch", "integer"),
        Column("ended", "ended"),
        Column("earlier", f"valid {metric}, half the patience", "metric"),
        Column("valid", f"valid {metric}", "metric"),
        Column("change", "change", "metric"),
        Column("width", "interval, ±", "metric"),
        Column("verdict", "verdict"),
    )
    notes = [
        f"Converged: training ended by its patience, and the second half of that changed valid {metric} by less than "
        "its 95 % interval over the users of one seed. What half the patience would have chosen is read off the run's "
        "own curve, of which a shorter run is the beginning. Every other row is a lower bound.",
    ]
    if rows := unchecked(comparison):
        notes.append(
            f"{NONE}: half the patience ends no earlier, or the curve does not tell, so that nothing was checked: "
            f"{', '.join(rows)}."
        )
    return Table("convergence", "Whether accuracies have converged", frame, present(frame, columns), notes=tuple(notes))
