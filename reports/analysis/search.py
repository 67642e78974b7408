"""Searches and sweeps: of the settings that were tried of a method the one that counts, chosen on valid alone.

A cell says itself that it is a point of a search, and over which settings (`Cell.search`). Of equal points the one
with fewer trainable parameters is chosen, then fewer operations a step, then the one that stands first in the search:
the method as it is, where that was tried. Times do not count: on a busy machine they are noise.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from statistics import fmean
from typing import Any

from ...cell import Cell
from ...files import canonical_json
from ...metrics import headline
from ...naming import written_settings
from .epochs import mean_epoch
from .results import Result
from .rows import LOOSE

AS_IT_IS = "as it is"
"""The setting of a method of which nothing was given."""
_WHERE = ("device", "threads", "deterministic")
"""What of a cell says where it ran: a choice made on a card may have its runs on a CPU."""


@dataclass(frozen=True)
class Point:
    """A setting that was tried, with its cells, one a seed."""

    results: list[Result]

    @property
    def cell(self) -> Cell:
        """One of its cells: in what is searched they are alike."""
        return self.results[0].record.cell

    @property
    def given(self) -> dict[str, Any]:
        """Its options and rates among those searched. A rate that the method's own stands for is not in it."""
        return _given(self.cell, self.cell.search)

    @property
    def used(self) -> dict[str, Any]:
        """What it ran with of each setting searched; the method's own rate where none was given."""
        own = {"learning_rate_scale": self.cell.training.learning_rate_scale}
        head = self.results[0].record.rates.get("head")
        return (own | ({} if head is None else {"head_lr": head}) | self.given) if self.cell.search else {}

    @property
    def seeds(self) -> set[int]:
        """On which it ran, however that ended."""
        return {result.record.cell.seed for result in self.results}

    @property
    def status(self) -> str:
        """`ok` when all of its cells are."""
        return next((r.record.status for r in self.results if r.record.status != "ok"), "ok")

    @property
    def valid(self) -> float | None:
        """The mean of the primary metric on valid over its seeds; None unless all of them ended well."""
        found = [
            result.record.accuracy.valid.metrics.get(result.record.primary_metric)
            for result in self.results
            if result.record.status == "ok" and result.record.accuracy
        ]
        known = [value for value in found if value is not None]
        return fmean(known) if len(known) == len(self.results) else None

    @property
    def costs(self) -> tuple[float, float]:
        """Trainable parameters and operations a step, which repeat exactly; what is not known counts as most."""
        record = self.results[0].record
        parameters = record.parameters.trainable if record.parameters else inf
        operations = record.compute.forward + record.compute.backward if record.compute else inf
        return parameters, operations

    @property
    def time(self) -> float | None:
        """Seconds of an epoch, the mean over its seeds; None where none was timed."""
        times = [seconds for result in self.results if (seconds := mean_epoch(result.record, lambda e: e.total))]
        return fmean(times) if times else None

    @property
    def seconds(self) -> float:
        """What all of its cells took, as far as it is known."""
        return sum(result.record.time.total or 0.0 for result in self.results)


@dataclass(frozen=True)
class Search:
    """The points of one search. `keys`: what was searched. `fresh`: runs of the choice that are no part of the search.

    `passed_over`: runs of its own length, of settings that were tried here and not chosen.
    """

    points: list[Point]
    fresh: list[Result] = field(default_factory=list)
    passed_over: list[Result] = field(default_factory=list)

    @property
    def method(self) -> str:
        return self.points[0].cell.method

    @property
    def keys(self) -> list[str]:
        """The settings that were searched."""
        return self.points[0].cell.search

    @property
    def chosen(self) -> Point | None:
        """None when no point ended well."""
        return choose(self.points)

    @property
    def own(self) -> Point | None:
        """The point at the method's own rates, where that is one."""
        found = [point for point in self.points if not set(point.cell.rates) & set(self.keys)]
        return found[0] if len(found) == 1 else None

    @property
    def choice(self) -> str:
        """What was chosen, as it is written."""
        return "none, as no setting ended well" if self.chosen is None else self.setting(self.chosen.cell)

    def setting(self, cell: Cell) -> str:
        """That of a cell among those searched, as it is written."""
        return written_settings(_given(cell, self.keys)) or AS_IT_IS

    @property
    def unfinished(self) -> dict[str, list[int]]:
        """Settings that were not run on all seeds of the search → the seeds that they lack."""
        every = {seed for point in self.points for seed in point.seeds}
        return {self.setting(each.cell): sorted(every - each.seeds) for each in self.points if every - each.seeds}

    @property
    def rows(self) -> list[Result]:
        """The cells that stand for the method: fresh runs of the choice, or else its own; of a search without a
        choice its first point's, which say why.
        """
        return self.fresh or (self.chosen or self.points[0]).results


