"""Partial fine-tuning: the top layers of both towers are trained, those below run without gradients."""

from ...errors import BenchError
from ...ranges import RATES, Choice
from ..backbones.tower import OUTPUT, Tower
from ..fusion import TowerMethod, TowerRates
from ..method import Options, Rank
from ..registry import register
from .split import train_above


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
        wanted, depth = self.chosen.layers, len(tower.layers)
        option = f"method '{self.name}': option 'layers'"
        if wanted > depth:
            raise BenchError(
                f"{option}: the {tower.shape.modality} tower ({tower.anatomy.model}) has {depth} layers, not {wanted}; "
                f"give 1 to {depth}"
            )
        train_above(tower, depth - wanted, (OUTPUT,), option)
