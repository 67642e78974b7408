"""SASRec over learned vectors: the head without content."""

from torch import Tensor, nn

from ..backbones.pair import Backbones
from ..encoder import ItemEncoder
from ..inputs import ItemInputs, Reads
from ..method import LearningRates, Method
from ..registry import register


class IDEncoder(ItemEncoder):
    """One learned vector an item, of about unit length at the start.

    Beside the head's position embeddings, which are added to it, a vector must be seen: Kang and McAuley multiply
    theirs by √width. Xavier's deviation shrinks with the catalogue, so that the head would learn of little but places.
    """

    def __init__(self, items: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(items + 1, width)
        nn.init.normal_(self.embedding.weight, std=width**-0.5)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, width]`."""
        return self.embedding(inputs.items)


@register("sasrec-id", family="reference")
class SASRecID(Method[IDEncoder]):
    """The same head over learned ID embeddings, without any backbone (Kang and McAuley, 2018)."""

    def reads(self, backbones: Backbones) -> Reads:
        return {}

    def item_encoder(self, backbones: Backbones, width: int) -> IDEncoder:
        return IDEncoder(backbones.items, width)

    def learning_rates(self, encoder: IDEncoder) -> LearningRates:
        return LearningRates({"item embeddings": (list(encoder.parameters()), 1e-3)}, head=2e-4)
