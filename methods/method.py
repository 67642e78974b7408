"""The contract of a method, and the learning rates it hands to the harness."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import nn

from ..errors import BenchError, first_fault, unknown
from .backbones.source import Backbones

Content = Literal["items", "states", "ids", "none"]

Encoder = TypeVar("Encoder", bound=nn.Module)
"""The item encoder that a method builds and gives rates to."""


class Options(BaseModel):
    """Base of every method's options: an unknown or ill-typed option is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


Rank = Annotated[int, Field(ge=1, le=65_536, strict=True)]
"""A rank or the width of a bottleneck."""
Dropout = Annotated[float, Field(ge=0, lt=1, strict=True)]
Scale = Annotated[float, Field(gt=0, le=1e6, strict=True)]


@dataclass(frozen=True)
class LearningRates:
    """Adam's learning rates: named groups of the item encoder's parameters, and the head's (the sequence encoder's)."""

    groups: dict[str, tuple[list[nn.Parameter], float]]
    head: float


class Method(ABC, Generic[Encoder]):
    """A way to adapt a pair of backbones. It builds an item encoder and gives its learning rates, nothing else.

    `content` says what the encoder reads: "items" (token ids and pixels), "states" (the feature cache), "ids" (item
    numbers). `name`, `family` and `summary` are set by `register`.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    options: ClassVar[type[Options]] = Options
    content: ClassVar[Content] = "items"
    published_batch: ClassVar[int] = 32

    def __init__(self, chosen: Mapping[str, Any] | None = None) -> None:
        self.chosen = self._parse(chosen or {})

    @classmethod
    def _parse(cls, chosen: Mapping[str, Any]) -> Any:
        try:
            return cls.options.model_validate(dict(chosen))
        except ValidationError as error:
            fault = first_fault(error, dict(chosen))
            if fault.kind == "extra_forbidden":
                raise unknown(f"option of method '{cls.name}'", fault.key, sorted(cls.options.model_fields)) from error
            raise BenchError(f"method '{cls.name}': option '{fault.key}': {fault.message}") from error

    @property
    def crosses_towers(self) -> bool:
        """Whether gradients cross the towers, by the method's family."""
        return self.family in {"full", "embedded"}

    @abstractmethod
    def item_encoder(self, backbones: Backbones, width: int) -> Encoder:
        """The module that turns `ItemInputs` of n items into embeddings, float `[n, width]`."""

    @abstractmethod
    def learning_rates(self, encoder: Encoder) -> LearningRates:
        """Every trainable parameter of the encoder in exactly one group."""

    def levels(self, backbones: Backbones) -> dict[str, tuple[int, ...]]:
        """For content "states": the backbone levels that the encoder reads, by modality (see `tower.OUTPUT`)."""
        del backbones
        return {}


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """A module's parameters that receive gradients."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
