"""A random order: what any ranking has to beat."""

import numpy as np

from ..registry import register
from .ranker import Ranker, Scorer, Shelf


@register("random", family="reference")
class Random(Ranker):
    """Items in an order drawn anew for each user."""

    stochastic = True

    def scorer(self, shelf: Shelf, generator: np.random.Generator) -> Scorer:
        return lambda histories: generator.random((len(histories), len(shelf.train_counts)), dtype=np.float32)
