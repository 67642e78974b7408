"""Equal memory, before the first cell: the batch that each row of a study takes, planned in a process of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...cell import Cell
from ...files import canonical_json
from ...reports.quantities import quantity
from ...reports.records import log_path
from ..study.grid import Planned
from ..worker.job import CheckJob, Subject
from .cell_process import CellProcess, Start, cell_environment
from .display import Display

_PROGRAM = "tpmebench.bench.planning.equal_memory"
_LOG = "equal-memory"


@dataclass(frozen=True)
class Chosen:
    """Users a batch, and the bytes that its heaviest step is planned to take."""

    batch: int
    peak: int


@dataclass
class Batches:
    """Of cells by their id: the batch that they take, or the reason why there is none."""

    chosen: dict[str, Chosen] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def choose_batches(cells: Sequence[Planned], start: Start, display: Display, directory: Path) -> Batches:
    """Plans the batch of each row that was given a memory, and says it in a line."""
    rows: dict[str, list[Planned]] = {}
    for planned in cells:
        if planned.cell.training.memory is not None and planned.method.kind == "method" and not planned.unfit:
            rows.setdefault(_row(planned.cell), []).append(planned)
    found = Batches()
    if not rows:
        return found
    log = log_path(directory, _LOG)
    told = _told([row[0] for row in rows.values()], start, log)
    for number, row in enumerate(rows.values()):
        ids, first = [planned.cell.id for planned in row], row[0]
        event = told.get(number)
        fault = f"training.memory: no forecast: its process ended early (log: {log.name})"
        if event is None or "fault" in event:
            for each in ids:
                found.refused[each] = fault if event is None else str(event["fault"])
            continue
        chosen = Chosen(event["batch"], event["peak"])
        found.chosen |= dict.fromkeys(ids, chosen)
        peak = quantity(chosen.peak, "bytes")
        display.say(f"planned: {first.label}: batch {chosen.batch:,}, {peak} of {first.cell.training.memory}")
    return found


def _row(cell: Cell) -> str:
    """The same for cells that take one batch: seeds, repeats and rates change no peak."""
    alike = {"seed": 0, "repeat": 0, "rates": {}, "search": [], "point": 0}
    return canonical_json(cell.model_copy(update=alike).identity())


def _told(firsts: list[Planned], start: Start, log: Path) -> dict[int, dict[str, Any]]:
    """What the process tells of some cells, by their number."""
    log.parent.mkdir(parents=True, exist_ok=True)
    told: dict[int, dict[str, Any]] = {}
    with log.open("wb") as printed:
        process = CellProcess(start, cell_environment(firsts[0].cell), printed, _PROGRAM)
        try:
            job = CheckJob(subjects=[Subject(cell=planned.cell, places=planned.places) for planned in firsts])
            process.give(job.model_dump_json())
            for event in process.events():
                if event["event"] == "batch":
                    told[event["number"]] = event
                if event["event"] == "done":
                    break
            process.finish()
        except BaseException:
            start.close()
            process.kill()
            raise
    return told
