"""What ends a study that ran: its report, and a line for each cell that failed."""

from collections.abc import Sized
from pathlib import Path

from ...reports.records import log_path
from ..console import Screen
from ..study.grid import Planned
from .display import describe


def conclude(console: Screen, directory: Path, cells: list[Planned], *, report: bool) -> None:
    """Writes the report of a study's directory, if it is to have one, and says which of its cells failed."""
    if not any(planned.record for planned in cells):
        return
    written = _write_report(console, directory) if report else None
    failed = [planned for planned in cells if planned.failed]
    for planned in failed:
        assert planned.record is not None
        log = log_path(directory, planned.id)
        where = f" ({log})" if log.exists() else ""  # one that never ran has none
        said = f"{planned.record.status}: {planned.record.error}{where}"
        console.say(f"{describe(planned.cell, planned.label)}: {said}")
    if failed:
        console.say(f"{len(failed)} failed: --only-failed runs them again")
    if written:
        console.say(f"report: {written}")


def _write_report(console: Screen, directory: Path) -> Path:
    """Writes the report and shows its table; gives the first of its files."""
    from ...reports.analysis.results import load
    from ...reports.formats.terminal import summary_table
    from ...reports.report import ReportOptions, write_report

    try:
        return write_report([directory], ReportOptions(formats=("md", "html")), console.say)[0]
    finally:
        console.print(summary_table(load([directory], [])))


def count(cells: Sized) -> str:
    """So many cells, in words."""
    return f"{len(cells)} cell{'' if len(cells) == 1 else 's'}"
