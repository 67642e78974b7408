"""Where an item's states stand in an entry of the feature cache: in one row, or in as many as it has positions."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import BenchError
from ..backbones.numbered import NumberedTower
from ..backbones.tower import Tower
from .cache import CacheKey
from .content import RawContent


@dataclass(frozen=True)
class Rows:
    """`offsets`: where an item's rows begin, `[n_items + 2]`; None where every item has one."""

    items: int
    offsets: np.ndarray | None = None

    @classmethod
    def of(cls, key: CacheKey, tower: Tower | NumberedTower, content: RawContent, device: torch.device) -> "Rows":
        """Those of an entry. BenchError for a tower that has no positions."""
        if key.positions == "pooled":
            return cls(content.items + 1)
        if not isinstance(tower, Tower):
            raise BenchError(f"the {key.modality} tower has no positions: {tower.refusal}")
        if content.tokens is not None and tower.shape.modality == "text":
            lengths = content.tokens.lengths
        else:
            one = content.gather(torch.zeros(1, dtype=torch.int64)).to(device)
            with torch.no_grad():
                lengths = np.full(content.items + 1, tower.sequences(one, key.levels)[0].shape[1])
        return cls(content.items + 1, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @property
    def count(self) -> int:
        """Rows in all."""
        return self.items if self.offsets is None else int(self.offsets[-1])

    def places(self, items: np.ndarray) -> np.ndarray:
        """The rows of some items, one item's after another's."""
        if self.offsets is None:
            return items
        ends = zip(self.offsets[items].tolist(), self.offsets[items + 1].tolist(), strict=True)
        return np.concatenate([np.arange(start, stop) for start, stop in ends])

    def flat(self, states: Tensor, items: np.ndarray) -> Tensor:
        """From states at all positions, `[n, longest, levels, width]`, those rows, `[rows, levels, width]`."""
        assert self.offsets is not None
        lengths = torch.from_numpy(self.offsets[items + 1] - self.offsets[items]).to(states.device)
        kept = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        return states.flatten(0, 1).index_select(0, kept.flatten().nonzero().flatten())
