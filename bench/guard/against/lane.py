"""One method's cells of both sides, pair after pair, and what is to be said of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ....errors import BenchError
from ....outside import canonical_name
from ....reports.records import Record
from ...study.schema import Study
from ...study.variants import Variant
from ..compare import compare_records
from ..findings import Finding
from ..step_ratio import StepPair, StepRatio
from .referee import Length, order, play
from .side import Side
from .subject import Subject

WIDTH = 0.02
"""Pairs are taken until half of the interval is as narrow as this."""
LEAST_PAIRS, MOST_PAIRS = 4, 40
COSTS_SECONDS = 6.0
"""How long a cell of a suite that takes no turns is measured."""


@dataclass
class Lane:
    """One method on its way: the cells of both sides, pair after pair."""

    number: int
    method: str
    study: Study
    subject: Subject
    sides: Sequence[Side]
    turns: bool
    pairs: list[StepPair] = field(default_factory=list)
    records: tuple[list[Record], list[Record]] = field(default_factory=lambda: ([], []))
    taken: int = 0
    end: Finding | None = None

    @property
    def name(self) -> str:
        """The method as records call it, with the settings that were given."""
        written = Variant.read(self.method).name
        return canonical_name(written) + self.method.strip()[len(written) :]

    @property
    def ratio(self) -> StepRatio:
        return StepRatio(self.pairs)

    @property
    def settled(self) -> bool:
        """Whether another pair would tell nothing."""
        if self.end is not None or self.taken >= MOST_PAIRS:
            return True
        return len(self.pairs) >= LEAST_PAIRS and self.ratio.width <= WIDTH

    def run_pair(self, length: Length) -> None:
        """Runs a cell of each side, and keeps what they left. The side that begins changes from pair to pair."""
        if self.subject.lacks(self.method, self.sides[0].tree):
            self.end = Finding(self.name, "cell", "new", why=f"its file is not there at {self.sides[0].name}")
            return
        asks = [self._ask(side) for side in self.sides]
        first = self.taken % 2
        if self.turns:
            answers = play(self.sides, asks, first, length)
        else:
            answers = [{}, {}]
            for which in list(order(self.taken + 1, 0))[-2:]:
                self.sides[which].ask(asks[which], None)
                answers[which] = self.sides[which].answer()
        self.taken += 1
        self._keep(answers)

    def _keep(self, answers: Sequence[dict[str, Any]]) -> None:
        refused, refused_now = (answer.get("error") for answer in answers)
        if refused_now:
            raise BenchError(refused_now)
        if refused:
            self.end = Finding(self.name, "cell", "new", why=f"{self.sides[0].name} cannot run it: {refused}")
            return
        found = [side.records(self._directory).get(self.taken - 1) for side in self.sides]
        before, now = found
        if before is None or now is None:
            where = self.sides[0 if before is None else 1].name
            raise BenchError(f"--against: {self.name} left no record at {where}; run it with bench run --costs")
        if before.status != "ok" or now.status != "ok":
            self.end = self._failure(before, now)
            return
        self.records[0].append(before)
        self.records[1].append(now)
        if (pair := StepPair.of(before, now)) is not None:
            self.pairs.append(pair)

    def _failure(self, before: Record, now: Record) -> Finding:
        """What to think of cells that failed: one whose rival left it alone did not fail by itself."""
        cells = dict(zip(self.sides, (before, now), strict=True))
        told = [
            f"{side.name}: {each.status}: {each.error}"
            for side, each in cells.items()
            if each.status != "ok" and not _was_left(each)
        ]
        only_before = now.status == "ok" or _was_left(now)
        return Finding(self.name, "cell", "not judged" if only_before else "failed", why="; ".join(told))

    def findings(self, tolerance: float) -> Iterator[Finding]:
        """What there is to say of the method, exact numbers first."""
        before, now = self.records
        if now:
            nowhere = Path()
            for finding in compare_records(before, now, nowhere, nowhere):
                if finding.number != "epoch":  # a time that took no turns
                    yield replace(finding, case=self.name)
        if self.end is not None:
            yield self.end
        if now:
            yield self.ratio.finding(self.name, tolerance)

    @property
    def _directory(self) -> str:
        return f"runs/{self.number}"

    def _ask(self, side: Side) -> dict[str, Any]:
        """The arguments of `tpmebench.run` for its next cell: of the study what differs from what is usual."""
        keys = study_of(self.study, self.method, self.subject.named(self.method, side.tree))
        keys["repeats"] = self.taken + 1
        return {"study": keys, "out": str(side.place / self._directory), "quiet": True}


def study_of(study: Study, method: str, named: str) -> dict[str, Any]:
    """The keys of a study of one method, called `named`, that measures costs alone.

    One thread, unless the study says how many: a team waits for the one of it that other work has delayed.
    """
    keys = study.model_dump(mode="json", exclude_defaults=True)
    wanted, new = Variant.read(method).canonical_name, Variant.read(named).name
    for table in ("options", "rates", "epochs"):
        given: dict[str, Any] = keys.pop(table, {})
        own = [value for name, value in given.items() if Variant.read(name).canonical_name == wanted]
        if own:
            keys[table] = {new: own[-1]}
    alone = {"costs": True, "costs_seconds": COSTS_SECONDS, "references": False, "trackers": [], "seeds": 1}
    threads = {} if study.threads or study.device == "cuda" else {"threads": 1}
    return keys | alone | threads | {"methods": [named]}


def _was_left(record: Record) -> bool:
    return record.status != "ok" and "the turns ended" in (record.error or "")
