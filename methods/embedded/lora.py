"""LoRA (Hu et al., 2021): low-rank updates of the query and value projections, through peft."""

import re
from typing import Any

from torch import nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.projections import map_kinds, projections
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Dropout, Options, Rank, Scale
from ..registry import register


class LoRAOptions(Options):
    """`r`: rank. `alpha`: the update is scaled by alpha / r. `dropout` on the update's input."""

    r: Rank = 8
    alpha: Scale = 8
    dropout: Dropout = 0.0


@register("lora", family="embedded")
class LoRA(TowerMethod):
    """Low-rank updates of the query and value projections (Hu et al., 2021), through peft."""

    options = LoRAOptions
    search = RATES | {"r": Choice((4, 8, 16, 32)), "dropout": Choice((0.0, 0.1))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """Where one map gives query, key and value together, its update reaches the keys too, and a note says so.

        A tower whose attention has no maps of its own gets what peft adapts by default in its family.
        """
        from peft import LoraConfig, inject_adapter_in_model

        tower.requires_grad_(False)
        targets = self._by_role(tower) or self._by_default(tower)
        config = LoraConfig(
            r=self.chosen.r,
            lora_alpha=self.chosen.alpha,
            lora_dropout=self.chosen.dropout,
            target_modules="|".join(map(re.escape, targets)),  # peft would take names for ends of names
            fan_in_fan_out=not any(
                isinstance(tower.model.get_submodule(name), nn.Linear) for name in targets
            ),  # Conv1D
        )
        inject_adapter_in_model(config, tower.model)

    def _by_role(self, tower: Tower) -> list[str]:
        """The maps that give queries or values, first layer to last."""
        layers = projections(tower)
        attentions = [attention for layer in layers for attention in layer.attentions]
        fused = sorted({name.rpartition(".")[2] for attention in attentions for name in attention.fused})
        if fused:
            self.note(tower, f"{', '.join(fused)} gives query, key and value together: the keys are adapted with them")
        without = [layer.name for layer in layers if not layer.attentions]
        if attentions and without:
            self.note(tower, f"no attention, and so no update, in {len(without)} of {len(layers)} layers")
        return list(dict.fromkeys(name for each in attentions for name in (*each.query, *each.value)))

    def _by_default(self, tower: Tower) -> list[str]:
        """What peft adapts in a family of models. BenchError when it knows no such family."""
        from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as known

        model: Any = tower.model
        kind = getattr(model.config, "model_type", "")
        ends = known.get(kind, ())
        found = [
            name
            for name, module in model.named_modules()
            if isinstance(ends, list) and isinstance(module, map_kinds()) and name.rpartition(".")[2] in ends
        ]
        if not found:
            raise BenchError(
                f"method 'lora': no linear map gives queries or values in the {tower.shape.modality} tower "
                f"({type(model).__name__}), and peft has no targets for it; use one that needs none, such as fft"
            )
        self.note(tower, f"no map gives queries or values: peft's own targets for {kind}, {', '.join(ends)}")
        return found
