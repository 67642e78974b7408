"""Whether cells that ran again came out the same: ranks, parameters, operations and bytes; what else differs.

Ranks and what `measured.EXACT` names must be equal where code, data, towers, versions, processor and threads are. Times
are compared as between any two runs; they are no part of the verdict.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from ...cell import Schema
from ...reports.records import Record
from .compare import compare_records, match, ranks_of
from .findings import Finding, Outcome, Verdict
from .measured import EXACT

Pair = tuple[Record, Record]

IDENTITY = ("schema_version", "study", "cell_id", "started", "code", "cell.version", "*fingerprint")
TIMES = (
    *(f"time.{name}" for name in ("steps", "total", "test", "cache_build", "cache_reused", "cache_built_by", "start")),
    *(f"time.epochs.*.{name}" for name in ("total", "data", "forward", "backward", "update", "evaluation")),
    *(f"time.epochs.*.{name}" for name in ("waited", "cpu", "preempted", "others", "attempts", "energy*")),
    *("energy*", "time.cache_energy*", "use.passes*"),
    *("time.cache_machine", "time.cache_beside", "self_check"),
)
MACHINE = ("environment", "memory.*.rss", "memory.*.process")
PASSED_OVER = (*IDENTITY, *TIMES, *MACHINE)
"""Fields of a record that are another in each run."""
_ASKED = ("cell", "note")
_UNKNOWN = (": nothing → ", ": None → ", " → nothing ", " → None ")
"""What one side has not told is no difference."""
_SHOWN = 3
"""Differing fields that a note names."""

DECIDING = ("python", "cpu", "threads", "gpu", "driver", "deterministic")
"""Of the environment what may decide a result, beside the versions of libraries."""


def differences(before: Any, after: Any, key: str = "", passed_over: Sequence[str] = PASSED_OVER) -> Iterator[str]:
    """What differs between two records, a line a value: `memory.training.tensors: 12 → 13`.

    A field that only one version of the suite writes is no difference.
    """
    if any(fnmatchcase(key, pattern) for pattern in passed_over):
        return
    if isinstance(before, Schema) and isinstance(after, Schema):
        unwritten = {
            name for side in (before, after) for name in type(side).model_fields.keys() - side.model_fields_set
        }
        before, after = ({name: part for name, part in side if name not in unwritten} for side in (before, after))
    if isinstance(before, list | tuple) and isinstance(after, list | tuple):
        before, after = dict(enumerate(before)), dict(enumerate(after))
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before != after:
            yield f"{key}: {before} → {after}"
        return
    for name in dict.fromkeys([*before, *after]):
        there, here = before.get(name, "nothing"), after.get(name, "nothing")
        yield from differences(there, here, f"{key}.{name}".lstrip("."), passed_over)


def judge(pairs: Sequence[Pair], first: Path, second: Path, strict: bool = False) -> Outcome:
    """What became of cells that ran again: each with its record of before, in `first`, and of now, in `second`.

    A number that must be equal and is not fails where nothing that may decide it differs, and always when `strict`; so
    does a cell that ended well before and does not now.
    """
    before, now = [one for one, _ in pairs], [other for _, other in pairs]
    found = [_exactly(finding) for finding in compare_records(before, now, first, second)]
    ranks = list(_ranks(before, now, first, second))
    cases = list(dict.fromkeys(finding.case for finding in (*ranks, *found)))
    findings = [finding for case in cases for finding in (*ranks, *found) if finding.case == case]
    unequal = [one for one in findings if one.verdict == "changed" and (one.number in EXACT or one.number == "ranks")]
    why = _environment(pairs)
    deciding = [line for decides, line in why if decides]
    failing: tuple[Verdict, ...] = ("failed", "missing")
    if strict or not deciding:
        failing += ("changed",)
    title = f"{first}, run again: " + (
        f"{len(unequal)} results differ" if unequal else "ranks, parameters, operations and bytes are equal"
    )
    unknown = sum(finding.verdict == "not judged" for finding in ranks)
    notes = [_verdict(unequal, deciding, unknown), _described(why), *_elsewhere(pairs)]
    return Outcome(title, findings, failing, notes, name="bench run --from")


def _exactly(finding: Finding) -> Finding:
    """A number that repeats exactly has changed, whichever way; other settings, as another device, were asked for."""
    if finding.number == "settings":
        return replace(finding, verdict="warning")
    if finding.number in EXACT and finding.verdict in ("better", "worse"):
        return replace(finding, verdict="changed")
    return finding


def _ranks(before: Sequence[Record], now: Sequence[Record], first: Path, second: Path) -> Iterator[Finding]:
    """Whether every user's target has the rank that it had, an experiment at a time."""
    for matched in match(before, now)[0]:
        done = [(a, b) for a, b in matched.pairs if a.accuracy and b.accuracy]
        sides = [(ranks_of(first, a), ranks_of(second, b), a.cell.seed) for a, b in done]
        known = [(x, y, seed) for x, y, seed in sides if x is not None and y is not None]
        if not done:
            continue
        if len(known) < len(sides):
            lack = f"ranks of {len(sides) - len(known)} of {len(sides)} cells were not kept on both sides"
            yield Finding(matched.name, "ranks", "not judged", why=lack)
            continue
        told = [(_differing(x, y), len(x), seed) for x, y, seed in known]
        differing = sum(count for count, _, _ in told)
        seeds = ", ".join(f"seed {seed}: {count:,} of {users:,} users" for count, users, seed in told if count)
        users = sum(users for _, users, _ in told)
        why = f"other ranks at {seeds}" if differing else f"of {users:,} users in {len(told)} cells"
        yield Finding(matched.name, "ranks", "changed" if differing else "same", why=why)


