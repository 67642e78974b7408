"""Where an item encoder's hidden states come from: the towers, or the feature cache. Nothing else tells them apart."""

from collections.abc import Collection
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from ..backbones.tower import Tower
from ..inputs import ItemInputs, Sequences


class TowerReader(nn.Module):
    """Runs the towers and gives the wanted levels by modality, each `[n, hidden]` (or `[1, hidden]` when shared).

    `frozen` towers (all, none, or some modalities') stay in eval mode, build no graph, and lose the layers above the
    last one read. `hooked`: gradients cross towers through hooks, which compiled code does not run.
    """

    hooked: ClassVar[bool] = False

    def __init__(
        self, towers: dict[str, Tower], levels: dict[str, tuple[int, ...]], frozen: bool | Collection[str]
    ) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(towers)
        self.levels = levels
        self.frozen = frozenset(towers if frozen is True else frozen or ())
        for name in self.frozen:
            towers[name].requires_grad_(False)
            towers[name].drop_layers_above(levels[name])
        self.train()

    def train(self, mode: bool = True) -> "TowerReader":
        """Frozen towers ignore train mode: their dropout would make the same item differ from step to step."""
        super().train(mode and self.frozen != self.levels.keys())
        for name in self.frozen:
            self.tower(name).eval()
        return self

    def forward(self, inputs: ItemInputs) -> dict[str, list[Tensor]]:
        """Levels by modality, in the order asked for."""
        states = dict[str, list[Tensor]]()
        for name, levels in self.levels.items():
            with torch.set_grad_enabled(torch.is_grad_enabled() and name not in self.frozen):
                states[name] = self.tower(name).states(inputs, levels)
        return states

    def tower(self, name: str) -> Tower:
        """The tower of a modality."""
        return cast(Tower, self.towers[name])


class SequenceReader(nn.Module):
    """Runs frozen towers and gives levels at all positions by modality, and which of them an item has."""

    def __init__(self, towers: dict[str, Tower], levels: dict[str, tuple[int, ...]]) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(towers).requires_grad_(False)
        self.levels = levels
        for name, tower in towers.items():
            tower.drop_layers_above(levels[name])
        self.train()

    def train(self, mode: bool = True) -> "SequenceReader":
        """As of frozen towers that are pooled."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, inputs: ItemInputs) -> dict[str, Sequences]:
        """By modality the levels in the order asked for."""
        found = dict[str, Sequences]()
        for name, levels in self.levels.items():
            tower = cast(Tower, self.towers[name])
            states = tower.sequences(inputs, levels)
            text = inputs.text if tower.shape.modality == "text" else None
            mask = torch.ones(states[0].shape[:2], dtype=torch.int64, device=states[0].device)
            found[name] = Sequences(states, mask if text is None else text.mask)
        return found


class CachedSequenceReader(nn.Module):
    """Gives the states at all positions that the batch brought from the feature cache, in float32."""

    def forward(self, inputs: ItemInputs) -> dict[str, Sequences]:
        """By modality the levels in the order in which the cache keeps them."""
        assert inputs.sequences is not None, "content of all positions comes with sequences"
        return {
            name: Sequences([level.float() for level in found.levels], found.mask)
            for name, found in inputs.sequences.items()
        }


class CacheReader(nn.Module):
    """Gives the states that the batch brought from the feature cache, in float32; as they are kept where they are
    bfloat16 and the method computes in that, since converting so many of them costs more than it saves.
    """

    def forward(self, inputs: ItemInputs) -> dict[str, list[Tensor]]:
        """Levels by modality, in the order in which the cache keeps them."""
        assert inputs.states is not None, "content 'states' always comes with states"
        return {name: [_readable(level) for level in levels] for name, levels in inputs.states.items()}


def _readable(level: Tensor) -> Tensor:
    kind = level.device.type
    computing = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    return level if level.dtype == computing == torch.bfloat16 else level.float()
