"""What ranking takes beside its products alone: 1,000 users over up to a million items of width 64.

    taskset -c 0 python tests/soak/ranking.py

Products and ranking take turns and each has its quickest turn; one thread. The products are those of 2048 × 2048 ×
2048, as many as the operations are. Ends with status 1 when ranking takes more than four times theirs.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from many_items import operations, ranking

USERS, SIDE, TURNS = 1000, 2048, 3
MOST = 4.0


def seconds(work: Callable[[], object]) -> float:
    """Of this process, whatever else the machine does."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> int:
    torch.set_num_threads(1)
    square = torch.randn(SIDE, SIDE)
    worst = 0.0
    for items in (20_000, 200_000, 1_000_000):
        rank, products = ranking(USERS, items), operations(USERS, items) / (2 * SIDE**3)
        turns = [(seconds(lambda: square @ square) * products, seconds(rank)) for _ in range(TURNS)]
        floor, own = (min(turn[place] for turn in turns) for place in (0, 1))
        worst = max(worst, own / floor)
        print(f"{items:>9,} items: {own:6.2f} s, products alone {floor:5.2f} s, × {own / floor:.1f}", flush=True)
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
