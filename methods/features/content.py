"""Gathers what an item encoder reads for some items: tokens and pixels, cached states, or nothing but numbers."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from ..backbones.preprocessing import TokenTable
from ..inputs import ItemInputs
from .cache import FeatureCache

_TYPICAL = 4
"""Items whose encoding stands for all: what an item takes depends on nothing but how long its text is."""


class Content(Protocol):
    """Where a method's inputs come from. `at_once`: how many items are encoded at a time when all of them are."""

    at_once: ClassVar[int]

    def gather(self, items: Tensor) -> ItemInputs:
        """The inputs of some item numbers, int64 `[n]`, on the CPU."""
        ...

    def order(self) -> np.ndarray:
        """All item numbers 1..n in the order in which encoding them wastes least padding, the longest first; as they
        are stored where all are alike.
        """
        ...


@contextmanager
def read_in_order(content: Content) -> Iterator[None]:
    """While it lasts all items are gathered in their order: caches that hold them in the same are read ahead.

    Those of all positions are read ahead in whatever order items are gathered: one item's states are many pages.
    """
    cached = content.cached if isinstance(content, MixedContent) else content
    whole = cached.whole.values() if isinstance(cached, WholeContent) else ()
    pooled = content.caches.values() if isinstance(content, CachedContent) else ()
    with ExitStack() as stack:
        for cache in (*pooled, *whole):
            stack.enter_context(cache.in_order())
        yield


def typical_items(content: Content) -> list[Tensor]:
    """A few items, int64 `[1]` each, evenly spread from that with the shortest text to that with the longest."""
    order, count = content.order()[::-1], _TYPICAL
    places = [(2 * number + 1) * len(order) // (2 * count) for number in range(count)]
    return [torch.from_numpy(order[[place]]) for place in dict.fromkeys(places)]


def form_of(inputs: ItemInputs) -> tuple[tuple[int, ...], ...]:
    """The shapes of what each item is shown as, such as how long its title is padded to: what a count depends on."""
    return tuple(tuple(tensor.shape[1:]) for tensor in inputs.tensors())


class Pictures(Protocol):
    """Pixels of a catalogue by item number, such as an array `[n_items + 1, 3, side, side]`."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Those of some items, uint8 `[n, 3, side, side]`."""
        ...


@dataclass(frozen=True)
class RawContent:
    """Token ids and pixels, for methods that run the towers. `digest` identifies them."""

    items: int
    tokens: TokenTable | None
    pixels: Pictures | None
    digest: str
    at_once: ClassVar[int] = 128

    def __or__(self, other: "RawContent") -> "RawContent":
        """Both contents together."""
        return RawContent(
            self.items,
            other.tokens if self.tokens is None else self.tokens,
            other.pixels if self.pixels is None else self.pixels,
            self.digest + other.digest,
        )

    def gather(self, items: Tensor) -> ItemInputs:
        rows = items.numpy()
        return ItemInputs(
            items,
            text=None if self.tokens is None else self.tokens.batch(rows),
            pixels=None if self.pixels is None else torch.from_numpy(self.pixels[rows]),
        )

    def order(self) -> np.ndarray:
        numbers = np.arange(1, self.items + 1)
        return numbers if self.tokens is None else numbers[np.argsort(self.tokens.lengths[1:], kind="stable")[::-1]]


@dataclass(frozen=True)
class CachedContent:
    """Hidden states from the feature cache."""

    items: int
    caches: dict[str, FeatureCache]
    at_once: ClassVar[int] = 1024

    def gather(self, items: Tensor) -> ItemInputs:
        return ItemInputs(items, states={name: cache.gather(items) for name, cache in self.caches.items()})

    def order(self) -> np.ndarray:
        return np.arange(1, self.items + 1)


@dataclass(frozen=True)
class WholeContent:
    """Hidden states from the feature cache, of some modalities at all positions."""

    pooled: CachedContent
    whole: dict[str, FeatureCache]
    at_once: ClassVar[int] = 128

    def gather(self, items: Tensor) -> ItemInputs:
        sequences = {name: cache.gather_whole(items) for name, cache in self.whole.items()}
        return replace(self.pooled.gather(items), sequences=sequences)

    def order(self) -> np.ndarray:
        numbers = self.pooled.order()
        lengths = sum(cache.offsets.diff().numpy()[1:] for cache in self.whole.values() if cache.offsets is not None)
        return numbers[np.argsort(-lengths, kind="stable")]


@dataclass(frozen=True)
class IDContent:
    """Item numbers alone."""

    items: int
    at_once: ClassVar[int] = 128

    def gather(self, items: Tensor) -> ItemInputs:
        return ItemInputs(items)

    def order(self) -> np.ndarray:
        return np.arange(1, self.items + 1)


@dataclass(frozen=True)
class MixedContent:
    """Tokens or pixels of one modality, hidden states of another."""

    raw: RawContent
    cached: CachedContent | WholeContent
    at_once: ClassVar[int] = 128

    def gather(self, items: Tensor) -> ItemInputs:
        cached = self.cached.gather(items)
        return replace(self.raw.gather(items), states=cached.states, sequences=cached.sequences)

    def order(self) -> np.ndarray:
        return self.raw.order()


def joined(
    items: int,
    raw: Mapping[str, RawContent],
    caches: dict[str, FeatureCache],
    whole: dict[str, FeatureCache] | None = None,
) -> Content:
    """The content of `items` items from what was read of each modality; item numbers alone when nothing was.

    `whole`: the entries of all positions.
    """
    pooled = CachedContent(items, caches)
    cached = WholeContent(pooled, whole) if whole else pooled
    if not raw:
        return cached if caches or whole else IDContent(items)
    merged = reduce(or_, raw.values(), RawContent(items, None, None, ""))
    return MixedContent(merged, cached) if caches or whole else merged
