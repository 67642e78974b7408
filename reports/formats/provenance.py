"""Where a comparison comes from, in a line for the head of a report."""

from ..analysis.provenance import Provenance


def provenance_line(found: Provenance) -> str:
    """One line for the head of a report."""
    towers = f"towers {found.towers}{' with random weights' if found.random_towers else ''}" if found.towers else ""
    days = found.days[0] if found.days[0] == found.days[1] else f"{found.days[0]} to {found.days[1]}"
    parts = [found.dataset, towers, _seeds(found), found.machine, days, _commit(found)]
    return " · ".join(filter(None, [*parts, _improving(found), _pictures(found)]))


def _seeds(found: Provenance) -> str:
    if len(found.seeds) == 1:
        return f"one seed ({found.seeds[0]})"
    shown = [*map(str, found.seeds[:10]), *(["…"] if len(found.seeds) > 10 else [])]
    return f"{len(found.seeds)} seeds ({', '.join(shown)})"


def _commit(found: Provenance) -> str:
    if not found.commits:
        return "commit unknown"
    dirty = " with uncommitted changes" if found.uncommitted else ""
    *others, last = found.commits
    return f"{f'{len(others) + 1} commits, the last' if others else 'commit'} {last}{dirty}"


def _improving(found: Provenance) -> str:
    if not found.ended or found.random_towers:
        return ""
    cells = f"{found.improving} of {found.ended} cells"
    return f"still improving at the end: {cells}" if found.improving else "none still improving at the end"


def _pictures(found: Provenance) -> str:
    if found.pictures is None or not found.items:
        return ""
    if found.pictures == found.items:
        return f"pictures of all {found.items:,} items"
    return f"pictures of {found.pictures:,} of {found.items:,} items"
