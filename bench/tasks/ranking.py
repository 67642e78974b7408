"""Ranks of the held-out targets over the whole catalogue, and the kinds of target that there are."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...datasets.catalogue import Dataset, Sequences
from .task import Judge, ScoreUsers, not_finite
from .tiles import TILES, ranks_by_tiles


@dataclass(frozen=True)
class RankingRule(Judge):
    """The longest input to the model, and what becomes of a target that is in its user's history.

    "miss": history is masked, and such a target is missed (as published). "rank": no history is masked at all.
    """

    max_length: int = 10
    repeat_targets: str = "miss"

    def __call__(self, score: ScoreUsers, sequences: Sequences, items: int, device: torch.device) -> np.ndarray:
        return rank_targets(score, sequences, items, self, device)

    def users_at_once(self, items: int, device: torch.device) -> int:
        """Of a row of scores each as many as of any judge; in tiles more of them."""
        return max(super().users_at_once(items, device), TILES[device.type].users)


@torch.no_grad()
def rank_targets(
    score: ScoreUsers, sequences: Sequences, items: int, rule: RankingRule, device: torch.device
) -> np.ndarray:
    """The rank of each user's last item: float64 `[users]`, infinite for a repeat counted as missed.

    rank = 1 + items that score higher + half of those that tie. Scores come from the last `max_length` items before
    the target; the mask covers all that the sequence holds before it. Users go in chunks, and items too where there
    are many and scores are a product, so the score matrix is never held. Diverged for scores that are not finite.
    """
    chunk = rule.users_at_once(items, device)
    width = 1 + max(rule.max_length, int((sequences.stops - sequences.starts).max()) - 1)
    ranks = np.empty(len(sequences))
    for start in range(0, len(sequences), chunk):
        users = np.arange(start, min(start + chunk, len(sequences)))
        ranks[users] = _ranks(score, sequences.padded(users, width), items, rule, device)
    return ranks


def _ranks(score: ScoreUsers, slots: np.ndarray, items: int, rule: RankingRule, device: torch.device) -> np.ndarray:
    """Of some users, whose sequences are the rows of `slots`. Nothing of them is left when the next are ranked."""
    whole, tile = Judge.users_at_once(rule, items, device), TILES[device.type]
    there = torch.from_numpy(slots).to(device)
    read = there[:, -1 - rule.max_length : -1]
    if whole < tile.users and (factors := score.factors(read)) is not None:
        return ranks_by_tiles(factors, slots, rule.repeat_targets == "miss", tile).cpu().numpy()
    parts = (slice(first, first + whole) for first in range(0, len(slots), whole))
    return np.concatenate(
        [rank_scores(score(read[part]), there[part, :-1], there[part, -1:], rule).cpu().numpy() for part in parts]
    )


def rank_scores(scores: Tensor, history: Tensor, target: Tensor, rule: RankingRule) -> Tensor:
    """Ranks `[users]`, float64, of targets `[users, 1]` given scores `[users, n_items + 1]`, which are overwritten."""
    if not torch.isfinite(scores.sum()):
        raise not_finite()
    scores[:, 0] = -torch.inf  # padding is no item
    if rule.repeat_targets == "miss":
        scores.scatter_(1, history, -torch.inf)
    wanted = scores.gather(1, target)
    above = torch.count_nonzero(scores > wanted, 1)
    ties = torch.count_nonzero(scores == wanted, 1) - 1
    ranks = 1.0 + above.double() + 0.5 * ties.double()
    return ranks.masked_fill(torch.isneginf(wanted.squeeze(1)), torch.inf)


def kinds_of_target(dataset: Dataset) -> dict[str, np.ndarray]:
    """The test users by kind of target, bool `[users]` each.

    Warm: the target occurs in training; cold: it doesn't. Novel: it isn't in the user's history; repeat: it is.
    """
    targets = dataset.test.items[dataset.test.stops - 1]
    warm = dataset.train_counts[targets] > 0
    repeat = dataset.test.repeats()
    return {"warm": warm, "cold": ~warm, "novel": ~repeat, "repeat": repeat}
