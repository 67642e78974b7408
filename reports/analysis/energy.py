"""Energy of an epoch from what counters said of it, as far as it can be told from the work of others."""

from ...energy import CARD, PACKAGE, Energy
from ..records import Record
from .epochs import LEFT_OUT, MARKED, timed_epochs

COUNTERS = (CARD, PACKAGE)
"""Of a card and of a processor's packages, which are never added up."""

SHORTEST = 1.0
"""Seconds of epochs below which nothing is said: counters move every millisecond, some of cards every tenth second."""


def joules(energy: Energy | None, counter: str) -> float | None:
    """What a card, or all packages together, used; None where that was not read."""
    found = [] if energy is None else [value for name, value in energy.joules.items() if name.startswith(counter)]
    return sum(found) if found else None


def disturbance(energy: Energy, counter: str) -> float:
    """How much of what a counter said was work of others: of packages their share, of a shared card all."""
    return float(energy.others > 0) if counter == CARD else energy.foreign or 0.0


def epoch_energy(record: Record, counter: str, disturbed: bool = False) -> tuple[float | None, int, int]:
    """Mean joules of the epochs that count for T; how many of these need a mark, and how many were left out for others.

    `disturbed`: none is left out. None where nothing was read, or of too short a time.
    """
    read = [epoch for epoch in timed_epochs(record, disturbed) if joules(epoch.energy, counter) is not None]
    lost = [disturbance(epoch.energy, counter) for epoch in read if epoch.energy is not None]
    kept = [epoch for epoch, share in zip(read, lost, strict=True) if disturbed or share <= LEFT_OUT]
    marked = sum(share > MARKED and (disturbed or share <= LEFT_OUT) for share in lost)
    if sum(epoch.total * epoch.share for epoch in kept) < SHORTEST:
        return None, 0, len(read) - len(kept)
    return sum(joules(epoch.energy, counter) or 0.0 for epoch in kept) / len(kept), marked, len(read) - len(kept)


def cache_energy(record: Record, counter: str, disturbed: bool = False) -> float | None:
    """Joules of building the feature cache; None where that was not read, or others did much meanwhile."""
    energy = record.time.cache_energy
    if energy is None or (disturbance(energy, counter) > LEFT_OUT and not disturbed):
        return None
    return joules(energy, counter)
