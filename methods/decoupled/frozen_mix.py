"""Frozen towers under a learned mix of their layers: IISAN's input without its side networks.

What `iisan` gains over this is the side networks' doing; what this gains over `frozen` is the layers'.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...ranges import RATES, Choice
from ..backbones.pair import Backbones
from ..encoder import ItemEncoder
from ..features.readers import CacheReader, TowerReader
from ..inputs import ItemInputs, Reads, States
from ..method import LearningRates, Method, Options, Rank
from ..registry import register
from .iisan import IISANCached
from .levels import Layers, side_levels
from .side_network import TEMPERATURE

AS_IISAN = "as-iisan"


class FrozenMixOptions(Options):
    """`layers`: as of `iisan`. `hidden`: the width of a layer between mix and projection, or as wide as makes the
    trained parameters of the encoder as many as those of `iisan` with its defaults.
    """

    layers: Layers = "every-second"
    hidden: Rank | Literal["as-iisan"] | None = None


class LayerMix(nn.Module):
    """One vector an item from a tower's levels: their mean under learned weights (ELMo, Peters et al., 2018).

    As there, each level is normalised first, without parameters: the size of hidden states grows from layer to layer.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(levels))

    def shares(self) -> Tensor:
        """Each level's share, summing to 1; equal at the beginning. As quick to move as IISAN's gates."""
        return torch.softmax(self.logits / TEMPERATURE, dim=0)

    def forward(self, states: Sequence[Tensor]) -> Tensor:
        """`[n, hidden]` from a `[n, hidden]` a level, or `[1, hidden]` where all items share it."""
        shares = self.shares()
        parts = [shares[k] * functional.layer_norm(state, state.shape[-1:]) for k, state in enumerate(states)]
        return torch.stack(torch.broadcast_tensors(*parts)).sum(dim=0)


class MixEncoder(ItemEncoder):
    """Per modality the mix of its levels, then Linear → GELU, with a hidden layer of the same kind before it or not;
    concatenation [image, text]; Linear to the embedding width. The same class live and cached.
    """

    def __init__(
        self, reader: TowerReader | CacheReader, levels: Mapping[str, tuple[int, ...]], sizes: Mapping[str, list[int]]
    ) -> None:
        """`sizes`: by modality the widths from the tower's to the embedding's."""
        super().__init__()
        self.reader = reader
        self.order = [name for name in ("image", "text") if name in levels]
        self.mixes = nn.ModuleDict({name: LayerMix(len(levels[name])) for name in self.order})
        self.projections = nn.ModuleDict({name: _projection(sizes[name]) for name in self.order})
        width = sizes[self.order[0]][-1]
        self.fusion = nn.Linear(width * len(self.order), width)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, width]`."""
        states = self.reader(inputs)
        mixed = [self.projections[name](self.mixes[name](states[name])) for name in self.order]
        return self.fusion(torch.cat(mixed, dim=1)).expand(len(inputs.items), -1)  # as of `iisan`


def _projection(sizes: Sequence[int]) -> nn.Sequential:
    layers = [layer for a, b in pairwise(sizes) for layer in (nn.Linear(a, b), nn.GELU())]
    return nn.Sequential(*layers)


@register("frozen-mix", family="decoupled")
class FrozenMix(Method[MixEncoder]):
    """Frozen towers; a learned mix of the layers that IISAN reads, the projection above and the head are trained."""

    options = FrozenMixOptions
    search = RATES | {"layers": Choice(("every-second", "all"))}

    def item_encoder(self, backbones: Backbones, width: int) -> MixEncoder:
        levels = self.levels(backbones)
        widths = {name: shape.width(levels[name][-1]) for name, shape in backbones.shapes.items()}
        hidden = self._hidden(backbones, list(widths.values()), width)
        between = [] if hidden is None else [hidden]
        sizes = {name: [size, *between, width] for name, size in widths.items()}
        return MixEncoder(self.reader(backbones, levels), levels, sizes)

    def levels(self, backbones: Backbones) -> dict[str, tuple[int, ...]]:
        """The levels that are mixed: those that `iisan` reads, so that one entry of the feature cache serves both."""
        return side_levels(self.name, self.chosen.layers, backbones)

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> TowerReader | CacheReader:
        """Where the hidden states come from."""
        return TowerReader({name: backbones.tower(name) for name in levels}, levels, frozen=True)

    def learning_rates(self, encoder: MixEncoder) -> LearningRates:
        groups = {
            "mix": (list(encoder.mixes.parameters()), 2e-4),
            "fusion": ([*encoder.projections.parameters(), *encoder.fusion.parameters()], 2e-4),
        }
        return LearningRates(groups, head=2e-4)

    def _hidden(self, backbones: Backbones, sizes: list[int], width: int) -> int | None:
        """The width of the hidden layer in columns, None for none. `sizes`: of the levels of each tower."""
        if self.chosen.hidden != AS_IISAN:
            return self.chosen.hidden
        # Parameters: a·hidden + b, of a hidden layer in every projection.
        a = sum(size + 1 + width for size in sizes)
        b = len(sizes) * width + sum(map(len, self.levels(backbones).values())) + len(sizes) * width**2 + width
        return max(1, round((_parameters_of_iisan(backbones, width) - b) / a))


def _parameters_of_iisan(backbones: Backbones, width: int) -> int:
    """What `iisan` trains in its encoder with its defaults, counted without making any of it."""
    with torch.device("meta"):
        encoder = IISANCached().item_encoder(backbones, width)
    return sum(parameter.numel() for parameter in encoder.parameters())


@register("frozen-mix-cached", family="decoupled", uncached="frozen-mix")
class FrozenMixCached(FrozenMix):
    """The same, reading the hidden states from the feature cache."""

    def reads(self, backbones: Backbones) -> Reads:
        return {name: States(levels) for name, levels in self.levels(backbones).items()}

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> CacheReader:
        return CacheReader()
