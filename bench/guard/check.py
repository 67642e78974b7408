"""`bench check`: holds a run against a baseline and says what got worse, for a build to fail on.

Exact numbers are held to a tolerance of 0 or 1 %. A time is judged as the ratio to the reference method of the same
run, against the same ratio in the baseline of the same machine: worse when the bootstrap interval of this change lies
wholly beyond the tolerance. Against another machine's times the same is a warning. Accuracy is worse when it falls by
more than a number of deviations. The tolerances live in the baseline's file.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import BenchError
from ...metrics import is_better
from ...ownership import check_place
from .baseline import Baseline, Case, kind_of, read
from .findings import QUIET, Finding, Outcome, Verdict, judge_exact, relative
from .measured import measure
from .pairing import changes
from .renewal import pairs, renew
from .time_ratios import CONFIDENCE, Limit, Timed, judge_times, noise

FAILING = ("worse", "failed", "missing")
# Measured only by the first run after the cache was cleared: their absence means nothing.
_OPTIONAL = {"cache build memory": "this run built no cache"}
# From so many seeds on, their own spread is known well enough to judge by.
_SEEDS_FOR_SPREAD = 5


@dataclass(frozen=True)
class CheckOptions:
    """`update` makes the run part of the baseline; `disturbed` counts epochs that lost time to other work as well."""

    update: bool = False
    disturbed: bool = False


def run_check(directory: Path, baseline: Path, options: CheckOptions = CheckOptions()) -> tuple[int, Outcome]:
    """Checks a study's directory, or a JSON file of pytest-benchmark, against a baseline file.

    Gives the exit code (0, or 1 when something got worse) and what was found. With `update` the run's numbers become
    the baseline's and its machine is added to those that the file holds; tolerances are kept.
    """
    known = known_baseline(baseline, options.update)
    run = measure(directory, known.reference if known else "fft", options.disturbed)
    return hold(run, known, Sides(str(directory), baseline), options.update)


@dataclass(frozen=True)
class Sides:
    """What is checked, as the user calls it, and the file of the baseline."""

    run: str
    baseline: Path


def known_baseline(path: Path, update: bool) -> Baseline | None:
    """What the file holds; None where an update will make it."""
    if update:
        check_place(path, "--baseline")
    return None if update and not os.path.lexists(path) else read(path)


def hold(run: Baseline, known: Baseline | None, sides: Sides, update: bool) -> tuple[int, Outcome]:
    """The exit code and what was found of a run, or a plan, beside what is known; with `update` it becomes known."""
    if known and (run.of_benchmarks, run.of_plans) != (known.of_benchmarks, known.of_plans):
        raise BenchError(f"--baseline {sides.baseline}: made from {known.source}, but {sides.run} is from {run.source}")
    found = check(run, known) if known else []
    notes = _notes(run, known, found)
    if update:
        notes += _replace(sides.baseline, run, known)
        return 0, Outcome(f"{sides.baseline}: updated from {sides.run}", found, (), notes)
    failing = [finding for finding in found if finding.verdict in FAILING]
    title = f"{sides.run} against {sides.baseline}: " + (
        f"{len(failing)} got worse" if failing else "nothing got worse"
    )
    return int(bool(failing)), Outcome(title, found, FAILING, notes)


def check(run: Baseline, baseline: Baseline) -> list[Finding]:
    """Every number of the baseline against the run's, and what is new in the run."""
    found = pairs(baseline, run)
    result: list[Finding] = []
    for known, now in found:
        if now is None:
            result.append(Finding(known.name, "cell", "missing", why=_nearest(known, run, baseline)))
        elif now.failure and known.failure:  # a plan's row without forecast, as it was
            continue
        elif now.failure:
            result.append(Finding(known.name, "cell", "failed", why=now.failure))
        elif known.failure:
            result.append(Finding(known.name, "cell", "new", why="has a forecast now; add it with --update"))
        else:
            result += _settings(known, now, run, baseline)
            result += [*_exact(known, now, run, baseline), *_accuracies(known, now, baseline)]
    if not run.of_plans:
        result += _times(found, run, baseline)
    paired = [now for _, now in found if now is not None]
    new = [case for case in run.cases if not any(case is now for now in paired)]
    return result + [Finding(case.name, "cell", "new", why="not in the baseline; add it with --update") for case in new]


