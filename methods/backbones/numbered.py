"""Towers without a model: the states of an item follow from its number alone.

Features that a dataset brings are a tower of one state: level 0 is its output. The `generated` one has states from a
formula, to measure scale where real items would only cost time. They say nothing of an item but which one it is: use it
for cost, never for accuracy.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...datasets.features import Features
from ...errors import BenchError
from ..inputs import ItemInputs
from .names import FEATURES, GENERATED
from .tower import OUTPUT, TowerShape

HIDDEN_SIZE = 64
DEPTH = 12


def numbered_shape(name: str, modality: str, features: Features | None = None) -> TowerShape:
    """`generated` is of the depth of BERT-base and ViT-base, and narrow; features have no layers, and the width of the
    vectors, which is 1 before their file is open.
    """
    if name == GENERATED:
        return TowerShape(modality, HIDDEN_SIZE, DEPTH, "cls", shares_first_state=True)
    return TowerShape(modality, features.width if features else 1, 0, "cls")


class NumberedTower(nn.Module):
    """What is asked of a tower without a model. `refusal`: what is said to whoever wants more of it than its states."""

    version: ClassVar[str]
    refusal: ClassVar[str]

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, inputs: ItemInputs) -> Tensor:
        """The output level, `[n, hidden]`."""
        return self.states(inputs, (OUTPUT,))[0]

    @abstractmethod
    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        """As `Tower.states`."""

    def drop_layers_above(self, levels: Sequence[int]) -> None:
        """There are no layers to drop."""


class GeneratedTower(NumberedTower):
    """State k of item i is cos(i·f + k) over fixed frequencies f; state 0 is the same for every item, as at `[CLS]`."""

    version = "generated-1"
    refusal = f"backbone '{GENERATED}' has no layers to run or adapt; use a cached method"
    frequencies: Tensor

    def __init__(self, modality: str) -> None:
        super().__init__(numbered_shape(GENERATED, modality))
        self.register_buffer("frequencies", torch.linspace(0.1, 3.0, HIDDEN_SIZE), persistent=False)

    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        angles = inputs.items[:, None].float() * self.frequencies
        return [torch.cos(self.frequencies)[None] if level == 0 else torch.cos(angles + level) for level in levels]


class FeatureTower(NumberedTower):
    """The vector of each item that the dataset brings, at whatever level; of number 0, which is no item, zeros."""

    version = "features-1"
    refusal = f"backbone '{FEATURES}' has one state an item and no layers; use frozen-cached or content-knn"

    def __init__(self, modality: str, features: Features | None) -> None:
        if features is None:
            raise BenchError(f"the dataset's {modality} features are not read: name the dataset that brings them")
        super().__init__(numbered_shape(FEATURES, modality, features))
        self.features = features

    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        items = inputs.items.cpu().numpy()
        vectors = np.zeros((len(items), self.shape.hidden_size), np.float32)
        vectors[items > 0] = self.features.read(items[items > 0] - 1)
        return [torch.from_numpy(vectors).to(inputs.items.device)] * len(levels)


NUMBERED: dict[str, type[NumberedTower]] = {GENERATED: GeneratedTower, FEATURES: FeatureTower}
"""By the name of the backbone."""
