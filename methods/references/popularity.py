"""Popularity: the ranking that knows no user and no item."""

import numpy as np

from ..registry import register
from .ranker import Ranker


@register("popularity", family="reference")
class Popularity(Ranker):
    """Items by how often they occur in the training sequences."""

    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        return train_counts[None].astype(np.float32)
