"""The contract of a task: all that belongs to what is asked of the embeddings, and to nothing else.

A task splits the interactions, makes batches, puts a head and a loss on the item encoder, and judges each user of a
split. Methods, the optimiser, clocks and meters are the same for every task and know of none.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...cell import Evaluation, Head, Training
from ...datasets.batches import ItemBatch
from ...datasets.catalogue import Dataset, Sequences
from ...datasets.protocol import Prepared
from ...datasets.raw import Interactions
from ...errors import BenchError
from ...methods.head.recommender import Recommender
from ...metrics import PRIMARY, RANKING, Metric, means
from ...reports.records import Accuracy, Slice

_SCORES_AT_ONCE = {"cpu": 1_000_000, "cuda": 4_000_000}
"""4 MB on a CPU: what a pass over the scores leaves in the processor's cache, the next one finds there."""


def _no_product(history: Tensor) -> None:
    del history


@dataclass(frozen=True)
class ScoreUsers:
    """From left-padded histories `[users, length]` to scores of items 0..n, float32 `[users, n_items + 1]`, made anew.

    `factors` are those of the users and of the items, `[users, width]` and `[n_items + 1, width]`, whose product the
    scores are; None where they are no product.
    """

    rows: Callable[[Tensor], Tensor]
    factors: Callable[[Tensor], tuple[Tensor, Tensor] | None] = _no_product

    def __call__(self, history: Tensor) -> Tensor:
        return self.rows(history)


class Diverged(Exception):
    """The loss or the scores are no longer finite numbers."""


def not_finite() -> Diverged:
    """The error for scores that are no numbers."""
    return Diverged("scores are not finite; lower the learning rate or use precision fp32")


class Settings(Protocol):
    """What a task is told of a cell, or of a whole study."""

    training: Training
    head: Head
    evaluation: Evaluation


class Batches(Protocol):
    """The batches of training: the same for all methods that share seed and batch size."""

    def epoch(self, number: int) -> Iterator[ItemBatch]:
        """Those of an epoch, numbered from 0."""
        ...


class Judge(ABC):
    """Gives each user of a split a number."""

    @abstractmethod
    def __call__(self, score: ScoreUsers, sequences: Sequences, items: int, device: torch.device) -> np.ndarray:
        """Float64 `[users]`, given what scores the items 1..`items` after a history. Diverged for no finite scores.

        The rank of the user's target, where the task's primary metric is one of ranks; else the metric's own value for
        that user, from 0 to 1.
        """

    def users_at_once(self, items: int, device: torch.device) -> int:
        """How many users are scored at a time."""
        return max(1, _SCORES_AT_ONCE[device.type] // (items + 1))


class Task(ABC):
    """What is asked of the embeddings, under the settings of a study. The first line says what it is.

    `metrics`: what it is judged by, in order; `primary`: the one that chooses the best epoch. `slices_are` says in
    words what `slices` gives. `name` and `summary` are set by `register`. BenchError for settings that it cannot serve.
    """

    name: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    metrics: ClassVar[tuple[Metric, ...]] = RANKING
    primary: ClassVar[str] = PRIMARY
    slices_are: ClassVar[str] = ""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def split(self, interactions: Interactions, n_items: int, max_length: int) -> Prepared:
        """Training, validation and test sequences, and which items they number. BenchError when nothing is left."""

    @abstractmethod
    def batches(self, dataset: Dataset, size: int, seed: int) -> Batches:
        """The batches of training, of `size` users each."""

    @abstractmethod
    def head(self) -> nn.Module:
        """What stands on the item encoder and is trained with it, drawn from torch's generator as it stands."""

    @abstractmethod
    def recommender(self, item_encoder: nn.Module, head: nn.Module, dataset: Dataset) -> Recommender:
        """Item encoder and head with the task's loss. Draws nothing at random."""

    @abstractmethod
    def judge(self) -> Judge:
        """What judges the users of a split."""

    def slices(self, dataset: Dataset) -> dict[str, np.ndarray]:
        """Groups of test users by name, bool `[users]` each, to be judged apart as well. None unless it has some."""
        return {}

    def measure(self, judged: np.ndarray) -> dict[str, float]:
        """Every metric by name, given what the judge said of the users; empty for no users.

        BenchError for one that is no share from 0 to 1.
        """
        found = means(self.metrics, judged)
        for name, value in found.items():
            if not 0 <= value <= 1:
                raise BenchError(f"task '{self.name}': {name} is {value}; its judge should give each user 0 to 1")
        return found

    def accuracy(self, dataset: Dataset, valid: np.ndarray, test: np.ndarray, best_epoch: int) -> Accuracy:
        """Metrics of both splits, and of each slice of the test users."""

        def part(judged: np.ndarray) -> Slice:
            return Slice(users=len(judged), metrics=self.measure(judged))

        slices = {name: part(test[chosen]) for name, chosen in self.slices(dataset).items()}
        return Accuracy.of(best_epoch=best_epoch, valid=part(valid), test=part(test), **slices)

    @classmethod
    def better(cls) -> str:
        """Which way the primary metric is better: `more` or `less`."""
        return next(metric.better for metric in cls.metrics if metric.name == cls.primary)
