"""From the towers' outputs to item embeddings, as full fine-tuning and the embedded methods share it."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import BenchError
from .backbones.pair import Backbones
from .backbones.tower import OUTPUT, Tower
from .encoder import ItemEncoder
from .features.readers import TowerReader
from .inputs import ItemInputs
from .method import LearningRates, Method, trainable


def output_levels(backbones: Backbones) -> dict[str, tuple[int, ...]]:
    """The one level that these methods read: the model's output, after any final LayerNorm."""
    return dict.fromkeys(backbones.modalities, (OUTPUT,))


class FusedEncoder(ItemEncoder):
    """Per modality Linear → GELU; concatenation [image, text]; Linear to the embedding width (paper, baselines)."""

    def __init__(self, reader: nn.Module, backbones: Backbones, width: int) -> None:
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


@dataclass(frozen=True)
class TowerRates:
    """Adam's rates: of what is trainable in each tower, of the projections above them, of the head."""

    text: float
    image: float
    rest: float
    head: float

    def of(self, encoder: FusedEncoder) -> LearningRates:
        """The rates of an encoder's parameters."""
        groups = {"fusion": (encoder.rest(), self.rest), **self.of_towers(encoder.reader)}
        return LearningRates(groups, self.head)

    def of_towers(self, reader: nn.Module) -> dict[str, tuple[list[nn.Parameter], float]]:
        """The groups of what is trainable in the towers that a reader runs."""
        if not isinstance(reader, TowerReader):
            return {}
        return {
            f"{name} tower": (trainable(reader.towers[name]), rate)
            for name, rate in (("text", self.text), ("image", self.image))
            if name in reader.towers and name not in reader.frozen
        }


class TowerMethod(Method[FusedEncoder]):
    """Adapts each tower and fuses their outputs; gradients cross the towers. Methods of this kind differ in two things:
    what they do to one tower, and the `rates` that they train with.

    `untouched`: modalities whose towers stay frozen beside an adapted one, in eval mode and without gradients.
    """

    rates: ClassVar[TowerRates]
    untouched: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def adapt(self, tower: Tower) -> None:
        """Changes a tower in place, and leaves trainable what of it is to be trained."""

    def note(self, tower: Tower, line: str) -> None:
        """Keeps what a reader of a record must know of how a tower was adapted."""
        self.notes.append(f"{self.name}, {tower.shape.modality} tower: {line}")

    def item_encoder(self, backbones: Backbones, width: int) -> FusedEncoder:
        frozen = self.untouched.intersection(backbones.modalities)
        if len(frozen) == len(backbones.modalities):
            raise BenchError(
                f"method '{self.name}': it leaves the {' and the '.join(sorted(frozen))} tower as it is, and no other "
                "is read here; give --modalities image,text, or use frozen"
            )
        towers = {name: backbones.tower(name) for name in backbones.modalities}
        for name, tower in towers.items():
            if name in frozen:
                self.note(tower, "stays frozen, and runs without gradients")
            else:
                self.adapt(tower)
        return FusedEncoder(TowerReader(towers, output_levels(backbones), frozen), backbones, width)

    def learning_rates(self, encoder: FusedEncoder) -> LearningRates:
        return self.rates.of(encoder)
