"""`bench run`: plans, says what is done already, runs the rest, reports."""

from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from .. import __version__
from ..files import lock
from ..ownership import claim
from ..reports.records import Record
from .console import Screen
from .found import describe_data
from .listing import wrapping_table
from .meters import environment
from .output import check_study_output
from .plan import Planned, plan
from .progress import Display
from .runner import Interrupted, Runner
from .study import Study


@dataclass(frozen=True)
class Request:
    """What the command line asks of a study beside its contents."""

    directory: Path
    dry_run: bool = False
    only_failed: bool = False


def run_study(study: Study, request: Request) -> int:
    """Runs what is missing of a study and writes its report. Exit status: 0, or 130 after Ctrl-C.

    Failed cells are rows of the report, not a failure of the study.
    """
    console = Screen()
    cells = plan(study, request.directory, __version__)
    check_study_output(study, request.directory)
    describe_data(study, console, read=False)
    if request.dry_run:
        console.print(_listing(cells, request.only_failed))
        return 0
    wanted = [cell for cell in cells if _is_wanted(cell, request.only_failed)]
    console.say(f"{len(cells)} cells, {len(wanted)} to run; records in {request.directory}")
    device = next((planned.cell.device for planned in wanted if planned.method.content != "none"), "cpu")
    for line in environment.unseen(device):
        console.say(f"note: {line}")
    warnings = environment.busy_warnings(environment.load_average(), environment.usable_cores(), device)
    for warning in warnings:
        console.say(f"warning: {warning}", style="yellow")
    if wanted:
        describe_data(study, console, read=True)
    status = 0
    claim(request.directory, "--out")
    with lock(request.directory / "study"), Display(console) as display:
        runner = Runner(
            study.name, request.directory, display, warnings, study.checkpoint_seconds, study.repeat_disturbed
        )
        try:
            runner.run(wanted)
        except Interrupted:
            status = 130
    done = [cell.record for cell in plan(study, request.directory, __version__) if cell.record is not None]
    if done:
        _conclude(console, request.directory, done)
    if status:
        console.say("interrupted: the same command goes on from here")
    return status


def _is_wanted(cell: Planned, only_failed: bool) -> bool:
    if only_failed:
        return cell.status not in {None, "ok"}
    return cell.status is None


def _conclude(console: Screen, directory: Path, records: list[Record]) -> None:
    from ..reports.frame import load
    from ..reports.report import ReportOptions, write_report
    from ..reports.terminal import summary_table

    try:
        written = write_report([directory], ReportOptions(formats=("md", "html")), console.say)
    finally:
        console.print(summary_table(load([directory], [])))
    console.say(f"report: {written[0]}")


def _listing(cells: list[Planned], only_failed: bool) -> Table:
    table = wrapping_table("cell", "method", "dataset", "backbones", "seed", "repeat", "state")
    for planned in cells:
        cell = planned.cell
        pair = "+".join(name for name in (cell.backbones.text, cell.backbones.image) if name)
        known = planned.status or ("interrupted" if planned.record else None)
        state = ", ".join(filter(None, (known, "to run" if _is_wanted(planned, only_failed) else None))) or "left out"
        table.add_row(cell.id, cell.method, cell.dataset, pair, str(cell.seed), str(cell.repeat), state)
    return table
