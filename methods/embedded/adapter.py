"""Adapter (Houlsby et al., 2019): bottlenecks after the attention and after the feed-forward of every layer."""

from torch import Tensor, nn

from ..backbones.projections import projections
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register
from .bottleneck import Bottleneck


class AdapterOptions(Options):
    """`bottleneck`: hidden width of each adapter."""

    bottleneck: Rank = 64


class AdaptedLinear(nn.Module):
    """A frozen linear map followed by an adapter, before the residual sum that the layer adds."""

    def __init__(self, linear: nn.Linear, bottleneck: int) -> None:
        super().__init__()
        self.linear = linear
        self.adapter = Bottleneck(linear.out_features, bottleneck)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.adapter(self.linear(hidden))


@register("adapter", family="embedded")
class Adapter(TowerMethod):
    """Bottleneck adapters after attention and feed-forward of every layer (Houlsby et al., 2019)."""

    options = AdapterOptions
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        tower.requires_grad_(False)
        for layer in projections(tower):
            for name in (layer.attention_output, layer.feed_forward_output):
                linear = tower.model.get_submodule(name)
                assert isinstance(linear, nn.Linear)
                tower.model.set_submodule(name, AdaptedLinear(linear, self.chosen.bottleneck))
