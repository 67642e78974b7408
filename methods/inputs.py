"""What an item encoder reads: token ids and pixels, hidden states from the feature cache, or plain item numbers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Raw:
    """Of a modality: token ids or pixels, for the tower to read."""


@dataclass(frozen=True)
class States:
    """Of a modality: the tower's hidden states from the feature cache, as they are pooled at `levels` (see
    `tower.OUTPUT`), and at all positions at the levels in `whole`, which costs as many times the disk.
    """

    levels: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()

    def entries(self) -> list["States"]:
        """What stands in an entry of the cache of its own, each alone."""
        return [entry for entry in (States(self.levels), States(whole=self.whole)) if entry != States()]


Reads = dict[str, Raw | States]
"""What an encoder reads, by modality; nothing when item numbers are enough."""


@dataclass(frozen=True)
class TokenBatch:
    """Token ids and their mask (1 = token, 0 = padding on the right), int64 `[n, longest]`."""

    ids: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Sequences:
    """States at all positions: a level each `[n, longest, width]`, and which of them an item has, int64 `[n, longest]`
    (1, and 0 for padding on the right).
    """

    levels: list[Tensor]
    mask: Tensor

    def rows(self, chosen: Tensor) -> Self:
        """Those of some of the items, int64 `[k]`, as long as the longest of them."""
        mask = self.mask[chosen]
        longest = int(mask.sum(1).max())
        return replace(self, levels=[level[chosen, :longest] for level in self.levels], mask=mask[:, :longest])


@dataclass(frozen=True)
class ItemInputs:
    """Inputs of n items; a field that the method does not read is None.

    `text`: tokens. `pixels`: uint8 `[n, 3, side, side]`. `states`: per modality one tensor a level, `[n, hidden]`, or
    `[1, hidden]` where the level is the same for every item. `sequences`: per modality the states at all positions.
    `items`: item numbers, int64 `[n]`.
    """

    items: Tensor
    text: TokenBatch | None = None
    pixels: Tensor | None = None
    states: dict[str, list[Tensor]] | None = None
    sequences: dict[str, Sequences] | None = None

    def to(self, device: torch.device) -> Self:
        """The same inputs on a device; copies from pinned memory overlap with computation."""
        if self.items.device == device:
            return self
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> Self:
        """The same inputs, those on the CPU in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory() if tensor.device.type == "cpu" else tensor)

    def rows(self, chosen: Tensor) -> Self:
        """Some of the items, int64 `[k]`, their texts padded to the longest of them."""
        text = self.text
        if text is not None:
            mask = text.mask[chosen]
            longest = int(mask.sum(1).max())
            text = TokenBatch(text.ids[chosen, :longest], mask[:, :longest])
        pixels = None if self.pixels is None else self.pixels[chosen]
        states = self.states and {
            name: [level if len(level) == 1 else level[chosen] for level in levels]  # one that all items share
            for name, levels in self.states.items()
        }
        sequences = self.sequences and {name: found.rows(chosen) for name, found in self.sequences.items()}
        return replace(self, items=self.items[chosen], text=text, pixels=pixels, states=states, sequences=sequences)

    def tensors(self) -> list[Tensor]:
        """All tensors in it."""
        found: list[Tensor] = []
        self._map(lambda tensor: (found.append(tensor), tensor)[1])
        return found

    def _map(self, change: Callable[[Tensor], Tensor]) -> Self:
        states = self.states
        sequences = self.sequences
        return replace(
            self,
            items=change(self.items),
            text=None if self.text is None else TokenBatch(change(self.text.ids), change(self.text.mask)),
            pixels=None if self.pixels is None else change(self.pixels),
            states=states and {name: [change(level) for level in levels] for name, levels in states.items()},
            sequences=sequences
            and {
                name: Sequences([change(level) for level in each.levels], change(each.mask))
                for name, each in sequences.items()
            },
        )
