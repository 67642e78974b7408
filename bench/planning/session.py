"""`bench plan`: a forecast of every cell of a study, in this one process, and the records of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ... import __version__
from ...errors import BenchError
from ...ownership import check_output, claim
from ...reports.measurements import Plan
from ...reports.quantities import Kind, quantity
from ...reports.reading import load_records
from ...reports.records import Record
from ..console import Screen, wrapping_table
from ..running.output import check_study_output
from ..study.asked import asked
from ..study.blank import blank_record
from ..study.found import describe_data
from ..study.grid import Grid, Planned, distinct
from ..study.named import outside_code_of
from ..study.schema import Study
from .advising import Advisor
from .calibration import Calibration
from .cards import Card
from .epoch import PlannedEpoch
from .fake import Stock
from .forecast import Beside, Forecast, NoForecast, forecast
from .times import kept_calibration, measure


@dataclass(frozen=True)
class PlannedCost:
    """A cell and what it will cost. `epoch`: its time on this machine, once that was calibrated."""

    planned: Planned
    found: Forecast | NoForecast
    epoch: PlannedEpoch | None = None


def plan_study(
    study: Study, directory: Path, card: Card | None = None, limit: str | None = None, calibrated: bool = False
) -> int:
    """Forecasts a study's cells, shows the table and leaves their records. Exit status 0.

    With a card, or a limit of memory such as `24GiB`, it says what fits; a study of equal memory has its own limit.
    `calibrated`: it measures first what operators take on this machine.
    """
    console = Screen()
    if outside := outside_code_of(study):
        console.say(f"importing code from outside: {', '.join(outside)}")
    check_output(directory, "--out", beside=True)
    cells = planned_cells(study)
    check_study_output((each.places for each in cells), directory)
    _refuse_measured(directory)
    describe_data(study, console, read=False)
    claim(directory, "--out", beside=True)
    kept = None if calibrated else kept_calibration(study.threads)  # a damaged one is said before the work
    costs = list(forecasts(console, cells, Beside(times=calibrated or kept is not None)))
    calibration = _measured(console, costs, study.threads) if calibrated else kept
    costs = [_timed(cost, calibration) for cost in costs]
    for cost in costs:
        record_of(study, cost).save(directory)
    console.print(_table(costs))
    for line in (*_notes(costs), _about_times(costs, calibration)):
        console.say(line)
    rows = [(cost.planned, cost.found) for cost in costs if isinstance(cost.found, Forecast)]
    with console.status("") as status:
        advisor = Advisor(card, limit or study.training.memory, status.update)
        lines = list(advisor.sentences(rows))
    for line in lines:
        console.say(line)
    return 0


def planned_cells(study: Study) -> list[Planned]:
    """The cells of a study that train, each once: for costs alone, on the CPU, with random weights and the first seed.

    BenchError for whatever is wrong with them.
    """
    how = {"costs": True, "weights": "random", "device": "cpu", "seeds": 1, "repeats": 1}
    study = study.model_copy(update=how | {"training": study.training.model_copy(update={"memory": None})})
    rows = [each for each in asked(study) if each.settled.method.kind == "method"]
    grid = Grid(study, __version__, rows)
    return distinct(chain(*(grid.cells(where, rows, [0]) for where in grid.places)))


def record_of(study: Study, cost: PlannedCost) -> Record:
    """The record of a cell that was planned and not run; `refused`, with the reason, where there is no forecast."""
    record, found, epoch = blank_record(study, cost.planned), cost.found, cost.epoch
    if isinstance(found, NoForecast):
        return record.model_copy(update={"status": "refused", "error": f"no forecast: {found.reason}", "plan": Plan()})
    known = {
        "status": "ok",
        "batch": found.batch,
        "parameters": found.parameters,
        "compute": found.compute,
        "memory": found.memory,
        "use": found.use,
        "warnings": found.notes,
        "plan": Plan(
            steps=found.steps,
            items=found.items,
            operations=found.operations,
            cache_operations=found.cache_operations,
            module=found.peak.module,
            moment=found.peak.moment,
            processor=epoch.machine.processor if epoch else "",
            threads=epoch.machine.threads if epoch else 0,
            seconds=epoch.seconds if epoch else None,
            seconds_error=epoch.error if epoch else None,
            seconds_measured=min(1.0, epoch.step.measured) if epoch else None,
        ),
    }
    return record.model_copy(update=known)


def forecasts(console: Screen, cells: Sequence[Planned], wanted: Beside) -> Iterator[PlannedCost]:
    """What each cell will cost, one after the other; the console shows how far it is."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task, stock = progress.add_task("planning", total=len(cells)), Stock()
        for planned in cells:
            progress.update(task, description=f"planning {planned.label}")
            unfit = NoForecast(planned.unfit) if planned.unfit else None
            yield PlannedCost(planned, unfit or forecast(stock, planned.cell, planned.places, wanted))
            progress.advance(task)


