"""Popularity: the ranking that knows no user and no item."""

import numpy as np

from ..registry import register
from .ranker import Ranker, Scorer, Shelf


@register("popularity", family="reference")
class Popularity(Ranker):
    """Items by how often they occur in the training sequences."""

    def scorer(self, shelf: Shelf, generator: np.random.Generator) -> Scorer:
        counts = shelf.train_counts[None].astype(np.float32)
        return lambda histories: counts
