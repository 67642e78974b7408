"""How long a process was kept from working: waits for a core, preemptions, and others on the GPU.

The kernel says of each thread how long it was ready to run and had no core (`/proc/self/task/*/schedstat`;
`/proc/self/schedstat` speaks of the first thread alone). Threads of a team wait for the slowest of them at every
operation, so what one of them waits, all lose: the sum over threads is what an epoch lost, or a little more.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import cuda

try:
    import resource
except ImportError:  # Windows
    resource = None

_TASKS = Path("/proc/self/task")

# What waking up takes on a free core. A thread that slept because it had nothing to do waits so long in any case; on a
# machine with other work each wait is tens to thousands of times as long.
WAKE_UP = 20e-6


@dataclass(frozen=True)
class Waits:
    """What an epoch met. `waited` is None where the system does not tell how long threads waited for a core.

    `waited`: seconds that threads were ready and had no core, summed over threads, less `WAKE_UP` for each time that
    one woke by itself. `cpu`: processor seconds of all threads. `preempted`: how often one was put aside.
    `others`: other processes on the GPU.
    """

    waited: float | None
    cpu: float
    preempted: int
    others: int = 0


@dataclass(frozen=True)
class _Reading:
    delays: dict[str, int] | None
    cpu: float
    preempted: int
    slept: int


class WaitMeter:
    """Reads the kernel's counters at the two ends of an epoch.

    meter.start()
    …
    waits = meter.stop()
    """

    def __init__(self, device: Any = "cpu", delays: Callable[[], dict[str, int] | None] | None = None) -> None:
        self._device = str(device) if str(device).startswith("cuda") else None
        self._delays = delays or run_delays
        self._start: _Reading | None = None

    def start(self) -> None:
        """From here on."""
        self._start = self._read()

    def stop(self) -> Waits:
        """What happened since `start`. A thread that ended meanwhile does not count, a new one does."""
        assert self._start is not None, "start comes first"
        before, now = self._start, self._read()
        waited = None
        if before.delays is not None and now.delays is not None:
            spent = sum(delay - before.delays.get(thread, 0) for thread, delay in now.delays.items()) / 1e9
            waited = max(0.0, spent - WAKE_UP * (now.slept - before.slept))
        others = cuda.others(self._device)
        return Waits(waited, now.cpu - before.cpu, now.preempted - before.preempted, others)

    def _read(self) -> _Reading:
        used = resource.getrusage(resource.RUSAGE_SELF) if resource else None
        preempted, slept = (used.ru_nivcsw, used.ru_nvcsw) if used else (0, 0)
        return _Reading(self._delays(), time.process_time(), preempted, slept)


def run_delays() -> dict[str, int] | None:
    """Nanoseconds that each thread of this process ever waited for a core; None where the system does not tell."""
    try:
        threads = list(_TASKS.iterdir())
    except OSError:
        return None
    found = {}
    for thread in threads:
        try:
            found[thread.name] = int((thread / "schedstat").read_text(encoding="ascii").split()[1])
        except (OSError, ValueError, IndexError):
            if thread.exists():
                return None  # a kernel without these counters; else the thread has just ended
    return found
