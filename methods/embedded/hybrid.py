"""Hybrids: the lower layers of both towers frozen, and cached at all positions, the top layers trained from there."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.pair import Backbones
from ..backbones.tower import OUTPUT
from ..decoupled.iisan import IISAN, IISANEncoder, IISANOptions
from ..decoupled.levels import side_levels
from ..features.readers import CacheReader, TowerReader
from ..fusion import FusedEncoder, TowerRates, output_levels
from ..inputs import Reads, States
from ..method import LearningRates
from ..registry import register
from .split import ResumedReader, SplitReader

Levels = dict[str, tuple[int, ...]]


class HybridOptions(IISANOptions):
    """`trained`: how many layers of each tower, from the top, or "all". `side`: whether IISAN's side networks read the
    towers, or a projection their outputs, to which no other option applies. The rest: as of `iisan`.
    """

    trained: Annotated[int, Field(ge=0, le=65_536, strict=True)] | Literal["all"] = 1
    side: StrictBool = True


@register("hybrid", family="hybrid")
class Hybrid(IISAN):
    """The top layers of both towers trained, alone or under IISAN's side networks, those below frozen."""

    options = HybridOptions
    search = RATES | {"trained": Choice((1, 2)), "layers": Choice(("every-second", "all"))}
    rates = TowerRates(text=5e-5, image=1e-4, rest=2e-4, head=2e-4)

    @property
    def trains_inside(self) -> bool:
        return self.chosen.trained != 0

    @property
    def _option(self) -> str:
        return f"method '{self.name}': option 'trained'"

    def item_encoder(self, backbones: Backbones, width: int) -> IISANEncoder | FusedEncoder:  # type: ignore[override]
        if self.chosen.side:
            return super().item_encoder(backbones, width)
        return FusedEncoder(self.reader(backbones, output_levels(backbones)), backbones, width)

    def levels(self, backbones: Backbones) -> Levels:
        """What is read of each tower: the levels of the side networks, or the output."""
        return side_levels(self.name, self.chosen.layers, backbones) if self.chosen.side else output_levels(backbones)

    def reader(self, backbones: Backbones, levels: Levels) -> TowerReader | CacheReader:
        if not self.trains_inside:
            return super().reader(backbones, levels)
        towers = {name: backbones.tower(name) for name in levels}
        return SplitReader(towers, levels, self.starts(backbones, levels), self._option)

    def starts(self, backbones: Backbones, levels: Levels) -> dict[str, int]:
        """The level above which each tower is trained. BenchError for too many layers, and where the top is unread."""
        wanted, starts = self.chosen.trained, dict[str, int]()
        for name, read in levels.items():
            depth = backbones.shapes[name].depth
            if wanted != "all" and wanted > depth:
                raise BenchError(
                    f"{self._option}: the {name} tower has {depth} layers, not {wanted}; give 0 to {depth}, or all"
                )
            if OUTPUT not in read and read[-1] != depth:
                raise BenchError(
                    f"method '{self.name}': the {name} tower's last layer is trained and must be read; give layers "
                    "that end with it, such as every-second"
                )
            starts[name] = 0 if wanted == "all" else depth - wanted
        return starts

    def learning_rates(self, encoder: IISANEncoder | FusedEncoder) -> LearningRates:  # type: ignore[override]
        if isinstance(encoder, FusedEncoder):
            return self.rates.of(encoder)
        own = super().learning_rates(encoder)
        return LearningRates(own.groups | self.rates.of_towers(encoder.reader), own.head)


@register("hybrid-cached", family="hybrid", uncached="hybrid")
class HybridCached(Hybrid):
    """The same, reading from the feature cache the states that the trained layers start from, at all positions."""

    def reads(self, backbones: Backbones) -> Reads:
        levels = self.levels(backbones)
        if not self.trains_inside:
            return {name: States(read) for name, read in levels.items()}
        starts = self.starts(backbones, levels)
        return {
            name: States(tuple(level for level in read if OUTPUT < level < starts[name]), whole=(starts[name],))
            for name, read in levels.items()
        }

    def reader(self, backbones: Backbones, levels: Levels) -> TowerReader | CacheReader:
        if not self.trains_inside:
            return CacheReader()
        towers = {name: backbones.tower(name) for name in levels}
        return ResumedReader(towers, levels, self.starts(backbones, levels), self._option)
