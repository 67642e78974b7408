"""SASRec over learned vectors: the head without content."""

from torch import Tensor, nn

from ..backbones.pair import Backbones
from ..encoder import ItemEncoder
from ..inputs import ItemInputs, Reads
from ..method import LearningRates, Method
from ..registry import register


class IDEncoder(ItemEncoder):
    """One learned vector an item."""

    def __init__(self, items: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(items + 1, width)
        nn.init.xavier_normal_(self.embedding.weight)

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
        return LearningRates({"item embeddings": (list(encoder.parameters()), 1e-3)}, head=1e-3)
