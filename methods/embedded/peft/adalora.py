"""AdaLoRA (Zhang et al., 2023): low-rank updates whose ranks shrink to a budget while they train."""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from ....errors import BenchError
from ....ranges import RATES, Choice
from ...backbones.tower import Tower
from ...fusion import FusedEncoder, TowerRates
from ...registry import register
from .kinds import KindMethod
from .method import ADAPTER

_SCORES = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""What peft's allocator keeps from step to step, by parameter."""


class AllocatorState(nn.Module):
    """An allocator's scores, and the singular values that it kept, as buffers of the tower: a checkpoint has them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.parameter_names = [name for name, _ in _factors(model)]
        for number, (name, parameter) in enumerate(_factors(model)):
            for score in _SCORES:
                self.register_buffer(f"{score}_{number}", torch.zeros_like(parameter))
            if ".lora_E." in name:
                self.register_buffer(f"kept_{number}", torch.ones(len(parameter), dtype=torch.bool))

    def lend(self, tuner: Any) -> None:
        """Gives peft's tuner what it kept after its last step."""
        for score in _SCORES:
            setattr(tuner.rankallocator, score, self._by_name(score))
        kept = {name: kept.tolist() for name, kept in self._by_name("kept").items()}
        tuner.peft_config[ADAPTER].rank_pattern = kept

    def take(self, tuner: Any) -> None:
        """Keeps what the tuner has come to."""
        for score in _SCORES:
            found = getattr(tuner.rankallocator, score)
            for name, buffer in self._by_name(score).items():
                if name in found:  # none is once the ranks are final
                    buffer.copy_(found[name])
        pattern = tuner.peft_config[ADAPTER].rank_pattern
        for name, buffer in self._by_name("kept").items():
            buffer.copy_(torch.tensor(pattern[name], device=buffer.device))

    def _by_name(self, what: str) -> dict[str, Tensor]:
        buffers = dict(self.named_buffers())
        numbered = ((name, f"{what}_{number}") for number, name in enumerate(self.parameter_names))
        return {name: buffers[key] for name, key in numbered if key in buffers}


def _factors(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if "lora_" in name]


@register("adalora", family="embedded")
class AdaLoRA(KindMethod):
    """LoRA by singular values, whose ranks shrink to a budget while it trains (Zhang et al., 2023).

    `total_step`: updates until the ranks are those of the budget; a shorter training ends on the way there.
    """

    peft_type = "ADALORA"
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)
    search = RATES | {"target_r": Choice((2, 4, 8))}
    options_said = "targets (qv), and all of peft's config of ADALORA"
    fixed: ClassVar[Mapping[str, Any]] = {"r": 8}  # peft's default, which nothing reads
    changed: ClassVar[Mapping[str, Any]] = {"total_step": 1000}

    @classmethod
    def _parse(cls, chosen: Mapping[str, Any]) -> Any:
        """BenchError too for a budget that is no reduction, which peft would stumble over in the first step."""
        found = super()._parse(chosen)
        if found.target_r >= found.init_r:
            raise BenchError(
                f"method 'adalora': option 'target_r': the ranks shrink from init_r ({found.init_r}) to it; give less"
            )
        return found

    def keep(self, tower: Tower, tuner: Any) -> None:
        tower.model.add_module("allocator", AllocatorState(tower.model))
        self._tuners = {**getattr(self, "_tuners", {}), tower.shape.modality: tuner}

    def penalty(self, encoder: FusedEncoder) -> Tensor:
        """How far the factors are from orthonormal ones, on average, times peft's weight of it."""
        products = [
            factor @ factor.T if ".lora_A." in name else factor.T @ factor
            for name, factor in encoder.reader.named_parameters()
            if ".lora_A." in name or ".lora_B." in name
        ]
        identity = torch.eye(self.chosen.init_r, device=products[0].device)
        distances = [torch.linalg.norm(product - identity) for product in products]
        return self.chosen.orth_reg_weight * torch.stack(distances).mean()

    def after_update(self, encoder: FusedEncoder, step: int) -> None:
        """Peft's own step of the budget, on the state that the towers keep."""
        del encoder
        for tuner in self._tuners.values():
            state = tuner.model.allocator
            state.lend(tuner)
            tuner.update_and_allocate(step)
            state.take(tuner)
