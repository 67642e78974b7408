"""`bench tune`: points of a search by a quasi-random sequence, and the runs of what it chose.

Of every method the same number of points is tried, on a training seed of its own that no other run has. The first is
the method as it is; the others come from a Sobol sequence over what the method says may be searched. A search has no
state but its records: which points there are follows from the study, which is chosen from their valid metrics.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, zip_longest
from math import prod
from pathlib import Path
from typing import Any

from ...errors import BenchError
from ...files import canonical_json
from ...methods.registry import find_method
from ...ranges import RATES, Choice, Space
from ...reports.analysis.results import Result
from ...reports.analysis.search import Point, choose, question
from .asked import Asked, ask, base, variants
from .grid import Grid, Planned, distinct, look_again
from .schema import MOST_CELLS, Study
from .variants import Settled, Variant, as_called

SEARCH_SEED = 1000
"""The training seed of all points: studies count theirs from 0, so the choice owes nothing to a seed that judges it."""
_SEQUENCE_SEED = 0
_DRAWS = 12
"""2 to this power are drawn at most; a space that gives no new setting in so many has none left."""

Settles = Callable[[Planned], bool]
"""Whether a cell has come to its end and is not to run again."""


class Tuning:
    """The search of a study, and what runs once it has chosen."""

    def __init__(self, study: Study, version: str) -> None:
        if study.sweep:
            raise BenchError("sweep: bench tune searches by itself; leave it out, or use bench run")
        self._study = study
        named = variants(study)
        cells = sum(_most(study, each) for each in named) * len(study.datasets) * len(study.backbones)
        if cells > MOST_CELLS:
            raise BenchError(f"points: they make {cells} cells; a study has at most {MOST_CELLS}")
        found = [points(study, variant) for variant in named]
        self.searches = [each for each in found if len(each) > 1]
        """The settings to try, by variant."""
        self._others = [replace(each[0], search=(), point=0) for each in found if len(each) == 1]
        self._grid = Grid(study, version, [point for each in found for point in each])

    def plan(self, directory: Path, settled: Settles) -> list[Planned]:
        """The cells of the search, methods taking turns; of what has no search; and the runs of what was chosen.

        A method's choice is run once all of its points are `settled`.
        """
        cells: list[Planned] = []
        turns = [point for row in zip_longest(*self.searches) for point in row if point]
        for where in self._grid.places:
            tried = look_again(self._grid.cells(where, turns, [SEARCH_SEED]), directory)
            seeds = range(self._study.seeds)
            rows = [*self._others, *_chosen(tried, settled)]
            cells += [*tried, *self._grid.cells(where, rows, seeds, self._study.repeats)]
        return look_again(distinct(cells), directory)

    def outlook(self, cells: list[Planned]) -> str:
        """How many cells will follow those that are planned by now, in words; "" when none do."""
        seeds, repeats = self._study.seeds, self._study.repeats
        others = distinct(
            chain(*(self._grid.cells(where, self._others, range(seeds), repeats) for where in self._grid.places))
        )
        planned = sum(not each.cell.search for each in cells) - len(others)
        left = len(self.searches) * len(self._grid.places) * seeds * repeats - planned
        on = "1 seed" if seeds == 1 else f"{seeds} seeds"
        return f", then {left} more: of each search the setting that is best on valid, on {on}" if left > 0 else ""


def points(study: Study, variant: Variant) -> list[Asked]:
    """The settings to try of a variant, itself first; what it or the study's tables say of it is not searched."""
    space = _space(study, variant)
    found: dict[str, Asked] = {}
    for drawn in _drawn(space):
        point = ask(study, Variant(variant.name, {**drawn, **variant.settings}), space)
        place = len(found) + 1 if space else 0
        found.setdefault(canonical_json([point.settled.options, point.settled.rates]), replace(point, point=place))
        if len(found) == study.points:
            break
    return list(found.values())


def _most(study: Study, variant: Variant) -> int:
    """The most points that a variant has: as many as the study says, or itself and what its few values combine to."""
    ranges = _space(study, variant).values()
    others = prod(len(each.values) if isinstance(each, Choice) else study.points for each in ranges) if ranges else 0
    return min(study.points, 1 + others)


def _space(study: Study, variant: Variant) -> Space:
    """What is searched of a variant."""
    method = find_method(variant.name)
    said = {as_called(key, method) for key in (*base(study, variant.name), *variant.settings)}
    own = method.options.model_fields  # an option that is called as a rate has not that rate's range
    return {k: over for k, over in method.search.items() if k not in said and not (k in own and over is RATES.get(k))}


def _drawn(space: Space) -> Iterator[dict[str, Any]]:
    """Nothing but the defaults first, then settings by a Sobol sequence, each a prefix of every longer search."""
    yield {}
    if not space:
        return
    from scipy.stats import qmc

    for row in qmc.Sobol(len(space), rng=_SEQUENCE_SEED).random_base2(_DRAWS):
        yield {key: over.at(share) for (key, over), share in zip(space.items(), map(float, row), strict=True)}


def tried(cells: Sequence[Planned]) -> list[str]:
    """A line for each method of which several settings are tried: how many, and over what."""
    by_search: dict[tuple[str, str], set[str]] = {}
    for planned in cells:
        if planned.cell.search:
            name = (planned.cell.method, ", ".join(planned.cell.search))
            by_search.setdefault(name, set()).add(canonical_json([planned.cell.options, planned.cell.rates]))
    return [f"{method}: {len(found)} settings of {keys}" for (method, keys), found in by_search.items()]


def _chosen(tried: list[Planned], settled: Settles) -> Iterator[Asked]:
    """What each search that has come to its end chose, by their order."""
    by_search: dict[str, list[Planned]] = {}
    for planned in tried:
        by_search.setdefault(question(planned.cell, planned.cell.search), []).append(planned)
    for cells in by_search.values():
        if not all(map(settled, cells)):
            continue
        points = {planned.id: Point([Result(planned.record)]) for planned in cells if planned.record}
        choice = choose(list(points.values()))
        for planned in cells:
            if choice is not None and points.get(planned.id) is choice:
                yield Asked(planned.places.method, Settled(planned.method, planned.cell.options, planned.cell.rates))
