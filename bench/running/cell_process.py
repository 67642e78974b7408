"""A cell's process and whatever it starts: one group, which ends together."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, Queue
from typing import IO, Any

from ...cell import Cell
from ..nursery import AVAILABLE, Nursery, Process, Program, code_state, start_fresh

_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.2

WORKER = "tpmebench.bench.worker.run_cell"


class TimeLimitReached(Exception):
    """The cell ran longer than it may."""


class Start:
    """How cells' processes begin: forked from a nursery where there can be one, which stays open from cell to cell.

    `imports`: what the cells of the study import, of libraries and of ours. What was edited during a study is what the
    next cell runs, as its record's digest says.
    """

    def __init__(self, imports: Sequence[str]) -> None:
        self._imports = imports
        self._turn = threading.RLock()  # cells side by side share a nursery
        self._nursery: Nursery | None = None
        self._retired: list[Nursery] = []
        self._opened_for: tuple[dict[str, str], int] | None = None

    def __call__(self, program: Program, environment: dict[str, str]) -> Process:
        """Starts a program whose variables are these: libraries read some of them once, while they are imported."""
        if not AVAILABLE:
            return start_fresh(program, environment)
        with self._turn:
            wanted = environment, code_state()
            if self._nursery is None or self._nursery.ended or wanted != self._opened_for:
                if self._nursery is not None:  # cells that run may still ask it for processes
                    self._nursery.retire()
                    self._retired.append(self._nursery)
                self._nursery = Nursery.open(self._imports, environment, log=program.streams[2])
                self._opened_for = wanted
            return self._nursery.start(program)

    def close(self) -> None:
        """Keeps nothing open, and ends a nursery that is still importing: no cell begins any more."""
        with self._turn:
            for nursery in (*self._retired, *([self._nursery] if self._nursery else [])):
                nursery.close()
            self._retired, self._nursery = [], None


class CellProcess:
    """The worker of one cell. `environment`: its variables; `log`: the file for all that is printed in it.

    `module`: whose `main` it runs.
    """

    def __init__(self, start: Start, environment: dict[str, str], log: IO[bytes], module: str = WORKER) -> None:
        jobs, mine = os.pipe()
        self._jobs = os.fdopen(mine, "wb", buffering=0)  # closed by `finish`: the process takes its end for ours
        self._events, events = os.pipe()
        try:
            self._process = start(Program(module, (), (jobs, events, log.fileno())), environment)
        finally:
            os.close(jobs)
            os.close(events)

    def give(self, job: str) -> None:
        """Hands over the job, one line of JSON."""
        with suppress(BrokenPipeError):  # the process is gone already; its exit status says why
            self._jobs.write(job.encode() + b"\n")

    def events(self, limit: float | None = None, stopping: threading.Event | None = None) -> Iterator[dict[str, Any]]:
        """What the cell tells until it ends.

        Raises TimeLimitReached once it has run for `limit` seconds, KeyboardInterrupt once `stopping` is set: a thread
        hears no Ctrl-C.

        The end of its pipe is not waited for: a process that the cell started may hold it open for ever.
        """
        lines: Queue[bytes] = Queue()
        reader = threading.Thread(target=_read, args=(self._events, lines), daemon=True)
        reader.start()
        deadline = time.monotonic() + limit if limit else float("inf")
        ended = False
        while True:
            if stopping is not None and stopping.is_set():
                raise KeyboardInterrupt
            left = deadline - time.monotonic()
            if left <= 0 and not ended:
                raise TimeLimitReached
            try:
                line = lines.get(timeout=0 if ended else min(left, _LOOK_SECONDS))
            except Empty:
                if ended:
                    return
                if self._process.poll() is not None:
                    ended = True
                    self._signal("SIGKILL")
                    reader.join(_GRACE_SECONDS)
                continue
            try:
                yield json.loads(line)
            except ValueError:
                continue  # the last line of a process that was killed while it wrote

    def stop(self) -> None:
        """Asks the group to end, and ends it when it does not."""
        self._signal("SIGTERM")
        self.finish()

    def finish(self, seconds: float = _GRACE_SECONDS) -> int:
        """Waits for a process that has nothing left to do, ends whatever of its group is left, gives its status."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        finally:  # a second Ctrl-C, too
            self._signal("SIGKILL")
        code = self._process.wait()
        self._jobs.close()
        return code

    def kill(self) -> None:
        """Ends the group at once."""
        self.finish(0)

    def _signal(self, name: str) -> None:
        with suppress(ProcessLookupError, PermissionError):  # nobody is left
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, getattr(signal, name))
            else:  # Windows, which knows no groups
                os.kill(self._process.pid, signal.SIGTERM)


def _read(events: int, lines: Queue[bytes]) -> None:
    with os.fdopen(events, "rb") as stream:
        for line in iter(stream.readline, b""):
            lines.put(line)


def cell_environment(cell: Cell) -> dict[str, str]:
    """The variables of a cell's process: the user's, and what must be set before it starts."""
    environment = dict(os.environ)
    if cell.threads:
        environment["OMP_NUM_THREADS"] = str(cell.threads)
    if cell.deterministic:
        environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    environment["TOKENIZERS_PARALLELISM"] = "true"
    # A library that looks for a GPU while it is imported would open the driver, which does not survive the fork of a
    # cell. With this torch asks NVML instead.
    environment.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    # A thread of OpenMP that waits for its team spins for some 20 ms. Beside other work it burns the core that the one
    # it waits for needs: an epoch of two threads took 40 times as long. 1,000 turns, 70 µs, outlast most waits.
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "1000")  # GNU's runtime, which torch's wheels for Linux hold
        environment.setdefault("KMP_BLOCKTIME", "1")  # LLVM's and Intel's: milliseconds
    # glibc would hand a step's memory back to the system and take it anew, page by page, in the next step.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 * 2**20))
    environment.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**31))
    return environment
