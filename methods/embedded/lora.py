"""LoRA (Hu et al., 2021): low-rank updates of the query and value projections, through peft."""

from ..backbones.projections import projections
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
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        tower.requires_grad_(False)
        targets = [name for layer in projections(tower) for name in (layer.query, layer.value)]
        config = LoraConfig(
            r=self.chosen.r, lora_alpha=self.chosen.alpha, lora_dropout=self.chosen.dropout, target_modules=targets
        )
        inject_adapter_in_model(config, tower.model)
