"""Runs cells, each in a process of its own, and keeps a row for whatever becomes of them."""

import signal
import threading
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ...cell import Cell
from ...errors import BenchError
from ...files import set_aside
from ...reports.reading import read_record
from ...reports.records import Record, Status, log_path, record_path
from ..meters.kills import out_of_memory_kills, signal_name
from ..nursery import LIBRARIES, OURS, TOWER_LIBRARIES
from ..study.blank import blank_record
from ..study.grid import Planned, reads_towers
from ..study.schema import Study
from ..worker.job import Job, MachineRates
from ..worker.places import Places, saved_path
from .cell_process import CellProcess, Start, TimeLimitReached, cell_environment
from .display import CellView, Display
from .equal_memory import Batches, choose_batches
from .preflight import check_places
from .self_checks import Verdicts, check_cells
from .side_by_side import results
from .trackers import Told

_LOG_TAIL = 1 << 16


class Rates:
    """The machine's rates as the first cell of each device and number of threads found them: they take .6 s a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], MachineRates] = {}

    def learn(self, record: Record) -> None:
        """Keeps what a record says."""
        if found := record.environment.matrix_rate:
            rates = MachineRates(matrix=found, copied=record.environment.copy_rate)
            self._known[record.cell.device, record.cell.threads] = rates

    def of(self, cell: Cell) -> MachineRates | None:
        """None where nobody has measured yet."""
        return self._known.get((cell.device, cell.threads))


@dataclass(frozen=True)
class Known:
    """What is found of cells before the first of them begins, and what starts their processes."""

    start: Start
    verdicts: Verdicts
    batches: Batches


@dataclass(frozen=True)
class Runner:
    """Where a study's cells run. `warnings` are what the machine looked like before the first of them.

    `save`: what is trained is kept beside the record. `jobs`: how many cells run at a time.
    """

    study: Study
    directory: Path
    display: Display
    warnings: list[str]
    rates: Rates = field(default_factory=Rates)
    save: bool = False
    jobs: int = 1
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self, cells: list[Planned]) -> list[Record]:
        """The records of the cells, as they ended.

        BenchError when a place that they write to cannot be written, or a tracker cannot work. After
        KeyboardInterrupt the running cells have a row, and the study can go on later.
        """
        check_places(self.directory, cells)
        told, records = Told(self.study.trackers, lambda line: self.display.say(f"warning: {line}")), []
        with closing(Start(_imports(cells))) as start:
            verdicts = check_cells(cells, start, self.display, self.directory)
            runnable = [planned for planned in cells if planned.cell.id not in verdicts.refused]
            batches = choose_batches(runnable, start, self.display, self.directory)
            verdicts.refused |= batches.refused
            one = partial(self._one, Known(start, verdicts, batches), len(cells))
            calls = [partial(one, number, planned) for number, planned in enumerate(cells, 1)]
            with closing(results(calls, self.jobs, self.stopping)) as ended:
                for record in ended:
                    told.record(record)
                    records.append(record)
        return records

    def _one(self, known: Known, total: int, number: int, planned: Planned) -> Record:
        """Runs a cell, and shows how it goes."""
        view = self.display.start(number, total, planned.cell, planned.label)
        record = self._refused(planned, known.verdicts) or self._run_cell(planned, known, view)
        self.rates.learn(record)
        self.display.finish(view, record, log_path(self.directory, record.cell_id))
        return record

    def _refused(self, planned: Planned, verdicts: Verdicts) -> Record | None:
        """The row of a cell that is known not to be able to run."""
        reason = verdicts.refused.get(planned.cell.id)
        return self._failed(blank_record(self.study, planned), "refused", reason) if reason else None

    def _run_cell(self, planned: Planned, known: Known, view: CellView) -> Record:
        start, kills, done = known.start, out_of_memory_kills(), False
        blank = self._blank(planned, known)
        blank.warnings += self._clear_the_way(blank.cell_id, view)
        saved_path(self.directory, blank.cell_id).unlink(missing_ok=True)  # of the record that this one takes over from
        log = log_path(self.directory, blank.cell_id)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as printed:
            process = CellProcess(start, cell_environment(planned.cell), printed)
            try:
                process.give(self._job(blank, planned.places).model_dump_json())
                for event in process.events(planned.cell.timeout, self.stopping):
                    if event["event"] == "done":
                        done = True
                        break
                    view.update(event)
                code = process.finish()
            except TimeLimitReached:
                start.close()  # nobody waits for libraries that are still being imported
                process.kill()
                cause = f"exceeded its time limit of {planned.cell.timeout:g} s"
                return self._left(blank) or self._failed(blank, "timeout", cause)
            except KeyboardInterrupt:
                start.close()
                process.stop()
                if not self._left(blank):
                    self._failed(blank, "interrupted", "interrupted by the user")
                raise
            except BaseException:
                start.close()
                process.kill()
                raise
        if done:  # whatever went wrong while the process ended changes nothing of a record that is whole
            return read_record(record_path(self.directory, blank.cell_id))
        return self._failed(blank, *what_became(code, log, out_of_memory_kills() != kills))

    def _blank(self, planned: Planned, known: Known) -> Record:
        """The record that the cell completes, with what is known before."""
        blank = blank_record(self.study, planned)
        blank.self_check = known.verdicts.passed.get(planned.cell.id)
        if chosen := known.batches.chosen.get(planned.cell.id):
            blank.batch, blank.planned_peak = chosen.batch, chosen.peak
        blank.beside = self.jobs - 1
        return blank

    def _left(self, blank: Record) -> Record | None:
        """The record that the cell itself left, if it came to its end before it was told to end."""
        try:
            record = read_record(record_path(self.directory, blank.cell_id))
        except BenchError:
            return None
        return record if record.started == blank.started else None

    def _clear_the_way(self, cell_id: str, view: CellView) -> list[str]:
        """Sets a record aside that cannot be read, so that a new one can stand there; a line that says so."""
        path = record_path(self.directory, cell_id)
        if not path.exists() and not path.is_symlink():
            return []
        try:
            read_record(path)
        except BenchError as error:
            line = f"an earlier record could not be used (kept as {set_aside(path).name}): {error}"
            view.update({"event": "warning", "message": line})
            return [line.replace(f"{self.directory}/", "")]
        return []

    def _job(self, blank: Record, places: Places) -> Job:
        study = self.study
        return Job(
            record=blank,
            directory=self.directory.resolve(),
            places=places,
            warnings=self.warnings,
            checkpoint_seconds=study.checkpoint_seconds,
            repeat_disturbed=0 if blank.beside else study.repeat_disturbed,  # what has no time needs no quiet
            test_every_epoch=study.test_every_epoch,
            save=self.save,
            costs_seconds=study.costs_seconds,
            rates=self.rates.of(blank.cell),
            batch=blank.batch or None,
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


def _imports(cells: list[Planned]) -> tuple[str, ...]:
    libraries = LIBRARIES + (TOWER_LIBRARIES if any(reads_towers(planned.method) for planned in cells) else ())
    return libraries + OURS


def what_became(code: int, log: Path, killed_for_memory: bool) -> tuple[Status, str]:
    """Status and cause, in one line, of a cell whose process ended without a record."""
    if code == -signal.SIGKILL and killed_for_memory:
        return "oom", "killed by the kernel: memory ran out"
    if code < 0:
        return "crashed", f"killed by {signal_name(-code)}"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LOG_TAIL))
        lines = file.read().decode("utf-8", errors="replace").strip().splitlines()
    ended = f"exit status {code}" if code else "ended with status 0 before it left a record"
    return "crashed", f"{ended}: {lines[-1].strip()}" if lines else ended
