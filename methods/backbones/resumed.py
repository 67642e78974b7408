"""Starts a tower in the middle: the states of a level come from elsewhere, and the layers above it run as ever."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import BenchError
from ..inputs import ItemInputs, Sequences, TokenBatch
from .anatomy import Level, first_tensor, states_in
from .pixels import HALF, USUAL_SIDE, configured_side
from .tower import OUTPUT, Tower
from .trial import close

_LENGTHS = (6, 4)
"""Tokens of the two texts that a start is tried with."""
_CLOSE = 1e-4


class ResumedTower(Tower):
    """A tower without the layers up to a level, which takes that level's states at all positions for what they gave.

    The model itself runs, so that masks and positions are made as it makes them: of empty tokens under the items' mask,
    or of one black picture. Its lower layers hand on what they are given, and the first that is left gets the states.
    """

    def __init__(self, tower: Tower, start: int) -> None:
        """Takes a whole tower, which is used up. BenchError where the rest of it needs more than the states."""
        super().__init__(tower.model, tower.shape, HALF, tower.anatomy)
        self.mean, self.std = tower.mean, tower.std
        self.start = start
        self._incoming: Tensor | None = None
        tried = None if next(tower.parameters()).device.type == "meta" else self._seen_whole()
        kinds = tried[2] if tried else {}
        for name in self.anatomy.layers[:start]:
            _hollow(self.model.get_submodule(name), kinds.get(name, 0))
        _forget_words(self.model)
        if start < self.shape.depth:
            first = self.model.get_submodule(self.anatomy.layers[start])
            first.register_forward_pre_hook(self._hand_over, with_kwargs=True)
        if tried:
            self._check(*tried[:2])

    def forward(self, inputs: ItemInputs) -> Tensor:
        """As `Tower`, from `inputs.sequences`; without them the lower layers hand on what they are given."""
        return super().forward(inputs if inputs.sequences is None else self._shown(inputs))

    def states(self, inputs: ItemInputs, levels: Any) -> list[Tensor]:
        """As `Tower.states`, of levels above the start, from `inputs.sequences`."""
        return super().states(self._shown(inputs), levels)

    def _shown(self, inputs: ItemInputs) -> ItemInputs:
        """What the model is called with in place of the items."""
        assert inputs.sequences is not None, "what starts in the middle reads states of all positions"
        mask = inputs.sequences[self.shape.modality].mask
        if self.shape.modality == "text":
            return replace(inputs, text=TokenBatch(torch.zeros_like(mask), mask))
        side = _side(self.model)
        return replace(inputs, pixels=torch.zeros(1, 3, side, side, dtype=torch.uint8, device=mask.device))

    def _run(self, inputs: ItemInputs) -> Any:
        if inputs.sequences is not None:
            self._incoming = inputs.sequences[self.shape.modality].levels[-1]
        try:
            return super()._run(inputs)
        finally:
            self._incoming = None

    def _hand_over(self, _layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Puts the states in place of those that a layer was called with."""
        made = states_in(args, kwargs)
        if self._incoming is None or made is None:
            return None
        states = _as_given(self._incoming, self.anatomy.levels[self.start], made)
        if any(value is made for value in args):
            return tuple(states if value is made else value for value in args), kwargs
        return args, {key: states if value is made else value for key, value in kwargs.items()}

    @torch.no_grad()
    def _seen_whole(self) -> tuple[ItemInputs, list[Tensor], dict[str, int]]:
        """Two items with the start's states, all that the whole tower gives above it, and how its layers return them:
        0 as they are, else how many things there are of which they are the first.
        """
        kinds, handles = dict[str, int](), []

        def note(name: str) -> Callable[..., None]:
            return lambda _layer, _args, output: kinds.update({name: len(output) if isinstance(output, tuple) else 0})

        for name in self.anatomy.layers[: self.start]:
            handles.append(self.model.get_submodule(name).register_forward_hook(note(name)))
        self.eval()
        items = _two_items(self)
        start = self.sequences(items, (self.start,))
        above = super().states(items, self._above())
        for handle in handles:
            handle.remove()
        mask = torch.ones(start[0].shape[:2], dtype=torch.int64) if items.text is None else items.text.mask
        return replace(items, sequences={self.shape.modality: Sequences(start, mask)}), above, kinds

    def _check(self, items: ItemInputs, whole: list[Tensor]) -> None:
        try:
            with torch.no_grad():
                found = self.states(items, self._above())
            alike = all(close(one, other, _CLOSE) for one, other in zip(whole, found, strict=True))
            fault = "they give something else then"
        except Exception as error:  # whatever a model says that is called so
            alike, fault = False, " ".join(str(error).split())[:200]
        if not alike:
            raise BenchError(
                f"the {self.shape.modality} tower ({self.anatomy.model}) cannot be started at level {self.start}: its "
                f"layers need more than that level's states ({fault}); use hybrid, which runs all of it"
            )

    def _above(self) -> tuple[int, ...]:
        return (*range(self.start + 1, self.shape.depth + 1), OUTPUT)


def _two_items(tower: Tower) -> ItemInputs:
    """Two texts of different length, or two pictures of noise."""
    items = torch.arange(2)
    if tower.shape.modality == "text":
        longest = max(_LENGTHS)
        mask = (torch.arange(longest) < torch.tensor(_LENGTHS)[:, None]).long()
        return ItemInputs(items, text=TokenBatch((torch.arange(2 * longest).view(2, -1) + 3) * mask, mask))
    side = _side(tower.model)
    noise = torch.randint(0, 256, (2, 3, side, side), generator=torch.Generator().manual_seed(3))
    return ItemInputs(items, pixels=noise.to(torch.uint8))


def _side(model: nn.Module) -> int:
    return configured_side(getattr(model, "config", None)) or USUAL_SIDE


def _as_given(states: Tensor, level: Level, like: Tensor) -> Tensor:
    """States `[n, positions, width]` with the axes of what a layer was called with."""
    if like.dim() == 2:
        raise BenchError("its layers take no sequences")
    inner = like.movedim((level.items, level.columns), (0, -1)).shape[1:-1]
    if len(inner) > 1:
        states = states.unflatten(1, inner)
    elif inner[0] > states.shape[1] and len(like) == len(states):  # it pads texts itself
        states = functional.pad(states, (0, 0, 0, inner[0] - states.shape[1]))
    return states.movedim((0, -1), (level.items, level.columns)).to(like.dtype)


def _hollow(layer: nn.Module, things: int) -> None:
    """Has a layer hand on the states that it is given, and keep nothing of its own."""

    def forward(*args: Any, **kwargs: Any) -> Any:
        states = first_tensor(states_in(args, kwargs))
        return (states, *[None] * (things - 1)) if things else states

    layer._modules.clear()
    layer._parameters.clear()
    layer._buffers.clear()
    layer.forward = forward


class _AnyWord(nn.Embedding):
    """One row for every word."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(torch.zeros_like(input))


def _forget_words(model: Any) -> None:
    """Leaves one row of a table of words, for any word: what is made of it is replaced."""
    words = model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None
    if not isinstance(words, nn.Embedding):
        return
    name = next(name for name, module in model.named_modules() if module is words)
    model.set_submodule(name, _AnyWord.from_pretrained(words.weight[:1].detach().clone()))