def _nearest(known: Case, run: Baseline, baseline: Baseline) -> str:
    """Why a case was not found: the settings in which the most similar cell of the same method differs."""
    wanted = baseline.full(known)
    alike = [run.full(case) for case in run.cases if wanted and run.full(case)["method"] == wanted["method"]]
    if not alike:
        return "not in this run"
    return f"run with other settings: {min((changes(wanted, other) for other in alike), key=len)}"


def _settings(known: Case, now: Case, run: Baseline, baseline: Baseline) -> Iterator[Finding]:
    differing = changes(baseline.full(known), run.full(now))
    if differing:
        yield Finding(known.name, "settings", "changed", why=differing)


def _exact(known: Case, now: Case, run: Baseline, baseline: Baseline) -> Iterator[Finding]:
    """Numbers that repeat, seed by seed; of several seeds the one with the largest rise, else with the largest fall."""
    common = [seed for seed in known.seeds if seed in now.seeds]
    if not common:
        why = f"no seed in common with the baseline's {known.seeds}"
        yield Finding(known.name, "cell", "missing", why=why)
        return
    other_gpu = run.full(now).get("device") == "cuda" and baseline.latest not in run.machines
    for number, values in known.exact.items():
        kind, limit = kind_of(number), baseline.tolerances.of(number)
        before = dict(zip(known.seeds, values, strict=True))
        after = dict(zip(now.seeds, now.exact.get(number, [None] * len(now.seeds)), strict=True))
        numbers = [(before[seed], after[seed]) for seed in common]
        measured = [(b, a) for b, a in numbers if b is not None and a is not None]
        if any(b is not None and a is None for b, a in numbers):
            verdict: Verdict = "not judged" if number in _OPTIONAL else "missing"
            why = _OPTIONAL.get(number, "no longer measured")
            yield Finding(known.name, number, verdict, values[0], kind=kind, why=why)
            continue
        if not measured:
            continue
        verdict, b, a = judge_exact(measured, limit)
        why = f"tolerance {limit:.0%}"
        if verdict != "same" and other_gpu and "memory" in number:
            verdict, why = "not judged", f"memory of another GPU than {baseline.latest}"
        yield Finding(known.name, number, verdict, b, a, kind, relative(b, a), why)
    for number, values in now.exact.items():
        if number not in known.exact:
            why = "not in the baseline; add it with --update"
            yield Finding(known.name, number, "not judged", now=values[0], kind=kind_of(number), why=why)


def _accuracies(known: Case, now: Case, baseline: Baseline) -> Iterator[Finding]:
    """Means over the seeds, against the deviation of their difference."""
    for metric, values in known.accuracy.items():
        if not now.accuracy:
            mean = float(np.mean(values))
            yield Finding(known.name, metric, "missing", mean, kind="metric", why="no longer measured")
            continue
        if metric not in now.accuracy:
            why = f"judged by {', '.join(now.accuracy)} now"
            yield Finding(known.name, metric, "missing", float(np.mean(values)), kind="metric", why=why)
            continue
        before, after = float(np.mean(values)), float(np.mean(now.accuracy[metric]))
        variances = [_variance(values, known.users), _variance(now.accuracy[metric], now.users)]
        band = baseline.tolerances.deviations * sum(variances) ** 0.5
        moved = after - before
        direction = "less" if metric in (now.less_is_better or ()) else "more"
        verdict = "noise" if abs(moved) <= band else "better" if is_better(after, before, direction) else "worse"
        verdict = "same" if moved == 0 else verdict
        why = f"band ± {band:.4f}"
        yield Finding(known.name, metric, verdict, before, after, "metric", relative(before, after), why)


def _variance(values: list[float], users: int) -> float:
    """Variance of a mean over seeds: their own, or with few seeds that of a share over the test users.

    A mean of values between 0 and 1 varies at most as a share of the same height does, so this holds for NDCG too.
    """
    if len(values) >= _SEEDS_FOR_SPREAD:
        return float(np.var(values, ddof=1)) / len(values)
    mean = float(np.mean(values))
    return mean * (1 - mean) / max(users, 1)


