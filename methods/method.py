"""The contract of a method, and the learning rates it hands to the harness."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from ..errors import BenchError, first_fault, unknown
from ..ranges import RATES, Space
from .backbones.pair import Backbones
from .inputs import Raw, Reads

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


class Registered(ABC):  # noqa: B024 - what it lacks, its two kinds have
    """What a table has a row for: it has a name, a family, a line that says what it is, and options.

    `name`, `family`, `summary` and `uncached` are set by `register`. `stochastic`: whether another seed gives another
    result. `uncached`: the method that does the same without the feature cache. `search`: by setting, an option or a
    rate, what `bench tune` may try. `notes`: what a reader of a record must know of how the method came out on the
    cell's towers, a line each. `aliases`: other names of options. `options_said`:
    what a list says of the options, where finding them takes seconds. `fixed_proportions`: whether its rates stand in a
    proportion that makes the method, so that none can be given for all that it trains.
    """

    name: ClassVar[str] = ""
    family: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    uncached: ClassVar[str] = ""
    options: ClassVar[type[Options]] = Options
    search: ClassVar[Space] = {}
    stochastic: ClassVar[bool] = True
    aliases: ClassVar[Mapping[str, str]] = {}
    options_said: ClassVar[str] = ""
    fixed_proportions: ClassVar[bool] = False

    def __init__(self, chosen: Mapping[str, Any] | None = None) -> None:
        self.chosen = self._parse(chosen or {})
        self.notes: list[str] = []

    @classmethod
    def crosses_towers(cls) -> bool:
        """Whether gradients cross the towers, by the family."""
        return cls.family in {"full", "embedded", "hybrid"}

    @classmethod
    def _parse(cls, chosen: Mapping[str, Any]) -> Any:
        try:
            return cls.options.model_validate(dict(chosen))
        except ValidationError as error:
            fault = first_fault(error, dict(chosen))
            if fault.kind == "extra_forbidden":
                raise unknown(f"option of method '{cls.name}'", fault.key, sorted(cls.options.model_fields)) from error
            raise BenchError(f"method '{cls.name}': option '{fault.key}': {fault.message}") from error


class Method(Registered, Generic[Encoder]):
    """A way to adapt a pair of backbones. It builds an item encoder and gives its learning rates, nothing else."""

    kind: ClassVar[Literal["method"]] = "method"
    search = RATES
    published_batch: ClassVar[int] = 32
    start_seconds: float | None = None
    """What computing its start from the towers' weights took, of a method that does: it is no training."""

    @abstractmethod
    def item_encoder(self, backbones: Backbones, width: int) -> Encoder:
        """The module that turns `ItemInputs` of n items into embeddings, float `[n, width]`."""

    @abstractmethod
    def learning_rates(self, encoder: Encoder) -> LearningRates:
        """Every trainable parameter of the encoder in exactly one group."""

    def penalty(self, encoder: Encoder) -> Tensor | None:
        """A scalar of the method's own, added to the loss of every training step; None: nothing is."""
        del encoder
        return None

    def after_update(self, encoder: Encoder, step: int) -> None:
        """What the method does once the optimiser has moved the parameters; their gradients are still there.

        `step` counts the updates of the training from 1. It may change what is trained, and buffers, in place;
        whatever it keeps from step to step is a buffer of the encoder, so that a checkpoint holds it.
        """

    @property
    def trains_inside(self) -> bool:
        """Whether the method, with its options, trains anything in the towers that it runs."""
        return self.crosses_towers()

    @property
    def additions(self) -> list[str]:
        """Which of these two the method adds to a training step."""
        own = {"penalty": Method.penalty, "after_update": Method.after_update}
        return [name for name, default in own.items() if getattr(type(self), name) is not default]

    def reads(self, backbones: Backbones) -> Reads:
        """What the encoder reads of each modality: the tower's inputs unless said otherwise."""
        return dict.fromkeys(backbones.modalities, Raw())


def trainable(module: nn.Module) -> list[nn.Parameter]:
    """A module's parameters that receive gradients."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
