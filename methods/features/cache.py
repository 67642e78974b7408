"""The feature cache: hidden states of every item, one memory-mapped array a backbone.

An entry is a folder named by its key: `states.npy` `[n_items + 1, levels, hidden]`, `shared.npy` `[hidden]` when
state 0 is the same for every item, and `entry.json`. Of all positions `states.npy` is `[positions of all items, levels,
hidden]`, and `offsets.npy` `[n_items + 2]` says where an item's begin. bfloat16, which NumPy lacks, is kept as int16 of
the same bits. Nothing in it is executable.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor

from ...arrays import map_array, read_array
from ...cell import CacheDtype
from ...energy import Energy
from ...errors import BenchError
from ...files import cache_directory, canonical_json, digest, file_digest, read_json
from ...values import Count
from ..inputs import Sequences

VERSION = 3
"""2: an entry says what building it took. 3: the last layer is run at the pooled position alone."""


@dataclass(frozen=True)
class CacheKey:
    """Everything that decides the states of an entry; another model or a changed title gives another key.

    `backbone` is what the model is called, which decides nothing: an entry says it, its name does not.
    """

    backbone: str
    modality: str
    weights: str
    levels: tuple[int, ...]
    pooling: str
    preprocessing: str
    content: str
    dtype: CacheDtype
    precision: str = "fp32"
    version: int = VERSION
    positions: Literal["pooled", "all"] = "pooled"

    @cached_property
    def name(self) -> str:
        """The entry's folder name."""
        deciding = {name: value for name, value in asdict(self).items() if name != "backbone"}
        if self.positions == "pooled":  # as before there were others
            del deciding["positions"]
        return digest(canonical_json(deciding))[:32]

    @property
    def folder(self) -> Path:
        """Where the entry stands once it is complete."""
        return features_directory() / self.name


def features_directory() -> Path:
    """The folder that holds all entries."""
    return cache_directory() / "features"


class Built(BaseModel):
    """What building an entry took, and who did it; empty where that was not measured.

    `memory`: peaks in bytes. `machine`: where, in words; `beside`: how many cells might run at the same time.
    `tower_bytes`: of the tower as far as it was run, and `tower_operations` of running it for an item; None in an entry
    of before.
    """

    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    memory: dict[str, Annotated[int, Field(ge=0)]] = {}
    built_by: str = ""
    machine: str = ""
    beside: Count = 0
    energy: Energy | None = None
    tower_bytes: Count | None = None
    tower_operations: Count | None = None


class Entry(Built):
    """What `entry.json` must say beside the key: a checksum for each array, and what building took."""

    sha256: dict[Literal["states.npy", "shared.npy", "offsets.npy"], str]


@dataclass(frozen=True)
class FeatureCache:
    """A complete entry, open for reading.

    `states`: `[n_items + 1, levels, hidden]` without the shared level, over the memory map unless `to` moved it.
    `shared`: level 0, `[hidden]`, when all items share it, else None. `offsets`: of an entry of all positions where
    each item's rows of `states` begin, `[n_items + 2]`, on the CPU. `pages`: the memory map.
    """

    folder: Path
    states: Tensor
    shared: Tensor | None
    built: Built
    offsets: Tensor | None = None
    pages: mmap.mmap | None = None

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """While it lasts the system reads ahead: rows one after the other, or long rows in whatever order.

        Where the file is larger than the memory that takes less than a tenth of the time of a page at a time.
        """
        _advise(self.pages, "MADV_NORMAL")
        try:
            yield
        finally:
            _advise(self.pages, "MADV_RANDOM")

    def to(self, device: torch.device) -> "FeatureCache":
        """The entry held on a device, from where states are gathered without crossing the bus at every step."""
        shared = None if self.shared is None else self.shared.to(device)
        return replace(self, states=self.states.to(device), shared=shared, pages=None)

    @property
    def nbytes(self) -> int:
        """Bytes on disk of the arrays."""
        return sum(array.nbytes for array in (self.states, self.shared, self.offsets) if array is not None)

    def gather(self, items: Tensor) -> list[Tensor]:
        """Levels in order for some items, whose numbers are on the CPU: `[1, hidden]` for a shared one, else
        `[n, hidden]`, in the cache's dtype.
        """
        levels = list(self.states.index_select(0, self._there(items)).unbind(1))
        return levels if self.shared is None else [self.shared[None], *levels]

    def gather_whole(self, items: Tensor) -> Sequences:
        """Levels in order for some items at all positions, zeros after the end of a shorter one."""
        assert self.offsets is not None, "an entry of all positions has offsets"
        starts = self.offsets[items.cpu()]
        lengths = self.offsets[items.cpu() + 1] - starts
        places = torch.arange(int(lengths.max()) if len(lengths) else 0)
        mask = places < lengths[:, None]
        rows = self._there(torch.where(mask, starts[:, None] + places, 0).flatten())
        after = self._there((~mask).flatten().nonzero().flatten())
        # Most of what is read in a step: copied once, row by row, and only what stands for no position written again.
        found = self.states.index_select(0, rows).index_fill_(0, after, 0).unflatten(0, mask.shape)
        return Sequences(list(found.unbind(2)), self._there(mask.long()))

    def _there(self, tensor: Tensor) -> Tensor:
        """A tensor of the CPU's where the states are, without waiting for a card to do all that it was given before."""
        return (tensor.pin_memory() if self.states.is_cuda else tensor).to(self.states.device, non_blocking=True)


