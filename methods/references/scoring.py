"""Reference rows: rankings that adapt no backbone and anchor every table."""

from abc import abstractmethod

import numpy as np
from torch import Tensor, nn

from ..backbones.source import Backbones
from ..encoder import ItemEncoder
from ..inputs import ItemInputs
from ..method import LearningRates, Method
from ..registry import register


class ScoringReference(Method[nn.Module]):
    """A ranking that trains nothing: scores come from the training counts alone."""

    content = "none"

    @abstractmethod
    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        """Scores for a chunk of users, float32 `[users, n_items + 1]` or one row for all."""

    def item_encoder(self, backbones: Backbones, width: int) -> nn.Module:
        raise TypeError(f"'{self.name}' encodes no items")

    def learning_rates(self, encoder: nn.Module) -> LearningRates:
        raise TypeError(f"'{self.name}' trains nothing")


@register("popularity", family="reference")
class Popularity(ScoringReference):
    """Items by how often they occur in the training sequences."""

    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        return train_counts[None].astype(np.float32)


@register("random", family="reference")
class Random(ScoringReference):
    """Items in an order drawn anew for each user."""

    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        return generator.random((users, len(train_counts)), dtype=np.float32)


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

    content = "ids"

    def item_encoder(self, backbones: Backbones, width: int) -> IDEncoder:
        return IDEncoder(backbones.items, width)

    def learning_rates(self, encoder: IDEncoder) -> LearningRates:
        return LearningRates({"item embeddings": (list(encoder.parameters()), 1e-3)}, head=1e-3)
