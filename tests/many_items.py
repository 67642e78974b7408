"""A ranking of random users over random items: what to hold against the products that it cannot do without."""

from collections.abc import Callable

import numpy as np
import torch

from tpmebench.bench.tasks.ranking import RankingRule, rank_targets
from tpmebench.bench.tasks.task import ScoreUsers
from tpmebench.datasets.catalogue import Sequences

WIDTH, HISTORY = 64, 13


def ranking(users: int, items: int) -> Callable[[], np.ndarray]:
    """Ranks each user's target among all items, of width 64."""
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    states = torch.randn(users, WIDTH, generator=generator)
    table = torch.randn(items + 1, WIDTH, generator=generator)
    stops = np.arange(1, users + 1) * HISTORY
    sequences = Sequences(rng.integers(1, items + 1, users * HISTORY), stops - HISTORY, stops)

    def rank() -> np.ndarray:
        rows = iter(range(users))

        def taken(history: torch.Tensor) -> torch.Tensor:
            return states[[next(rows) for _ in history]]

        score = ScoreUsers(lambda history: taken(history) @ table.T, lambda history: (taken(history), table))
        return rank_targets(score, sequences, items, RankingRule(), torch.device("cpu"))

    return rank


def operations(users: int, items: int) -> int:
    """Of the products alone."""
    return 2 * users * items * WIDTH