def _differing(before: np.ndarray, now: np.ndarray) -> int:
    """Users whose rank is another; all of them where they are not the same users."""
    return int(np.count_nonzero(before != now)) if before.shape == now.shape else max(len(before), len(now))


def _verdict(unequal: list[Finding], deciding: list[str], unknown: int) -> str:
    if not unequal:
        kept = " Not all ranks were kept, so not all could be compared." if unknown else ""
        return f"Whatever must repeat exactly is equal.{kept}"
    named = "; ".join(dict.fromkeys(f"{finding.case}: {finding.number}" for finding in unequal))
    if deciding:
        return f"Not equal: {named}. What differs between the runs may be why: {'; '.join(deciding)}."
    return f"Not equal: {named}, though code, data, towers, versions, processor and threads are the same."


def _described(why: list[tuple[bool, str]]) -> str:
    if not why:
        return "The environment is the same: versions, processor, threads, commit."
    return f"In the environment differ: {'; '.join(line for _, line in why)}."


@dataclass(frozen=True)
class _Fact:
    """Of a record's surroundings: what it is called, how it is read, and whether a result may depend on it."""

    name: str
    read: Callable[[Record], str]
    decides: bool = True


def _environment(pairs: Sequence[Pair]) -> list[tuple[bool, str]]:
    """What differs, a line each with both values, and whether a result may depend on it; the unknown is not told."""
    libraries = dict.fromkeys(name for pair in pairs for record in pair for name in record.environment.versions)
    plain = {name: name for name in DECIDING} | {"cpu": "processor"}
    facts = [
        *(
            _Fact(said, lambda record, name=name: _said(getattr(record.environment, name)))
            for name, said in plain.items()
        ),
        *(_Fact(name, lambda record, name=name: record.environment.versions.get(name, "")) for name in libraries),
        _Fact("device", lambda record: record.cell.device),
        _Fact("data", lambda record: record.cell.dataset_fingerprint[:8]),
        _Fact("towers", lambda record: record.cell.backbones.fingerprint[:8]),
        _Fact("commit", _commit, decides=False),
        _Fact("platform", lambda record: record.environment.platform, decides=False),
    ]
    told: dict[str, bool] = {}
    for before, now in pairs:
        for fact in facts:
            there, here = fact.read(before), fact.read(now)
            if there and here and there != here:
                told[f"{fact.name} {there} → {here}"] = fact.decides
        if line := _code(before, now):
            told[line] = True
    return [(decides, line) for line, decides in told.items()]


def _said(value: Any) -> str:
    return "" if value in (None, "", 0) else str(value)


def _commit(record: Record) -> str:
    commit = record.environment.commit
    return f"{commit[:10]}{' with changes' if record.environment.dirty else ''}" if commit else ""


def _code(before: Record, now: Record) -> str:
    """In which code of ours two runs differ, as its digests say; where one kept none, its commit does."""
    parts = {
        "the method's code": (before.code.method, now.code.method),
        "our code": (before.code.training, now.code.training),
    }
    if not before.code.training or not now.code.training:
        same = _commit(before) == _commit(now) and _commit(now) and not now.environment.dirty
        return "" if same else "our code, of which the earlier record kept no digest"
    return ", ".join(name for name, (there, here) in parts.items() if there != here and there and here)


def _elsewhere(pairs: Sequence[Pair]) -> list[str]:
    """A line of the fields of records that differ beside all these, such as losses; none where there are none."""
    over = (*PASSED_OVER, *_ASKED)
    found = [line for one, other in pairs for line in differences(one, other, passed_over=over)]
    lines = [line for line in found if not any(part in f"{line} " for part in _UNKNOWN)]
    if not lines:
        return []
    more = f", and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return [f"In the records differ: {'; '.join(lines[:_SHOWN])}{more}."]
