"""The `generated` backbone: hidden states from a formula, to measure scale where real items would only cost time.

Its states say nothing of an item but which one it is. Use it for cost, never for accuracy.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..inputs import ItemInputs
from .tower import OUTPUT, TowerShape

HIDDEN_SIZE = 64
DEPTH = 12
VERSION = "generated-1"


def generated_shape(modality: str) -> TowerShape:
    """Of the depth of BERT-base and ViT-base, and narrow."""
    return TowerShape(modality, HIDDEN_SIZE, DEPTH, "cls", shares_first_state=True)


class GeneratedTower(nn.Module):
    """State k of item i is cos(i·f + k) over fixed frequencies f; state 0 is the same for every item, as at `[CLS]`."""

    frequencies: Tensor

    def __init__(self, modality: str) -> None:
        super().__init__()
        self.shape = generated_shape(modality)
        self.register_buffer("frequencies", torch.linspace(0.1, 3.0, HIDDEN_SIZE), persistent=False)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """The output level, `[n, hidden]`."""
        return self.states(inputs, (OUTPUT,))[0]

    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        """As `Tower.states`."""
        angles = inputs.items[:, None].float() * self.frequencies
        return [torch.cos(self.frequencies)[None] if level == 0 else torch.cos(angles + level) for level in levels]

    def drop_layers_above(self, levels: Sequence[int]) -> None:
        """There are no layers to drop."""
