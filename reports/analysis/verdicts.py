"""What a comparison decides: who is as accurate as the reference and cheapest, what each large saving loses, and who is
dominated. Each with its numbers and how sure they are; `reports/formats/sentences.py` says it in words.

A row dominates another when it is at least as accurate on average and costs no more time, parameters and memory, and is
better in one of these. Rows that cost nothing, such as popularity, dominate what they are as accurate as. No row that
is dominated is ever recommended.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from ...metrics import Metric, is_better
from . import paired, statistics
from .comparison import ELSEWHERE, Comparison
from .convergence import bounds
from .difference import Difference, difference
from .footing import by_seed, level, pair, untrained
from .tpme import COSTS, CostWeights, cost_ratio
from .uncertainty import times_by_run

LARGE = (0.5, 0.1)
"""A saving is large that leaves a half, or a tenth, of what the reference costs."""
MOST_TESTED = 6
"""Of the dominated rows so many, the first in the order of the table, are tested against who dominates them."""


@dataclass(frozen=True)
class Choice:
    """A row that is recommended. `ratios`: each cost over the reference's, and `time_with_cache` where one was built.

    `cost_ratio`: the weighted mean of the three. `against`: its accuracy held against the reference's, None for the
    reference itself. `tied`: rows that are equal to it in accuracy and every cost.
    """

    row: str
    ratios: dict[str, float]
    cost_ratio: float
    against: Difference | None = None
    tied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Saving:
    """The row of least loss among those that leave at most `share` of the reference's `cost`; None: no row does.

    `least` is then the smallest share that any row leaves, nan where the reference has no such cost.
    """

    cost: str
    share: float
    choice: Choice | None
    least: float


@dataclass(frozen=True)
class Domination:
    """A row that another dominates. `ratios`: each cost of the other over its own; `time`: the interval of that of T.

    `difference`: the other's accuracy less its own.
    """

    row: str
    by: str
    ratios: dict[str, float]
    time: statistics.Interval
    difference: Difference


@dataclass(frozen=True)
class Verdicts:
    """All of a comparison. `judged`: whether accuracies are there and say something; of `random` towers they don't.
    `held`: whether rows could be held against the reference, as it has all numbers.

    `status`: the reference's, ELSEWHERE or "" where it is no row. `ranked`: how many rows are; `lone`: the name of the
    only one. `front`: rows that none dominates, the cheapest first. `equal`: the cheapest of them that does not lie
    behind the reference in accuracy. `best`: the most accurate of them. `cheapest`: where accuracies are not judged or
    there is no reference. `bounded`: rows whose accuracy is a lower bound. `accuracies`: of every row that has one.
    """

    reference: str
    metric: Metric
    judged: bool
    random: bool
    status: str
    ranked: int
    held: bool = False
    lone: str = ""
    front: tuple[str, ...] = ()
    equal: Choice | None = None
    savings: tuple[Saving, ...] = ()
    best: Choice | None = None
    cheapest: Choice | None = None
    dominated: tuple[Domination, ...] = ()
    bounded: frozenset[str] = frozenset()
    accuracies: dict[str, float] = field(default_factory=dict)

    @property
    def recommended(self) -> tuple[str, ...]:
        """Every row that a verdict recommends."""
        chosen = [self.equal, self.best, self.cheapest, *(saving.choice for saving in self.savings)]
        return tuple(dict.fromkeys(row for each in chosen if each for row in (each.row, *each.tied)))


def verdicts(comparison: Comparison, weights: CostWeights, reference: str, tests: pd.DataFrame) -> Verdicts:
    """Those of a comparison; `tests` come from `paired.user_tests` against the same reference, a row."""
    ranked, random = comparison.ranked, comparison.random_towers
    statuses = comparison.methods["status"]
    found = Verdicts(
        reference=reference,
        metric=comparison.primary,
        judged=not random and bool(ranked[comparison.primary.name].notna().any()),
        random=random,
        status=str(statuses.get(reference, ELSEWHERE if reference in comparison.elsewhere else "")),
        ranked=len(ranked),
        lone=str(ranked.index[0]) if len(ranked) == 1 else "",
    )
    return replace(found, **_Deciding(comparison, weights, reference, tests).parts(found.judged))


class _Deciding:
    """The ranked rows of a comparison, held against each other."""

    def __init__(self, comparison: Comparison, weights: CostWeights, reference: str, tests: pd.DataFrame) -> None:
        self.comparison, self.reference, self.tests = comparison, reference, tests
        self.metric = comparison.primary
        self.numbers = _numbers(comparison.methods, [*COSTS, "time_with_cache", "cache_build", self.metric.name])
        self.ranked = [str(row) for row in comparison.ranked.index]
        self.ratio = {
            str(row): float(ratio) for row, ratio in cost_ratio(comparison.ranked, weights, reference).items()
        }
        self.values = by_seed(comparison)
        self.points = points(comparison, level(self.values, reference))
        self.known = [row for row in self.ranked if row in self.points]
        self.held = reference in self.known

    def parts(self, judged: bool) -> dict[str, Any]:
        """What is decided, by the names of `Verdicts`."""
        if not judged:
            costs = {row: tuple(self.numbers[row][cost] for cost in COSTS) for row in self.ranked}
            return {"cheapest": self.cheapest([row for row in costs if not dominating(costs, row)])}
        by = {row: [other for other in dominating(self.points, row) if self.keeps(other, row)] for row in self.points}
        front = sorted((row for row in self.known if not by[row]), key=self.cost)
        accuracies = {row: self.accuracy(row) for row in self.numbers}
        return {
            "held": self.held,
            "front": tuple(front),
            "equal": self.equal(front) if self.held else None,
            "savings": tuple(self.savings(front)) if self.held else (),
            "best": self.most_accurate(front),
            "cheapest": None if self.held else self.cheapest(front),
            "dominated": tuple(self.dominated(by)),
            "bounded": frozenset(bounds(self.comparison)),
            "accuracies": {row: value for row, value in accuracies.items() if not math.isnan(value)},
        }

    def accuracy(self, row: str) -> float:
        return self.numbers[row][self.metric.name]

    def cost(self, row: str) -> tuple[float, float]:
        """By what rows are ordered: the cost ratio, without a reference the time, then accuracy."""
        ratio, point = self.ratio[row], self.points.get(row)
        return (self.numbers[row]["time"] if math.isnan(ratio) else ratio, point[-1] if point else 0.0)

    def choice(self, row: str) -> Choice:
        mine, base = self.numbers[row], self.numbers.get(self.reference)
        costs = (*COSTS, *(["time_with_cache"] if base and self._built(row, self.reference) else []))
        point = self.points.get(row)
        return Choice(
            row=row,
            ratios={cost: mine[cost] / base[cost] for cost in costs} if base and self.reference in self.ranked else {},
            cost_ratio=self.ratio[row],
            against=self.against(row) if self.held and row != self.reference else None,
            tied=tuple(other for other in self.known if other != row and self.points[other] == point),
        )

    def _built(self, *rows: str) -> bool:
        """Whether one of them built a cache, with epochs to spread that over in all: costs measured apart have none."""
        built = any(not math.isnan(self.numbers[row]["cache_build"]) for row in rows)
        return built and not any(math.isnan(self._with_cache(row)) for row in rows)

    def against(self, row: str) -> Difference:
        """A row's accuracy held against the reference's."""
        return difference(self.tests, row, self.metric, *self.pair(row, self.reference))

    def pair(self, one: str, other: str) -> tuple[float, float]:
        """The accuracies of two rows over the seeds that both have."""
        return pair(self.values[one], self.values[other])

    def keeps(self, one: str, other: str) -> bool:
        """Whether a row is as good as another on the seeds that both have."""
        ours, theirs = self.pair(one, other)
        return not is_better(theirs, ours, self.metric.better)

    def equal(self, front: list[str]) -> Choice | None:
        """The cheapest on the front of the rows that do not lie behind the reference in accuracy."""
        return self.cheapest([row for row in front if row == self.reference or not self.against(row).behind])

    def savings(self, front: list[str]) -> Iterable[Saving]:
        """For each cost and large saving the most accurate row of the front that saves as much."""
        base = self.numbers[self.reference]
        for share in LARGE:
            for cost in COSTS:
                left = {row: self.numbers[row][cost] / base[cost] if base[cost] else math.nan for row in self.known}
                best = self.most_accurate([row for row in front if left[row] <= share])
                yield Saving(cost, share, best, min(left.values()))

    def cheapest(self, rows: list[str]) -> Choice | None:
        """The cheapest of some rows."""
        return self.choice(min(rows, key=self.cost)) if rows else None

    def most_accurate(self, rows: list[str]) -> Choice | None:
        """The most accurate of some rows, the cheaper of equals."""
        return self.choice(min(rows, key=lambda row: (self.points[row][-1], self.cost(row)))) if rows else None

    def dominated(self, by: dict[str, list[str]]) -> Iterable[Domination]:
        """Each ranked row that some dominate, with the most accurate of these that none dominates."""
        best = {
            row: min(by[row], key=lambda other: (bool(by[other]), self.points[other][-1]))
            for row in self.known
            if by[row]
        }
        shown = list(best)[:MOST_TESTED]
        tests = paired.tests(self.comparison, {row: (best[row], row) for row in shown})
        for row, other in best.items():
            ratios = {
                cost: theirs / mine if mine else math.nan
                for cost, mine, theirs in zip(COSTS, self.points[row], self.points[other], strict=False)
            }
            if ratios["time"] and self._built(row, other):
                ratios["time_with_cache"] = self._with_cache(other) / self._with_cache(row)
            yield Domination(
                row=row,
                by=other,
                ratios=ratios,
                time=self.time_ratio(other, row, ratios["time"], tested=row in shown),
                difference=difference(tests, row, self.metric, *self.pair(other, row)),
            )

    def _with_cache(self, row: str) -> float:
        return self.numbers[row]["time_with_cache"]

    def time_ratio(self, one: str, other: str, value: float, *, tested: bool) -> statistics.Interval:
        """T of a row over that of another, with its interval where both have times."""
        ours, theirs = (times_by_run(self.comparison, label) for label in (one, other))
        if not tested or not ours or not theirs:
            return statistics.Interval(value, math.nan, math.nan)
        return statistics.ratio_interval(ours, theirs)


Point = tuple[float, ...]
"""A row's numbers, all the higher the worse."""


