"""What the command line asks of a study beside its contents, and which cells are to run for it."""

from dataclasses import dataclass
from pathlib import Path

from ...errors import BenchError, quoted, unknown
from ..study.grid import Planned
from ..study.variants import Variant
from ..worker.places import saved_path
from ..worker.saving import is_kept

ALL = "all"


@dataclass(frozen=True)
class Request:
    """What the command line asks of a study beside its contents.

    `rerun`: methods whose cells run again whatever is there, or `all`. `keep_stale`: what changed code, data or towers
    left behind counts as done. `strict`: a failed cell is the command's failure. `save`: what is trained is kept, and
    a cell that is done without runs again. `jobs`: how many cells run at a time. `report`: a report is written in the
    end, and its table shown.
    """

    directory: Path
    dry_run: bool = False
    only_failed: bool = False
    rerun: tuple[str, ...] = ()
    keep_stale: bool = False
    strict: bool = False
    save: bool = False
    jobs: int = 1
    report: bool = True

    def wants(self, planned: Planned) -> bool:
        """Whether a cell is to run."""
        if self.only_failed:
            return planned.failed or planned.interrupted
        if self.reruns(planned):
            return True
        if planned.status is None or bool(planned.stale and not self.keep_stale):
            return True
        return self.save and self.is_unsaved(planned)

    def is_unsaved(self, planned: Planned) -> bool:
        """Whether a cell trained well, and what it trained was not kept."""
        record, trains = planned.record, planned.method.kind == "method" and not planned.cell.costs
        if record is None or planned.status != "ok" or not trains:
            return False
        return not is_kept(saved_path(self.directory, planned.id), record)

    def settles(self, planned: Planned) -> bool:
        """Whether a cell has come to its end and is to stay as it is."""
        return planned.status is not None and not self.wants(planned)

    def reruns(self, planned: Planned) -> bool:
        """Whether a cell runs from its beginning because the user says so."""
        return ALL in self.rerun or any(Variant.read(text).covers(planned.cell) for text in self.rerun)

    def check(self, cells: list[Planned]) -> None:
        """BenchError for options that contradict each other, and for a method that the study has not got."""
        if self.only_failed and self.rerun:
            raise BenchError("--only-failed and --rerun: give one of the two")
        if self.save and any(planned.cell.costs for planned in cells):
            raise BenchError("--save and --costs: give one of the two: measuring costs trains nothing to keep")
        if self.jobs > 1 and any(planned.cell.costs for planned in cells):
            raise BenchError("--jobs and --costs: give one of the two: what runs beside others has no times")
        known = list(dict.fromkeys(planned.cell.method for planned in cells))
        for text in self.rerun:
            if text == ALL:
                continue
            variant = Variant.read(text)
            if variant.canonical_name not in known:
                raise BenchError(f"--rerun: {unknown('method of this study', variant.canonical_name, [*known, ALL])}")
            if not any(variant.covers(planned.cell) for planned in cells):
                own = [each.label for each in cells if each.cell.method == variant.canonical_name]
                labels = ", ".join(dict.fromkeys(own))
                raise BenchError(f"--rerun: no cell of this study is {quoted(text)}: there are {labels}")
