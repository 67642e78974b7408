"""Full fine-tuning: every parameter of both towers is trained."""

from ..backbones.source import Backbones
from ..features.readers import TowerReader
from ..fusion import FusedEncoder, output_levels, tower_rates
from ..method import LearningRates, Method
from ..registry import register


@register("fft", family="full")
class FullFineTuning(Method[FusedEncoder]):
    """Full fine-tuning of both towers."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        towers = {name: backbones.tower(name) for name in backbones.modalities}
        return FusedEncoder(TowerReader(towers, output_levels(backbones), frozen=False), backbones, width)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return tower_rates(encoder, text=5e-5, image=1e-4, rest=1e-4, head=1e-4)
