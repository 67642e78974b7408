"""The feature cache: hidden states of every item, one memory-mapped array a backbone.

An entry is a folder named by its key: `states.npy` `[n_items + 1, levels, hidden]`, `shared.npy` `[hidden]` when
state 0 is the same for every item, and `entry.json`. Nothing in it is executable.
"""

import mmap
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..arrays import map_array, read_array
from ..errors import BenchError
from ..files import cache_directory, canonical_json, digest, file_digest, read_json

VERSION = 3
"""2: an entry says what building it took. 3: the last layer is run at the pooled position alone."""


@dataclass(frozen=True)
class CacheKey:
    """Everything that decides the states of an entry; another model or a changed title gives another key."""

    backbone: str
    modality: str
    weights: str
    levels: tuple[int, ...]
    pooling: str
    preprocessing: str
    content: str
    dtype: Literal["float16", "float32"]
    precision: str = "fp32"
    version: int = VERSION

    @cached_property
    def name(self) -> str:
        """The entry's folder name."""
        return digest(canonical_json(asdict(self)))[:32]

    @property
    def folder(self) -> Path:
        """Where the entry stands once it is complete."""
        return features_directory() / self.name


def features_directory() -> Path:
    """The folder that holds all entries."""
    return cache_directory() / "features"


@dataclass(frozen=True)
class FeatureCache:
    """A complete entry, open for reading.

    `states`: `[n_items + 1, levels, hidden]` without the shared level, over the memory map unless `to` moved it.
    `shared`: level 0, `[hidden]`, when all items share it, else None. `seconds`, `memory` (peaks in bytes) and
    `built_by`: what building it took and who did it, as the entry says; empty where that was not measured.
    """

    folder: Path
    states: Tensor
    shared: Tensor | None
    seconds: float
    memory: dict[str, int] = field(default_factory=dict)
    built_by: str = ""

    def to(self, device: torch.device) -> "FeatureCache":
        """The entry held on a device, from where states are gathered without crossing the bus at every step."""
        shared = None if self.shared is None else self.shared.to(device)
        return replace(self, states=self.states.to(device), shared=shared)

    @property
    def nbytes(self) -> int:
        """Bytes on disk of the arrays."""
        return self.states.nbytes + (0 if self.shared is None else self.shared.nbytes)

    def gather(self, items: Tensor) -> list[Tensor]:
        """Levels in order for some items: `[1, hidden]` for a shared one, else `[n, hidden]`, in the cache's dtype."""
        levels = list(self.states.index_select(0, items.to(self.states.device)).unbind(1))
        return levels if self.shared is None else [self.shared[None], *levels]


def open_features(folder: Path) -> FeatureCache | None:
    """The entry in a folder, its checksums verified, or None when there is no complete one.

    BenchError when the bytes are not those that were written.
    """
    entry = read_entry(folder)
    if entry is None:
        return None
    for name, checksum in entry["sha256"].items():
        if not (folder / name).exists() or file_digest(folder / name) != checksum:
            raise BenchError(
                f"{folder / name}: checksum differs from the one recorded; remove the folder to rebuild it"
            )
    states = torch.from_numpy(_mapped(folder / "states.npy"))
    shared = torch.from_numpy(read_array(folder / "shared.npy")) if (folder / "shared.npy").exists() else None
    return FeatureCache(folder, states, shared, entry["seconds"], entry.get("memory", {}), entry.get("built_by", ""))


def _mapped(path: Path) -> np.ndarray:
    """The array over the file, read a row here and a row there.

    Opened for copy-on-write: torch wants writable memory, and nothing that writes could reach the file.
    """
    states = map_array(path, "c")
    if hasattr(mmap, "MADV_RANDOM") and isinstance(states.base, mmap.mmap):
        # Where the file is larger than the memory, 128 KB read ahead of a row would push out rows still wanted.
        states.base.madvise(mmap.MADV_RANDOM)
    return states


def read_entry(folder: Path) -> dict[str, Any] | None:
    """What an entry says of itself, or None when the folder holds no complete one."""
    path = folder / "entry.json"
    return read_json(path) if path.exists() else None
