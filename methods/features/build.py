"""Builds feature caches: sorted by length, resumable after a kill, safe between processes, the same bytes each time."""

import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
import torch
from pydantic import BaseModel, Field, ValidationError
from torch import nn

from ...arrays import map_array
from ...errors import BenchError, Mended
from ...files import file_digest, lock, read_json, write_atomic
from ...ownership import is_ours, remove, take
from ..backbones.numbered import NumberedTower
from ..backbones.shipping import size
from ..backbones.tower import Tower
from .cache import CacheKey, FeatureCache, as_array, kept_as, open_features
from .content import RawContent, typical_items
from .encoding import Encoding

_SECONDS_BETWEEN_SAVES = 2.0

Run = Callable[[], object]

Advance = Callable[[int, int], None]
"""Called with the items done and the items in all."""


class BuildMeter(Protocol):
    """Measures a build; see the harness for the one that is used."""

    def start(self) -> None:
        """The build begins."""
        ...

    def stop(self, tower: nn.Module, heaviest: Run, items: Sequence[Run]) -> dict[str, Any]:
        """What the entry keeps of it. `heaviest()` encodes the batch that needs the most memory once more, and each of
        `items` a single one.
        """
        ...


@dataclass(frozen=True)
class BuildJob:
    """What to build and with what: a loader for the tower (called only when something is missing), and its inputs.

    `meter` measures the build. `apart` has the entry built by another process instead.
    """

    key: CacheKey
    tower: Callable[[], Tower | NumberedTower]
    content: RawContent
    device: torch.device
    progress: Advance
    meter: BuildMeter | None = None
    apart: Callable[[], None] | None = None


def ensure_features(job: BuildJob) -> tuple[FeatureCache, bool]:
    """The entry of a key, and whether it was there already. Builds what is missing, under a lock between processes.

    A damaged entry is built anew, unless its folder isn't ours: BenchError names it.
    """
    folder = job.key.folder
    found = _usable(folder)
    if found is not None:
        return found, True
    if job.apart is not None:
        job.apart()
    else:
        with lock(folder):
            found = _usable(folder)  # another process may have built it while this one waited
            if found is not None:
                return found, True
            _build(job, folder)
    built = open_features(folder)
    if built is None:
        raise BenchError(f"{folder}: gone as soon as it was built; do not clear the cache while a study runs")
    return built, False


def _usable(folder: Path) -> FeatureCache | None:
    """The entry, if it is there and as it was written."""
    try:
        return open_features(folder)
    except BenchError as error:
        if not is_ours(folder):
            raise BenchError(f"{error}; remove the folder {folder} and it is built again") from error
        warnings.warn(f"{error}; the features are computed again", Mended, stacklevel=2)
        return None


def _build(job: BuildJob, folder: Path) -> None:
    start = time.monotonic()
    if job.meter:
        job.meter.start()
    partial = folder.with_name(f"{folder.name}.partial")
    take(partial)
    work = Encoding.of(job.key, job.tower(), job.content, job.device)
    states, done = _open_states(partial, work.shape, kept_as(job.key.dtype), len(work.batches))
    with torch.no_grad():
        if work.rows.offsets is not None:
            np.save(partial / "offsets.npy", work.rows.offsets)
        if work.shared:
            first = work.first().to(getattr(torch, job.key.dtype))
            np.save(partial / "shared.npy", as_array(_checked(first, job.key)))
        _fill(job, work, states, done, partial / "progress.json")
        states.flush()
        seconds = done.seconds + time.monotonic() - start
        measured = _measured(job.meter, work) if job.meter else {}
    if done.batches:
        measured.pop("energy", None)  # of this run alone
    _finish(job.key, partial, folder, {"seconds": seconds, "tower_bytes": size(work.tower), **measured})


def _measured(meter: BuildMeter, work: Encoding) -> dict[str, Any]:
    each = [lambda item=item: work.encode(item.numpy()) for item in typical_items(work.content)]
    return meter.stop(work.tower, lambda: work.encode(work.heaviest()), each)


class Done(BaseModel):
    """How far former runs came: batches whose states are on disk, and the seconds that went into them."""

    batches: Annotated[int, Field(ge=0)] = 0
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


def _open_states(partial: Path, shape: tuple[int, ...], dtype: np.dtype, batches: int) -> tuple[np.memmap, Done]:
    """The array as a former run left it and how far that came, or a new one when that cannot be gone on from."""
    path, note = partial / "states.npy", partial / "progress.json"
    try:
        states, done = map_array(path, "r+"), Done.model_validate(read_json(note))
        if states.shape == shape and states.dtype == dtype and done.batches <= batches:
            return states, done
    except (BenchError, ValidationError):
        pass
    remove(partial)
    take(partial)
    states = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    _claim(path)
    return states, Done()


def _claim(path: Path) -> None:
    """Takes the file's space on disk now: a full disk is then an error here, where a memory map would kill us later."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _fill(job: BuildJob, work: Encoding, states: np.memmap, done: Done, note: Path) -> None:
    """Runs the batches that are not done, and notes how far it came every few seconds.

    The batches are the same in every run, so a continued build gives the same bytes.
    """
    items_done, start = sum(map(len, work.batches[: done.batches])), time.monotonic()
    saved = start
    for number, items in enumerate(work.batches[done.batches :], start=done.batches + 1):
        states[work.rows.places(items)] = as_array(_checked(work.encode(items), job.key))
        items_done += len(items)
        job.progress(items_done, work.rows.items)
        if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
            states.flush()  # the rows must be on disk before the note that says so
            saved = time.monotonic()
            write_atomic(note, Done(batches=number, seconds=done.seconds + saved - start).model_dump_json())


def _checked(values: torch.Tensor, key: CacheKey) -> torch.Tensor:
    if not torch.isfinite(values).all():
        what = "overflow float16; use cache_dtype float32" if key.dtype == "float16" else "are not finite"
        raise BenchError(f"{key.modality} backbone '{key.backbone}': states {what}")
    return values


def _finish(key: CacheKey, partial: Path, folder: Path, measured: dict[str, Any]) -> None:
    arrays = sorted(path.name for path in partial.glob("*.npy"))
    for name in arrays:
        with (partial / name).open("rb") as file:
            os.fsync(file.fileno())
    entry = {
        **asdict(key),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **measured,
        "sha256": {name: file_digest(partial / name) for name in arrays},
    }
    (partial / "progress.json").unlink(missing_ok=True)
    write_atomic(partial / "entry.json", json.dumps(entry, indent=1))
    if folder.exists():
        remove(folder)  # an incomplete one: a complete one would have been opened
    partial.rename(folder)
