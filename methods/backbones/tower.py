"""A tower: one pretrained encoder, its states read at one place of their sequence."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import BenchError
from ..inputs import ItemInputs, TokenBatch
from .anatomy import Anatomy, Level, Place, Pooling, first_tensor, pool, states_in
from .trial import Items, call_model

OUTPUT = -1
"""The level after the last layer and the final LayerNorm: what the model itself calls its output."""


@dataclass(frozen=True)
class TowerShape:
    """What is known of a tower without loading it.

    `hidden_size`: columns of its output. `widths`: columns of level 0, 1, …, where they are not all that many.
    `shares_first_state`: level 0 was seen to be the same vector for every item. `place`: where the levels below the
    output are read; `prefix`: leading positions of a picture that are no patches.
    """

    modality: str
    hidden_size: int
    depth: int
    pooling: Pooling
    shares_first_state: bool = False
    widths: tuple[int, ...] = field(default=())
    place: Place = "cls"
    prefix: int = 0

    @classmethod
    def of(cls, anatomy: Anatomy, modality: str, pooling: Pooling) -> "TowerShape":
        """The shape of a model that is pooled so."""
        place, hidden = anatomy.place_of(pooling), anatomy.pooled if pooling == "pooler" else anatomy.output.width
        widths = tuple(level.width for level in anatomy.levels)
        return cls(
            modality,
            hidden,
            anatomy.depth,
            pooling,
            shares_first_state=place in anatomy.fixed,
            widths=() if set(widths) == {hidden} else widths,
            place=place,
            prefix=anatomy.prefix,
        )

    def width(self, level: int) -> int:
        """Columns of a level's states."""
        return self.widths[level] if self.widths and level != OUTPUT else self.hidden_size

    def pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        """A level's states at all positions as they are pooled, `[n, width]`. `mask`: positions that an item has."""
        return pool(states, self.place, mask if self.modality == "text" else None, self.prefix)


