"""BitFit (Ben Zaken et al., 2022): only the biases of the towers are trained."""

from ..backbones.source import Backbones
from ..features.readers import TowerReader
from ..fusion import FusedEncoder, output_levels, tower_rates
from ..method import LearningRates, Method
from ..registry import register


@register("bitfit", family="embedded")
class BitFit(Method[FusedEncoder]):
    """Every bias of both towers (Ben Zaken et al., 2022)."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        towers = {name: backbones.tower(name) for name in backbones.modalities}
        for tower in towers.values():
            for name, parameter in tower.named_parameters():
                parameter.requires_grad_(name.endswith("bias"))
        return FusedEncoder(TowerReader(towers, output_levels(backbones), frozen=False), backbones, width)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return tower_rates(encoder, text=5e-5, image=1e-4, rest=2e-4, head=2e-4)
