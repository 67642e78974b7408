"""How fast this machine multiplies and copies: what a training step is held against."""

import time
from collections.abc import Callable

import torch

_SIDE = 2048
_COPIED = 64 * 2**20
_ROUNDS = 3


def matrix_rate(device: torch.device) -> float:
    """Operations a second of a float32 product of two 2048 × 2048 matrices, the best of a few."""
    a, b = (torch.randn(_SIDE, _SIDE, device=device) for _ in range(2))
    return 2 * _SIDE**3 / _best(lambda: a @ b, device)


def copy_rate(device: torch.device) -> float:
    """Bytes a second, read and written, of a copy of 64 MiB, the best of a few."""
    source = torch.ones(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED / _best(lambda: target.copy_(source), device)


def _best(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest round after one to warm up."""
    times = []
    for _ in range(_ROUNDS + 1):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
