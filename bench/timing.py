"""Whether a time changed by more than noise, judged as ratio to a reference of the same run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..reports.statistics import Runs, interval, mean_draws
from .baseline import Case
from .findings import Finding, Verdict
from .matching import Settings, same_setting

LEVEL = 0.99
LEAST_TIMES = 3
LEAST_CELLS = 2
_DRAWS = 4000
_LEAST_OTHERS = 3


@dataclass(frozen=True)
class Timed:
    """A case of the baseline, the same case now, and its settings (empty for a benchmark)."""

    known: Case
    now: Case
    settings: Settings

    @property
    def lack(self) -> str:
        """What is too few for an interval, or "".

        The epochs of one cell share its machine's mood, so one cell says nothing of a study's noise. Benchmarks take
        turns within seconds.
        """
        if any(sum(map(len, case.times)) < LEAST_TIMES for case in (self.known, self.now)):
            return f"fewer than {LEAST_TIMES} timed epochs"
        if self.settings and min(len(self.known.times), len(self.now.times)) < LEAST_CELLS:
            return "a single cell on one side; run with --repeats 3"
        return ""

    @property
    def before(self) -> float:
        return mean(self.known)

    @property
    def after(self) -> float:
        return mean(self.now)

    @cached_property
    def factor(self) -> np.ndarray:
        """Bootstrap draws `[draws]` of how many times longer it takes now.

        All cases of a run draw the same repeats together, so that a drift of the machine cancels in their ratios.
        """
        now, known = (mean_draws(runs(case), _DRAWS, seed) for seed, case in enumerate((self.now, self.known)))
        return now / known


def mean(case: Case) -> float:
    """Mean seconds over a case's cells."""
    return float(np.mean([np.mean(times) for times in case.times]))


def runs(case: Case) -> Runs:
    """A case's times as the statistics want them."""
    return {(number, 0): times for number, times in enumerate(case.times)}


def verdict_of(draws: np.ndarray, tolerance: float) -> tuple[Verdict, str]:
    """What the draws of a ratio say: beyond the tolerance with their whole interval, or noise."""
    bounds = interval(float(np.median(draws)), draws, LEVEL)
    text = f"interval {bounds.low - 1:+.0%} … {bounds.high - 1:+.0%}"
    if bounds.low > 1 + tolerance:
        return "worse", text
    return ("better" if bounds.high < 1 / (1 + tolerance) else "noise"), text


def judge_times(cases: Sequence[Timed], reference: str, tolerance: float) -> list[Finding]:
    """Each case's ratio to its reference, now against before."""
    result: list[Finding] = []
    groups: dict[int, list[Timed]] = {}
    for case in cases:
        standard = _reference(case, cases, reference)
        if standard is None:
            result.append(_not_judged(case, f"no {reference} to compare with in this setting"))
        else:
            groups.setdefault(cases.index(standard), []).append(case)
    for index, members in groups.items():
        result += _judge_group(cases[index], [case for case in members if case is not cases[index]], tolerance)
    return result


def _reference(case: Timed, cases: Sequence[Timed], reference: str) -> Timed | None:
    """The reference method in the case's setting, or the benchmark that a benchmark names."""
    if not case.settings:
        return next((other for other in cases if other.known.name == case.known.reference), None)
    candidates = [other for other in cases if other.settings["method"] == reference]
    return next((other for other in candidates if same_setting(case.settings, other.settings)), None)


def _judge_group(reference: Timed, others: list[Timed], tolerance: float) -> Iterator[Finding]:
    """The others against the reference; the reference itself against the others' median.

    When the reference moved by itself, that median stands in for it: a faster reference must not make all the others
    look slower.
    """
    if reference.lack:
        yield from (_not_judged(case, reference.lack) for case in [reference, *others])
        return
    steady = [case for case in others if not case.lack]
    moved = False
    if len(steady) >= _LEAST_OTHERS:
        draws = reference.factor / np.median([case.factor for case in steady], axis=0)
        verdict, why = verdict_of(draws, tolerance)
        moved = verdict != "noise"
        change = float(np.median(draws)) - 1
        yield Finding(reference.known.name, "time", verdict, change=change, why=f"against the others' median: {why}")
    for case in others:
        if case.lack:
            yield _not_judged(case, case.lack)
        elif moved:
            rest = [other.factor for other in steady if other is not case]
            verdict, why = verdict_of(case.factor / np.median(rest, axis=0), tolerance)
            yield _ratio(case, reference, verdict, f"against the others' median, as the reference moved: {why}")
        else:
            verdict, why = verdict_of(case.factor / reference.factor, tolerance)
            yield _ratio(case, reference, verdict, why)


def _ratio(case: Timed, reference: Timed, verdict: Verdict, why: str) -> Finding:
    before, after = case.before / reference.before, case.after / reference.after
    number = f"time / {reference.known.name}"
    return Finding(case.known.name, number, verdict, before, after, "ratio", after / before - 1, why)


def _not_judged(case: Timed, why: str) -> Finding:
    return Finding(case.known.name, "time", "not judged", case.before, case.after, "seconds", why=why)
