"""Parallel adapter (He et al., 2022), scaled as in AdaptFormer (Chen et al., 2022): beside the feed-forward network."""

from typing import Any

from torch import Tensor, nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.projections import projections, widths
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Scale
from ..registry import register
from .adapter import AdapterOptions
from .bottleneck import Bottleneck


class ParallelOptions(AdapterOptions):
    """`bottleneck`: hidden width of each adapter. `scale` multiplies what it adds to the network's output."""

    scale: Scale = 0.1


class LinearBesideAdapter(nn.Module):
    """The map that ends a feed-forward network; adds what an adapter makes of what the network was given."""

    def __init__(self, linear: nn.Module, bottleneck: int, scale: float) -> None:
        super().__init__()
        self.linear = linear
        self.adapter = Bottleneck(widths(linear)[1], bottleneck)
        self.scale = scale
        self.given: Tensor | None = None
        nn.init.kaiming_uniform_(self.adapter.down.weight, a=5**0.5)
        nn.init.zeros_(self.adapter.up.weight)

    @property
    def weight(self) -> nn.Parameter:
        """The map's own: T5 looks at its dtype."""
        return self.linear.get_parameter("weight")

    def keep(self, _up: nn.Module, args: tuple[Any, ...]) -> None:
        """Before the map that begins the network: remembers what it is given."""
        self.given = args[0]

    def forward(self, hidden: Tensor) -> Tensor:
        given, self.given = self.given, None
        assert given is not None, "the network's first map runs before its last"
        return self.linear(hidden) + self.scale * self.adapter.update(given)


@register("parallel", family="embedded")
class Parallel(TowerMethod):
    """A scaled adapter beside the feed-forward network of every layer (AdaptFormer, Chen et al., 2022)."""

    options = ParallelOptions
    search = RATES | {"bottleneck": Choice((16, 32, 64, 128)), "scale": Choice((0.1, 1.0, 4.0))}
    rates = TowerRates(text=4e-4, image=4e-4, rest=2e-4, head=2e-4)

    def adapt(self, tower: Tower) -> None:
        """It starts as the identity: up is zero. BenchError for a tower without feed-forward network of linear maps."""
        tower.requires_grad_(False)
        networks = dict.fromkeys(network for layer in projections(tower) for network in layer.feed_forwards)
        if not networks:
            raise BenchError(
                f"method '{self.name}': no feed-forward network of linear maps in the {tower.shape.modality} tower "
                f"({type(tower.model).__name__}); use one that needs none, such as fft"
            )
        for network in networks:
            first, last = (tower.model.get_submodule(name) for name in (network.up[0], network.down))
            beside = LinearBesideAdapter(last, self.chosen.bottleneck, self.chosen.scale)
            first.register_forward_pre_hook(beside.keep)
            tower.model.set_submodule(network.down, beside)
