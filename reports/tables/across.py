"""The summary over several datasets, as a table."""

from collections.abc import Sequence

from ..analysis.across import over_datasets
from ..analysis.comparison import Comparison
from .table import Column, Table, present


def across_table(group: Sequence[Comparison], reference: str) -> Table | None:
    """Ranks, ratios and wins of the rows that all of these comparisons have; None when they share none."""
    frame = over_datasets(group, reference)
    if frame.empty:
        return None
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
    notes = (
        f"By {metric.name}, over {len(group)} datasets: {names}. Rows that all of them have. Ratios: geometric means, "
        "with 95 % intervals over the datasets. Wins: datasets on which a row is first; of equals each is.",
    )
    caption = f"Over {len(group)} datasets"
    return Table("across", caption, frame, present(frame, columns), notes=notes)
