"""SSF (Lian et al., 2022): what every operation of a tower gives is scaled and shifted, feature by feature."""

from typing import Any

import torch
from torch import Tensor, nn

from ...ranges import RATES
from ..backbones.operations import operations
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..registry import register

SCALE, SHIFT = "ssf_scale", "ssf_shift"
DEVIATION = 0.02


@register("ssf", family="embedded")
class SSF(TowerMethod):
    """A scale and a shift of the features that every operation gives (Lian et al., 2022)."""

    search = RATES
    rates = TowerRates(text=1e-3, image=1e-3, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """After each linear map, convolution and norm, embeddings and final norm included; scales N(1, 0.02²), shifts
        N(0, 0.02²), as published: close to the identity.
        """
        found = operations(tower)
        tower.requires_grad_(False)
        for each in found:
            module = tower.model.get_submodule(each.name)
            module.register_parameter(SCALE, nn.Parameter(1 + DEVIATION * torch.randn(each.width)))
            module.register_parameter(SHIFT, nn.Parameter(DEVIATION * torch.randn(each.width)))
            module.register_forward_hook(_on_last_axis if each.axis < 0 else _on_channels)


def _on_last_axis(module: nn.Module, _args: Any, output: Tensor) -> Tensor:
    return output * getattr(module, SCALE) + getattr(module, SHIFT)


def _on_channels(module: nn.Module, _args: Any, output: Tensor) -> Tensor:
    shape = (-1, *(1 for _ in output.shape[2:]))
    return output * getattr(module, SCALE).view(shape) + getattr(module, SHIFT).view(shape)
