"""What every dataset is to the rest of the suite: items, sequences and the three splits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from ..cell import Modality
from .features import Features


class ImageSource(Protocol):
    """Pictures of a catalogue by item number."""

    def fingerprint(self, item: int) -> str:
        """What identifies the picture's content (a hash), or "" when the item has none."""
        ...

    def load(self, item: int, side: int) -> Image.Image | None:
        """The RGB picture of an item (any size; a generator may draw it at `side`), or None when there is none.

        Raises BenchError, naming the file, when the picture is there but cannot be decoded.
        """
        ...


@runtime_checkable
class CheckedSource(Protocol):
    """Pictures of which some may be bad: there, but not to be shown."""

    def bad(self, items: Sequence[int]) -> dict[int, str]:
        """Those of some items whose picture is bad, each with its name and why."""
        ...


@dataclass(frozen=True)
class Catalogue:
    """Items 1..n with a text and a picture each; number 0 is padding (empty id, empty text, no picture).

    `features`: of the modalities that are read from vectors which the dataset brings, those of items 1..n.
    """

    ids: Sequence[str]
    texts: Sequence[str] | None
    images: ImageSource | None
    features: Mapping[Modality, Features] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of items, padding not counted."""
        return len(self.ids) - 1

    @property
    def modalities(self) -> tuple[str, ...]:
        """What items show, in the fixed order text, image."""
        shown = {"text": self.texts, "image": self.images}
        return tuple(name for name, value in shown.items() if value is not None or name in self.features)


@dataclass(frozen=True)
class Sequences:
    """Item sequences as windows on one flat array: sequence u is `items[starts[u]:stops[u]]`, in time order."""

    items: np.ndarray
    starts: np.ndarray
    stops: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, user: int) -> np.ndarray:
        return self.items[self.starts[user] : self.stops[user]]

    def subset(self, users: np.ndarray | slice) -> "Sequences":
        """The sequences of some users, on the same flat array."""
        return Sequences(self.items, self.starts[users], self.stops[users])

    def covered(self) -> np.ndarray:
        """Which entries of the flat array some sequence holds: bool `[len(items)]`."""
        size = len(self.items) + 1
        begun = np.bincount(self.starts, minlength=size) - np.bincount(self.stops, minlength=size)
        return np.cumsum(begun)[:-1] > 0

    def repeats(self) -> np.ndarray:
        """Whether each user's last item occurs earlier in the sequence: bool `[users]`."""
        lengths = self.stops - self.starts - 1
        owner = np.repeat(np.arange(len(self)), lengths)
        ends = np.cumsum(lengths)
        index = np.arange(len(owner)) + np.repeat(self.starts - (ends - lengths), lengths)
        same = self.items[index] == self.items[self.stops - 1][owner]
        return np.bincount(owner, weights=same, minlength=len(self)) > 0

    def padded(self, users: np.ndarray, length: int) -> np.ndarray:
        """The last `length` items of each user, left-padded with 0: int64 `[len(users), length]`."""
        index = self.stops[users][:, None] - length + np.arange(length)
        inside = index >= self.starts[users][:, None]
        return np.where(inside, self.items[np.where(inside, index, 0)], 0).astype(np.int64)


@dataclass(frozen=True)
class Dataset:
    """A catalogue with its three splits: the published leave-two-out ones, or those that the data come with.

    Of the latter a user may be in some and not in others. In `valid` and `test` the last item of a sequence is the
    target, and what is before it the kept history: models read the end of it, ranking masks all of it. `facts` holds
    what a report says of the data (source, licence, users dropped, missing images, …).
    """

    name: str
    catalogue: Catalogue
    train: Sequences
    valid: Sequences
    test: Sequences
    facts: dict[str, str | int | float] = field(default_factory=dict)

    @cached_property
    def train_counts(self) -> np.ndarray:
        """How often each item occurs in the training sequences, last target included: int64 `[n_items + 1]`."""
        lengths = self.train.stops - self.train.starts
        ends = np.cumsum(lengths)
        index = np.arange(int(ends[-1])) + np.repeat(self.train.starts - (ends - lengths), lengths)
        return np.bincount(self.train.items[index].astype(np.int64), minlength=self.catalogue.size + 1)

    @cached_property
    def popularity(self) -> np.ndarray:
        """Share of each item in training, padding 1 so that its logarithm is 0: float64 `[n_items + 1]`."""
        share = self.train_counts / self.train_counts.sum()
        share[0] = 1.0
        return share
