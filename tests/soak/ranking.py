"""What ranking takes beside its products alone: 1,000 users over up to a million items of width 64.

    taskset -c 0 python tests/soak/ranking.py

Products and ranking take turns and each has its quickest turn; one thread. The products are those of 2048 × 2048 ×
2048, as many as the operations are. Ends with status 1 when ranking takes more than four times theirs.
"""

import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from tpmebench.bench.tasks.ranking import RankingRule, rank_targets
from tpmebench.bench.tasks.task import ScoreUsers
from tpmebench.datasets.catalogue import Sequences

USERS, WIDTH, HISTORY, SIDE, TURNS = 1000, 64, 13, 2048, 3
MOST = 4.0


def seconds(work: Callable[[], object]) -> float:
    """Of this process, whatever else the machine does."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ranking(items: int) -> Callable[[], object]:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    users = torch.randn(USERS, WIDTH, generator=generator)
    table = torch.randn(items + 1, WIDTH, generator=generator)
    stops = np.arange(1, USERS + 1) * HISTORY
    sequences = Sequences(rng.integers(1, items + 1, USERS * HISTORY), stops - HISTORY, stops)

    def rank() -> object:
        rows = iter(range(USERS))

        def taken(history: torch.Tensor) -> torch.Tensor:
            return users[[next(rows) for _ in history]]

        score = ScoreUsers(lambda history: taken(history) @ table.T, lambda history: (taken(history), table))
        return rank_targets(score, sequences, items, RankingRule(), torch.device("cpu"))

    return rank


def main() -> int:
    torch.set_num_threads(1)
    square = torch.randn(SIDE, SIDE)
    worst = 0.0
    for items in (20_000, 200_000, 1_000_000):
        rank, products = ranking(items), USERS * items * WIDTH / SIDE**3
        turns = [(seconds(lambda: square @ square) * products, seconds(rank)) for _ in range(TURNS)]
        floor, own = (min(turn[place] for turn in turns) for place in (0, 1))
        worst = max(worst, own / floor)
        print(f"{items:>9,} items: {own:6.2f} s, products alone {floor:5.2f} s, × {own / floor:.1f}", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
