"""`bench run`: plans, says what is done already, runs the rest, reports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import Timeout
from rich.table import Table

from ... import __version__
from ...files import lock
from ...ownership import check_output, claim
from ..console import Screen, wrapping_table
from ..meters import environment
from ..study.found import describe_data, picture_lines
from ..study.grid import Planned, look_again, plan
from ..study.named import outside_code_of
from ..study.schema import Study
from ..study.tuning import Settles, Tuning, tried
from ..worker.checkpoint import drop_checkpoints
from .conclusion import conclude, count
from .display import Display
from .local import Rates, Runner
from .output import check_study_output
from .request import Request

Again = Callable[[Settles], list[Planned]]
"""A study's cells with the records that there are of them now, given which of them have ended."""


def run_study(study: Study, request: Request, console: Screen | None = None) -> int:
    """Runs what is missing of a study and writes its report.

    Exit status: 0; 130 after Ctrl-C; 1 under `strict` when a cell of the study failed, which is otherwise a row of the
    report and no failure of the study.
    """
    console = console or Screen()
    _announce_outside(console, study)
    check_output(request.directory, "--out", beside=True)  # before records are looked for in it
    cells = plan(study, request.directory, __version__)
    return run_cells(console, study, request, cells, lambda _: look_again(cells, request.directory))


def tune_study(study: Study, request: Request) -> int:
    """Searches each method of a study, runs what was chosen on all seeds, and writes the report; otherwise as above."""
    console = Screen()
    _announce_outside(console, study)
    check_output(request.directory, "--out", beside=True)
    tuning = Tuning(study, __version__)
    cells = tuning.plan(request.directory, request.settles)
    return run_cells(console, study, request, cells, partial(tuning.plan, request.directory), tuning.outlook(cells))


def run_cells(
    console: Screen, study: Study, request: Request, cells: list[Planned], again: Again, outlook: str = ""
) -> int:
    """Runs the cells as they were planned, and what `again` adds to them; `outlook` says what that may be."""
    check_study_output((planned.places for planned in cells), request.directory)
    request.check(cells)
    describe_data(study, console, read=False)
    if request.dry_run:
        _show_plan(console, cells, request, outlook)
        return 0
    claim(request.directory, "--out", beside=True)
    with _turn(console, request.directory):
        return _run(console, study, request, again)


def _run(console: Screen, study: Study, request: Request, again: Again) -> int:
    """Runs the cells of a study, and what `again` adds once they have ended, in a directory that is this process's."""
    ran: set[str] = set()

    def ended(planned: Planned) -> bool:
        return planned.id in ran or request.settles(planned)

    cells, interrupted = again(ended), False
    wanted = [planned for planned in cells if request.wants(planned)]
    _say_plan(console, cells, wanted, request)
    warnings = _look_around(console, study, wanted, request.jobs) if wanted else []
    rates = Rates()
    while wanted and not interrupted:
        for planned in filter(request.reruns, wanted):
            drop_checkpoints(request.directory, planned.id)
        with Display(console, _earlier(cells, request)) as display:
            try:
                Runner(study, request.directory, display, warnings, rates, request.save, request.jobs).run(wanted)
            except KeyboardInterrupt:  # within a cell, which then has a row, or between two
                interrupted = True
        ran.update(planned.id for planned in wanted)
        cells = again(ended)
        wanted = [planned for planned in cells if request.wants(planned) and planned.id not in ran]
        if wanted and not interrupted:
            _say_plan(console, cells, wanted, request)
    conclude(console, request.directory, cells, report=request.report)
    if interrupted:
        console.say(f"interrupted: {_way_on(request)}")
        return 130
    return 1 if request.strict and any(planned.failed for planned in cells) else 0


def _say_plan(console: Screen, cells: list[Planned], wanted: list[Planned], request: Request) -> None:
    """How many of the cells are about to run, and why."""
    for line in [_beginning(cells, wanted, request), *tried(cells), *_staleness(cells, request)]:
        console.say(line)


