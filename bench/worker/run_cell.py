"""The process of one cell: reads a job on standard input, tells its progress on standard output, leaves a record.

Started by `cell_process`, and ended when its standard input does. Everything else that is printed goes to standard
error, which the harness keeps as the cell's log.
"""

import errno
import io
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any, TextIO

import numpy as np
from pydantic import BaseModel

from ...errors import BenchError
from ...files import atomic_path
from ...reports.records import Record, Status, ranks_path
from .places import Places


class MachineRates(BaseModel):
    """Operations a second of float32 products, bytes a second of copies."""

    matrix: float
    copied: float


class Job(BaseModel):
    """What a worker is given: the record to complete, where the study lives, and what of the study is not the cell's.

    `places`: where the cell's parts stand; None when what they are called says it. `checkpoint_seconds`: how often to
    write checkpoints. `repeat_disturbed`: how often to repeat a disturbed epoch.
    """

    record: Record
    directory: Path
    places: Places | None = None
    warnings: list[str] = []
    checkpoint_seconds: float = 60.0
    repeat_disturbed: int = 0
    rates: MachineRates | None = None


class Events:
    """One JSON object a line, to the harness."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0.0

    def tell(self, event: str, **facts: Any) -> None:
        """Sends an event."""
        self._stream.write(json.dumps({"event": event, **facts}) + "\n")
        self._stream.flush()

    def phase(self, name: str, done: int, total: int) -> None:
        """Progress of a phase, at most ten times a second."""
        now = time.monotonic()
        if done in (0, total) or now - self._last > 0.1:
            self._last = now
            self.tell("phase", name=name, done=done, total=total)


def main() -> int:
    """Runs the job; 0 when a record was written, whatever its status."""
    events, jobs = Events(os.fdopen(os.dup(1), "w", encoding="utf-8")), os.fdopen(os.dup(0), "rb")
    keep_to_the_log()
    job = Job.model_validate_json(jobs.readline())
    threading.Thread(target=die_with_parent, args=(jobs,), daemon=True).start()
    record = _run(job, events)
    record.save(job.directory)
    events.tell("done", status=record.status)
    return 0


def keep_to_the_log() -> None:
    """From here on, what is printed goes to the log, in UTF-8 whatever the terminal speaks, and nobody can be asked."""
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _run(job: Job, events: Events) -> Record:
    """The completed record: the cell's results, or the status and one-line cause of its failure."""
    record = job.record
    try:
        from .phases import execute

        execute(record, job, events)
        record.status = "ok"
    except BaseException as error:
        traceback.print_exc()
        record.status, record.error = classify(error), one_line(error)
    return record


def classify(error: BaseException) -> Status:
    if isinstance(error, BenchError):
        return "refused"
    from .ranking import Diverged

    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return "oom" if out_of_memory(error) else "crashed"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that host or device memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and any(
        phrase in str(error)
        for phrase in ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc")
    )


def save_ranks(directory: Path, cell_id: str, ranks: np.ndarray) -> None:
    """Keeps the rank of each test user's target."""
    with atomic_path(ranks_path(directory, cell_id)) as temporary, temporary.open("wb") as file:
        np.save(file, ranks)


def one_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if isinstance(error, BenchError):
        return text  # written for the user already
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def die_with_parent(jobs: IO[bytes]) -> None:
    """Ends this process and all it started when the harness is gone, however it went: its end of the pipe closes."""
    while jobs.readline():
        continue
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
