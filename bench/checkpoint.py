"""A cell's checkpoint: trained parameters, optimiser, generators and progress in one safetensors file, no pickle."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..files import atomic_path
from ..reports.records import Epoch
from .fitting import Progress
from .training import Trainer, trainable_state

_RANKS = ("valid_ranks", "test_ranks")


def checkpoint_path(directory: Path, cell_id: str) -> Path:
    """Where the checkpoint of an unfinished cell stands in a study's directory."""
    return directory / "checkpoints" / f"{cell_id}.safetensors"


def save_checkpoint(path: Path, trainer: Trainer, progress: Progress) -> None:
    """Writes the state after an epoch, whole or not at all."""
    tensors = {f"parameter/{name}": value for name, value in trainable_state(trainer.recommender).items()}
    state = trainer.optimiser.state_dict()["state"]
    tensors |= {f"optimiser/{index}/{name}": value for index, entry in state.items() for name, value in entry.items()}
    tensors["generator/cpu"] = torch.get_rng_state()
    if trainer.device.type == "cuda":
        tensors["generator/cuda"] = torch.cuda.get_rng_state(trainer.device)
    plain: dict[str, Any] = {
        "epochs": [epoch.model_dump() for epoch in progress.epochs],
        "scaler": _scaler_state(trainer),
    }
    for name, value in asdict(progress).items():
        if name in _RANKS and value is not None:
            tensors[f"progress/{name}"] = torch.from_numpy(value)
        elif name not in {*_RANKS, "epochs"}:
            plain[name] = value
    with atomic_path(path) as temporary:
        save_file(
            {name: value.cpu().contiguous() for name, value in tensors.items()},
            temporary,
            {"progress": json.dumps(plain)},
        )


def load_checkpoint(path: Path, trainer: Trainer) -> Progress:
    """Puts a trainer back to where the checkpoint was written; an empty progress when there is none."""
    if not path.exists():
        return Progress()
    with safe_open(path, framework="pt") as file:  # type: ignore[no-untyped-call]
        tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        plain = json.loads(file.metadata()["progress"])
    with torch.no_grad():
        for name, value in trainable_state(trainer.recommender).items():
            value.copy_(tensors[f"parameter/{name}"])
    _restore_optimiser(trainer, tensors)
    if trainer.scaler.is_enabled():
        trainer.scaler.load_state_dict(plain["scaler"])
    torch.set_rng_state(tensors["generator/cpu"])
    if "generator/cuda" in tensors:
        torch.cuda.set_rng_state(tensors["generator/cuda"], trainer.device)
    del plain["scaler"]
    plain["epochs"] = [Epoch.model_validate(epoch) for epoch in plain["epochs"]]
    progress = Progress(**plain)
    for name in _RANKS:
        if f"progress/{name}" in tensors:
            setattr(progress, name, tensors[f"progress/{name}"].numpy())
    return progress


def _restore_optimiser(trainer: Trainer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser/"):
            _, index, name = key.split("/")
            state.setdefault(int(index), {})[name] = value
    trainer.optimiser.load_state_dict(trainer.optimiser.state_dict() | {"state": state})


def _scaler_state(trainer: Trainer) -> dict[str, Any]:
    return trainer.scaler.state_dict() if trainer.scaler.is_enabled() else {}
