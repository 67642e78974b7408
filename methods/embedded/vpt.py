"""Visual prompt tuning (Jia et al., 2022): learnt positions stand among the patches of a picture."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.anatomy import first_tensor, states_in
from ..backbones.flow import run_tiny, seen_in_a_copy
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register

PROMPTS = "prompts"
_PATCH = 16


class PromptOptions(Options):
    """`prompts`: how many learnt positions there are."""

    prompts: Rank = 10


@dataclass(frozen=True)
class Prompted:
    """Before a layer: its prompts come in after `start` leading positions, in place of as many if they `replace`."""

    start: int
    replace: bool

    def __call__(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden, prompts = states_in(args, kwargs), layer.get_parameter(PROMPTS)
        assert hidden is not None and hidden.dim() == 3, "its layers take no sequence of positions"
        rest = self.start + (len(prompts) if self.replace else 0)
        own = prompts.to(hidden.dtype).expand(len(hidden), -1, -1)
        prompted = torch.cat([hidden[:, : self.start], own, hidden[:, rest:]], dim=1)
        args = tuple(prompted if each is hidden else each for each in args)
        return args, {name: prompted if each is hidden else each for name, each in kwargs.items()}


@dataclass(frozen=True)
class Unprompted:
    """After the last layer: the `count` prompts after the `start` leading positions are left out."""

    start: int
    count: int

    def __call__(self, _layer: nn.Module, _args: Any, output: Any) -> Any:
        hidden = first_tensor(output)
        assert hidden is not None, "it gave states when it was inspected"
        kept = torch.cat([hidden[:, : self.start], hidden[:, self.start + self.count :]], dim=1)
        return kept if isinstance(output, Tensor) else type(output)(kept if each is hidden else each for each in output)


@register("vpt-shallow", family="embedded")
class ShallowPrompts(TowerMethod):
    """Learnt positions before the first layer of the image tower (Jia et al., 2022); the text tower stays frozen."""

    options = PromptOptions
    search = RATES | {"prompts": Choice((1, 5, 10, 50))}
    rates = TowerRates(text=1e-3, image=1e-3, rest=2e-4, head=2e-4)
    untouched = frozenset({"text"})
    in_every_layer = False

    def adapt(self, tower: Tower) -> None:
        """Prompts come in after class token and registers, and are left out again after the last layer, so that the
        tower is read as ever. BenchError for one whose layers take no further positions.
        """
        tower.requires_grad_(False)
        layers, anatomy = list(tower.layers), tower.anatomy
        start = max(anatomy.prefix, int(anatomy.place_of(tower.shape.pooling) == "cls"))
        for number, layer in enumerate(layers if self.in_every_layer else layers[:1]):
            layer.register_parameter(PROMPTS, nn.Parameter(self._drawn(tower, anatomy.levels[number].width)))
            layer.register_forward_pre_hook(Prompted(start, replace=number > 0), with_kwargs=True)
        layers[-1].register_forward_hook(Unprompted(start, self.chosen.prompts))
        self._try(tower)

    def _drawn(self, tower: Tower, width: int) -> Tensor:
        """Xavier's uniform draw for a map from a patch's pixels to the width, as published."""
        stated: Any = getattr(tower.model.config, "patch_size", _PATCH)
        patch = stated if isinstance(stated, int) else _PATCH
        bound = (6 / (3 * patch**2 + width)) ** 0.5
        return torch.empty(self.chosen.prompts, width).uniform_(-bound, bound)

    def _try(self, tower: Tower) -> None:
        kind, modality = type(tower.model).__name__, tower.shape.modality
        reason = ""
        try:
            if tower.anatomy.repeats:
                reason = "one layer runs several times"
            else:
                with torch.no_grad():
                    seen_in_a_copy(tower, run_tiny)
        except Exception as error:  # whatever a model raises
            if next(tower.parameters()).device.type == "meta":
                raise  # it tells nothing of the tower
            reason = " ".join(str(error).split())[:120]
        if reason:
            raise BenchError(
                f"method '{self.name}': prompts cannot stand among the positions of the {modality} tower ({kind}): "
                f"{reason}; use a method that adds none, such as adapter"
            )


@register("vpt-deep", family="embedded")
class DeepPrompts(ShallowPrompts):
    """Learnt positions before every layer of the image tower, others in each; the text tower stays frozen."""

    in_every_layer = True