def open_features(folder: Path) -> FeatureCache | None:
    """The entry in a folder, its checksums verified, or None when there is no complete one.

    BenchError when it isn't what was written.
    """
    entry = read_entry(folder)
    if entry is None:
        return None
    for line in changed_arrays(folder, entry):
        raise BenchError(line)
    array, pages = _mapped(folder / "states.npy")
    states = as_tensor(array)
    shared = as_tensor(read_array(folder / "shared.npy")) if "shared.npy" in entry.sha256 else None
    offsets = torch.from_numpy(read_array(folder / "offsets.npy")) if "offsets.npy" in entry.sha256 else None
    return FeatureCache(folder, states, shared, entry, offsets, pages)


def kept_as(dtype: CacheDtype) -> np.dtype:
    """What the file of an entry of that kind holds."""
    return np.dtype("int16" if dtype == "bfloat16" else dtype)


def as_array(states: Tensor) -> np.ndarray:
    """States as a file keeps them."""
    states = states.cpu()
    return (states.view(torch.int16) if states.dtype == torch.bfloat16 else states).numpy()


def as_tensor(array: np.ndarray) -> Tensor:
    """What a file keeps as the states that they are, over the same memory."""
    found = torch.from_numpy(array)
    return found.view(torch.bfloat16) if found.dtype == torch.int16 else found


def changed_arrays(folder: Path, entry: Entry) -> Iterator[str]:
    """A line for each array of an entry that is missing, cannot be read, or isn't what was written."""
    for name, checksum in {"states.npy": "", **entry.sha256}.items():
        try:
            changed = file_digest(folder / name) != checksum
        except BenchError as error:
            yield str(error)
        else:
            if changed:
                yield f"{folder / name}: changed since it was written"


def verify(folder: Path) -> list[str]:
    """What is wrong with a complete entry's files, a line for each."""
    try:
        entry = read_entry(folder)
    except BenchError as error:
        faults = [str(error)]
    else:
        faults = list(changed_arrays(folder, entry)) if entry else []
    return [f"{line}; remove the folder and it is built again" for line in faults]


def _mapped(path: Path) -> tuple[np.ndarray, mmap.mmap | None]:
    """The array over the file, read a row here and a row there, and the map.

    Opened for copy-on-write: torch wants writable memory, and nothing that writes could reach the file.
    """
    states = map_array(path, "c")
    pages = states.base if isinstance(states.base, mmap.mmap) else None
    # Where the file is larger than the memory, 128 KB read ahead of a row would push out rows still wanted.
    _advise(pages, "MADV_RANDOM")
    return states, pages


def _advise(pages: mmap.mmap | None, how: str) -> None:
    """Tells the system how a map will be read, where it can be told."""
    if pages is not None and hasattr(mmap, how):
        pages.madvise(getattr(mmap, how))


def read_entry(folder: Path) -> Entry | None:
    """What an entry says of itself, or None when the folder holds no complete one; BenchError when that is damaged."""
    path = folder / "entry.json"
    if not path.exists():
        return None
    try:
        return Entry.model_validate(read_json(path))
    except ValidationError as error:
        raise BenchError(f"{path}: not what a build writes") from error
