"""The process of one cell: reads a job on standard input, tells its progress on standard output, leaves a record.

    python -m tpmebench.bench.worker < job.json

Everything else that is printed goes to standard error, which the harness keeps as the cell's log.
"""

import errno
import json
import os
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import BaseModel

from ..errors import BenchError
from ..files import atomic_path
from ..reports.records import Record, ranks_path

MISTAKE = 2
"""Exit status for something that the user can mend; no record is left."""


class Job(BaseModel):
    """What a worker is given: the record to complete, where the study lives, and how often to write checkpoints."""

    record: Record
    directory: Path
    warnings: list[str] = []
    checkpoint_seconds: float = 60.0


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
    events = Events(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    job = Job.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        record = _run(job, events)
    except BenchError as error:
        events.tell("mistake", message=str(error))
        return MISTAKE
    record.save(job.directory)
    events.tell("done", status=record.status)
    return 0


def _run(job: Job, events: Events) -> Record:
    """The completed record: the cell's results, or the status and one-line cause of its failure."""
    from .execution import execute

    record = job.record
    try:
        execute(record, job, events)
        record.status = "ok"
    except BenchError:
        raise
    except BaseException as error:
        traceback.print_exc()
        record.status, record.error = _classify(error), _one_line(error)
    return record


def _classify(error: BaseException) -> Any:
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


def _one_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _die_with_parent() -> None:
    """Ends this process when the harness is gone, however it went: its end of the pipe closes."""
    while sys.stdin.readline():
        continue
    os._exit(1)


if __name__ == "__main__":
    raise SystemExit(main())