def _refuse_measured(directory: Path) -> None:
    """BenchError for a directory that holds what was measured: planned records must not come to stand among it."""
    if any((directory / "records").glob("*.json")) and any(not each.plan for each in load_records(directory, [])):
        raise BenchError(f"--out {directory}: holds records of a run; name another directory for the plan")


def _measured(console: Screen, costs: Sequence[PlannedCost], threads: int) -> Calibration:
    """This machine, measured by the steps of the cells."""
    steps = [cost.found.typical for cost in costs if isinstance(cost.found, Forecast) and cost.found.typical]
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("calibrating")
        return measure(
            steps,
            threads,
            lambda name, done, total: progress.update(task, description=name, completed=done, total=total),
        )


def _timed(cost: PlannedCost, calibration: Calibration | None) -> PlannedCost:
    if calibration is None or isinstance(cost.found, NoForecast) or cost.found.typical is None:
        return cost
    return replace(cost, epoch=cost.found.typical.planned(calibration))


_HEADINGS = ("method", "trained", "training", "evaluation", "cache", "a step", "training needs the most")


def _table(costs: Sequence[PlannedCost]) -> Table:
    several = len({(each.planned.cell.dataset, each.planned.cell.backbones.text) for each in costs}) > 1
    times = ["an epoch"] if any(cost.epoch for cost in costs) else []
    headings = [_HEADINGS[0], *times, *_HEADINGS[1:]]
    table = wrapping_table(*headings, *(["data", "towers"] if several else []))
    for column in table.columns[: len(headings) - 1]:
        column.no_wrap = True
    for cost in costs:
        cell, found = cost.planned.cell, cost.found
        pair = "+".join(name for name in (cell.backbones.text, cell.backbones.image) if name)
        where = [cell.dataset, pair] if several else []
        known = (
            ["–"] * (len(headings) - 2) + ["no forecast"]
            if isinstance(found, NoForecast)
            else _figures(found, cost.epoch)
        )
        table.add_row(cost.planned.label, *known, *where)
    return table


def _figures(found: Forecast, epoch: PlannedEpoch | None) -> Iterator[str]:
    memory, compute = found.memory, found.compute
    if epoch:
        yield quantity(epoch.seconds, "duration")
    shown: list[tuple[float | None, Kind]] = [
        (found.parameters.trainable, "count"),
        (memory.peak, "bytes"),
        (memory.peak_of("evaluation"), "bytes"),
        (memory.feature_cache, "bytes"),
        (compute.forward + compute.backward, "operations"),
    ]
    yield from (quantity(value, kind) for value, kind in shown)
    yield f"{found.peak.moment}, {_short(found.peak.module)}"


def _short(module: str) -> str:
    """A module of a tower as the tower calls it."""
    for name in ("text", "image"):
        _, found, rest = module.partition(f"reader.towers.{name}.model.")
        if found:
            return f"{name}: {rest}"
    return module or "loss"


def _about_times(costs: Sequence[PlannedCost], calibration: Calibration | None) -> str:
    if calibration is None:
        return "no times: bench plan --calibrate measures in two minutes what this machine takes"
    errors = sorted({f"{cost.epoch.error:.0%}" for cost in costs if cost.epoch})
    return (
        f"an epoch is planned, ± {' or '.join(errors)}, for {calibration.machine}, calibrated "
        f"{calibration.measured[:10]} at load {calibration.load:.1f}; so near were 95 of 100 planned epochs "
        "to measured ones"
    )


def _notes(costs: Sequence[PlannedCost]) -> Iterator[str]:
    for cost in costs:
        if isinstance(cost.found, NoForecast):
            yield f"no forecast of {cost.planned.label}: {cost.found.reason}"
    yield (
        "planned, not run: peaks are live tensor bytes of the heaviest step and of evaluation; a step's operations are "
        "those of products, convolutions and attention, forward and backward"
    )
