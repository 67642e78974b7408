"""Encodes the catalogue once and has the users of a split judged."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...datasets.catalogue import Dataset, Sequences
from ...methods.features.content import Content, read_in_order
from ...methods.head.recommender import Recommender
from ..tasks.task import Judge, ScoreUsers
from .prefetch import prefetch


@dataclass(frozen=True)
class Evaluator:
    """Judges a recommender. Its batches are its own: results do not depend on the training batch."""

    recommender: Recommender
    content: Content
    dataset: Dataset
    judge: Judge
    device: torch.device
    autocast: AbstractContextManager[object]

    @torch.no_grad()
    def embeddings(self, batches: Sequence[Tensor] | None = None) -> Tensor:
        """Embeddings of the whole catalogue, float32 `[n_items + 1, width]`, row 0 zero; of some `batches` alone."""
        self.recommender.eval()
        table = self.empty()
        wanted = self.batches() if batches is None else batches
        with read_in_order(self.content):
            for items, inputs in prefetch(((items, self.content.gather(items)) for items in wanted), self.device):
                with self.autocast:
                    encoded = self.recommender.item_encoder(inputs.to(self.device))
                table[items.to(self.device)] = encoded.float()
        return table

    def empty(self) -> Tensor:
        """A table of embeddings that holds none."""
        return torch.zeros(self.dataset.catalogue.size + 1, self.recommender.width, device=self.device)

    def ranks(self, sequences: Sequences, embeddings: Tensor) -> np.ndarray:
        """What the task's judge says of each user. Scores are float32 whatever the precision."""
        recommender = self.recommender
        score = ScoreUsers(
            lambda history: recommender.scores(history, embeddings),
            lambda history: recommender.factors(history, embeddings),
        )
        return self.judge(score, sequences, self.dataset.catalogue.size, self.device)

    def first_users(self, sequences: Sequences) -> Sequences:
        """As many users as are ranked at a time: enough to see what ranking needs."""
        return sequences.subset(slice(self.judge.users_at_once(self.dataset.catalogue.size, self.device)))

    def watch(self) -> Callable[[], float]:
        """Starts a stopwatch; each call gives the seconds since, the device's work included."""
        start = time.perf_counter()

        def read() -> float:
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            return time.perf_counter() - start

        return read

    def batches(self) -> Sequence[Tensor]:
        """Items that are encoded together: the first needs the most memory."""
        return torch.from_numpy(self.content.order().copy()).split(self.content.at_once)
