"""Work on many pictures in threads: decoders run beside one another, and memory stays bounded."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Block = TypeVar("Block")
Each = TypeVar("Each")


def chunks(start: int, stop: int, size: int) -> Iterator[range]:
    """The numbers from `start` to before `stop` in ranges of at most `size`."""
    return (range(first, min(first + size, stop)) for first in range(start, stop, size))


def parallel(work: Callable[[range], Block], parts: Iterable[range], workers: int) -> Iterator[Block]:
    """The results in order, computed in threads at most a few parts ahead so that memory stays bounded."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[Block]] = deque()
        for part in parts:
            pending.append(pool.submit(work, part))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def in_chunks(work: Callable[[range], list[Each]], count: int, size: int) -> Iterator[Each]:
    """What `work` gives of the numbers from 0 to before `count`, one after another, on all cores."""
    return chain.from_iterable(parallel(work, chunks(0, count, size), os.cpu_count() or 1))
