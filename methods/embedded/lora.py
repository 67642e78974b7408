"""LoRA (Hu et al., 2021): low-rank updates of the query and value projections, through peft."""

from ..backbones.projections import projections
from ..backbones.source import Backbones
from ..features.readers import TowerReader
from ..fusion import FusedEncoder, output_levels, tower_rates
from ..method import Dropout, LearningRates, Method, Options, Rank, Scale
from ..registry import register


class LoRAOptions(Options):
    """`r`: rank. `alpha`: the update is scaled by alpha / r. `dropout` on the update's input."""

    r: Rank = 8
    alpha: Scale = 8
    dropout: Dropout = 0.0


@register("lora", family="embedded")
class LoRA(Method[FusedEncoder]):
    """Low-rank updates of the query and value projections (Hu et al., 2021), through peft."""

    options = LoRAOptions

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        from peft import LoraConfig, inject_adapter_in_model

        towers = {name: backbones.tower(name) for name in backbones.modalities}
        for tower in towers.values():
            tower.requires_grad_(False)
            targets = [name for layer in projections(tower) for name in (layer.query, layer.value)]
            config = LoraConfig(
                r=self.chosen.r, lora_alpha=self.chosen.alpha, lora_dropout=self.chosen.dropout, target_modules=targets
            )
            inject_adapter_in_model(config, tower.model)
        return FusedEncoder(TowerReader(towers, output_levels(backbones), frozen=False), backbones, width)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return tower_rates(encoder, text=4e-4, image=4e-4, rest=2e-4, head=2e-4)
