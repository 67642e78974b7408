"""`bench compare`: two studies cell by cell, what changed and whether it is more than noise.

Cells are matched as `pairing` says; the settings in which two differ are named: that is how two precisions, or two
batch sizes, are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import BenchError
from ...metrics import is_better, of_users, to_test
from ...reports.analysis import statistics
from ...reports.analysis.epochs import is_marked, warm_epochs
from ...reports.analysis.machine import machine_name
from ...reports.analysis.ranks import kept_ranks
from ...reports.reading import load_records
from ...reports.records import Record, ranks_path
from .baseline import kind_of
from .findings import QUIET, Finding, Outcome, Verdict, judge_exact, relative
from .measured import EXACT
from .pairing import changes, group, names, newest_runs, pair_up
from .time_ratios import CONFIDENCE, LEAST_CELLS, LEAST_TIMES

# A time counts as changed when its interval lies wholly beyond this: two runs of the same thing differ by as much.
_TIME_FLOOR = 0.05
_CAPTION = (
    "Numbers that repeat exactly count whenever they change. A time counts when the 99% bootstrap interval of its "
    "ratio lies beyond 5%. Accuracy counts when the 99% interval of the paired difference over users excludes 0."
)


@dataclass(frozen=True)
class Match:
    """The same experiment in both studies: cells with the same seed and repeat, and the settings that changed."""

    name: str
    pairs: list[tuple[Record, Record]]
    changes: str


def run_compare(first: Path, second: Path, fail_on: Literal["worse"] | None = None) -> Outcome:
    """Compares two studies' directories. With `fail_on` what got worse, failed or is gone counts as failed."""
    found = compare(first, second)
    quiet = sum(finding.verdict in QUIET for finding in found)
    unjudged = sum(finding.verdict == "not judged" for finding in found)
    changed = len(found) - quiet - unjudged
    title = f"{first} → {second}: " + (f"{changed} changes" if changed else "no change beyond noise")
    failing: tuple[Verdict, ...] = ("worse", "failed", "missing") if fail_on else ()
    judged = f", {unjudged} were not judged." if unjudged else "."
    notes = [f"{quiet} of {len(found)} numbers did not change beyond noise{judged}", _CAPTION]
    return Outcome(title, found, failing, notes, name="bench compare")


def compare(first: Path, second: Path) -> list[Finding]:
    """Every number of the matched cells of two studies, and the cells that only one of them has.

    BenchError where one is of equal batches and the other of one memory, or of another: nothing of them compares.
    """
    before, now = load_records(first), load_records(second)
    ours, theirs = ({record.cell.training.memory for record in records} for records in (before, now))
    if ours and theirs and not ours & theirs:
        raise BenchError(
            f"{first} holds methods at {_equal(ours)}, {second} at {_equal(theirs)}: these are never compared; "
            "bench report sets them beside each other as tables of their own"
        )
    return compare_records(before, now, first, second)


def _equal(memories: set[str | None]) -> str:
    """`equal batches`, `equal memory (2GiB)`."""
    known = sorted(memory for memory in memories if memory)
    return " and ".join([*(["equal batches"] if None in memories else []), *(f"equal memory ({one})" for one in known)])


def compare_records(before: Sequence[Record], now: Sequence[Record], first: Path, second: Path) -> list[Finding]:
    """The same of some of their records; the directories hold their ranks."""
    matches, left, right = match(before, now)
    result = [finding for matched in matches for finding in _compare_match(matched, first, second)]
    result += [Finding(name, "cell", "missing", why=f"only in {first}") for name in left]
    return result + [Finding(name, "cell", "new", why=f"only in {second}") for name in right]


def match(first: Sequence[Record], second: Sequence[Record]) -> tuple[list[Match], list[str], list[str]]:
    """Pairs of experiments, and the names of those that are only in one of the two."""
    ours, theirs = group(first, second), group(second, first)
    titles = names([settings for settings, _ in [*ours, *theirs]])
    found = pair_up([settings for settings, _ in ours], [settings for settings, _ in theirs])
    matches = [
        Match(titles[one], _pair(ours[one][1], theirs[other][1]), changes(ours[one][0], theirs[other][0]))
        for one, other in found
    ]
    left, right = ({pair[side] for pair in found} for side in (0, 1))
    return (
        matches,
        [title for number, title in enumerate(titles[: len(ours)]) if number not in left],
        [title for number, title in enumerate(titles[len(ours) :]) if number not in right],
    )


def _pair(first: list[Record], second: list[Record]) -> list[tuple[Record, Record]]:
    """By seed and repeat."""
    ours, theirs = newest_runs(first), newest_runs(second)
    return [(record, theirs[key]) for key, record in ours.items() if key in theirs]


def _compare_match(matched: Match, first: Path, second: Path) -> Iterator[Finding]:
    if matched.changes:
        yield Finding(matched.name, "settings", "changed", why=matched.changes)
    if not matched.pairs:
        yield Finding(matched.name, "cell", "not judged", why="no seed and repeat in common")
        return
    failures = [
        Finding(matched.name, "status", _status_verdict(a, b), why=f"seed {a.cell.seed}: {a.status} → {b.status}")
        for a, b in matched.pairs
        if a.status != b.status
    ]
    yield from failures
    done = [(a, b) for a, b in matched.pairs if a.status == b.status == "ok"]
    if done:
        yield from _exact(matched.name, done)
        yield from _time(matched.name, done)
        yield from _accuracy(matched.name, done, first, second)