def _look_around(console: Screen, study: Study, wanted: list[Planned], jobs: int) -> list[str]:
    """Says what machine and data the wanted cells meet, before the first of them; what may disturb their times."""
    device = next((planned.cell.device for planned in wanted if planned.method.kind == "method"), "cpu")
    for line in environment.unseen(device):
        console.say(f"note: {line}")
    warnings = environment.busy_warnings(environment.load_average(), environment.usable_cores(), device)
    for warning in warnings:
        console.say(f"warning: {warning}", style="yellow")
    threads = max(planned.cell.threads or environment.usable_cores() for planned in wanted)
    if jobs > 1 and jobs * threads > environment.usable_cores():
        taken, cores = f"--jobs {jobs}, each of {threads} threads", environment.usable_cores()
        console.say(f"warning: {taken}, on {cores} cores: they will wait for one another; --set threads=N", "yellow")
    describe_data(study, console, read=True)
    for line in picture_lines(wanted, study):
        console.say(line)
    return warnings


def _way_on(request: Request) -> str:
    """What the next command would do."""
    if request.rerun:
        return "the same command runs all of --rerun again; without it, only the cell that was stopped goes on"
    return "the same command goes on from here"


@contextmanager
def _turn(console: Screen, directory: Path) -> Iterator[None]:
    """Holds the directory for this process alone; says so when another run has to end first."""
    turn = lock(directory / "study")
    try:
        turn.acquire(timeout=0)
    except Timeout:
        console.say(f"waiting for another `bench run` in {directory} to end", style="yellow")
        turn.acquire()
    try:
        yield
    finally:
        turn.release()


def _announce_outside(console: Screen, study: Study) -> None:
    """Names the code from outside that planning a study imports, before it does."""
    if outside := outside_code_of(study):
        console.say(f"importing code from outside: {', '.join(outside)}")


def _beginning(cells: list[Planned], wanted: list[Planned], request: Request) -> str:
    earlier = _earlier(cells, request)
    return f"{count(cells)}, {len(wanted)} to run{f' ({earlier})' * bool(earlier)}; records in {request.directory}"


def _earlier(cells: list[Planned], request: Request) -> str:
    """How many of a study's cells are done and stay so: `3 of 10 done earlier`; "" when none is."""
    done = sum(planned.status is not None and not request.wants(planned) for planned in cells)
    return f"{done} of {len(cells)} done earlier" if done else ""


def _staleness(cells: list[Planned], request: Request) -> Iterator[str]:
    """A line for each reason why records no longer hold, and what becomes of them."""
    reasons: dict[str, list[Planned]] = {}
    for planned in cells:
        if planned.stale:
            reasons.setdefault(", ".join(planned.stale), []).append(planned)
    for reason, stale in reasons.items():
        methods = ", ".join(dict.fromkeys(planned.label for planned in stale))
        again = sum(map(request.wants, stale))
        yield f"stale: {reason}: {count(stale)} of {methods}, {again} to run again"
    unknown_code = [each for each in cells if each.record and not each.stale and not each.record.code.training]
    if unknown_code and not request.rerun:
        yield f"{count(unknown_code)} of an older version that kept no digest of its code, taken as they are"


def _show_plan(console: Screen, cells: list[Planned], request: Request, outlook: str) -> None:
    """What `--dry-run` says."""
    console.print(_cells_table(cells, request))
    wanted = [planned for planned in cells if request.wants(planned)]
    for line in [*tried(cells), *_staleness(cells, request)]:
        console.say(line)
    console.say(f"{len(wanted)} of {count(cells)} would run{outlook}; records and report in {request.directory}")


def _cells_table(cells: list[Planned], request: Request) -> Table:
    table = wrapping_table("cell", "method", "dataset", "backbones", "seed", "repeat", "state")
    for planned in cells:
        cell = planned.cell
        pair = "+".join(name for name in (cell.backbones.text, cell.backbones.image) if name)
        table.add_row(
            planned.id, planned.label, cell.dataset, pair, str(cell.seed), str(cell.repeat), _state(planned, request)
        )
    return table


def _state(planned: Planned, request: Request) -> str:
    """What there is of a cell, and whether it runs: `ok`, `oom, to run`, `stale: method changed, to run`."""
    stale = f"stale: {', '.join(planned.stale)}" if planned.stale else None
    known = planned.status or ("interrupted" if planned.record else None)
    if planned.unfit and not known:
        return f"refused: {planned.unfit}"
    if request.save and request.is_unsaved(planned):
        known = f"{known}, not saved"
    to_run = "to run" if request.wants(planned) else None
    return ", ".join(filter(None, (known, stale, to_run))) or "left out"
