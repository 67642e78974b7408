"""`bench check`: holds a run against a baseline and says what got worse, for a build to fail on.

Exact numbers are held to a tolerance of 0 or 1 %. A time is judged as the ratio to the reference method of the same
run, against the same ratio in the baseline: worse when the bootstrap interval of this change lies wholly beyond the
tolerance. Accuracy is worse when it falls by more than a number of deviations. The three live in the baseline's file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import BenchError
from . import findings
from .baseline import Baseline, Case, kind_of, measure, read
from .findings import Finding, relative
from .matching import differing, same
from .timing import LEVEL, Timed, judge_times

if TYPE_CHECKING:
    from rich.console import RenderableType

FAILING = ("worse", "failed", "missing")
# Measured only by the first run after the cache was cleared: their absence means nothing.
_OPTIONAL = {"cache build memory"}
# From so many seeds on, their own spread is known well enough to judge by.
_SEEDS_FOR_SPREAD = 5


def run_check(directory: Path, baseline: Path, update: bool = False) -> tuple[int, "RenderableType", str]:
    """Checks a study's directory, or a JSON file of pytest-benchmark, against a baseline file.

    Gives the exit code (0, or 1 when something got worse), a table for the terminal, and markdown, which is also added
    to the file that GITHUB_STEP_SUMMARY names. With `update` the run becomes the baseline, its tolerances kept.
    """
    known = None if update and not baseline.exists() else read(baseline)
    run = measure(directory, known.reference if known else "fft")
    if known and (run.source == "pytest-benchmark") != (known.source == "pytest-benchmark"):
        raise BenchError(f"--baseline {baseline}: made from {known.source}, but {directory} is from {run.source}")
    found = check(run, known) if known else []
    shown = [finding for finding in found if finding.verdict not in ("same", "noise")]
    failing = [finding for finding in found if finding.verdict in FAILING]
    if update:
        _replace(baseline, run, known)
        title, code = f"{baseline}: updated from {directory}", 0
    else:
        title = f"{directory} against {baseline}: " + (f"{len(failing)} got worse" if failing else "nothing got worse")
        code = 1 if failing else 0
    caption = f"{len(found) - len(shown)} of {len(found)} numbers held. {_rules(known or run)}"
    shown.sort(key=lambda finding: finding.verdict not in FAILING)
    page = findings.markdown(title, shown, caption)
    _add_to_job_summary(page)
    return code, findings.terminal(title, shown, caption), page


def check(run: Baseline, baseline: Baseline) -> list[Finding]:
    """Every number of the baseline against the run's, and what is new in the run."""
    pairs = [(case, _find(run, baseline, case)) for case in baseline.cases]
    result: list[Finding] = []
    for known, now in pairs:
        if now is None:
            result.append(Finding(known.name, "cell", "missing", why=_nearest(run, baseline, known)))
        elif now.failure:
            result.append(Finding(known.name, "cell", "failed", why=now.failure))
        else:
            result += [*_exact(known, now, baseline), *_accuracies(known, now, baseline)]
    unlike = run.machine != baseline.machine or run.busy or baseline.busy
    limit = baseline.tolerances.time_elsewhere if unlike else baseline.tolerances.time
    timed = [Timed(known, now, baseline.full(known)) for known, now in pairs if now is not None and not now.failure]
    result += judge_times([case for case in timed if case.known.times and case.now.times], baseline.reference, limit)
    paired = [now for _, now in pairs if now is not None]
    new = [case for case in run.cases if not any(case is now for now in paired)]
    return result + [Finding(case.name, "cell", "new", why="not in the baseline; add it with --update") for case in new]


def _find(run: Baseline, baseline: Baseline, case: Case) -> Case | None:
    wanted = baseline.full(case)
    if not wanted:  # a benchmark goes by its name
        return next((other for other in run.cases if other.name == case.name), None)
    return next((other for other in run.cases if same(wanted, run.full(other))), None)


def _nearest(run: Baseline, baseline: Baseline, case: Case) -> str:
    """Why a case was not found: the settings in which the most similar cell of the same method differs."""
    wanted = baseline.full(case)
    others = [run.full(other) for other in run.cases if run.full(other).get("method") == wanted.get("method", "")]
    if not wanted or not others:
        return "not in this run"
    names = min((differing(wanted, other) for other in others), key=len)
    return f"run with other settings: {', '.join(names)}"


def _exact(known: Case, now: Case, baseline: Baseline) -> Iterator[Finding]:
    """Numbers that repeat, seed by seed; of several seeds the one with the largest rise, else with the largest fall."""
    common = [seed for seed in known.seeds if seed in now.seeds]
    if not common:
        why = f"no seed in common with the baseline's {known.seeds}"
        yield Finding(known.name, "cell", "missing", why=why)
        return
    for number, values in known.exact.items():
        kind, limit = kind_of(number), baseline.tolerances.of(number)
        before = dict(zip(known.seeds, values, strict=True))
        after = dict(zip(now.seeds, now.exact.get(number, [None] * len(now.seeds)), strict=True))
        pairs = [(before[seed], after[seed]) for seed in common]
        measured = [(b, a) for b, a in pairs if b is not None and a is not None]
        if any(b is not None and a is None for b, a in pairs):
            if number not in _OPTIONAL:
                yield Finding(known.name, number, "missing", values[0], kind=kind, why="no longer measured")
            continue
        if not measured:
            continue
        by_rise = sorted(measured, key=lambda pair: pair[1] - pair[0])
        outside = [(b, a) for b, a in (by_rise[-1], by_rise[0]) if abs(a - b) > limit * b]
        b, a = outside[0] if outside else by_rise[-1]
        verdict = "same" if not outside else "worse" if a > b else "better"
        yield Finding(known.name, number, verdict, b, a, kind, relative(b, a), f"tolerance {limit:.0%}")


def _accuracies(known: Case, now: Case, baseline: Baseline) -> Iterator[Finding]:
    """Means over the seeds, against the deviation of their difference."""
    for metric, values in known.accuracy.items():
        if not now.accuracy:
            mean = float(np.mean(values))
            yield Finding(known.name, metric, "missing", mean, kind="metric", why="no longer measured")
            continue
        before, after = float(np.mean(values)), float(np.mean(now.accuracy[metric]))
        variances = [_variance(values, known.users), _variance(now.accuracy[metric], now.users)]
        band = baseline.tolerances.deviations * sum(variances) ** 0.5
        moved = after - before
        verdict = "noise" if abs(moved) <= band else "better" if moved > 0 else "worse"
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


def _replace(path: Path, run: Baseline, known: Baseline | None) -> None:
    failed = [case.name for case in run.cases if case.failure]
    if failed:
        raise BenchError(
            f"--update: {', '.join(failed)} failed in this run; a baseline needs all its cells, run it again"
        )
    run.model_copy(update={"tolerances": known.tolerances} if known else {}).save(path)


def _rules(baseline: Baseline) -> str:
    limits = baseline.tolerances
    return (
        f"Tolerances: parameters and stored bytes {limits.exact:.0%}, operations {limits.operations:.0%}, "
        f"memory {limits.memory:.0%}; time as ratio to {baseline.reference}, worse when its {LEVEL:.0%} bootstrap "
        f"interval lies beyond {limits.time:.0%} ({limits.time_elsewhere:.0%} on another or a busy machine); "
        f"accuracy by {limits.deviations:g} deviations."
    )


def _add_to_job_summary(page: str) -> None:
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(page + "\n")
