"""Adapter (Houlsby et al., 2019): bottlenecks after the attention and after the feed-forward of every layer."""

from torch import Tensor, nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.projections import projections, widths
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

    def __init__(self, linear: nn.Module, bottleneck: int) -> None:
        super().__init__()
        self.linear = linear
        self.adapter = Bottleneck(widths(linear)[1], bottleneck)

    @property
    def weight(self) -> nn.Parameter:
        """The map's own: T5 looks at its dtype."""
        return self.linear.get_parameter("weight")

    def forward(self, hidden: Tensor) -> Tensor:
        return self.adapter(self.linear(hidden))


@register("adapter", family="embedded")
class Adapter(TowerMethod):
    """Bottleneck adapters after attention and feed-forward of every layer (Houlsby et al., 2019)."""

    options = AdapterOptions
    search = RATES | {"bottleneck": Choice((16, 32, 64, 128))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """BenchError for a tower in which no attention and no feed-forward network has an output map."""
        tower.requires_grad_(False)
        layers = projections(tower)
        attentions = [attention.output for layer in layers for attention in layer.attentions]
        networks = [network.down for layer in layers for network in layer.feed_forwards]
        if not attentions and not networks:
            raise BenchError(
                f"method 'adapter': no linear map ends an attention or a feed-forward network in the "
                f"{tower.shape.modality} tower ({type(tower.model).__name__}); "
                "use one that needs none, such as fft"
            )
        for found, what in ((attentions, "attentions"), (networks, "feed-forward networks")):
            if not found:
                self.note(tower, f"no adapters after {what}: no linear map ends one")
        ends = {name: None for layer in layers for name in layer.ends}
        for name in ends:
            linear = tower.model.get_submodule(name)
            tower.model.set_submodule(name, AdaptedLinear(linear, self.chosen.bottleneck))
