"""Frozen towers under a trained projection: the floor that every adaptation has to beat."""

from ..backbones.pair import Backbones
from ..features.readers import CacheReader, TowerReader
from ..fusion import FusedEncoder, TowerRates, output_levels
from ..inputs import Reads, States
from ..method import LearningRates, Method
from ..registry import register


@register("frozen", family="decoupled")
class Frozen(Method[FusedEncoder]):
    """Frozen towers; only the projection above them and the head are trained."""

    rates = TowerRates(text=0.0, image=0.0, rest=2e-4, head=2e-4)

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        return FusedEncoder(self.reader(backbones), backbones, width)

    def reader(self, backbones: Backbones) -> TowerReader | CacheReader:
        """Where the outputs come from."""
        towers = {name: backbones.tower(name) for name in backbones.modalities}
        return TowerReader(towers, output_levels(backbones), frozen=True)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return self.rates.of(encoder)


@register("frozen-cached", family="decoupled", uncached="frozen")
class FrozenCached(Frozen):
    """The same, reading the towers' outputs from the feature cache."""

    def reads(self, backbones: Backbones) -> Reads:
        return {name: States(levels) for name, levels in output_levels(backbones).items()}

    def reader(self, backbones: Backbones) -> CacheReader:
        return CacheReader()
