"""What a cell has trained, kept beside its record: one safetensors file, no pickle."""

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...errors import BenchError
from ...files import atomic_path
from ...reports.records import Record
from .places import Places
from .step import trainable_state

VERSION = "1"
"""Of the file."""


class Kept(BaseModel):
    """What a file says of itself: the start of the run that it is of, the epoch, and where the cell's parts stood."""

    model_config = ConfigDict(extra="forbid", strict=True)

    started: str
    epoch: int
    places: Places


def kept_state(recommender: nn.Module) -> dict[str, Tensor]:
    """A copy, in the CPU's memory, of what training changes: trained parameters, and buffers that a state holds."""
    return {name: value.to("cpu", copy=True).contiguous() for name, value in _kept(recommender).items()}


def _kept(recommender: nn.Module) -> dict[str, Tensor]:
    parameters = {name for name, _ in recommender.named_parameters(remove_duplicate=False)}
    buffers = {name: value for name, value in recommender.state_dict().items() if name not in parameters}
    return trainable_state(recommender) | buffers


def save_kept(path: Path, state: Mapping[str, Tensor], about: Kept) -> None:
    """Writes it, whole or not at all."""
    write_tensors(path, state, {"version": VERSION, "kept": about.model_dump_json()})


def write_tensors(path: Path, state: Mapping[str, Tensor], about: dict[str, str]) -> None:
    """Writes a safetensors file, whole or not at all, for others to read as far as this process lets them."""
    with atomic_path(path) as temporary:
        temporary.touch()
        mode = temporary.stat().st_mode
        save_file(dict(state), temporary, about)  # which takes a name of its own first, that others may not read
        temporary.chmod(mode)


def read_about(path: Path) -> Kept:
    """What a file says of itself. BenchError names a file that cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
            about = file.metadata() or {}
        if about.get("version") != VERSION:
            raise BenchError(f"{path}: is of version {about.get('version', 'unknown')}, not {VERSION}; save it anew")
        return Kept.model_validate_json(about["kept"])
    except (OSError, SafetensorError, ValidationError, ValueError, KeyError) as error:
        raise unreadable(path, error) from error


def is_kept(path: Path, record: Record) -> bool:
    """Whether a file holds what the run of a record trained."""
    try:
        return path.is_file() and read_about(path).started == record.started
    except BenchError:
        return False


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. BenchError names a file that cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> BenchError:
    """The error for a file that cannot be read."""
    return BenchError(f"{path}: cannot be read ({type(error).__name__}); run its cell again with --save")


@torch.no_grad()
def put_back(recommender: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Puts what was kept into a recommender built alike.

    BenchError, naming `origin`, when it is not what that trains.
    """
    wanted = {name: tuple(value.shape) for name, value in _kept(recommender).items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if wanted != found:
        differing = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise BenchError(
            f"{origin}: {differing[0]} is {_shown(found.get(differing[0]))}, but the method trains it as "
            f"{_shown(wanted.get(differing[0]))}: its code, data or towers are others now; run it again with --save"
        )
    recommender.load_state_dict(dict(state), strict=False)


def _shown(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else f"of shape {list(shape)}"