class Tower(nn.Module):
    """A Hugging Face encoder, read at one place of its sequence.

    Level k is the output of layer k (0: what goes into the first) before any final LayerNorm; `OUTPUT` is after it.
    `after_attention`: the maps of the last layer that no attention reads, of a tower whose maps were replaced since.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: nn.Module, shape: TowerShape, normalisation: tuple[list[float], list[float]], anatomy: Anatomy
    ) -> None:
        super().__init__()
        self.model = model
        self.shape = shape
        self.anatomy = anatomy
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in normalisation)
        self.register_buffer("mean", mean * 255.0, persistent=False)
        self.register_buffer("std", std * 255.0, persistent=False)
        self.after_attention: tuple[str, ...] | None = None
        self._place: Place = anatomy.place_of(shape.pooling)
        if anatomy.masks:
            cast(Any, model).config.mask_ratio = 0.0
        self._leave_out_unread()

    def _leave_out_unread(self) -> None:
        """What nothing reads must neither count as a parameter, where the model runs without it, nor be trained."""
        pooled = self.shape.pooling == "pooler"
        unread = set(self.anatomy.unread_pooled if pooled else self.anatomy.unread)
        optional = "add_pooling_layer" in signature(type(self.model).__init__).parameters
        if optional and not pooled and any(name.startswith("pooler.") for name in unread):
            self.model.register_module("pooler", None)
        for name, parameter in self.model.named_parameters():
            if name in unread:
                parameter.requires_grad_(False)

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The layers in the order in which they run; one that runs several times stands there as often."""
        if self.anatomy.droppable:
            return list(cast(nn.ModuleList, self.model.get_submodule(self.anatomy.stack)))
        return [self.model.get_submodule(name) for name in self.anatomy.layers]

    def drop_layers_above(self, levels: Sequence[int]) -> None:
        """Removes the layers that no level of `levels` needs, so that none is run for nothing.

        Of a model that wants all of its layers none is removed; `states` then stops it at the last level read.
        """
        if OUTPUT not in levels and self.anatomy.droppable:
            # state 0 is what goes into the first
            del cast(nn.ModuleList, self.model.get_submodule(self.anatomy.stack))[max(1, *levels) :]

    def forward(self, inputs: ItemInputs) -> Tensor:
        """The model's output as it is pooled, `[n, hidden]`."""
        return self._by_length(inputs, lambda some: [self._output(some)])[0]

    def _output(self, inputs: ItemInputs) -> Tensor:
        output, anatomy = self._run(inputs), self.anatomy
        if self.shape.pooling == "pooler" and not anatomy.pooler:
            return output.pooler_output.flatten(1)
        vector = self._pooled(output.last_hidden_state, anatomy.output, inputs)
        after = anatomy.pooler if self.shape.pooling == "pooler" else anatomy.norm
        return self.model.get_submodule(after)(vector) if after else vector

    def sequences(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        """Hidden states at all positions below the output, `[n, positions, width]` a level: of texts as many as their
        mask has, what stands in padding without meaning.

        BenchError for a model that merges tokens.
        """
        longest = _tokens(inputs).mask.shape[1] if self.shape.modality == "text" else None

        def of(some: ItemInputs) -> list[Tensor]:
            found = self._states(some, levels, lambda states, level: self._whole(states, level, some))
            missing = 0 if longest is None else longest - found[0].shape[1]
            return [functional.pad(level, (0, 0, 0, missing)) for level in found]

        return self._by_length(inputs, of)

    def _whole(self, states: Tensor, level: Level, inputs: ItemInputs) -> Tensor:
        states = level.ordered(states)
        if self.shape.modality == "image":
            return states
        length = _tokens(inputs).mask.shape[1]
        if states.shape[1] < length:
            raise BenchError(f"{self.anatomy.model} merges tokens: it has no state of each; use a method that pools")
        return states[:, :length]  # some models pad their texts themselves

    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        """Hidden states as they are pooled; one `[n, width]` a level, `[1, width]` where all items share it."""
        found = self._by_length(
            inputs, lambda some: self._states(some, levels, lambda states, level: self._pooled(states, level, some))
        )
        shared = self.shape.shares_first_state
        return [state[:1] if level == 0 and shared else state for level, state in zip(levels, found, strict=True)]

    def _by_length(self, inputs: ItemInputs, run: Callable[[ItemInputs], list[Tensor]]) -> list[Tensor]:
        """What `run` gives of the items, those of one length together where the model sees padding."""
        lengths = inputs.text.mask.sum(1) if self.anatomy.sees_padding and inputs.text is not None else None
        if lengths is None or len(lengths) < 2:
            return run(inputs)
        groups = [torch.nonzero(lengths == length).flatten() for length in lengths.unique()]
        if len(groups) == 1:
            return run(inputs)
        parts = [run(inputs.rows(group)) for group in groups]
        back = torch.cat(groups).argsort()
        return [torch.cat(level)[back] for level in zip(*parts, strict=True)]

    def _states(
        self, inputs: ItemInputs, levels: Sequence[int], take: Callable[[Tensor, Level], Tensor]
    ) -> list[Tensor]:
        """What `take` makes of a model's states at each level; the output as it is pooled."""
        kept, handles = dict[int, Tensor](), []
        stops = OUTPUT not in levels and not self.anatomy.droppable

        def keep(level: int, hidden: Any) -> None:
            states = first_tensor(hidden)
            assert states is not None, "it gave states when it was inspected"
            kept[level] = take(states, self.anatomy.levels[level])
            if stops and level == max(levels):
                raise _Read

        if 0 in levels:
            first = self.model.get_submodule(self.anatomy.layers[0])
            handles.append(first.register_forward_pre_hook(_first_input(keep), with_kwargs=True))
        for name, numbers in self._levels_of_layers().items():
            if set(numbers) & set(levels):
                hook = _output_of(keep, numbers, set(levels))
                handles.append(self.model.get_submodule(name).register_forward_hook(hook))
        try:
            if OUTPUT in levels:
                kept[OUTPUT] = self._output(inputs)
            else:
                self._run(inputs)
        except _Read:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return [kept[level] for level in levels]

    def _levels_of_layers(self) -> dict[str, list[int]]:
        """Of each layer the levels that it gives, call by call."""
        found = defaultdict[str, list[int]](list)
        for number, name in enumerate(self.anatomy.layers, 1):
            found[name].append(number)
        return found

    def _pooled(self, states: Tensor, level: Level, inputs: ItemInputs) -> Tensor:
        mask = _tokens(inputs).mask if self.shape.modality == "text" else None
        return pool(level.ordered(states), self._place, mask, self.anatomy.prefix)

    def _run(self, inputs: ItemInputs) -> Any:
        if self.shape.modality == "text":
            tokens = _tokens(inputs)
            return call_model(self.model, Items(ids=tokens.ids, mask=tokens.mask), False)
        if inputs.pixels is None:
            raise BenchError("this batch has no pixels; choose modalities that the dataset has")
        return call_model(self.model, Items(pixels=(inputs.pixels - self.mean) / self.std), self.anatomy.masks)


class _Read(Exception):
    """Ends a run of the model when the last level that is wanted has been read."""


def _tokens(inputs: ItemInputs) -> TokenBatch:
    if inputs.text is None:
        raise BenchError("this batch has no texts; choose modalities that the dataset has")
    return inputs.text


def _first_input(keep: Callable[[int, Any], None]) -> Any:
    seen: list[bool] = []

    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not seen:  # a layer that runs again takes what it gave
            seen.append(True)
            keep(0, states_in(args, kwargs))

    return hook


def _output_of(keep: Callable[[int, Any], None], numbers: Sequence[int], levels: set[int]) -> Any:
    calls = iter(numbers)

    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        level = next(calls, None)
        if level in levels:
            keep(level, output)

    return hook
