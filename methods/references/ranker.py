"""The contract of a ranking that trains nothing."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from ..backbones.pair import Backbones
from ..inputs import States
from ..method import Registered

Scorer = Callable[[np.ndarray], np.ndarray]
"""From a chunk of users' last items, int64 `[users, length]`, 0 on the left where there are fewer, to scores of items,
float32 `[users, n_items + 1]`, or one row for all."""


@dataclass(frozen=True)
class Shelf:
    """What a ranking knows of the items.

    `train_counts`: how often each occurs in training, `[n_items + 1]`. `states`: of each modality that the ranking
    reads its levels, float32 `[n_items + 1, hidden]` each, row 0 of no item.
    """

    train_counts: np.ndarray
    states: dict[str, list[np.ndarray]] = field(default_factory=dict)


class Ranker(Registered):
    """A ranking that trains nothing. It computes on a CPU, and is not timed."""

    kind: ClassVar[Literal["ranker"]] = "ranker"
    stochastic = False

    def reads(self, backbones: Backbones) -> dict[str, States]:
        """What it reads of the items beside their counts, by modality: nothing unless it says so."""
        return {}

    @classmethod
    def reads_towers(cls) -> bool:
        """Whether it reads anything of the towers, which a GPU may have to run."""
        return cls.reads is not Ranker.reads

    @abstractmethod
    def scorer(self, shelf: Shelf, generator: np.random.Generator) -> Scorer:
        """What scores users, of some items."""
