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
from ..backbones.generated import GeneratedTower
from ..backbones.last_layer import narrow_last_layer
from ..backbones.shipping import size
from ..backbones.tower import Tower
from .cache import CacheKey, FeatureCache, open_features
from .content import RawContent, typical_items
from .positions import Rows

_TOKENS_PER_BATCH = 4096
_IMAGES_PER_BATCH = 128
_SECONDS_BETWEEN_SAVES = 2.0

Batches = list[np.ndarray]

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
    tower: Callable[[], Tower | GeneratedTower]
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


@dataclass(frozen=True)
class _Work:
    """What encodes the items of a job, and where their states go."""

    job: BuildJob
    tower: Tower | GeneratedTower
    rows: Rows
    levels: tuple[int, ...]


def _build(job: BuildJob, folder: Path) -> None:
    start = time.monotonic()
    if job.meter:
        job.meter.start()
    partial = folder.with_name(f"{folder.name}.partial")
    take(partial)
    tower = job.tower().eval().requires_grad_(False).to(job.device)
    tower.drop_layers_above(job.key.levels)
    pooled = job.key.positions == "pooled"
    if isinstance(tower, Tower) and pooled:
        narrow_last_layer(tower)
    shared = pooled and 0 in job.key.levels[:-1] and tower.shape.shares_first_state  # alone it would leave no states
    levels = tuple(level for level in job.key.levels if not (shared and level == 0))
    rows = Rows.of(job.key, tower, job.content, job.device)
    shape = (rows.count, len(levels), _width(tower, levels))
    batches = _batches(job.content)
    states, done = _open_states(partial, shape, np.dtype(job.key.dtype), len(batches))
    work = _Work(job, tower, rows, levels)
    with torch.no_grad():
        if rows.offsets is not None:
            np.save(partial / "offsets.npy", rows.offsets)
        if shared:
            first = tower.states(job.content.gather(torch.zeros(1, dtype=torch.int64)).to(job.device), (0,))[0][0]
            np.save(partial / "shared.npy", _checked(first, job.key).cpu().numpy())
        _fill(work, states, batches, done, partial / "progress.json")
        states.flush()
        seconds = done.seconds + time.monotonic() - start
        measured = _measured(job.meter, work) if job.meter else {}
    if done.batches:
        measured.pop("energy", None)  # of this run alone
    _finish(job.key, partial, folder, {"seconds": seconds, "tower_bytes": size(tower), **measured})


def _measured(meter: BuildMeter, work: _Work) -> dict[str, Any]:
    items = typical_items(work.job.content)
    each = [lambda item=item: _encode(work, item.numpy()) for item in items]
    return meter.stop(work.tower, lambda: _encode_heaviest(work), each)


def _width(tower: Tower | GeneratedTower, levels: tuple[int, ...]) -> int:
    """Columns of the levels to keep. BenchError where they are not all that many."""
    widths = {tower.shape.width(level) for level in levels}
    if len(widths) > 1:
        raise BenchError(
            f"the {tower.shape.modality} tower's levels are {', '.join(map(str, sorted(widths)))} wide, and the "
            "feature cache keeps levels of one width; use a method that reads the output alone (frozen-cached)"
        )
    return widths.pop()


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


def _fill(work: _Work, states: np.memmap, batches: Batches, done: Done, note: Path) -> None:
    """Runs the batches that are not done, and notes how far it came every few seconds.

    The batches are the same in every run, so a continued build gives the same bytes.
    """
    items_done, start = sum(map(len, batches[: done.batches])), time.monotonic()
    saved = start
    for number, items in enumerate(batches[done.batches :], start=done.batches + 1):
        states[work.rows.places(items)] = _encode(work, items).cpu().numpy()
        items_done += len(items)
        work.job.progress(items_done, work.rows.items)
        if time.monotonic() - saved > _SECONDS_BETWEEN_SAVES:
            states.flush()  # the rows must be on disk before the note that says so
            saved = time.monotonic()
            write_atomic(note, Done(batches=number, seconds=done.seconds + saved - start).model_dump_json())


def _encode(work: _Work, items: np.ndarray) -> torch.Tensor:
    """States of some items, `[rows, levels, hidden]`, in the cache's dtype."""
    job, tower, levels = work.job, work.tower, work.levels
    with torch.autocast(job.device.type, torch.bfloat16, enabled=job.key.precision == "bf16"):
        inputs = job.content.gather(torch.from_numpy(items)).to(job.device)
        if job.key.positions == "pooled":
            found = torch.stack(tower.states(inputs, levels), dim=1)
        else:
            assert isinstance(tower, Tower), "others have no positions, which was found out"
            found = work.rows.flat(torch.stack(tower.sequences(inputs, levels), dim=2), items)
    return _checked(found, job.key)


def _encode_heaviest(work: _Work) -> torch.Tensor:
    """Encodes the batch with the most tokens, of several the one with the longest text; any of pictures."""
    tokens = work.job.content.tokens

    def weight(items: np.ndarray) -> tuple[int, int]:
        longest = int(tokens.lengths[items].max()) if tokens is not None else 1
        return len(items) * longest, longest

    return _encode(work, max(_batches(work.job.content), key=weight))


def _batches(content: RawContent) -> list[np.ndarray]:
    """All rows, padding included, in batches of about equal cost."""
    order = np.concatenate([[0], content.order()])
    if content.tokens is None:
        return np.array_split(order, max(1, -(-len(order) // _IMAGES_PER_BATCH)))
    lengths, batches, start = content.tokens.lengths[order], [], 0
    while start < len(order):
        stop = min(start + max(1, _TOKENS_PER_BATCH // int(lengths[start])), len(order))
        while stop > start + 1 and (stop - start) * int(lengths[start:stop].max()) > _TOKENS_PER_BATCH:
            stop -= max(1, (stop - start) // 16)
        batches.append(order[start:stop])
        start = stop
    return batches


def _checked(values: torch.Tensor, key: CacheKey) -> torch.Tensor:
    converted = values.to(getattr(torch, key.dtype))
    if not torch.isfinite(converted).all():
        raise BenchError(
            f"{key.modality} backbone '{key.backbone}': states overflow {key.dtype}; use cache_dtype float32"
        )
    return converted


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
