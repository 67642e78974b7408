"""Where an item encoder's hidden states come from: the towers, or the feature cache. Nothing else tells them apart."""

from typing import cast

import torch
from torch import Tensor, nn

from ..backbones.tower import Tower
from ..inputs import ItemInputs


class TowerReader(nn.Module):
    """Runs the towers and gives the wanted levels by modality, each `[n, hidden]` (or `[1, hidden]` when shared).

    Frozen towers stay in eval mode, build no graph, and lose the layers above the last one read.
    """

    def __init__(self, towers: dict[str, Tower], levels: dict[str, tuple[int, ...]], frozen: bool) -> None:
        super().__init__()
        self.towers = nn.ModuleDict(towers)
        self.levels = levels
        self.frozen = frozen
        if frozen:
            self.towers.requires_grad_(False)
            for name, tower in towers.items():
                tower.drop_layers_above(levels[name])
        self.train()

    def train(self, mode: bool = True) -> "TowerReader":
        """Frozen towers ignore train mode: their dropout would make the same item differ from step to step."""
        return super().train(mode and not self.frozen)

    def forward(self, inputs: ItemInputs) -> dict[str, list[Tensor]]:
        """Levels by modality, in the order asked for."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return {name: self.tower(name).states(inputs, levels) for name, levels in self.levels.items()}

    def tower(self, name: str) -> Tower:
        """The tower of a modality."""
        return cast(Tower, self.towers[name])


class CacheReader(nn.Module):
    """Gives the states that the batch brought from the feature cache, in float32."""

    def forward(self, inputs: ItemInputs) -> dict[str, list[Tensor]]:
        """Levels by modality, in the order in which the cache keeps them."""
        assert inputs.states is not None, "content 'states' always comes with states"
        return {name: [level.float() for level in levels] for name, levels in inputs.states.items()}
