"""The summary over several datasets, as a table."""

from collections.abc import Sequence

from ..analysis.across import over_datasets
from ..analysis.comparison import Comparison
from ..analysis.convergence import BOUND
from .table import Column, Table, present


def across_table(group: Sequence[Comparison], reference: str) -> Table | None:
    """Ranks, ratios and wins of the rows that all of these comparisons have; None when they share none."""
    summary = over_datasets(group, reference)
    if summary.rows.empty:
        return None
    signs = [BOUND if label in summary.bounded else "" for label in summary.rows.index]
    frame = summary.rows.assign(**{"ratio sign": signs})
    metric = group[0].primary
    columns = (
        Column("rank", "mean rank", "ratio", "less"),
        Column("ratio", f"mean ratio to {reference}", "ratio", metric.better),
        Column("low", "from", "ratio"),
        Column("high", "to", "ratio"),
        Column("wins", "wins", "integer", "more"),
        Column("datasets", "datasets", "integer"),
    )
    names = ", ".join(one.conditions["dataset"] for one in group)
    notes = [
        f"By {metric.name}, over {len(group)} datasets: {names}. Ranks and wins: among all rows of a dataset, on the "
        f"seeds of {reference}; of equal rows each is first. Ratios: geometric means, with 95 % intervals over the "
        "datasets.",
        *([f"{BOUND}: a bound on one of them or more, as training had not converged."] if summary.bounded else []),
    ]
    if summary.left_out:
        rows = "; ".join(f"{row} (on {', '.join(where)} alone)" for row, where in summary.left_out.items())
        notes.append(f"Without an accuracy on all of them, and so not in this table: {rows}.")
    caption = f"Over {len(group)} datasets"
    return Table("across", caption, frame, present(frame, columns), notes=tuple(notes))
