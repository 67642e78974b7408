"""Whether a time changed by more than noise, judged as ratio to a reference of the same run."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...reports.analysis.statistics import Resampling, interval, mean
from .baseline import Timing
from .findings import Finding, Verdict
from .pairing import Settings, differing, same_setting

CONFIDENCE = 0.99
LEAST_TIMES = 3
LEAST_CELLS = 2
_DRAWS = 4000
_LEAST_OTHERS = 3


@dataclass(frozen=True)
class Timed:
    """A case's times in the baseline and now, and its settings (empty for a benchmark, which names its reference)."""

    name: str
    known: Timing
    now: Timing
    settings: Settings
    reference: str | None = None

    @property
    def lack(self) -> str:
        """What is too few for an interval, or "".

        The epochs of one cell share its machine's mood, so one cell says nothing of a study's noise. Benchmarks take
        turns within seconds.
        """
        for timing, where in ((self.now, "this run"), (self.known, "the baseline")):
            if not timing.runs and not timing.disturbed:
                return f"no timed epoch in {where}"
            other = f", {timing.disturbed} more disturbed by other work" if timing.disturbed else ""
            if timing.epochs < LEAST_TIMES:
                return f"fewer than {LEAST_TIMES} timed epochs in {where}{other}"
            if self.settings and len(timing.runs) < LEAST_CELLS:
                return f"a single cell in {where}{other}; run with --repeats 3"
        return ""

    @property
    def before(self) -> float | None:
        return mean(self.known.by_run) if self.known.runs else None

    @property
    def after(self) -> float | None:
        return mean(self.now.by_run) if self.now.runs else None


@dataclass(frozen=True)
class Limit:
    """How far a ratio may move, and what it is called when it moves further: a warning on another machine."""

    tolerance: float
    beyond: Verdict = "worse"


@dataclass(frozen=True)
class Noise:
    """How far a run's own times scatter, as deviations relative to their mean; None where there is too little.

    `epochs`: within a cell. `repeats`: of the ratio to the reference, between repeats of a seed or between seeds.
    """

    epochs: float | None
    repeats: float | None

    def __str__(self) -> str:
        if self.epochs is None:
            return "This run's own noise is not known: it has no two timed epochs of one cell."
        noise = f"This run's own noise: epochs of a cell differ by {self.epochs:.1%}"
        if self.repeats is None:
            return f"{noise}."
        return f"{noise}, a ratio to the reference from repeat to repeat by {self.repeats:.1%}."


def noise(cases: Sequence[Timed], reference: str) -> Noise:
    """The run's own noise, the median over its methods."""
    within = [
        float(np.std(times, ddof=1) / np.mean(times))
        for case in cases
        for times in case.now.by_run.values()
        if len(times) > 1
    ]
    between = []
    for case in cases:
        standard = _reference(case, cases, reference)
        if standard is None or standard is case:
            continue
        ours, theirs = case.now.by_run, standard.now.by_run
        ratios = [np.mean(ours[key]) / np.mean(theirs[key]) for key in ours.keys() & theirs.keys()]
        if len(ratios) > 1:
            between.append(float(np.std(np.log(ratios), ddof=1)))
    return Noise(*(float(np.median(found)) if found else None for found in (within, between)))


def verdict_of(draws: np.ndarray, tolerance: float) -> tuple[Verdict, str]:
    """What the draws of a ratio say: beyond the tolerance with their whole interval, or noise."""
    bounds = interval(float(np.median(draws)), draws, CONFIDENCE)
    text = f"interval {bounds.low - 1:+.0%} … {bounds.high - 1:+.0%}"
    if bounds.low > 1 + tolerance:
        return "worse", text
    return ("better" if bounds.high < 1 / (1 + tolerance) else "noise"), text


def least_change(draws: np.ndarray, tolerance: float) -> float:
    """The least slow-down that would have been found among draws that scatter like these: 0.2 is a fifth more."""
    bounds = interval(float(np.median(draws)), draws, CONFIDENCE)
    return (1 + tolerance) * bounds.value / bounds.low - 1


