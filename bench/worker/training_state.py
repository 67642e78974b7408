"""All that training changes, kept to be put back: parameters, buffers, optimiser, scaler, generators, updates made."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .step import Trainer, trainable_state


@dataclass(frozen=True)
class TrainerState:
    """A copy in the CPU's memory: on a GPU it must not raise the peak that is measured.

    `updates`: how many the optimiser has made.
    """

    tensors: dict[str, Tensor]
    optimiser: dict[int, dict[str, Any]]
    scaler: dict[str, Any]
    generators: dict[str, Tensor]
    updates: int

    @classmethod
    def of(cls, trainer: Trainer) -> "TrainerState":
        """The state as it is."""
        entries = trainer.optimiser.state_dict()["state"]
        generators = {"cpu": torch.get_rng_state()}
        if trainer.device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(trainer.device)
        return cls(
            {name: _copy(value) for name, value in changing(trainer).items()},
            _copies(entries),
            trainer.scaler.state_dict(),
            generators,
            trainer.updates,
        )

    def restore(self, trainer: Trainer) -> None:
        """Puts a trainer back to it; may be asked for again."""
        with torch.no_grad():
            for name, value in changing(trainer).items():
                value.copy_(self.tensors[name])
        entries = _copies(self.optimiser)
        trainer.optimiser.load_state_dict(trainer.optimiser.state_dict() | {"state": entries})
        trainer.optimiser.zero_grad(set_to_none=True)
        trainer.updates = self.updates
        if trainer.scaler.is_enabled():
            trainer.scaler.load_state_dict(self.scaler)
        torch.set_rng_state(self.generators["cpu"])
        if "cuda" in self.generators:
            torch.cuda.set_rng_state(self.generators["cuda"], trainer.device)


def changing(trainer: Trainer) -> dict[str, Tensor]:
    """Trained parameters, and buffers, which an outside method may count in."""
    return trainable_state(trainer.recommender) | dict(trainer.recommender.named_buffers())


def _copies(entries: dict[int, dict[str, Any]]) -> dict[int, dict[str, Any]]:
    return {index: {name: _copy(value) for name, value in entry.items()} for index, entry in entries.items()}


def _copy(value: Any) -> Any:
    return value.to("cpu", copy=True) if isinstance(value, Tensor) else value
