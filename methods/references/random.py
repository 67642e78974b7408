"""A random order: what any ranking has to beat."""

import numpy as np

from ..registry import register
from .ranker import Ranker


@register("random", family="reference")
class Random(Ranker):
    """Items in an order drawn anew for each user."""

    stochastic = True

    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        return generator.random((users, len(train_counts)), dtype=np.float32)