def judge_times(cases: Sequence[Timed], reference: str, limit: Limit) -> list[Finding]:
    """Each case's ratio to its reference, now against before."""
    result: list[Finding] = []
    groups: dict[int, list[Timed]] = {}
    for case in cases:
        standard = _reference(case, cases, reference)
        if standard is None:
            result.append(_not_judged(case, f"no {reference} to compare with in this setting"))
        else:
            groups.setdefault(next(n for n, one in enumerate(cases) if one is standard), []).append(case)
    for number, members in groups.items():
        others = [case for case in members if case is not cases[number]]
        result += _Group(cases[number], others, limit).findings()
    return result


def _reference(case: Timed, cases: Sequence[Timed], reference: str) -> Timed | None:
    """The reference method in the case's setting, or the benchmark that a benchmark names."""
    if not case.settings:
        return next((other for other in cases if other.name == case.reference), None)
    found = [
        other
        for other in cases
        if other.settings["method"] == reference and same_setting(case.settings, other.settings)
    ]
    return min(found, key=lambda other: len(differing(case.settings, other.settings)), default=None)


class _Group:
    """Cases that share a reference. Each side's runs are resampled once for all of them, so that what met all of a
    run alike, such as a drift of the machine, cancels in their ratios.
    """

    def __init__(self, reference: Timed, others: Sequence[Timed], limit: Limit) -> None:
        self.reference, self.others, self.limit = reference, others, limit

    @cached_property
    def factors(self) -> dict[str, np.ndarray]:
        """How many times longer each case that can be judged takes now, `[draws]`."""
        cases = [case for case in (self.reference, *self.others) if not case.lack]
        now = Resampling([case.now.by_run for case in cases], _DRAWS, seed=0)
        known = Resampling([case.known.by_run for case in cases], _DRAWS, seed=1)
        return {case.name: now.means(case.now.by_run) / known.means(case.known.by_run) for case in cases}

    def findings(self) -> Iterator[Finding]:
        """The others against the reference; the reference itself against the others' median.

        When the reference moved by itself, that median stands in for it: a faster reference must not make all the
        others look slower.
        """
        reference = self.reference
        if reference.lack:
            for case in self.others:
                yield _not_judged(case, case.lack or f"{reference.name}, its reference: {reference.lack}")
            yield _not_judged(reference, reference.lack)
            return
        own, steady = self.factors[reference.name], [case for case in self.others if not case.lack]
        moved = False
        if len(steady) < _LEAST_OTHERS:
            why = f"what the others are compared with; from {_LEAST_OTHERS} others on it is held against their median"
            yield _not_judged(reference, why)
        else:
            factor = own / self._median(steady)
            finding = self._verdict(reference, factor, "against the others' median: ")
            moved = finding.verdict != "noise"
            yield finding
        for case in self.others:
            if case.lack:
                yield _not_judged(case, case.lack)
            elif moved:
                factor = self.factors[case.name] / self._median([other for other in steady if other is not case])
                yield self._verdict(case, factor, "against the others' median, as the reference moved: ")
            else:
                yield self._verdict(case, self.factors[case.name] / own)

    def _median(self, cases: Sequence[Timed]) -> np.ndarray:
        return np.median([self.factors[case.name] for case in cases], axis=0)

    def _verdict(self, case: Timed, draws: np.ndarray, how: str = "") -> Finding:
        name, tolerance = case.name, self.limit.tolerance
        verdict, text = verdict_of(draws, tolerance)
        if verdict == "worse":
            verdict = self.limit.beyond
        least = least_change(draws, tolerance)
        why = f"{how}{text}, {least:+.0%} would show"
        if case is self.reference:
            return Finding(name, "time", verdict, change=float(np.median(draws)) - 1, why=why, least=least)
        before, after = (
            mean(getattr(case, side).by_run) / mean(getattr(self.reference, side).by_run) for side in ("known", "now")
        )
        number = f"time / {self.reference.name}"
        return Finding(name, number, verdict, before, after, "ratio", after / before - 1, why, least)


def _not_judged(case: Timed, why: str) -> Finding:
    return Finding(case.name, "time", "not judged", case.before, case.after, "seconds", why=why)
