"""A cell's process apart from its work: what it is given, where its words go, and when it ends."""

import io
import os
import signal
import sys
import threading
from typing import IO, TypeVar

from pydantic import BaseModel

from .job import Events

J = TypeVar("J", bound=BaseModel)


def begin(job: type[J]) -> tuple[Events, J]:
    """What this process was given to do, a line on standard input, and where it tells of it, on standard output.

    From here on it prints to the log, and ends with whoever started it.
    """
    events, jobs = Events(os.fdopen(os.dup(1), "w", encoding="utf-8")), os.fdopen(os.dup(0), "rb")
    keep_to_the_log()
    given = job.model_validate_json(jobs.readline())
    threading.Thread(target=die_with_parent, args=(jobs,), daemon=True).start()
    return events, given


def keep_to_the_log() -> None:
    """From here on, what is printed goes to the log, in UTF-8 whatever the terminal speaks, and nobody can be asked."""
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def die_with_parent(jobs: IO[bytes]) -> None:
    """Ends this process and all it started when the harness is gone, however it went: its end of the pipe closes."""
    while jobs.readline():
        continue
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)
