"""The few items that a model is tried with, and how a model is called."""

from dataclasses import dataclass
from functools import lru_cache
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import BenchError
from .anatomy import Place

_CONTENT = 5
"""Tokens of a title that is tried, without those that stand before and after every one."""
SAME = 1e-5
"""Relative difference below which two states are the same but for rounding."""


@dataclass(frozen=True)
class Frame:
    """The tokens that a tokenizer puts before and after every text, its padding, and ids that stand for words.

    `class_token`: where the tokenizer's own class token stands, if it has one there.
    """

    before: list[int]
    after: list[int]
    words: list[int]
    padding: int = 0
    class_token: Place | None = None


@dataclass(frozen=True)
class Items:
    """What is run: titles as ids and mask `[4, length]`, or pictures `[3, 3, side, side]`. The last is the first again.

    Of titles the second differs from the first in its last word alone, the third is shorter.
    """

    ids: Tensor | None = None
    mask: Tensor | None = None
    pixels: Tensor | None = None
    frame: Frame | None = None

    @classmethod
    def titles(cls, frame: Frame) -> "Items":
        """Four titles."""
        words = [frame.words[k % len(frame.words)] for k in range(2 * _CONTENT + 1)]
        first, third = words[:_CONTENT], words[_CONTENT + 1 : 2 * _CONTENT - 1]
        rows = [[*frame.before, *row, *frame.after] for row in (first, [*first[:-1], words[_CONTENT]], third, first)]
        length = len(rows[0])
        ids = torch.tensor([row + [frame.padding] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        return cls(ids=ids, mask=mask, frame=frame)

    @classmethod
    def pictures(cls, side: int) -> "Items":
        """Two of noise, the first of them again."""
        noise = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
        return cls(pixels=torch.cat([noise, noise[:1]]))

    def __len__(self) -> int:
        rows = self.pixels if self.ids is None else self.ids
        assert rows is not None
        return len(rows)

    def row(self, number: int) -> "Items":
        """One of them alone, without padding."""
        if self.ids is None or self.mask is None:
            assert self.pixels is not None
            return Items(pixels=self.pixels[number : number + 1])
        kept = int(self.mask[number].sum())
        rows = slice(number, number + 1)
        return Items(ids=self.ids[rows, :kept], mask=self.mask[rows, :kept], frame=self.frame)


def call_model(model: nn.Module, items: Items, masks: bool) -> Any:
    """Runs a model as it wants to be called. `masks`: it would hide parts of a picture unless given their order."""
    if items.ids is not None:
        mask = {"attention_mask": items.mask} if takes(model, "attention_mask") else {}
        return model(input_ids=items.ids, **mask)
    assert items.pixels is not None
    more: dict[str, Any] = {"interpolate_pos_encoding": True} if takes(model, "interpolate_pos_encoding") else {}
    if masks:
        more["noise"] = in_order(model, items.pixels)
    return model(items.pixels, **more)


def check_callable(model: nn.Module, items: Items) -> None:
    """BenchError for a model that has to be told more than what an item shows."""
    wanted = [
        parameter.name
        for parameter in list(signature(type(model).forward).parameters.values())[2:]
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and parameter.name != ("noise" if items.ids is None else "attention_mask")  # which it is told
    ]
    if wanted:
        shown = "pixels" if items.ids is None else "token ids and their mask"
        raise BenchError(
            f"{type(model).__name__}: wants {' and '.join(wanted)} beside {shown}; choose another backbone"
        )


def takes(model: nn.Module, argument: str) -> bool:
    """Whether a model can be called with an argument of that name."""
    return argument in _arguments(type(model))


@lru_cache(maxsize=64)
def _arguments(kind: type[nn.Module]) -> frozenset[str]:
    return frozenset(signature(kind.forward).parameters)


def in_order(model: Any, pixels: Tensor) -> Tensor:
    """For each patch of the pictures its rank among them, `[n, patches]`: what a masking model would draw at random."""
    patch = model.config.patch_size
    high, wide = patch if isinstance(patch, list | tuple) else (patch, patch)
    count = (pixels.shape[-2] // high) * (pixels.shape[-1] // wide)
    return torch.linspace(0, 1, count, device=pixels.device).expand(len(pixels), -1)


def close(first: Tensor, second: Tensor, tolerance: float = SAME) -> bool:
    """Whether two tensors are the same but for rounding; what is not finite is the same as nothing."""
    if first.shape != second.shape:
        return False
    scale = max(float(first.detach().abs().max()), float(second.detach().abs().max()), 1e-12)
    return float((first - second).detach().abs().max()) <= tolerance * scale
