"""Encodes the catalogue once and ranks the held-out targets of a split."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...datasets.catalogue import Dataset, Sequences
from ...methods.features.content import CachedContent, Content
from ...methods.head.recommender import Recommender
from ...methods.inputs import ItemInputs
from .prefetch import prefetch
from .ranking import RankingRule, rank_targets, users_per_chunk

_ITEMS_PER_BATCH = 128
_CACHED_ITEMS_PER_BATCH = 1024


@dataclass(frozen=True)
class Evaluator:
    """Ranks with a recommender. Its batches are its own: results do not depend on the training batch."""

    recommender: Recommender
    content: Content
    dataset: Dataset
    rule: RankingRule
    device: torch.device
    autocast: AbstractContextManager[object]

    @torch.no_grad()
    def embeddings(self, batches: int | None = None) -> Tensor:
        """Embeddings of the whole catalogue, float32 `[n_items + 1, width]`, row 0 zero; `batches` limits the work."""
        self.recommender.eval()
        width = self.recommender.head.positions.embedding_dim
        table = torch.zeros(self.dataset.catalogue.size + 1, width, device=self.device)
        for number, (items, inputs) in enumerate(prefetch(self._batches(), self.device)):
            if number == batches:
                break
            with self.autocast:
                encoded = self.recommender.item_encoder(inputs.to(self.device))
            table[items.to(self.device)] = encoded.float()
        return table

    def ranks(self, sequences: Sequences, embeddings: Tensor) -> np.ndarray:
        """The rank of each user's last item; see `ranking.rank_targets`. Scores are float32 whatever the precision."""

        def score(history: Tensor) -> Tensor:
            return self.recommender.user_vectors(history, embeddings) @ embeddings.T

        return rank_targets(score, sequences, self.dataset.catalogue.size, self.rule, self.device)

    def first_users(self, sequences: Sequences) -> Sequences:
        """As many users as are ranked at a time: enough to see what ranking needs."""
        return sequences.subset(slice(users_per_chunk(self.dataset.catalogue.size, self.device)))

    def watch(self) -> Callable[[], float]:
        """Starts a stopwatch; each call gives the seconds since, the device's work included."""
        start = time.perf_counter()

        def read() -> float:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return time.perf_counter() - start

        return read

    def _batches(self) -> Iterator[tuple[Tensor, ItemInputs]]:
        """From the longest texts to the shortest, so that the first batch needs the most memory."""
        order = torch.from_numpy(self.content.order()[::-1].copy())
        size = _CACHED_ITEMS_PER_BATCH if isinstance(self.content, CachedContent) else _ITEMS_PER_BATCH
        for items in order.split(size):
            yield items, self.content.gather(items)
