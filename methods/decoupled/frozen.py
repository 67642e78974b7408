"""Frozen towers under a trained projection: the floor that every adaptation has to beat."""

from ..backbones.source import Backbones
from ..features.readers import CacheReader, TowerReader
from ..fusion import FusedEncoder, output_levels, tower_rates
from ..method import LearningRates, Method
from ..registry import register


@register("frozen", family="decoupled")
class Frozen(Method[FusedEncoder]):
    """Frozen towers; only the projection above them and the head are trained."""

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        return FusedEncoder(self.reader(backbones), backbones, width)

    def reader(self, backbones: Backbones) -> TowerReader | CacheReader:
        """Where the outputs come from."""
        towers = {name: backbones.tower(name) for name in backbones.modalities}
        return TowerReader(towers, output_levels(backbones), frozen=True)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return tower_rates(encoder, text=0.0, image=0.0, rest=2e-4, head=2e-4)


@register("frozen-cached", family="decoupled")
class FrozenCached(Frozen):
    """The same, reading the towers' outputs from the feature cache."""

    content = "states"

    def levels(self, backbones: Backbones) -> dict[str, tuple[int, ...]]:
        return output_levels(backbones)

    def reader(self, backbones: Backbones) -> CacheReader:
        return CacheReader()
