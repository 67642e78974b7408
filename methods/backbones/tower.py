"""A tower: one pretrained encoder, read at one position of its sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from ...errors import BenchError
from ..inputs import ItemInputs, TokenBatch

Pooling = Literal["cls", "last"]

OUTPUT = -1
"""The level after the last layer and the final LayerNorm: what the model itself calls its output."""


@dataclass(frozen=True)
class TowerShape:
    """What can be known of a tower without loading it."""

    modality: str
    hidden_size: int
    depth: int
    pooling: Pooling

    @property
    def shares_first_state(self) -> bool:
        """At `[CLS]` the embedding output is the same vector for every item."""
        return self.pooling == "cls"


class Tower(nn.Module):
    """A Hugging Face encoder without its pooler, read at `[CLS]` or at the last token.

    Level k is the output of layer k (0: the embedding output) before any final LayerNorm; `OUTPUT` is after it.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, shape: TowerShape, normalisation: tuple[list[float], list[float]]) -> None:
        super().__init__()
        self.model = model
        self.shape = shape
        mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in normalisation)
        self.register_buffer("mean", mean * 255.0, persistent=False)
        self.register_buffer("std", std * 255.0, persistent=False)
        self.interpolates = "interpolate_pos_encoding" in signature(model.forward).parameters
        if isinstance(getattr(model, "pooler", None), nn.Module):
            model.register_module("pooler", None)  # nothing reads it, so it must not count as a parameter
        for name, parameter in model.named_parameters():
            if name.endswith("mask_token"):
                parameter.requires_grad_(False)  # only masked pretraining reads it
        self._stack = _find_stack(model, shape.depth)

    @property
    def layers(self) -> nn.ModuleList:
        """The stack of transformer layers."""
        return cast(nn.ModuleList, self.model.get_submodule(self._stack))

    def drop_layers_above(self, levels: Sequence[int]) -> None:
        """Removes the layers that no level of `levels` needs, so that none is run for nothing."""
        if OUTPUT not in levels:
            del self.layers[max(1, *levels) :]  # state 0 is what goes into the first

    def forward(self, inputs: ItemInputs) -> Tensor:
        """The model's output at the pooled position, `[n, hidden]`."""
        output = self._run(inputs).last_hidden_state[self._position(inputs)].contiguous()
        norm = getattr(self.model, "post_layernorm", None)  # CLIP's ViT applies it to the pooled vector alone
        return output if norm is None else norm(output)

    def states(self, inputs: ItemInputs, levels: Sequence[int]) -> list[Tensor]:
        """Hidden states at the pooled position, one `[n, hidden]` a level; `[1, hidden]` where all items share it."""
        position, kept = self._position(inputs), dict[int, Tensor]()

        def keep(level: int, hidden: Any) -> None:
            # A copy: a view would keep the states of all positions alive.
            kept[level] = (hidden[0] if isinstance(hidden, tuple) else hidden)[position].contiguous()

        layers, handles = self.layers, []
        if 0 in levels:
            handles.append(layers[0].register_forward_pre_hook(_first_input(keep), with_kwargs=True))
        for level in set(levels) - {0, OUTPUT}:
            handles.append(layers[level - 1].register_forward_hook(_output_of(keep, level)))
        try:
            if OUTPUT in levels:
                kept[OUTPUT] = self(inputs)
            else:
                self._run(inputs)
        finally:
            for handle in handles:
                handle.remove()
        if 0 in kept and self.shape.shares_first_state:
            kept[0] = kept[0][:1]
        return [kept[level] for level in levels]

    def _run(self, inputs: ItemInputs) -> Any:
        if self.shape.modality == "text":
            tokens = _tokens(inputs)
            return self.model(input_ids=tokens.ids, attention_mask=tokens.mask)
        if inputs.pixels is None:
            raise BenchError("this batch has no pixels; choose modalities that the dataset has")
        pixels = (inputs.pixels - self.mean) / self.std
        return self.model(pixels, interpolate_pos_encoding=True) if self.interpolates else self.model(pixels)

    def _position(self, inputs: ItemInputs) -> tuple[Any, Any]:
        """Index of the pooled position in `[n, length, hidden]`."""
        if self.shape.pooling == "cls":
            return (slice(None), 0)
        mask = _tokens(inputs).mask
        return (torch.arange(len(mask), device=mask.device), mask.sum(1) - 1)


def _find_stack(model: nn.Module, depth: int) -> str:
    """Name of the outermost list of as many modules as the tower is deep."""
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == depth:
            return name
    raise BenchError(f"{type(model).__name__}: no list of {depth} layers found; choose another backbone")


def _tokens(inputs: ItemInputs) -> TokenBatch:
    if inputs.text is None:
        raise BenchError("this batch has no texts; choose modalities that the dataset has")
    return inputs.text


def _first_input(keep: Any) -> Any:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        keep(0, args[0] if args else kwargs["hidden_states"])

    return hook


def _output_of(keep: Any, level: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> None:
        keep(level, output)

    return hook
