"""Partial fine-tuning: the top layers of both towers are trained, those below run without gradients."""

from torch import nn

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.operations import after_layers
from ..backbones.tower import Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register


class PartialOptions(Options):
    """`layers`: how many are trained, counted from the top."""

    layers: Rank = 1


@register("partial", family="embedded")
class Partial(TowerMethod):
    """Fine-tuning of the top layers of both towers and of what follows them (Partial-k of Jia et al., 2022)."""

    options = PartialOptions
    search = RATES | {"layers": Choice((1, 2))}
    rates = TowerRates(text=5e-5, image=1e-4, rest=1e-4, head=1e-4)

    def adapt(self, tower: Tower) -> None:
        """Embeddings stay frozen, all layers of `layers` = depth not. BenchError for more layers than there are, and
        where one that is trained runs below the others, too.
        """
        wanted, layers, kind = self.chosen.layers, list(tower.layers), type(tower.model).__name__
        if wanted > len(layers):
            raise BenchError(
                f"method '{self.name}': option 'layers': the {tower.shape.modality} tower ({kind}) has {len(layers)} "
                f"layers, not {wanted}; give 1 to {len(layers)}"
            )
        below, top = layers[: len(layers) - wanted], layers[len(layers) - wanted :]
        if {id(layer) for layer in below} & {id(layer) for layer in top}:
            raise BenchError(
                f"method '{self.name}': the layers of the {tower.shape.modality} tower ({kind}) share their weights: "
                f"none is trained alone; give layers={len(layers)}"
            )
        above = [tower.model.get_submodule(name) for name in after_layers(tower)]
        read = {parameter for parameter in tower.parameters() if parameter.requires_grad}
        tower.requires_grad_(False)
        for parameter in nn.ModuleList([*top, *above]).parameters():
            parameter.requires_grad_(parameter in read)
