"""What a loaded model was seen to be: its layers in the order in which they ran, and how its output is read."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from ...cell import Pooling as Choice
from ...errors import BenchError

Place = Literal["cls", "last", "mean"]
"""Where a sequence of states is read: its first position, that of the last token, or the mean of all."""
Pooling = Literal["cls", "last", "mean", "pooler"]
"""The same, or the model's own pooled output."""


class Level(BaseModel):
    """One level's states: how wide, and which axes of what the model computes are items and width."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: int
    items: int = 0
    columns: int = -1

    def ordered(self, states: Tensor) -> Tensor:
        """`[n, positions, width]`, whatever the order and number of the axes."""
        if states.dim() == 2:
            return states[:, None]
        return states.movedim((self.items, self.columns), (0, -1)).flatten(1, -2)


class Anatomy(BaseModel):
    """What running a model on a few items has shown.

    `model`: its class. `layers`: the names of the modules that make its levels, in the order in which they ran: one
    that runs n times stands there n times. `stack`: the list that holds them. `levels`: level 0, what goes into the
    first layer, and one after each. `output`: what the model itself calls its last hidden state. `pooled`: width of
    its own pooled output, 0 where it has none. `causal`: no position sees a later one. `prefix`: how many leading
    positions of a picture go into the first layer alike for every item (class token, registers). `class_token`: where a
    tokenizer puts its own. `fixed`: the places at which level 0 is the same for every item. `own`: how the family
    pools, as far as it says; `place`: which positions that reads. `norm`: the normalisation of the pooled vector
    alone. `pooler`: the module that makes its own pooled output of the vector at `place`, where one does. `unread`:
    parameters on which no state depends; `unread_pooled`: the same of its own pooled output. `made_up`: parameters
    that its files lack. `sees_padding`: a text's states depend on the padding after it, so that texts of one length
    alone run together. `positions`: the longest text that it has position embeddings for. `attention`: torch's
    fused kernel or the model's own code. `masks`: it hides parts of a picture by itself, unless told not to.
    `droppable`: layers can be taken off its end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    layers: tuple[str, ...]
    stack: str
    levels: tuple[Level, ...]
    output: Level
    pooled: int = 0
    causal: bool = False
    prefix: int = 0
    class_token: Place | None = None
    fixed: tuple[Place, ...] = ()
    own: Pooling | None = None
    place: Place = "cls"
    norm: str = ""
    pooler: str = ""
    unread: tuple[str, ...] = ()
    unread_pooled: tuple[str, ...] = ()
    made_up: tuple[str, ...] = ()
    sees_padding: bool = False
    positions: int | None = None
    attention: Literal["sdpa", "eager", "none"] = "none"
    masks: bool = False
    droppable: bool = False

    @property
    def depth(self) -> int:
        """How many levels there are above level 0."""
        return len(self.layers)

    @property
    def repeats(self) -> bool:
        """Whether one module makes several of its levels."""
        return len(set(self.layers)) < len(self.layers)

    def pooling(self, modality: str, chosen: Choice, stated: Place | None = None) -> Pooling:
        """The pooling for a choice; `stated` is what the model's folder says of it.

        BenchError for one that the model has not got.
        """
        pooling = (stated or self.own or self._usual(modality)) if chosen == "auto" else chosen
        if pooling == "last" and modality == "image":
            raise BenchError(f"image_pooling: {self.model} reads pictures, which have no last token; give cls or mean")
        if pooling == "pooler" and not self.pooled:
            raise BenchError(f"{modality}_pooling: {self.model} has no pooled output of its own; give cls or mean")
        lacking = [name for name in self.made_up if name not in self.unread_pooled]
        if pooling == "pooler" and lacking:
            raise BenchError(
                f"{modality}_pooling: the files of {self.model} lack {lacking[0]} of its pooler; give cls or mean"
            )
        return pooling

    def _usual(self, modality: str) -> Pooling:
        """Of a family without a pooled output: where all has been seen, at a class token, else the mean."""
        if modality == "text":
            return "last" if self.causal else self.class_token or "mean"
        return "cls" if self.prefix else "mean"

    def place_of(self, pooling: Pooling) -> Place:
        """Which positions are read of the levels below the output."""
        return self.place if pooling == "pooler" else pooling


def pool(states: Tensor, place: Place, mask: Tensor | None, prefix: int) -> Tensor:
    """States `[n, positions, width]` at a place, `[n, width]`. `mask`: tokens, of texts; `prefix`: what is no patch."""
    if place == "cls":
        return states[:, 0].contiguous()  # a copy: a view would keep the states of all positions alive
    if mask is None:
        return states[:, prefix:].mean(1)
    if states.shape[1] < mask.shape[1]:
        raise BenchError("text_pooling: the model merges tokens, so that none stands for the last; give cls")
    states = states[:, : mask.shape[1]]  # some models pad their texts themselves
    if place == "last":
        return states[torch.arange(len(mask), device=mask.device), mask.sum(1) - 1].contiguous()
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


def first_tensor(found: Any) -> Tensor | None:
    """The states in what a layer takes or gives: themselves, or the first of several things."""
    if isinstance(found, Tensor):
        return found
    values: Sequence[Any] = ()
    if isinstance(found, dict):
        values = list(found.values())
    elif isinstance(found, tuple | list):
        values = found
    return next((each for value in values if (each := first_tensor(value)) is not None), None)


def states_in(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The states that a layer is called with."""
    named = kwargs.get("hidden_states")
    candidates = [*args, named, *kwargs.values()]
    return next((each for each in candidates if isinstance(each, Tensor) and each.is_floating_point()), None)