def points(comparison: Comparison, accuracies: Mapping[str, float]) -> dict[str, Point]:
    """COSTS and the accuracy of each row that has them, reference rows too. A row that trains nothing costs nothing."""
    sign = -1.0 if comparison.primary.better == "more" else 1.0
    free, found = untrained(comparison), {}
    for row, numbers in _numbers(comparison.methods, list(COSTS)).items():
        accuracy = accuracies.get(row, math.nan)
        point = (*(0.0 if row in free else numbers[cost] for cost in COSTS), sign * accuracy)
        if not any(map(math.isnan, point)):
            found[row] = point
    return found


def dominating(of_rows: Mapping[str, Point], row: str) -> list[str]:
    """The rows that are nowhere worse than `row` and somewhere better."""
    mine = of_rows[row]
    return [
        other
        for other, theirs in of_rows.items()
        if theirs != mine and all(a <= b for a, b in zip(theirs, mine, strict=True))
    ]


def _numbers(methods: pd.DataFrame, columns: list[str]) -> dict[str, dict[str, float]]:
    """By row and column, NaN for what is not known."""
    values = methods[columns].to_numpy(float).tolist()
    return {
        str(row): dict(zip(columns, of_row, strict=True)) for row, of_row in zip(methods.index, values, strict=True)
    }
