"""A plan beside what was measured: which planned cell says what a measured row was to cost."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..records import Record
from .comparison import Comparison
from .conditions import OF_THE_DEVICE, PLANNED
from .joining import question
from .results import Result

_FREE = {*OF_THE_DEVICE, PLANNED, "backbones fingerprint", "backbone weights", "deterministic"}
"""Conditions that change no planned figure: a plan has random weights and is of the CPU. Other data of the same name
are other items, and batches."""


@dataclass
class Planned:
    """The planned cells that stand beside a report's measured ones. `used`: those that some row was held against."""

    records: list[Record]
    used: set[str] = field(default_factory=set)

    def beside(self, comparison: Comparison) -> dict[str, tuple[Record, Record]]:
        """Row → its planned and its measured record: the measured cell of the plan's seed where there is one."""
        asked = {_asked(record): record for record in self.records}
        found: dict[str, tuple[Record, Record]] = {}
        for label in comparison.methods.index:
            measured = [result.record for result in comparison.costs_of(label) if result.record.parameters]
            plans = [asked[key] for record in measured if (key := _asked(record)) in asked]
            if plans:
                plan = plans[0]
                same = [record for record in measured if _asked(record) == _asked(plan)]
                found[label] = plan, min(same, key=lambda record: record.cell.seed != plan.cell.seed)
                self.used.add(plan.cell_id)
        return found

    @property
    def unmatched(self) -> list[str]:
        """Methods that were planned and of which no measured cell has the same settings, in a line, if any."""
        alone = dict.fromkeys(record.cell.method for record in self.records if record.cell_id not in self.used)
        if not alone:
            return []
        return [f"Planned, and measured in no row with the same settings: {', '.join(alone)}."]


def set_apart(results: Sequence[Result]) -> tuple[list[Result], Planned | None]:
    """A report's cells without planned ones, and these; all cells, and None, where everything or nothing is planned."""
    planned = [result.record for result in results if result.record.plan]
    if not planned or len(planned) == len(results):
        return list(results), None
    return [result for result in results if not result.record.plan], Planned(planned)


def _asked(record: Record) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in question(record).items() if name not in _FREE))