def choose(points: Sequence[Point]) -> Point | None:
    """The point that is best on valid; of equal ones as said above. None when no point ended well.

    Where a search was interrupted only points of the most seeds count: one seed alone may be an easy one.
    """
    ended = [(point, valid) for point in points if (valid := point.valid) is not None]
    if not ended:
        return None
    most = max(len(point.seeds) for point, _ in ended)
    tried = [(point, valid) for point, valid in ended if len(point.seeds) == most]
    record = tried[0][0].results[0].record
    sign = -1 if headline(record.metrics, record.primary_metric)[0].better == "more" else 1
    return min(tried, key=lambda pair: (sign * round(pair[1], 12), pair[0].costs, pair[0].cell.point))[0]


def searches(results: Iterable[Result]) -> list[Search]:
    """The searches among some cells, in the order of their first cells; points in the order in which they ran."""
    found: dict[str, dict[str, list[Result]]] = {}
    for result in results:
        cell = result.record.cell
        if cell.search:
            points = found.setdefault(question(cell, cell.search), {})
            points.setdefault(canonical_json([cell.options, cell.rates]), []).append(result)
    return [Search([Point(cells) for cells in points.values()]) for points in found.values()]


def settle(results: Sequence[Result]) -> tuple[list[Result], list[Search]]:
    """The cells that are rows, one setting a search, and the searches that chose them."""
    ordinary = [result for result in results if not result.record.cell.search]
    found = [_with_runs(search, ordinary) for search in searches(results)]
    chosen = {result.record.cell_id for search in found for result in search.fresh}
    away = {result.record.cell_id for search in found for result in search.passed_over} - chosen
    rows = [result for result in ordinary if result.record.cell_id not in away]
    rows += [result for search in found if not search.fresh for result in search.rows]
    return rows, found


def question(cell: Cell, keys: Sequence[str], length: bool = True) -> str:
    """What is the same for all points of a search over `keys`, and for runs of its choice, wherever they ran; without
    its `length`, for runs of other epochs or patience, too.
    """
    settings = cell.identity() | dict.fromkeys(("search", "seed", "repeat", *_WHERE))
    for part, values in (("options", cell.options), ("rates", cell.rates)):
        settings[part] = {key: value for key, value in values.items() if key not in keys}
    if not length:
        settings["training"] = cell.training.model_dump(mode="json", exclude=set(LOOSE))
    return canonical_json(settings)


def _given(cell: Cell, keys: Sequence[str]) -> dict[str, Any]:
    settings = {**cell.options, **cell.rates}
    return {key: settings[key] for key in keys if key in settings}


def _with_runs(search: Search, ordinary: Iterable[Result]) -> Search:
    """The search with those of other cells that are of a setting that it tried.

    A choice may be trained longer than it was searched. Of what was not chosen only runs of the search's own length are
    passed over: what a short search preferred says nothing against a long run.
    """
    chosen, first = search.chosen, search.points[0].cell
    if chosen is None:
        return search
    tried = [_setting(point.cell) for point in search.points]
    wanted, at_length = question(first, search.keys, length=False), question(first, search.keys)
    of_method = (result for result in ordinary if result.record.cell.method == search.method)
    fresh, passed_over = [], []
    for result in of_method:
        cell = result.record.cell
        if _setting(cell) == _setting(chosen.cell):
            fresh += [result] if question(cell, search.keys, length=False) == wanted else []
        elif _setting(cell) in tried:
            passed_over += [result] if question(cell, search.keys) == at_length else []
    return Search(search.points, fresh, passed_over)


def _setting(cell: Cell) -> tuple[object, object]:
    return cell.options, cell.rates
