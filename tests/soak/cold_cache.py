"""What encoding all items from a feature cache takes when nothing of the file is in memory, as where it is larger.

    python tests/soak/cold_cache.py [GIBIBYTES] [FILE]

Passes that are read ahead, as validation makes them, and passes a page at a time take turns; before each the file is
put out of memory. The same file is read as pooled states, in its order, and as states of titles at all positions, the
longest first. FILE keeps it for the speed page (`reports/published/speed/cold-cache.json`). Writes the cache below the
working directory and removes it. Ends with status 1 unless passes read ahead are at least twice as fast.
"""

import mmap
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from kept import keep

from tpmebench.methods.features.cache import Built, FeatureCache, _mapped
from tpmebench.methods.features.content import CachedContent, WholeContent, read_in_order

HEADINGS = ("a cold pass over", "s, read ahead", "s, a page at a time")
LEVELS, WIDTH, TURNS, LEAST = 13, 384, 2, 2.0


def opened(file: Path, whole: bool) -> CachedContent | WholeContent:
    """The content of the file, its rows those of an item each or those of titles of 5 to 30 tokens."""
    states, pages = _mapped(file)
    rows = len(states)
    ends = np.cumsum(np.random.default_rng(0).integers(5, 31, rows))
    offsets = torch.from_numpy(np.r_[0, ends[ends <= rows]]) if whole else None
    items = rows - 1 if offsets is None else len(offsets) - 2
    cache = FeatureCache(file.parent, torch.from_numpy(states), None, Built(seconds=0), offsets, pages)
    return WholeContent(CachedContent(items, {}), {"text": cache}) if whole else CachedContent(items, {"text": cache})


def seconds(file: Path, whole: bool, ahead: bool) -> float:
    """Of gathering every item once."""
    descriptor = os.open(file, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    content = opened(file, whole)
    start = time.perf_counter()
    with read_in_order(content) if ahead else nullcontext():
        for items in torch.from_numpy(content.order().copy()).split(content.at_once):
            content.gather(items)
    return time.perf_counter() - start


def main(gibibytes: float, file: Path | None) -> int:
    """Takes turns and prints both times of both kinds."""
    kept, slow = list[tuple[str, str, str]](), False
    rows = int(gibibytes * 2**30 / (LEVELS * WIDTH * 4))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        states = Path(folder, "states.npy")
        written = np.lib.format.open_memmap(states, "w+", np.float32, (rows, LEVELS, WIDTH))
        written[:] = 1.0
        written.flush()
        assert isinstance(written.base, mmap.mmap)
        written.base.close()
        os.sync()
        for whole in (False, True):
            turns = [(seconds(states, whole, ahead=True), seconds(states, whole, ahead=False)) for _ in range(TURNS)]
            ahead, by_page = (min(turn[place] for turn in turns) for place in (0, 1))
            kind = "of all positions, the longest first" if whole else "pooled, in their order"
            kept.append((f"{gibibytes:g} GiB of states, {kind}", f"{ahead:.2f}", f"{by_page:.2f}"))
            print("  ".join(kept[-1]))
            slow |= by_page < LEAST * ahead
    if file:
        keep(file, HEADINGS, kept)
    return int(slow)


if __name__ == "__main__":
    size, place = (*sys.argv[1:], "", "")[:2]
    sys.exit(main(float(size or 1), Path(place) if place else None))
