"""Adapter (Houlsby et al., 2019): bottlenecks after the attention and after the feed-forward of every layer."""

from ...ranges import RATES, Choice
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register
from .bottleneck import Bottleneck
from .ends import adapt_ends


class AdapterOptions(Options):
    """`bottleneck`: hidden width of each adapter."""

    bottleneck: Rank = 64


@register("adapter", family="embedded")
class Adapter(TowerMethod):
    """Bottleneck adapters after attention and feed-forward of every layer (Houlsby et al., 2019)."""

    options = AdapterOptions
    search = RATES | {"bottleneck": Choice((16, 32, 64, 128))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """BenchError for a tower in which no attention and no feed-forward network has an output map."""
        adapt_ends(self, tower, lambda width: Bottleneck(width, self.chosen.bottleneck))
