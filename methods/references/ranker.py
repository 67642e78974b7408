"""The contract of a ranking that trains nothing."""

from abc import abstractmethod
from typing import ClassVar, Literal

import numpy as np

from ..method import Registered


class Ranker(Registered):
    """A ranking that trains nothing: its scores come from the training counts alone, on a CPU, and are not timed."""

    kind: ClassVar[Literal["ranker"]] = "ranker"
    stochastic = False

    @abstractmethod
    def scores(self, train_counts: np.ndarray, users: int, generator: np.random.Generator) -> np.ndarray:
        """Scores for a chunk of users, float32 `[users, n_items + 1]` or one row for all."""
