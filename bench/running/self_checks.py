"""The self-check before the first cell: once for each dataset and pair of towers of a study, in a process of its own.

What was passed is kept in the study's directory, so that a study that goes on does not check it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ...cell import Cell, Evaluation, Training
from ...errors import BenchError
from ...files import canonical_json, digest, read_json, write_atomic
from ...reports.measurements import SelfCheck
from ...reports.records import log_path
from ..meters.environment import versions
from ..study.grid import Planned, codes, reads_towers
from ..worker.job import CheckJob, Subject
from .cell_process import CellProcess, Start, TimeLimitReached, cell_environment
from .display import Display

_PROGRAM = "tpmebench.bench.worker.self_check"
_MOST_SECONDS = 600.0


@dataclass
class Verdicts:
    """Of cells by their id: how they were checked, or the reason why they cannot run."""

    passed: dict[str, SelfCheck] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


class Passed(BaseModel):
    """What was passed with one dataset and one pair of towers, by the digest of a method, its options and its code."""

    methods: dict[str, SelfCheck] = {}


@dataclass
class Group:
    """Cells that read one dataset with one pair of towers alike, by method and options."""

    name: str
    cells: dict[str, list[Planned]] = field(default_factory=dict)


def check_cells(cells: Sequence[Planned], start: Start, display: Display, directory: Path) -> Verdicts:
    """Checks what has not been checked before, and says so in a line for each dataset and pair of towers."""
    verdicts = Verdicts(refused={planned.cell.id: planned.unfit for planned in cells if planned.unfit})
    for group in _groups(cells):
        path = directory / "checks" / f"{group.name}.json"
        passed = _read(path)
        new = {key: planned for key, planned in group.cells.items() if key not in passed.methods}
        if new:
            _check(new, start, display, log_path(directory, f"self-check-{group.name}"), passed, verdicts)
            write_atomic(path, passed.model_dump_json(indent=1) + "\n")
        for key, check in passed.methods.items():
            verdicts.passed |= {planned.cell.id: check for planned in group.cells.get(key, ())}
    return verdicts


def _groups(cells: Sequence[Planned]) -> list[Group]:
    groups: dict[str, Group] = {}
    checked = [planned for planned in cells if reads_towers(planned.method) and not planned.unfit]
    libraries = canonical_json(versions())
    for planned, code in zip(checked, codes(checked), strict=True):
        name = digest(canonical_json(_read_alike(planned.cell).identity()), code.training, libraries)[:16]
        method = digest(planned.cell.method, canonical_json(planned.cell.options), code.method)[:16]
        groups.setdefault(name, Group(name)).cells.setdefault(method, []).append(planned)
    return list(groups.values())


def _read_alike(cell: Cell) -> Cell:
    """What of a cell decides what its towers give: the same for all methods, seeds and repeats."""
    training = Training(
        precision=cell.training.precision, encode=cell.training.encode, cache_dtype=cell.training.cache_dtype
    )
    one = {"method": "", "options": {}, "rates": {}, "seed": 0, "repeat": 0}
    return cell.model_copy(update={**one, "training": training, "evaluation": Evaluation()})


def _read(path: Path) -> Passed:
    """What was passed before; nothing where that is not known any more."""
    try:
        return Passed.model_validate(read_json(path)) if path.exists() else Passed()
    except (BenchError, ValidationError):
        return Passed()


def _check(
    new: dict[str, list[Planned]], start: Start, display: Display, log: Path, passed: Passed, verdicts: Verdicts
) -> None:
    """Runs the checks; what they cannot tell is left to the cells."""
    firsts = [planned[0] for planned in new.values()]
    found = _told(firsts, start, log)
    towers = " × ".join(name for name in (firsts[0].cell.backbones.text, firsts[0].cell.backbones.image) if name)
    if found is None:
        display.say(f"not checked: {towers} (the self-check ended before it could tell; log: {log})")
        return
    faults: dict[str, str | None] = {list(new)[int(number)]: fault for number, fault in found["faults"].items()}
    for key, planned in new.items():
        if key not in faults:
            passed.methods[key] = SelfCheck(seconds=found["seconds"], items=found["items"])
        elif fault := faults[key]:
            verdicts.refused |= {each.cell.id: fault for each in planned}
    count = f"{len(new)} method{'' if len(new) == 1 else 's'}"
    untold = list(faults.values()).count(None)
    failed = f", {len(faults) - untold} of which did not pass" if len(faults) > untold else ""
    left = f", {untold} left to the cells (log: {log})" if untold else ""
    display.say(f"checked: {towers} × {count} in {found['seconds']:.1f} s{failed}{left}")


def _told(firsts: list[Planned], start: Start, log: Path) -> dict[str, Any] | None:
    """What the self-check's process tells of some cells; None when it ended without a word."""
    log.parent.mkdir(parents=True, exist_ok=True)
    told: dict[str, Any] | None = None
    with log.open("wb") as printed:
        process = CellProcess(start, cell_environment(firsts[0].cell), printed, _PROGRAM)
        try:
            job = CheckJob(subjects=[Subject(cell=planned.cell, places=planned.places) for planned in firsts])
            process.give(job.model_dump_json())
            for event in process.events(min(_MOST_SECONDS, firsts[0].cell.timeout or _MOST_SECONDS)):
                if event["event"] == "checked":
                    told = event
                if event["event"] == "done":
                    break
            process.finish()
        except TimeLimitReached:
            process.kill()
        except BaseException:
            start.close()
            process.kill()
            raise
    return told
