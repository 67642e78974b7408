"""`bench compare`: two studies cell by cell, what changed and whether it is more than noise.

Cells are matched as `matching` says. A method that is left over on both sides is matched once more whatever its
settings, and the settings that differ are named: that is how two precisions, or two batch sizes, are compared.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..reports import statistics
from ..reports.cells import timed_epochs
from ..reports.frame import machine
from ..reports.records import Record, load_records, ranks_path
from ..reports.uncertainty import kept_ranks
from . import findings
from .baseline import EXACT, METRICS, kind_of
from .findings import Finding, Verdict, relative
from .matching import Settings, differing, group, names, same
from .timing import LEAST_CELLS, LEAST_TIMES, LEVEL

if TYPE_CHECKING:
    from rich.console import RenderableType

# A time counts as changed when its interval lies wholly beyond this: two runs of the same thing differ by as much.
_TIME_FLOOR = 0.05
_CAPTION = (
    "Numbers that repeat exactly count whenever they change. A time counts when the 99% bootstrap interval of its "
    "ratio lies beyond 5%. Accuracy counts when the 99% interval of the paired difference over users excludes 0."
)


@dataclass(frozen=True)
class Match:
    """The same experiment in both studies: cells with the same seed and repeat, first and second."""

    name: str
    pairs: list[tuple[Record, Record]]
    differing: list[str]


def run_compare(first: Path, second: Path) -> tuple["RenderableType", str]:
    """Compares two studies' directories: a table for the terminal, and markdown."""
    found = compare(first, second)
    shown = [finding for finding in found if finding.verdict not in ("same", "noise")]
    title = f"{first} → {second}: " + (f"{len(shown)} changes" if shown else "no change beyond noise")
    caption = f"{len(found) - len(shown)} of {len(found)} numbers did not change beyond noise. {_CAPTION}"
    return findings.terminal(title, shown, caption), findings.markdown(title, shown, caption)


def compare(first: Path, second: Path) -> list[Finding]:
    """Every number of the matched cells of two studies, and the cells that only one of them has."""
    matches, left, right = match(load_records(first), load_records(second))
    result = [finding for matched in matches for finding in _compare_match(matched, first, second)]
    result += [Finding(name, "cell", "missing", why=f"only in {first}") for name in left]
    return result + [Finding(name, "cell", "new", why=f"only in {second}") for name in right]


def match(first: Sequence[Record], second: Sequence[Record]) -> tuple[list[Match], list[str], list[str]]:
    """Pairs of experiments, and the names of those that are only in one of the two."""
    ours, theirs = group(first), group(second)
    titles = names([settings for settings, _ in [*ours, *theirs]])
    left = list(zip(titles[: len(ours)], ours, strict=True))
    right = list(zip(titles[len(ours) :], theirs, strict=True))
    matches = []
    for alike in (same, _same_method):
        for entry in list(left):
            name, (settings, records) = entry
            candidates = [other for other in right if alike(settings, other[1][0])]
            rivals = [other for other in left if alike(settings, other[1][0])]
            if len(candidates) != 1 or len(rivals) != 1:
                continue
            other_settings, other_records = candidates[0][1]
            left.remove(entry)
            right.remove(candidates[0])
            matches.append(Match(name, _pair(records, other_records), differing(settings, other_settings)))
    return matches, [name for name, _ in left], [name for name, _ in right]


def _same_method(first: Settings, second: Settings) -> bool:
    return first["method"] == second["method"] and first["dataset"] == second["dataset"]


def _pair(first: list[Record], second: list[Record]) -> list[tuple[Record, Record]]:
    others = {(record.cell.seed, record.cell.repeat): record for record in second}
    keys = [(record.cell.seed, record.cell.repeat) for record in first]
    return [(record, others[key]) for key, record in zip(keys, first, strict=True) if key in others]


def _compare_match(matched: Match, first: Path, second: Path) -> Iterator[Finding]:
    if matched.differing:
        yield Finding(matched.name, "settings", "changed", why=", ".join(matched.differing))
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
        x, y = max(measured, key=lambda pair: abs(pair[1] - pair[0]))
        verdict: Verdict = "same" if x == y else "worse" if y > x else "better"
        yield Finding(name, number, verdict, x, y, kind_of(number), relative(x, y))


def _time(name: str, pairs: list[tuple[Record, Record]]) -> Iterator[Finding]:
    """Seconds of an epoch, which only mean something on the same machine."""
    before, now = ({(r.cell.seed, r.cell.repeat): _times(r) for r in side} for side in zip(*pairs, strict=True))
    if not all(before.values()) or not all(now.values()):
        if all(record.time.epochs for pair in pairs for record in pair):
            yield Finding(name, "epoch", "not judged", kind="seconds", why="every epoch of a cell was disturbed")
        return
    ratio = statistics.ratio_interval(now, before, level=LEVEL)
    row = (float(np.mean([np.mean(t) for t in side.values()])) for side in (before, now))
    few = any(sum(map(len, side.values())) < LEAST_TIMES for side in (before, now))
    verdict, why = _time_verdict(ratio, few, pairs)
    yield Finding(name, "epoch", verdict, *row, kind="seconds", change=ratio.value - 1, why=why)


def _time_verdict(ratio: statistics.Interval, few: bool, pairs: list[tuple[Record, Record]]) -> tuple[Verdict, str]:
    if any(machine(a) != machine(b) for a, b in pairs):
        return "not judged", "different machines or threads"
    if few or np.isnan(ratio.low):
        return "not judged", f"fewer than {LEAST_TIMES} timed epochs"
    if any(record.environment.warnings for pair in pairs for record in pair):
        return "not judged", "the machine was busy"
    why = f"interval {ratio.low - 1:+.0%} … {ratio.high - 1:+.0%}"
    if len(pairs) < LEAST_CELLS:
        why += ", of a single cell: the machine's drift is not in it"
    if ratio.low > 1 + _TIME_FLOOR:
        return "worse", why
    return ("better" if ratio.high < 1 / (1 + _TIME_FLOOR) else "noise"), why


def _times(record: Record) -> list[float]:
    return [epoch.total for epoch in timed_epochs(record)]


def _accuracy(name: str, pairs: list[tuple[Record, Record]], first: Path, second: Path) -> Iterator[Finding]:
    """Differences per user, averaged over seeds, from the ranks that were kept."""
    scored = [(a, b) for a, b in pairs if a.accuracy and b.accuracy]
    ranks = [(_ranks(first, a), _ranks(second, b)) for a, b in scored]
    known = [(x, y) for x, y in ranks if x is not None and y is not None and x.shape == y.shape]
    for metric, score in zip(METRICS, (statistics.hits, statistics.gains), strict=True):
        if not scored:
            return
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
            differences = np.mean([score(y) - score(x) for x, y in known], axis=0)
            bounds = statistics.paired_test(differences, level=LEVEL).difference
            verdict: Verdict = "noise" if not bounds.excludes(0.0) else "better" if now > before else "worse"
            yield Finding(name, metric, verdict, *row, why=f"interval {bounds.low:+.4f} … {bounds.high:+.4f}")


def _ranks(directory: Path, record: Record) -> np.ndarray | None:
    path = ranks_path(directory, record.cell_id)
    return kept_ranks(path) if path.exists() else None
