"""Runs a tower over the items of an entry of the feature cache: which levels of it, in which batches."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import torch

from ...errors import BenchError
from ..backbones.last_layer import narrow_last_layer
from ..backbones.numbered import NumberedTower
from ..backbones.tower import Tower
from .cache import CacheKey
from .content import RawContent
from .positions import Rows

_TOKENS_PER_BATCH = 4096
_IMAGES_PER_BATCH = 128


@dataclass(frozen=True)
class Encoding:
    """What encodes the items of an entry, and where their states go.

    `levels`: those that stand in its array; without level 0 where that is the same for every item, which `shared` says.
    """

    key: CacheKey
    tower: Tower | NumberedTower
    content: RawContent
    device: torch.device
    rows: Rows
    levels: tuple[int, ...]
    shared: bool

    @classmethod
    def of(cls, key: CacheKey, tower: Tower | NumberedTower, content: RawContent, device: torch.device) -> Self:
        """Of an entry. The tower is changed: it loses what no level needs. BenchError for one that cannot be kept."""
        tower = tower.eval().requires_grad_(False).to(device)
        tower.drop_layers_above(key.levels)
        pooled = key.positions == "pooled"
        if isinstance(tower, Tower) and pooled:
            narrow_last_layer(tower)
        shared = pooled and 0 in key.levels[:-1] and tower.shape.shares_first_state  # alone it would leave no states
        levels = tuple(level for level in key.levels if not (shared and level == 0))
        return cls(key, tower, content, device, Rows.of(key, tower, content, device), levels, shared)

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """Of the array of states, `[rows, levels, width]`. BenchError where the levels are not all that wide."""
        widths = {self.tower.shape.width(level) for level in self.levels}
        if len(widths) > 1:
            raise BenchError(
                f"the {self.tower.shape.modality} tower's levels are {', '.join(map(str, sorted(widths)))} wide, and "
                "the feature cache keeps levels of one width; use a method that reads the output alone (frozen-cached)"
            )
        return self.rows.count, len(self.levels), widths.pop()

    def first(self) -> torch.Tensor:
        """Level 0, which all items share, `[width]`, as the tower gives it."""
        inputs = self.content.gather(torch.zeros(1, dtype=torch.int64)).to(self.device)
        return self.tower.states(inputs, (0,))[0][0]

    def encode(self, items: np.ndarray) -> torch.Tensor:
        """States of some items, `[rows, levels, width]`, in the entry's dtype, finite or not."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.key.precision == "bf16"):
            inputs = self.content.gather(torch.from_numpy(items)).to(self.device)
            if self.key.positions == "pooled":
                found = torch.stack(self.tower.states(inputs, self.levels), dim=1)
            else:
                assert isinstance(self.tower, Tower), "others have no positions, which was found out"
                found = self.rows.flat(torch.stack(self.tower.sequences(inputs, self.levels), dim=2), items)
        return found.to(getattr(torch, self.key.dtype))

    def heaviest(self) -> np.ndarray:
        """The batch with the most tokens, of several the one with the longest text; any of pictures."""
        return max(self.batches, key=self.weight)

    def weight(self, items: np.ndarray) -> tuple[int, int]:
        """What a batch costs, to be compared with others: its tokens, then those of its longest text."""
        tokens = self.content.tokens
        longest = int(tokens.lengths[items].max()) if tokens is not None else 1
        return len(items) * longest, longest

    @cached_property
    def batches(self) -> list[np.ndarray]:
        """All rows in the order in which they are encoded, the same in every run."""
        return batches_of(self.content)


def batches_of(content: RawContent) -> list[np.ndarray]:
    """All rows, padding included, in batches of about equal cost, the shortest first."""
    if content.tokens is None:
        return np.array_split(np.arange(content.items + 1), max(1, -(-(content.items + 1) // _IMAGES_PER_BATCH)))
    order = np.concatenate([content.order(), [0]])[::-1].copy()
    lengths, batches, start = content.tokens.lengths[order], list[np.ndarray](), 0
    while start < len(order):
        stop = min(start + max(1, _TOKENS_PER_BATCH // int(lengths[start])), len(order))
        while stop > start + 1 and (stop - start) * int(lengths[start:stop].max()) > _TOKENS_PER_BATCH:
            stop -= max(1, (stop - start) // 16)
        batches.append(order[start:stop])
        start = stop
    return batches
