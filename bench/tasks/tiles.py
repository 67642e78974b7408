"""Ranks over many items: products of users and items in tiles that a processor's cache holds, counted as they come.

A row of a million scores leaves the cache before it is looked at, and the table of embeddings is read anew for every
few users. In tiles each score is made, masked and counted where it is.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .task import not_finite


@dataclass(frozen=True)
class Tile:
    """How many users and items are multiplied at a time."""

    users: int
    items: int


TILES = {"cpu": Tile(256, 1024), "cuda": Tile(1024, 16384)}


def ranks_by_tiles(factors: tuple[Tensor, Tensor], slots: np.ndarray, masks: bool, tile: Tile) -> Tensor:
    """Ranks, float64 `[users]`, of the last item of each row of `slots`, int64 `[users, width]`, left-padded.

    `factors`: users `[users, width]` and items `[n_items + 1, width]`. With `masks` what stands before the target is
    masked, and a target that stands there is missed: infinite. As `rank_scores` defines them. Diverged for scores
    that are not finite.
    """
    users, items = factors
    count, most = len(users), min(tile.items, len(items))
    own = _own_scores(users, items, torch.from_numpy(slots[:, -1]).to(items.device), most)
    hidden = _Hidden.of(slots if masks else slots[:, -1:])
    scores, hits = (users.new_empty(count, most) for _ in range(2))
    sums, above, ties = (torch.zeros(count, dtype=torch.float64, device=users.device) for _ in range(3))
    done = 1  # padding is no item
    for start in range(0, len(items), most):
        start = min(start, len(items) - most)  # all products are of one shape, so that equal items score alike
        torch.mm(users, items[start : start + most].T, out=scores)
        sums += scores.sum(1)
        scores[:, : max(0, done - start)] = -torch.inf  # counted before
        rows, columns = hidden.within(start, start + most, users.device)
        scores[rows, columns] = -torch.inf
        above += torch.gt(scores, own, out=hits).sum(1)
        ties += torch.eq(scores, own, out=hits).sum(1)
        done = start + most
    if not torch.isfinite(sums.sum()):
        raise not_finite()
    missed = (slots[:, :-1] == slots[:, -1:]).any(1) & masks
    ranks = 1.0 + above + 0.5 * ties
    return ranks.masked_fill(torch.from_numpy(missed).to(ranks.device), torch.inf)


def _own_scores(users: Tensor, items: Tensor, targets: Tensor, most: int) -> Tensor:
    """The score of each user's target, `[users, 1]`, by a product of the same shape as the tiles' where there is one:
    what is summed in another order may differ in the last digit, and a tie would be none.
    """
    count = len(users)
    chosen = targets.new_zeros(max(most, count))
    chosen[:count] = targets
    return (users @ items[chosen].T).diagonal()[:, None].clone()


@dataclass(frozen=True)
class _Hidden:
    """Scores that take no part, sorted by item: the row and the column of each."""

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, slots: np.ndarray) -> "_Hidden":
        order = np.argsort(slots, axis=None)
        return cls(order // slots.shape[1], slots.reshape(-1)[order])

    def within(self, start: int, stop: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Those of some items, as places in their tile."""
        part = slice(*np.searchsorted(self.columns, [start, stop]).tolist())
        rows, columns = self.rows[part], self.columns[part] - start
        return torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)
