"""Accuracies on an equal footing: rows that ran on unlike seeds are held against each other on those that both have.

Some seeds are harder than others for every row, so that a row which lacks one, as it failed there or was not run, would
win or lose by that alone.
"""

from collections.abc import Mapping
from statistics import fmean
from typing import TypeVar

from .comparison import Comparison
from .conditions import trains_nothing

Reached = TypeVar("Reached")

BySeed = Mapping[int, float]
"""A row's metric by seed."""


def by_seed(comparison: Comparison) -> dict[str, dict[int, float]]:
    """The primary metric of each row by seed, the mean over its repeats."""
    cells, name = comparison.cells, comparison.primary.name
    known = cells[(cells["status"] == "ok") & ~cells["costs"] & cells[name].notna()]
    found: dict[str, dict[int, float]] = {}
    for (label, seed), value in known.groupby(["label", "seed"], sort=False)[name].mean().items():  # type: ignore[misc]
        found.setdefault(str(label), {})[int(seed)] = float(value)
    return on_every_seed(comparison, found)


def on_every_seed(comparison: Comparison, rows: dict[str, dict[int, Reached]]) -> dict[str, dict[int, Reached]]:
    """What rows reached by seed, where what trains nothing and ran once has the same on every seed of the others."""
    seeds = sorted({seed for of_row in rows.values() for seed in of_row})
    once = {label for label in untrained(comparison) & rows.keys() if len(rows[label]) == 1}
    return rows | {label: dict.fromkeys(seeds, *rows[label].values()) for label in once}


def untrained(comparison: Comparison) -> set[str]:
    """The rows that train nothing, such as popularity."""
    ended = {str(label): comparison.ok(str(label)) for label in comparison.methods.index}
    return {label for label, of_row in ended.items() if of_row and all(trains_nothing(one.record) for one in of_row)}


def pair(one: BySeed, other: BySeed) -> tuple[float, float]:
    """The means of two rows over the seeds that both have; over each one's own where they share none."""
    common = sorted(one.keys() & other.keys())
    ours, theirs = ([of_row[seed] for seed in common or of_row] for of_row in (one, other))
    return fmean(ours), fmean(theirs)


def level(rows: Mapping[str, BySeed], reference: str) -> dict[str, float]:
    """Each row as it would stand on the seeds of the reference: its mean over these, or where it lacks some, the
    reference's mean and the difference on the seeds that both have; its own mean where there are none. Without the
    reference that of most seeds stands for it.
    """
    if not rows:
        return {}
    base = rows.get(reference) or max(rows.values(), key=len)
    found = {}
    for label, of_row in rows.items():
        ours, theirs = pair(of_row, base)
        lacks = base.keys() - of_row.keys()
        found[label] = fmean(base.values()) + ours - theirs if lacks and lacks != base.keys() else ours
    return found


def first(rows: Mapping[str, BySeed], better: str) -> tuple[str, str]:
    """Of two rows or more the one that is ahead of every other on the seeds that both have, or behind the least; and
    who comes closest to it. Of equal ones those that stand first.
    """
    sign = 1 if better == "more" else -1

    def leads(one: str) -> dict[str, float]:
        pairs = {other: pair(rows[one], rows[other]) for other in rows if other != one}
        return {other: round(sign * (ours - theirs), 12) for other, (ours, theirs) in pairs.items()}

    leader = max(rows, key=lambda label: min(leads(label).values()))
    of_leader = leads(leader)
    return leader, min(of_leader, key=lambda label: of_leader[label])
