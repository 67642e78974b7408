"""A recommender: a method's item encoder under the head that all methods share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...datasets.batches import Batch
from ..inputs import ItemInputs
from .loss import Candidates, in_batch_loss
from .sasrec import SASRec

E = TypeVar("E", bound=nn.Module)
H = TypeVar("H", bound=nn.Module)


class Recommender(nn.Module, ABC):
    """A method's item encoder under a task's head, with the task's loss."""

    def __init__(self, item_encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.item_encoder = item_encoder
        self.head = head

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns of an embedding."""

    @abstractmethod
    def loss(self, batch: Any, inputs: ItemInputs) -> Tensor:
        """Mean loss over the terms of one of the task's batches, whose items `inputs` shows."""

    @abstractmethod
    def scores(self, history: Tensor, embeddings: Tensor) -> Tensor:
        """Scores of items 0..n, `[users, n_items + 1]`, after each left-padded history of item numbers."""

    def factors(self, history: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor] | None:
        """Users `[users, width]` and items `[n_items + 1, width]` whose product the scores are, so that many items can
        be ranked in pieces; None where the scores are no product.
        """
        del history, embeddings
        return None

    def __init_subclass__(cls) -> None:
        """A class with scores of its own has not its parent's factors."""
        if "scores" in vars(cls) and "factors" not in vars(cls):
            cls.factors = Recommender.factors


class SequentialRecommender(Recommender):
    """Item encoder + SASRec + in-batch loss."""

    head: SASRec
    log_popularity: Tensor

    def __init__(self, item_encoder: nn.Module, head: SASRec, popularity: np.ndarray) -> None:
        super().__init__(item_encoder, head)
        # Items that never occur in training are never candidates; 1 keeps their logarithm finite.
        log_popularity = np.log(np.where(popularity > 0, popularity, 1.0))
        self.register_buffer("log_popularity", torch.from_numpy(log_popularity).float(), persistent=False)

    @property
    def width(self) -> int:
        return self.head.positions.embedding_dim

    def loss(self, batch: Batch, inputs: ItemInputs) -> Tensor:
        """Mean loss over the batch's positions."""
        encoded = self.item_encoder(inputs)
        table = torch.cat([encoded, encoded.new_zeros(1, encoded.shape[1])])
        history = functional.embedding(batch.index[:, :-1], table)
        vectors = self.head(history, batch.slots[:, :-1] > 0).flatten(0, 1).index_select(0, batch.positions)
        debias = -self.log_popularity[batch.items]
        candidates = Candidates(batch.items, batch.log_counts + debias, debias[batch.labels])
        return in_batch_loss(vectors, encoded, candidates, batch.slots, batch.users, batch.labels)

    def factors(self, history: Tensor, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """The head's vectors at the last position, and the embeddings as they are."""
        return self.head(embeddings[history], history > 0, last=True), embeddings

    def scores(self, history: Tensor, embeddings: Tensor) -> Tensor:
        """The product of user vectors and embeddings."""
        users, items = self.factors(history, embeddings)
        return users @ items.T


def drawn_alike(head: Callable[[], H], item_encoder: Callable[[], E], seed: int) -> tuple[E, H]:
    """Item encoder and head as they start. The head's generator is its own: all methods start from the same head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = head()
        torch.manual_seed(seed)
        return item_encoder(), drawn
