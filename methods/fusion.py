"""From the towers' outputs to item embeddings, as full fine-tuning and the embedded methods share it."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from .backbones.source import Backbones
from .backbones.tower import OUTPUT
from .encoder import ItemEncoder
from .features.readers import CacheReader, TowerReader
from .inputs import ItemInputs
from .method import LearningRates, trainable


def output_levels(backbones: Backbones) -> dict[str, tuple[int, ...]]:
    """The one level that these methods read: the model's output, after any final LayerNorm."""
    return dict.fromkeys(backbones.modalities, (OUTPUT,))


class FusedEncoder(ItemEncoder):
    """Per modality Linear → GELU; concatenation [image, text]; Linear to the embedding width (paper, baselines)."""

    def __init__(self, reader: TowerReader | CacheReader, backbones: Backbones, width: int) -> None:
        super().__init__()
        self.reader = reader
        self.projections = nn.ModuleDict(
            {name: nn.Linear(shape.hidden_size, width) for name, shape in backbones.shapes.items()}
        )
        self.order = [name for name in ("image", "text") if name in backbones.shapes]
        self.fusion = nn.Linear(width * len(self.order), width)
        if "image" in self.projections:  # published: the image projection alone is initialised so
            image = cast(nn.Linear, self.projections["image"])
            nn.init.xavier_normal_(image.weight)
            nn.init.zeros_(image.bias)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, width]`."""
        states = self.reader(inputs)
        projected = [functional.gelu(self.projections[name](states[name][0])) for name in self.order]
        return self.fusion(torch.cat(projected, dim=1))

    def rest(self) -> list[nn.Parameter]:
        """Everything trainable outside the towers."""
        return [*self.projections.parameters(), *self.fusion.parameters()]


def tower_rates(encoder: FusedEncoder, text: float, image: float, rest: float, head: float) -> LearningRates:
    """One rate for what is trainable in each tower, one for the projections, one for the head."""
    groups = {"fusion": (encoder.rest(), rest)}
    if isinstance(encoder.reader, TowerReader):
        for name, rate in (("text", text), ("image", image)):
            if name in encoder.reader.towers:
                groups[f"{name} tower"] = (trainable(encoder.reader.towers[name]), rate)
    return LearningRates(groups, head)