def _times(found: Sequence[tuple[Case, Case | None]], run: Baseline, baseline: Baseline) -> list[Finding]:
    """Ratios of times, against those of the same machine when the baseline has it, else of the one measured last."""
    trained = [(known, now) for known, now in found if now is not None and not now.failure]
    trained = [(known, now) for known, now in trained if known.times or now.times or known.exact]
    if len(run.machines) != 1:
        why = f"the cells of this run ran on {len(run.machines)} machines: {'; '.join(run.machines)}"
        return [Finding(known.name, "time", "not judged", why=why) for known, _ in trained]
    here = next(iter(run.machines))
    there = _machine(run, baseline)
    timed = [Timed(k.name, k.on(there), n.on(here), baseline.full(k), k.reference) for k, n in trained]
    busy = any(about.busy for about in (run.machines[here], *filter(None, [baseline.machines.get(there)])))
    limits = baseline.tolerances
    limit = Limit(limits.time_elsewhere if busy else limits.time)
    if here != there:
        limit = Limit(limits.time_elsewhere, beyond="warning")
    return judge_times(timed, baseline.reference, limit)


def _machine(run: Baseline, baseline: Baseline) -> str:
    """The baseline's machine to hold a run's times against: the run's own, else the last one with times of its kind."""
    here = next(iter(run.machines))
    if here in baseline.machines:
        return here
    known = {machine for case, now in pairs(baseline, run) if now is not None for machine in case.times}
    return next((machine for machine in reversed(baseline.machines) if machine in known), here)


def _notes(run: Baseline, known: Baseline | None, found: Sequence[Finding]) -> list[str]:
    """The run's own noise and what could be seen in it, the machine, epochs left out, counts, and the rules."""
    notes = []
    for here in run.machines:
        timed = [Timed(c.name, c.on(here), c.on(here), run.full(c), c.reference) for c in run.cases if c.times]
        if timed:
            notes.append(str(noise(timed, run.reference)))
        left_out = sum(case.now.disturbed for case in timed)
        if left_out:
            total = left_out + sum(case.now.epochs for case in timed)
            notes.append(f"{left_out} of {total} epochs were disturbed by other work and take no part in the ratios.")
    least = sorted((one.least, one.case) for one in found if one.least is not None)
    if least:
        (low, first), (high, last) = least[0], least[-1]
        notes.append(f"A slow-down would be found from {low:.0%} ({first}) to {high:.0%} ({last}) on.")
    if known:
        notes += _machine_notes(run, known)
        quiet = sum(finding.verdict in QUIET for finding in found)
        unjudged = sum(finding.verdict == "not judged" for finding in found)
        notes.append(
            f"{quiet} of {len(found)} numbers held" + (f", {unjudged} could not be judged." if unjudged else ".")
        )
    without = [case.name for case in run.cases if run.of_plans and case.failure]
    if without:
        notes.append(f"No forecast of {', '.join(without)}.")
    return [*notes, _rules(known or run)]


def _machine_notes(run: Baseline, known: Baseline) -> Iterator[str]:
    if len(run.machines) != 1:
        return
    here = next(iter(run.machines))
    if here not in known.machines:
        there = _machine(run, known)
        held = (
            "no times to hold it against" if there == here else f"times are held against those of {there} and only warn"
        )
        yield f"This machine ({here}) is new to the baseline: {held}; --update adds it."
    elif known.machines[here].busy:
        yield "The baseline's times were made while something else used this machine."
    if run.machines[here].busy:
        yield "Something else used this machine when the run began."


def _replace(path: Path, run: Baseline, known: Baseline | None) -> list[str]:
    failed = [case.name for case in run.cases if case.failure]
    if failed and not run.of_plans:
        raise BenchError(
            f"--update: {', '.join(failed)} failed in this run; a baseline needs all its cells, run it again"
        )
    whole, notes = renew(run, known) if known else (run, [])
    whole.save(Path(os.path.realpath(path)))  # a link to it stays one
    return [*notes, *([f"Machines in the baseline: {'; '.join(whole.machines)}."] if whole.machines else [])]


def _rules(baseline: Baseline) -> str:
    limits = baseline.tolerances
    exact = (
        f"Tolerances: parameters and stored bytes {limits.exact:.0%}, operations {limits.operations:.0%}, "
        f"memory {limits.memory:.0%}"
    )
    if baseline.of_plans:
        return f"{exact}. Planned, not run: no times, no accuracy."
    return (
        f"{exact}; time as ratio to {baseline.reference}, worse when its {CONFIDENCE:.0%} bootstrap "
        f"interval lies beyond {limits.time:.0%} ({limits.time_elsewhere:.0%} on a busy machine; on another one that "
        f"is a warning); accuracy by {limits.deviations:g} deviations."
    )
