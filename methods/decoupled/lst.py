"""Ladder side tuning (LST; Sung et al., 2022): a narrow transformer beside each frozen tower, reading all positions."""

import time
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...ranges import RATES, Choice
from ..backbones.numbered import NumberedTower
from ..backbones.pair import Backbones
from ..backbones.tower import Tower
from ..encoder import EncoderLayout, ItemEncoder, layout_of
from ..features.readers import CachedSequenceReader, SequenceReader
from ..inputs import ItemInputs, Reads, States
from ..method import LearningRates, Method, Options, Rank
from ..registry import register
from .ladder import Ladder, prune
from .levels import Layers, side_levels


class LSTOptions(Options):
    """`reduction`: how many times narrower than its tower a ladder is. `layers`: as of `iisan`, each with a block.
    `start`: blocks from the tower's largest weights, or random.
    """

    reduction: Rank = 8
    layers: Layers = "all"
    start: Literal["pruned", "random"] = "pruned"


class LSTEncoder(ItemEncoder):
    """Per modality a ladder, then Linear → GELU; concatenation [image, text]; Linear to the embedding width. The same
    class live and cached.
    """

    def __init__(self, reader: SequenceReader | CachedSequenceReader, ladders: dict[str, Ladder], width: int) -> None:
        super().__init__()
        self.reader = reader
        self.order = [name for name in ("image", "text") if name in ladders]
        self.ladders = nn.ModuleDict({name: ladders[name] for name in self.order})
        self.projections = nn.ModuleDict({name: nn.Linear(ladders[name].shape.width(0), width) for name in self.order})
        self.fusion = nn.Linear(width * len(self.order), width)

    def forward(self, inputs: ItemInputs) -> Tensor:
        """Embeddings `[n, width]`."""
        found = self.reader(inputs)
        vectors = [self.ladders[name](found[name].levels, found[name].mask) for name in self.order]
        projected = [
            functional.gelu(self.projections[name](vector)) for name, vector in zip(self.order, vectors, strict=True)
        ]
        return self.fusion(torch.cat(projected, dim=1))

    def layout(self) -> EncoderLayout:
        """The ladders are compiled."""
        own = EncoderLayout(
            beside=[*self.ladders.values()],
            parts={name: list(part.parameters()) for name, part in self.named_children() if name != "reader"},
        )
        return layout_of(self.reader) | own


@register("lst", family="decoupled")
class LST(Method[LSTEncoder]):
    """A narrow transformer beside each frozen tower, reading all positions of its layers (LST, Sung et al., 2022)."""

    options = LSTOptions
    search = RATES | {"reduction": Choice((4, 8, 16)), "layers": Choice(("every-second", "all"))}

    def item_encoder(self, backbones: Backbones, width: int) -> LSTEncoder:
        levels = side_levels(self.name, self.chosen.layers, backbones)
        ladders = {
            name: Ladder(shape, max(1, shape.width(0) // self.chosen.reduction), len(levels[name]) - 1)
            for name, shape in backbones.shapes.items()
        }
        if self.chosen.start == "pruned":
            for name, ladder in ladders.items():
                self._prune(name, ladder, self.tower(backbones, name), levels[name][1:])
        return LSTEncoder(self.reader(backbones, levels), ladders, width)

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> SequenceReader | CachedSequenceReader:
        """Where the hidden states come from."""
        return SequenceReader({name: backbones.tower(name) for name in levels}, levels)

    def tower(self, backbones: Backbones, name: str) -> Tower | NumberedTower:
        """The tower whose weights a ladder starts from."""
        return backbones.tower(name)

    def learning_rates(self, encoder: LSTEncoder) -> LearningRates:
        groups = {
            "ladders": (list(encoder.ladders.parameters()), 4e-4),
            "fusion": ([*encoder.projections.parameters(), *encoder.fusion.parameters()], 2e-4),
        }
        return LearningRates(groups, head=2e-4)

    def _prune(self, name: str, ladder: Ladder, tower: Tower | NumberedTower, layers: tuple[int, ...]) -> None:
        start = time.perf_counter()
        random = prune(ladder, tower, layers) if isinstance(tower, Tower) else layers
        self.start_seconds = (self.start_seconds or 0.0) + time.perf_counter() - start
        if random:
            which = ", ".join(map(str, random))
            self.notes.append(f"{self.name}, {name} tower: no maps to prune in layers {which}: they start random")


@register("lst-cached", family="decoupled", uncached="lst")
class LSTCached(LST):
    """The same, reading the hidden states at all positions from the feature cache."""

    def reads(self, backbones: Backbones) -> Reads:
        return {
            name: States(whole=levels) for name, levels in side_levels(self.name, self.chosen.layers, backbones).items()
        }

    def reader(self, backbones: Backbones, levels: dict[str, tuple[int, ...]]) -> CachedSequenceReader:
        return CachedSequenceReader()

    def tower(self, backbones: Backbones, name: str) -> Tower | NumberedTower:
        return backbones.load(name)  # which nothing holds once its weights were read
