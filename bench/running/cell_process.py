"""A cell's process and whatever it starts: one group, which ends together."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, Queue
from typing import IO, Any

_GRACE_SECONDS = 5.0
_LOOK_SECONDS = 0.2

# -P: no module of the working directory takes the place of a library's. faulthandler: a segmentation fault leaves the
# Python lines that led to it in the log.
WORKER = (sys.executable, "-P", "-X", "faulthandler", "-m", "tpmebench.bench.worker.run_cell")


class TimeLimitReached(Exception):
    """The cell ran longer than it may."""


class CellProcess:
    """The worker of one cell. `environment`: its variables; `log`: the file for all that is printed in it."""

    def __init__(self, environment: dict[str, str], log: IO[bytes]) -> None:
        self._process = subprocess.Popen(
            WORKER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            bufsize=0,
            start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends the cell
        )

    def give(self, job: str) -> None:
        """Hands over the job, one line of JSON."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # the process is gone already; its exit status says why
            self._process.stdin.write(job.encode() + b"\n")

    def events(self, limit: float | None = None) -> Iterator[dict[str, Any]]:
        """What the cell tells until it ends. Raises TimeLimitReached once it has run for `limit` seconds.

        The end of its pipe is not waited for: a process that the cell started may hold it open for ever.
        """
        lines: Queue[bytes] = Queue()
        reader = threading.Thread(target=_read, args=(self._process.stdout, lines), daemon=True)
        reader.start()
        deadline = time.monotonic() + limit if limit else float("inf")
        ended = False
        while True:
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
        return self._process.wait()

    def kill(self) -> None:
        """Ends the group at once."""
        self.finish(0)

    def _signal(self, name: str) -> None:
        if not hasattr(os, "killpg"):  # Windows, which knows no groups
            self._process.kill()
            return
        with suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(self._process.pid, getattr(signal, name))


def _read(stream: IO[bytes], lines: Queue[bytes]) -> None:
    for line in iter(stream.readline, b""):
        lines.put(line)
