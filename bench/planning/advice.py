"""What to make of a plan: whether a method fits a memory, its largest batch, and what other settings would change."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...cell import Cell
from ...reports.analysis.caching import break_even
from ...reports.quantities import quantity
from ...reports.records import Memory
from ...values import size_in_bytes
from .cards import Card
from .forecast import Forecast
from .largest import LEAST, Fit, largest_batch

Foresee = Callable[..., Forecast | None]
"""Gives the forecast of a row with settings of training in place of its own, or None where there is none."""
TrainingPeak = Callable[[int], int]
"""Gives the peak of a row's training by its batch."""

SETTINGS: dict[str, dict[str, Any]] = {
    "gradient checkpointing": {"gradient_checkpointing": True},
    "bf16": {"precision": "bf16"},
}
"""What is tried of a row beside its own settings, by what it is called."""


@dataclass(frozen=True)
class Room:
    """What live tensors may take: the bytes, and of what these are the rest after which allowance."""

    bytes: int
    name: str
    allowance: int = 0

    @classmethod
    def of(cls, card: Card | None, limit: str | None) -> "Room | None":
        """That of a card and, where a limit is given, of no more than this; None without either."""
        if card is None:
            return None if limit is None else cls(size_in_bytes(limit), limit)
        whole = min(card.memory_bytes, size_in_bytes(limit)) if limit else card.memory_bytes
        name = card.name if whole == card.memory_bytes else f"{limit} of {card.name}"
        return cls(max(whole - card.allowance, 0), name, card.allowance)

    def __str__(self) -> str:
        beside = f" beside {quantity(self.allowance, 'bytes')} for context and workspaces" if self.allowance else ""
        return f"{self.name} ({quantity(self.bytes, 'bytes')} for tensors{beside})"


@dataclass(frozen=True)
class Change:
    """What a setting makes of a row: its peak in bytes, and operations of a step."""

    peak: int
    operations: int


@dataclass(frozen=True)
class Advice:
    """Of one row. `peak`: the highest of all phases. `largest`: the largest batch that fits, of `users` at most.

    `changes`: by setting, where one has something to act on.
    """

    label: str
    batch: int
    users: int
    peak: int
    operations: int
    largest: Fit
    changes: Mapping[str, Change]

    @property
    def whole(self) -> bool:
        """Whether all users fit in one batch."""
        return self.largest.batch >= self.users


def advise(label: str, found: Forecast, room: Room, foresee: Foresee, training: TrainingPeak) -> Advice:
    """What a row would need in a room. Some seven forecasts, five of them for the largest batch."""
    largest = largest_that_fits(found, room.bytes, training)
    changes = {name: _change(foresee(**setting)) for name, setting in SETTINGS.items()}
    known = {name: change for name, change in changes.items() if change and change != _change(found)}
    return Advice(label, found.batch, found.users, highest_peak(found.memory), operations(found), largest, known)


def largest_that_fits(found: Forecast, limit: int, training: TrainingPeak) -> Fit:
    """The largest batch whose highest peak is at most `limit` bytes; evaluation's and the cache's hang on no batch."""
    others = max(found.memory.peak_of("evaluation") or 0, found.memory.peak_of("cache_build") or 0)
    known = {found.batch: found.memory.peak or 0}

    def peak(batch: int) -> int:
        return max(known[batch] if batch in known else training(batch), others)

    return largest_batch(peak, limit, found.batch, found.users)


def highest_peak(memory: Memory) -> int:
    """Bytes of live tensors of the phase that needs the most: training, evaluation or building the cache."""
    return max(memory.peak_of(phase) or 0 for phase in ("training", "evaluation", "cache_build"))


def operations(found: Forecast) -> int:
    """Of the heaviest training step."""
    return found.compute.forward + found.compute.backward


def with_training(cell: Cell, **changes: Any) -> Cell:
    """The cell with other settings of training."""
    return cell.model_copy(update={"training": cell.training.model_copy(update=changes)})


def cache_pays(cached: Forecast, twin: Forecast) -> float:
    """The first epoch at whose end building the cache and training with it took no more operations than the twin.

    Infinite when the twin takes as few.
    """
    return break_even(cached.cache_operations or 0, _of_an_epoch(cached), _of_an_epoch(twin))


def _of_an_epoch(found: Forecast) -> float:
    """Where they are in no proportion to what batches show, those of the heaviest step for each item of an epoch."""
    return operations(found) * found.items / found.compute.items if found.operations is None else found.operations


def _change(found: Forecast | None) -> Change | None:
    return Change(highest_peak(found.memory), operations(found)) if found else None


def advice_sentences(room: Room, found: Sequence[Advice]) -> list[str]:
    """The answer in a few sentences, rows that have one answer together."""
    if not found:
        return []
    return [_fits(room, found), *_largest(found), *_changed(room, found)]


def cache_sentences(epochs: Mapping[tuple[str, str], float]) -> list[str]:
    """When caches pay, by the cached row and its twin: by operations, as no time is planned of building a cache."""
    lines = []
    for (cached, twin), epoch in epochs.items():
        when = "never pays" if math.isinf(epoch) else f"has paid for itself at the end of epoch {epoch:,.0f}"
        lines.append(f"By operations the cache of {cached} {when}, against {twin}.")
    return lines


def _fits(room: Room, found: Sequence[Advice]) -> str:
    fitting = [each.label for each in found if each.peak <= room.bytes]
    others = [f"{each.label} ({quantity(each.peak, 'bytes')})" for each in found if each.peak > room.bytes]
    if not others:
        return f"All fit {room} at their batches."
    if not fitting:
        return f"None fits {room} at its batch: {', '.join(others)}."
    fit, batches = ("fits", "its batch") if len(fitting) == 1 else ("fit", "their batches")
    return f"{', '.join(fitting)} {fit} {room} at {batches}; too large: {', '.join(others)}."


def _largest(found: Sequence[Advice]) -> list[str]:
    bounded = [f"{each.label} {each.largest.batch:,}" for each in found if each.largest.batch and not each.whole]
    whole = [each.label for each in found if each.whole]
    never = [f"{each.label} ({quantity(each.largest.peak, 'bytes')})" for each in found if not each.largest.batch]
    lines = [f"Largest batches that fit, in users: {', '.join(bounded)}."] if bounded else []
    if whole:
        lines.append(f"All users of an epoch ({found[0].users:,}) fit in one batch: {', '.join(whole)}.")
    if never:
        lines.append(f"Not even batches of {LEAST} users, the least that have negatives, fit: {', '.join(never)}.")
    return lines


def _changed(room: Room, found: Sequence[Advice]) -> list[str]:
    """Of each setting what it saves, for the rows of whose peak it takes a twentieth or more."""
    lines = []
    for name in SETTINGS:
        rows = [(each, each.changes[name]) for each in found if name in each.changes]
        told = [_saving(each, change, room) for each, change in rows if change.peak < 0.95 * each.peak]
        if told:
            lines.append(f"With {name}: {'; '.join(told)}.")
    return lines


def _saving(each: Advice, change: Change, room: Room) -> str:
    more = change.operations / each.operations - 1
    dearer = f", {_signed(more)} operations" if abs(more) >= 0.005 else ""
    fits = " and then fits" if change.peak <= room.bytes < each.peak else ""
    peaks = f"{quantity(each.peak, 'bytes')} → {quantity(change.peak, 'bytes')}"
    return f"{each.label} {peaks} ({_signed(change.peak / each.peak - 1)}{dearer}){fits}"


def _signed(share: float) -> str:
    return f"{share:+.0%}".replace("-", "−")
