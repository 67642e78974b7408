"""From what a user calls a trained cell (its id, its record, an exported folder) to what holds its parameters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ...cell import Cell
from ...datasets.sources.registry import outside_code
from ...errors import BenchError, first_fault, quoted
from ...files import is_file, is_folder, read_json
from ...outside import is_outside
from ...reports.reading import read_record
from ...reports.records import Record
from ..worker.places import Places, saved_path

ABOUT, TRAINED = "tpmebench.json", "trained.safetensors"
"""In an exported folder: what rebuilds the method, and what it trained."""


class TowerSaid(BaseModel):
    """Of a tower that a method was trained on: its name, what its files hashed to, its class, and its width."""

    model_config = ConfigDict(extra="forbid")

    name: str
    fingerprint: str
    model: str
    hidden_size: int


class About(BaseModel):
    """What an exported folder says of itself. `width`: columns of an embedding; `sha256`: of the tensors' file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1] = 1
    cell: Cell
    cell_id: str
    epoch: int
    width: int
    towers: dict[str, TowerSaid]
    sha256: str


@dataclass(frozen=True)
class TrainedState:
    """Where the parameters of a cell stand, of which epoch they are, and what the cell is rebuilt from.

    `record`: the cell's; None of an exported folder. `origin`: what it is called in an error.
    """

    cell: Cell
    state: Path
    epoch: int
    places: Places
    origin: str
    record: Record | None = None
    sha256: str = ""


def find_trained(name: str, runs: Path) -> TrainedState:
    """What an exported folder, a record's file, or a cell's id (or its beginning) below `runs` stands for.

    BenchError names what there is, and for a cell that was run without `--save` the command that saves it.
    """
    path = Path(name)
    if is_folder(path) and is_file(path / ABOUT):
        return _exported(path)
    return _kept(path if is_file(path) else _record_of(name, runs))


def _exported(folder: Path) -> TrainedState:
    values = read_json(folder / ABOUT)
    try:
        about = About.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error, values)
        raise BenchError(f"{folder / ABOUT}: {fault.key}: {fault.message}; export the cell again") from error
    origin = str(folder)
    _check_code(about.cell, origin)
    places = Places.of(about.cell)
    return TrainedState(about.cell, folder / TRAINED, about.epoch, places, origin, sha256=about.sha256)


def _check_code(cell: Cell, origin: str) -> None:
    """BenchError where rebuilding would import code because a folder, which may be anybody's, names it."""
    named = [name for name in (cell.method, cell.task, outside_code(cell.dataset)) if is_outside(name)]
    if named:
        raise BenchError(
            f"{origin}: {quoted(named[0])} is code from outside, which an exported folder cannot have run; give the "
            "cell's record in the study that trained it"
        )


def _record_of(name: str, runs: Path) -> Path:
    known = sorted(runs.glob("*/records/*.json")) + sorted(runs.glob("records/*.json"))
    found = [path for path in known if name and path.stem.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise BenchError(f"cell {quoted(name)}: {len(found)} below {runs} begin so: give more of its id, or its record")
    saved = [path.stem for path in known if is_file(saved_path(path.parent.parent, path.stem))]
    told = f"saved there: {', '.join(saved[:8])}{', …' if len(saved) > 8 else ''}" if saved else "none is saved there"
    raise BenchError(
        f"cell {quoted(name)}: neither a record below {runs} nor an exported folder; {told}; `bench run "
        "--dry-run` shows a study's ids, --runs names another directory of studies"
    )


def _kept(path: Path) -> TrainedState:
    from ..worker.saving import read_about  # and with it torch

    record, directory = read_record(path), path.resolve().parent.parent
    cell, state = record.cell, saved_path(directory, record.cell_id)
    method = cell.method
    if record.status != "ok" or record.accuracy is None:
        ended = f"ended as {record.status}" if record.status != "ok" else "measured costs alone"
        raise BenchError(f"cell {record.cell_id} ({method}): it {ended}, so there is nothing trained to export")
    if record.parameters is None:
        raise BenchError(f"cell {record.cell_id}: {method} trains nothing, so there is nothing to export")
    if not is_file(state) or (about := read_about(state)).started != record.started:
        again = f"the study's own `bench run … --out {directory} --save`"
        raise BenchError(f"cell {record.cell_id} ({method}): it was run without --save; {again} trains and keeps it")
    return TrainedState(cell, state, about.epoch, about.places, f"cell {record.cell_id}", record)
