"""What encoding all items from a feature cache takes when nothing of the file is in memory, as where it is larger.

    python tests/soak/cold_cache.py [GIBIBYTES]

Passes in the order of the file, as validation makes them, and passes a page at a time take turns; before each the
file is put out of memory. Writes the cache below the working directory and removes it. Ends with status 1 unless a pass
in order is at least twice as fast.
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

from tpmebench.methods.features.cache import Built, FeatureCache, _mapped
from tpmebench.methods.features.content import CachedContent, read_in_order

LEVELS, WIDTH, TURNS, LEAST = 13, 384, 2, 2.0


def seconds(file: Path, ordered: bool) -> float:
    """Of gathering every item once."""
    descriptor = os.open(file, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    states, pages = _mapped(file)
    content = CachedContent(
        len(states) - 1,
        {"text": FeatureCache(file.parent, torch.from_numpy(states), None, Built(seconds=0), None, pages)},
    )
    start = time.perf_counter()
    with read_in_order(content) if ordered else nullcontext():
        for items in torch.from_numpy(content.order()).split(content.at_once):
            content.gather(items)
    return time.perf_counter() - start


def main(gibibytes: float) -> int:
    """Takes turns and prints both times."""
    rows = int(gibibytes * 2**30 / (LEVELS * WIDTH * 4))
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder, "states.npy")
        written = np.lib.format.open_memmap(file, "w+", np.float32, (rows, LEVELS, WIDTH))
        written[:] = 1.0
        written.flush()
        assert isinstance(written.base, mmap.mmap)
        written.base.close()
        os.sync()
        turns = [(seconds(file, ordered=True), seconds(file, ordered=False)) for _ in range(TURNS)]
    in_order, by_page = (min(turn[place] for turn in turns) for place in (0, 1))
    print(f"{rows:,} items, {gibibytes:g} GiB: in order {in_order:.2f} s, a page at a time {by_page:.2f} s")
    return int(by_page < LEAST * in_order)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))
