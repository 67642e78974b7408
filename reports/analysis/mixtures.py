"""What a comparison puts together that a reader may not expect: versions, studies, and cells that others replaced."""

from ..tables.settings import by_method
from .comparison import Comparison, shared
from .joining import origins

SHOWN = 6


def mixtures(comparison: Comparison) -> list[str]:
    """One line for each."""
    lines = []
    for name, fact in (("versions of the suite", lambda r: r.cell.version), ("studies", lambda r: r.study)):
        if len(shared(comparison, fact)) > 1:
            lines.append(f"Cells of several {name} are put together: {by_method(comparison, fact)}.")
    return lines + origins(comparison.results, comparison.labels) + replaced(comparison)


def replaced(comparison: Comparison) -> list[str]:
    """Which cells are left out because a newer one has the same row, seed and repeat."""
    if not comparison.replaced:
        return []
    cells = [
        f"{comparison.labels[result.record.cell_id]} seed {result.record.cell.seed} of {result.record.started[:19]}"
        for result in comparison.replaced
    ]
    more = f" and {len(cells) - SHOWN} more" if len(cells) > SHOWN else ""
    return [
        "Of cells that have the same row, seed and repeat only the newest counts. Left out: "
        f"{', '.join(cells[:SHOWN])}{more}."
    ]
