"""The largest batch that fits a memory, found by few forecasts: peaks grow with the batch, as a line or a parabola."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

LEAST = 2
"""Users of a batch that a method can learn from: items of a user's own are no negatives to it."""


@dataclass(frozen=True)
class Fit:
    """The largest batch that fits and its planned peak in bytes; where none does, 0 and the peak of the least."""

    batch: int
    peak: int


def largest_batch(peak: Callable[[int], int], limit: int, first: int, most: int) -> Fit:
    """The largest batch from LEAST to `most` whose `peak(batch)` is at most `limit` bytes.

    `first` is tried first. A peak that grows as the batch and its square do, beside what is always there, is found by
    some five calls, any other that grows with the batch by three times the logarithm of `most`; none is asked twice.
    """
    search = _Search(limit, LEAST - 1, max(most, LEAST) + 1)
    batch = min(max(first, LEAST), search.high - 1)
    while search.high - search.low > 1:
        search.learn(batch, peak(batch))
        batch = search.next()
    fits = search.low >= LEAST
    return Fit(search.low if fits else 0, search.peaks[search.low if fits else LEAST])


class _Search:
    """What is known of the peaks: `low` fits, or is too small to be one, and `high` does not, or is too large."""

    def __init__(self, limit: int, low: int, high: int) -> None:
        self.limit, self.low, self.high = limit, low, high
        self.peaks: dict[int, int] = {}
        self._widths: list[int] = []

    def learn(self, batch: int, peak: int) -> None:
        self.peaks[batch] = peak
        if peak <= self.limit:
            self.low = batch
        else:
            self.high = batch
        self._widths.append(self.high - self.low)

    def next(self) -> int:
        """The largest that would fit if peaks went on as those nearest the limit; else the middle."""
        stuck = len(self._widths) > 4 and self._widths[-1] > self._widths[-3] / 2
        low, high = self.low + 1, self.high - 1
        if stuck:
            return (low + high) // 2
        nearest = sorted(self.peaks, key=lambda batch: abs(self.peaks[batch] - self.limit))[:3]
        points = {batch: self.peaks[batch] for batch in nearest} if len(nearest) > 1 else {0: 0, **self.peaks}
        while low < high:  # by halves, as the curve rises
            middle = (low + high + 1) // 2
            low, high = (middle, high) if _through(points, middle) <= self.limit else (low, middle - 1)
        return low


def _through(points: dict[int, int], batch: int) -> float:
    """The value at a batch of the line or parabola through two or three points (Lagrange's form)."""
    return sum(
        peak * prod((batch - other) / (own - other) for other in points if other != own) for own, peak in points.items()
    )