def _status_verdict(before: Record, now: Record) -> Verdict:
    if now.status == "ok":
        return "better"
    return "failed" if before.status == "ok" else "changed"


def _exact(name: str, pairs: list[tuple[Record, Record]]) -> Iterator[Finding]:
    for number, value in EXACT.items():
        measured = [(x, y) for a, b in pairs if (x := value(a)) is not None and (y := value(b)) is not None]
        if not measured:
            continue
        verdict, x, y = judge_exact(measured)
        yield Finding(name, number, verdict, x, y, kind_of(number), relative(x, y))


def _time(name: str, pairs: list[tuple[Record, Record]]) -> Iterator[Finding]:
    """Seconds of an epoch, which only mean something on the same machine."""
    if not all(record.time.epochs for pair in pairs for record in pair):
        return
    before, now = (
        {(record.cell.seed, record.cell.repeat): times for record in side if (times := _undisturbed(record))}
        for side in zip(*pairs, strict=True)
    )
    row = [statistics.mean(side) if side else None for side in (before, now)]
    lack = _lack(before, now, pairs)
    if lack or row[0] is None or row[1] is None:
        yield Finding(name, "epoch", "not judged", *row, kind="seconds", why=lack)
        return
    draws = [statistics.Resampling([side], seed=seed).means(side) for seed, side in enumerate((before, now))]
    ratio = statistics.interval(row[1] / row[0], draws[1] / draws[0], CONFIDENCE)
    why = f"interval {ratio.low - 1:+.0%} … {ratio.high - 1:+.0%}"
    if len(pairs) < LEAST_CELLS:
        why += ", of a single cell: the machine's drift is not in it"
    verdict: Verdict = "better" if ratio.high < 1 / (1 + _TIME_FLOOR) else "noise"
    if ratio.low > 1 + _TIME_FLOOR:
        verdict = "worse"
    yield Finding(name, "epoch", verdict, *row, kind="seconds", change=ratio.value - 1, why=why)


def _lack(before: statistics.TimesByRun, now: statistics.TimesByRun, pairs: list[tuple[Record, Record]]) -> str:
    """Why times cannot be judged, or ""."""
    if any(machine_name(a) != machine_name(b) for a, b in pairs):
        return "different machines, threads or versions of torch"
    if any(sum(map(len, side.values())) < LEAST_TIMES for side in (before, now)):
        marked = sum(is_marked(epoch) for pair in pairs for record in pair for epoch in warm_epochs(record))
        return f"fewer than {LEAST_TIMES} timed epochs" + (f", {marked} disturbed by other work" if marked else "")
    if any(record.environment.warnings for pair in pairs for record in pair):
        return "the machine was busy"
    return ""


def _undisturbed(record: Record) -> list[float]:
    return [epoch.total for epoch in warm_epochs(record) if not is_marked(epoch)]


def _accuracy(name: str, pairs: list[tuple[Record, Record]], first: Path, second: Path) -> Iterator[Finding]:
    """Differences per user, averaged over seeds, from the ranks that were kept."""
    scored = [(a, b) for a, b in pairs if a.accuracy and b.accuracy]
    ranks = [(ranks_of(first, a), ranks_of(second, b)) for a, b in scored]
    known = [(x, y) for x, y in ranks if x is not None and y is not None and x.shape == y.shape]
    for metric, better in _judged(scored):
        before, now = (
            float(np.mean([record.accuracy.test.metrics[metric] for record in side if record.accuracy]))
            for side in zip(*scored, strict=True)
        )
        row = (before, now, "metric", relative(before, now))
        if before == now and all(np.array_equal(x, y) for x, y in known):
            yield Finding(name, metric, "same", *row)
        elif len(known) < len(scored) or len({x.shape for x, _ in known}) > 1:
            yield Finding(name, metric, "not judged", *row, why="no ranks of the same users on both sides")
        else:
            differences = np.mean([of_users(metric, y) - of_users(metric, x) for x, y in known], axis=0)
            bounds = statistics.paired_test(differences, confidence=CONFIDENCE).difference
            verdict: Verdict = "better" if is_better(now, before, better) else "worse"
            verdict = verdict if bounds.excludes(0.0) else "noise"
            yield Finding(name, metric, verdict, *row, why=f"interval {bounds.low:+.4f} … {bounds.high:+.4f}")


def _judged(pairs: list[tuple[Record, Record]]) -> list[tuple[str, str]]:
    """The metrics that both sides are judged by, with the better direction; none without pairs."""
    if not pairs:
        return []
    now = pairs[0][1]
    both = {metric.name for metric in pairs[0][0].metrics}
    chosen = to_test(now.metrics, now.primary_metric)
    return [(metric.name, metric.better) for metric in chosen if metric.name in both]


def ranks_of(directory: Path, record: Record) -> np.ndarray | None:
    """The ranks that a directory holds of a cell; None where none were kept."""
    path = ranks_path(directory, record.cell_id)
    return kept_ranks(path, record) if path.exists() else None
