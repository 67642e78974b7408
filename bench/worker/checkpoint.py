"""A cell's checkpoint: what training changed, generators and progress in one safetensors file, no pickle."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...files import atomic_path, digest, set_aside
from ...reports.measurements import Pass
from ...reports.records import Epoch, Record
from .loop import Progress
from .step import Trainer
from .training_state import TrainerState, changing

VERSION = "3"
"""Of the file. 2: buffers, energy and a checksum. 3: the count of updates."""
_RANKS = ("valid_ranks", "test_ranks")
_LISTS = ("epochs", "passes")
_OF_THE_TRAINER = {"scaler", "updates"}


class Unusable(Exception):
    """Why a cell cannot go on from a checkpoint, in words."""


@dataclass(frozen=True)
class Checkpoint:
    """A file's content: tensors on the CPU by name, and the rest of the progress."""

    tensors: dict[str, Tensor]
    plain: dict[str, Any]


def checkpoint_path(directory: Path, record: Record) -> Path:
    """Where the checkpoint of an unfinished cell stands in a study's directory: another one for other code or,
    where memory is equal, for another batch.
    """
    batch = [str(record.batch)] if record.planned_peak is not None else []
    code = digest(record.code.method, record.code.training, *batch)[:8]
    return directory / "checkpoints" / f"{record.cell_id}-{code}.safetensors"


def drop_checkpoints(directory: Path, cell_id: str) -> None:
    """Removes whatever a cell left of itself unfinished, by whichever code."""
    for path in (directory / "checkpoints").glob(f"{cell_id}*.safetensors"):
        path.unlink(missing_ok=True)


def save_checkpoint(path: Path, trainer: Trainer, progress: Progress) -> None:
    """Writes the state after an epoch, whole or not at all."""
    state = TrainerState.of(trainer)
    tensors = {f"trained/{name}": value for name, value in state.tensors.items()}
    entries = state.optimiser.items()
    tensors |= {f"optimiser/{index}/{name}": value for index, entry in entries for name, value in entry.items()}
    tensors |= {f"generator/{name}": value for name, value in state.generators.items()}
    plain: dict[str, Any] = {"scaler": state.scaler, "updates": state.updates}
    plain |= {name: [each.model_dump() for each in getattr(progress, name)] for name in _LISTS}
    tensors |= {f"best/{name}": value for name, value in (progress.best_state or {}).items()}
    for name, value in vars(progress).items():
        if name in _RANKS and value is not None:
            tensors[f"progress/{name}"] = torch.from_numpy(value)
        elif name not in {*_RANKS, *_LISTS, "best_state"}:
            plain[name] = value
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    told = json.dumps(plain)
    with atomic_path(path) as temporary:
        about = {"version": VERSION, "progress": told, "sha256": _checksum(tensors, told)}
        save_file(tensors, temporary, about)


def load_checkpoint(path: Path, trainer: Trainer, keep_best: bool = False) -> tuple[Progress, str | None]:
    """Puts a trainer back to where the checkpoint was written. `keep_best`: it has to hold the best epoch's state.

    An empty progress when there is none. So it is when the file cannot be used, with a line that says why: the trainer
    is as it was, and the file is out of the way.
    """
    if not path.exists() and not path.is_symlink():
        return Progress(), None
    try:
        found = _read(path)
        progress, state = _progress(found), _state(found)
        _check(state, trainer)
        if keep_best and progress.best_epoch and progress.best_state is None:
            raise Unusable("has no parameters of its best epoch, which are to be saved")
    except Unusable as error:
        aside = set_aside(path)
        return Progress(), f"the checkpoint {error}, so the cell started anew (it is kept as {aside.name})"
    state.restore(trainer)
    return progress, None


def _read(path: Path) -> Checkpoint:
    if not path.is_file():
        raise Unusable("is no file")
    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            about = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if about.get("version") != VERSION:
            raise Unusable(f"is of version {about.get('version', 'unknown')}, not {VERSION}")
        told = about["progress"]
        if about["sha256"] != _checksum(tensors, told):
            raise Unusable("is not as it was written")
        return Checkpoint(tensors, json.loads(told))
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise Unusable(f"cannot be read ({type(error).__name__})") from error


def _progress(found: Checkpoint) -> Progress:
    try:
        plain = {name: value for name, value in found.plain.items() if name not in _OF_THE_TRAINER}
        plain["epochs"] = [Epoch.model_validate(epoch) for epoch in plain["epochs"]]
        plain["passes"] = [Pass.model_validate(each) for each in plain.get("passes", [])]
        progress = Progress(**plain)
    except (TypeError, KeyError, ValueError) as error:
        raise Unusable("holds another kind of progress") from error
    for name in _RANKS:
        if f"progress/{name}" in found.tensors:
            setattr(progress, name, found.tensors[f"progress/{name}"].numpy())
    progress.best_state = _within(found, "best") or None
    return progress


def _state(found: Checkpoint) -> TrainerState:
    optimiser: dict[int, dict[str, Tensor]] = {}
    for key, value in _within(found, "optimiser").items():
        index, _, name = key.partition("/")
        optimiser.setdefault(int(index), {})[name] = value
    return TrainerState(
        _within(found, "trained"),
        optimiser,
        found.plain.get("scaler", {}),
        _within(found, "generator"),
        found.plain.get("updates", 0),
    )


def _within(found: Checkpoint, kind: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{kind}/"): value for name, value in found.tensors.items() if name.startswith(f"{kind}/")
    }


def _check(state: TrainerState, trainer: Trainer) -> None:
    """Raises Unusable unless everything in it fits the trainer."""
    if {n: v.shape for n, v in state.tensors.items()} != {n: v.shape for n, v in changing(trainer).items()}:
        raise Unusable("is of other parameters")
    trained = [parameter for group in trainer.optimiser.param_groups for parameter in group["params"]]
    for index, entry in state.optimiser.items():
        shapes = {value.shape for value in entry.values() if value.dim()}
        if index >= len(trained) or shapes - {trained[index].shape}:
            raise Unusable("is of another optimiser")
    if bool(state.scaler) != trainer.scaler.is_enabled():
        raise Unusable("is of another precision")
    if ("cuda" in state.generators) != (trainer.device.type == "cuda"):
        raise Unusable("is of another device")


def _checksum(tensors: dict[str, Tensor], told: str) -> str:
    """SHA-256, in hex, of the progress and every tensor's name and bytes."""
    sha = hashlib.sha256(told.encode())
    for name in sorted(tensors):
        sha.update(name.encode())
        sha.update(tensors[name].flatten().view(torch.uint8).numpy().data)
    return sha.hexdigest()
