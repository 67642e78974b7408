"""Which epochs of a cell count for its times, and which of them need a mark."""

from collections.abc import Callable

from ..records import Epoch, Record

MARKED, LEFT_OUT, SIGN = 0.05, 0.20, "†"
"""Shares of an epoch lost to waiting above which it is marked, and above which it stays out of T; the mark."""


def alone(record: Record) -> bool:
    """Whether no other cell of its study ran beside it. What cells share (bandwidth, a card) shows in no wait."""
    return not record.beside


def warm_epochs(record: Record) -> list[Epoch]:
    """All epochs but those that began in a fresh process, the first and a resumed one.

    Libraries, caches and the allocator are cold in them.
    """
    return [epoch for number, epoch in enumerate(record.time.epochs) if number and not epoch.resumed]


def usable_epochs(record: Record) -> list[Epoch]:
    """The warm epochs, or of a cell that has no other the cold ones."""
    return warm_epochs(record) or record.time.epochs


def timed_epochs(record: Record, disturbed: bool = False) -> list[Epoch]:
    """The epochs that count for T: the warm ones that lost no more than a fifth to waiting, or all when `disturbed`.

    Empty when nothing was trained, every epoch was disturbed so much or other cells ran beside: such a cell has no T.
    """
    return [epoch for epoch in usable_epochs(record) if disturbed or (epoch.disturbance <= LEFT_OUT and alone(record))]


def is_marked(epoch: Epoch) -> bool:
    """Whether so much of an epoch was lost to waiting, or others were on the GPU, that its time needs a mark."""
    return epoch.disturbance > MARKED or epoch.others > 0


def mean_epoch(record: Record, part: Callable[[Epoch], float], disturbed: bool = False) -> float | None:
    """Mean of a part of an epoch over `timed_epochs`, None when there are none."""
    epochs = timed_epochs(record, disturbed)
    return sum(map(part, epochs)) / len(epochs) if epochs else None
