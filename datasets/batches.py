"""Training batches: which users, which distinct items, and where each slot finds its embedding."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from ..cell import Encode
from .catalogue import Sequences


class ItemBatch(ABC):
    """What a step of any task is given: `items` to encode, int64 and in order, and the other tensors of its loss.

    A task's own batch is a frozen dataclass of tensors.
    """

    items: Tensor

    @property
    @abstractmethod
    def terms(self) -> int:
        """Of how many terms the loss is the mean."""

    @property
    def places(self) -> int:
        """How many items it shows, each as often as it occurs."""
        return len(self.items)

    @property
    def weight(self) -> tuple[int, int]:
        """What a step on it costs, to be compared with others: distinct items, then terms."""
        return self.items.unique().numel(), self.terms

    def to(self, device: torch.device) -> Self:
        """The same batch on a device."""
        if self.items.device == device:
            return self
        return self._changed(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Self:
        """The same batch in page-locked memory, from where copies to the GPU overlap with computation."""
        return self._changed(Tensor.pin_memory)

    def _changed(self, change: Callable[[Tensor], Tensor]) -> Self:
        return type(self)(*(change(value) for value in vars(self).values()))


@dataclass(frozen=True)
class Batch(ItemBatch):
    """One training batch of B users with L + 1 slots each; all tensors int64 unless said.

    `slots` `[B, L+1]`: item numbers, left-padded with 0. `items` `[columns]`: the items to encode, in order. `index`
    `[B, L+1]`: a slot's row among the encoded items; padding that is not encoded points one past the last. `log_counts`
    float32 `[columns]`: log of the slots that a column stands for (−inf: a padding slot, never a candidate). Of the P
    positions with a next item: `positions` `[P]` in the flattened `[B·L]` input, `users` `[P]`, `labels` `[P]` (column
    of the next item).
    """

    slots: Tensor
    items: Tensor
    index: Tensor
    log_counts: Tensor
    positions: Tensor
    users: Tensor
    labels: Tensor

    @property
    def terms(self) -> int:
        return len(self.positions)

    @property
    def places(self) -> int:
        return self.slots.numel()

    @property
    def weight(self) -> tuple[int, int]:
        return self.slots.unique().numel(), self.terms


def make_batch(slots: np.ndarray, encode: Encode) -> Batch:
    """A batch from left-padded item numbers `[B, L+1]`."""
    present = slots > 0
    if encode == "unique":
        items, index, counts = np.unique(slots[present], return_inverse=True, return_counts=True)
        rows = np.full(slots.shape, len(items))
        rows[present] = index
        log_counts = np.log(counts)
    else:
        items = slots.reshape(-1)
        rows = np.arange(slots.size).reshape(slots.shape)
        log_counts = np.where(items > 0, 0.0, -np.inf)
    users, steps = np.nonzero(present[:, :-1])
    return Batch(
        slots=torch.from_numpy(slots),
        items=torch.from_numpy(items.copy()),
        index=torch.from_numpy(rows),
        log_counts=torch.from_numpy(log_counts.astype(np.float32)),
        positions=torch.from_numpy(users * (slots.shape[1] - 1) + steps),
        users=torch.from_numpy(users),
        labels=torch.from_numpy(rows[users, steps + 1]),
    )


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of every epoch: the same for all methods that share seed and batch size."""

    sequences: Sequences
    length: int
    size: int
    encode: Encode
    seed: int

    @property
    def steps(self) -> int:
        """Batches of an epoch; the last may be smaller."""
        return -(-len(self.sequences) // self.size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of epoch `number` (from 0), its users shuffled by a generator of its own."""
        order = np.random.default_rng([self.seed, number]).permutation(len(self.sequences))
        for start in range(0, len(order), self.size):
            yield self.batch(order[start : start + self.size])

    def batch(self, users: np.ndarray) -> Batch:
        """The batch of some users."""
        return make_batch(self.sequences.padded(users, self.length + 1), self.encode)
