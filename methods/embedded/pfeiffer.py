"""Pfeiffer's adapter (Pfeiffer et al., 2021): one bottleneck a layer, after its feed-forward network."""

from ...ranges import RATES, Choice
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..registry import register
from .adapter import AdapterOptions
from .bottleneck import Bottleneck
from .ends import adapt_ends


@register("pfeiffer", family="embedded")
class Pfeiffer(TowerMethod):
    """One bottleneck adapter a layer, after its feed-forward network (Pfeiffer et al., 2021)."""

    options = AdapterOptions
    search = RATES | {"bottleneck": Choice((16, 32, 64, 128))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """The adapter stands before the residual sum, as Houlsby's second one does.

        BenchError for a tower in which no feed-forward network has an output map.
        """
        adapt_ends(self, tower, lambda width: Bottleneck(width, self.chosen.bottleneck), after_attention=False)
