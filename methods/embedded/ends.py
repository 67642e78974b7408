"""Puts adapters where a layer's attentions and feed-forward networks end, whatever a family calls its maps."""

from collections.abc import Callable

from torch import Tensor, nn

from ...errors import BenchError
from ..backbones.projections import projections, widths
from ..backbones.tower import Tower
from ..fusion import TowerMethod


class AdaptedLinear(nn.Module):
    """A frozen linear map followed by an adapter, before the residual sum that the layer adds."""

    def __init__(self, linear: nn.Module, adapter: nn.Module) -> None:
        super().__init__()
        self.linear = linear
        self.adapter = adapter

    @property
    def weight(self) -> nn.Parameter:
        """The map's own: T5 looks at its dtype."""
        return self.linear.get_parameter("weight")

    def forward(self, hidden: Tensor) -> Tensor:
        return self.adapter(self.linear(hidden))


def adapt_ends(
    method: TowerMethod, tower: Tower, adapter: Callable[[int], nn.Module], after_attention: bool = True
) -> None:
    """Freezes a tower and puts `adapter(width)` after each map that ends a feed-forward network, and an attention.

    Notes what a tower has none of. BenchError where it has nothing that an adapter could stand after.
    """
    tower.requires_grad_(False)
    layers = projections(tower)
    attentions = [attention.output for layer in layers for attention in layer.attentions if after_attention]
    networks = [network.down for layer in layers for network in layer.feed_forwards]
    wanted = {"attention": attentions, "feed-forward network": networks}
    if not after_attention:
        del wanted["attention"]
    if not attentions and not networks:
        raise BenchError(
            f"method '{method.name}': no linear map ends {' or '.join(f'{_article(what)} {what}' for what in wanted)} "
            f"in the {tower.shape.modality} tower ({type(tower.model).__name__}); use one that needs none, such as fft"
        )
    for what, found in wanted.items():
        if not found:
            method.note(tower, f"no adapters after {what}s: no linear map ends one")
    places = {*attentions, *networks}
    for name in dict.fromkeys(name for layer in layers for name in layer.ends if name in places):
        linear = tower.model.get_submodule(name)
        tower.model.set_submodule(name, AdaptedLinear(linear, adapter(widths(linear)[1])))


def _article(what: str) -> str:
    return "an" if what[0] in "aeiou" else "a"
