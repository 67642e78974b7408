"""Runs cells one after another, each in a process of its own, and keeps a row for whatever becomes of them."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import BenchError
from ..reports.records import Record, Status, read_record, record_path
from .plan import Planned
from .progress import Display
from .worker import MISTAKE, Job

_GRACE_SECONDS = 5.0


class Interrupted(Exception):
    """Ctrl-C: the running cell keeps a row, and the study can go on later."""


@dataclass(frozen=True)
class Runner:
    """Where a study's cells run. `warnings` are what the machine looked like before the first of them."""

    study: str
    directory: Path
    display: Display
    warnings: list[str]
    checkpoint_seconds: float

    def run(self, cells: list[Planned]) -> list[Record]:
        """The records of the cells, in order. BenchError when a cell finds a mistake; Interrupted after Ctrl-C."""
        records = []
        for number, planned in enumerate(cells, 1):
            self.display.start(number, len(cells), planned.cell)
            record = self._run_cell(planned)
            self.display.finish(record)
            records.append(record)
        return records

    def _run_cell(self, planned: Planned) -> Record:
        blank = self._blank(planned)
        log = self.directory / "logs" / f"{blank.cell_id}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "tpmebench.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=cell_environment(planned),
                start_new_session=True,  # Ctrl-C reaches the harness alone, which then ends the cell
            )
            expired = _Deadline(process, planned.cell.timeout)
            try:
                self._talk(process, blank)
                code = process.wait()
            except KeyboardInterrupt:
                _end(process)
                self._failed(blank, "interrupted", "interrupted by the user")
                raise Interrupted from None
            except BaseException:
                _end(process)
                raise
            finally:
                expired.cancel()
        if code == 0:
            return read_record(record_path(self.directory, blank.cell_id))
        if expired.reached:
            return self._failed(blank, "timeout", f"exceeded its time limit of {planned.cell.timeout:g} s")
        return self._failed(blank, "crashed", _cause(code, log))

    def _talk(self, process: subprocess.Popen[bytes], blank: Record) -> None:
        assert process.stdin is not None and process.stdout is not None
        job = Job(
            record=blank,
            directory=self.directory.resolve(),
            warnings=self.warnings,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        try:
            process.stdin.write(job.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return  # the process is gone already; its exit status says why
        mistake = None
        for event in _events(process.stdout):
            if event["event"] == "mistake":
                mistake = event["message"]
            else:
                self.display.update(event)
        if mistake is not None and process.wait() == MISTAKE:
            raise BenchError(mistake)

    def _blank(self, planned: Planned) -> Record:
        """The record that the cell completes; as it is, it says that the cell crashed."""
        return Record(
            study=self.study,
            cell=planned.cell,
            cell_id=planned.cell.id,
            family=planned.method.family,  # type: ignore[arg-type]
            summary=planned.method.summary,
            status="crashed",
            started=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )

    def _failed(self, blank: Record, status: Status, cause: str) -> Record:
        blank.status, blank.error = status, cause
        blank.environment.warnings = self.warnings
        try:
            blank.save(self.directory)
        except OSError as error:
            raise BenchError(
                f"{self.directory}: no record can be written ({error.strerror}); make room and run the command again"
            ) from error
        return blank


class _Deadline:
    """Kills a process at its time limit."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float | None) -> None:
        self.reached = False
        self._process = process
        self._timer = threading.Timer(seconds, self._expire) if seconds else None
        if self._timer:
            self._timer.start()

    def _expire(self) -> None:
        self.reached = True
        self._process.kill()

    def cancel(self) -> None:
        if self._timer:
            self._timer.cancel()


def cell_environment(planned: Planned) -> dict[str, str]:
    """The variables of a cell's process: the user's, and what must be set before it starts."""
    environment = dict(os.environ)
    if planned.cell.threads:
        environment["OMP_NUM_THREADS"] = str(planned.cell.threads)
    if planned.cell.deterministic:
        environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    environment["TOKENIZERS_PARALLELISM"] = "true"
    # glibc would hand a step's memory back to the system and take it anew, page by page, in the next step.
    environment.setdefault("MALLOC_MMAP_THRESHOLD_", str(32 * 2**20))
    environment.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**31))
    return environment


def _events(stream: Any) -> Iterator[dict[str, Any]]:
    for line in stream:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a process that was killed while it wrote


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _cause(code: int, log: Path) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        return f"killed by {name}" + (" (out of memory, if nobody else killed it)" if name == "SIGKILL" else "")
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"exit status {code}: {lines[-1].strip()}" if lines else f"exit status {code}"
