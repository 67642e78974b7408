"""What a reader may not expect of a comparison: several versions or studies put together, cells that others replaced,
runs that a search passed over, and searches that are unfinished.
"""

from ...text import visible
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
    lines += origins(comparison.results, comparison.labels) + replaced(comparison)
    return lines + passed_over(comparison) + unfinished(comparison)


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


def passed_over(comparison: Comparison) -> list[str]:
    """Which runs are left out because a search that tried their setting chose another."""
    counts: dict[str, int] = {}
    for search in comparison.searches:
        for result in search.passed_over:
            name = visible(f"{search.method} ({search.setting(result.record.cell)})")
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return []
    runs = ", ".join(f"{count} run{'s' * (count > 1)} of {name}" for name, count in counts.items())
    return [f"Of the settings that a search tried only the chosen one is a row. Left out: {runs}."]


def unfinished(comparison: Comparison) -> list[str]:
    """Which searches have settings that lack seeds, so that they may yet choose another."""
    lines = []
    for search in comparison.searches:
        if lacking := search.unfinished:
            lacks = "; ".join(
                f"{name} lacks seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
                for name, seeds in lacking.items()
            )
            lines.append(
                f"The search of {search.method} is unfinished: {visible(lacks)}. Of the settings that ended well only "
                "those with the most seeds may be chosen."
            )
    return lines
