"""A recommender: a method's item encoder under the head that all methods share."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...datasets.batches import Batch
from ..backbones.source import Backbones
from ..inputs import ItemInputs
from ..method import Method
from .loss import Candidates, in_batch_loss
from .sasrec import HeadSize, SASRec


class Recommender(nn.Module):
    """Item encoder + SASRec + in-batch loss."""

    log_popularity: Tensor

    def __init__(self, item_encoder: nn.Module, head: SASRec, popularity: np.ndarray) -> None:
        super().__init__()
        self.item_encoder = item_encoder
        self.head = head
        # Items that never occur in training are never candidates; 1 keeps their logarithm finite.
        log_popularity = np.log(np.where(popularity > 0, popularity, 1.0))
        self.register_buffer("log_popularity", torch.from_numpy(log_popularity).float(), persistent=False)

    def loss(self, batch: Batch, inputs: ItemInputs) -> Tensor:
        """Mean loss over the batch's positions."""
        encoded = self.item_encoder(inputs)
        table = torch.cat([encoded, encoded.new_zeros(1, encoded.shape[1])])
        history = functional.embedding(batch.index[:, :-1], table)
        vectors = self.head(history, batch.slots[:, :-1] > 0).flatten(0, 1).index_select(0, batch.positions)
        debias = -self.log_popularity[batch.items]
        candidates = Candidates(batch.items, batch.log_counts + debias, debias[batch.labels])
        return in_batch_loss(vectors, encoded, candidates, batch.slots, batch.users, batch.labels)

    def user_vectors(self, history: Tensor, embeddings: Tensor) -> Tensor:
        """Vectors that score the item after each left-padded history of item numbers, `[users, width]`."""
        return self.head(embeddings[history], history > 0)[:, -1]


def build_recommender(
    method: Method, backbones: Backbones, size: HeadSize, popularity: np.ndarray, seed: int
) -> Recommender:
    """The recommender of a method. The head's generator is its own: all methods start from the same head."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = SASRec(size)
        torch.manual_seed(seed)
        encoder = method.item_encoder(backbones, size.width)
    return Recommender(encoder, head, popularity)
