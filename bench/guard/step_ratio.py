"""How much longer a step takes now than before, from pairs of cells that took turns, with an interval.

A pair gives one ratio; what meets both of its cells alike cancels in it. What differs from process to process, such as
where their memory lies, does not, so the interval is one over pairs: Student's t of the logarithms.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...reports.analysis.epochs import warm_epochs
from ...reports.analysis.statistics import Interval, mean_interval
from ...reports.records import Epoch, Record
from .findings import Finding
from .time_ratios import CONFIDENCE

TOLERANCE = 0.03
"""A slow-down that is smaller than this is none, unless the command says otherwise."""
POWER = 0.8
LEAST_PAIRS = 3
"""Fewer give no interval."""


@dataclass(frozen=True)
class StepPair:
    """Seconds of a step in two cells that took turns."""

    before: float
    now: float

    @classmethod
    def of(cls, before: Record, now: Record) -> "StepPair | None":
        """Over the blocks that both have, in which they took the same steps; None where there are none."""
        blocks = list(zip(warm_epochs(before), warm_epochs(now), strict=False))
        if not blocks:
            return None
        events = before.time.clock == "cuda-events"
        sides = ([net(each, events) / each.steps for each in side] for side in zip(*blocks, strict=True))
        return cls(*(float(np.mean(side)) for side in sides))


def net(epoch: Epoch, on_card: bool = False) -> float:
    """Seconds of an epoch without what its threads waited for a core, which is other work's.

    All of them where a card's own clock took them: it works on while threads wait.
    """
    return epoch.total if on_card else epoch.total * (1 - epoch.disturbance)


@dataclass(frozen=True)
class StepRatio:
    """The ratio of a step's time now to before, over all pairs of a method."""

    pairs: Sequence[StepPair]

    @property
    def interval(self) -> Interval:
        """Of the ratio; no bounds of fewer than LEAST_PAIRS."""
        logs = self._logs
        if len(logs) < LEAST_PAIRS:
            return Interval(float(np.exp(np.mean(logs))) if len(logs) else math.nan, math.nan, math.nan)
        found = mean_interval(logs, CONFIDENCE)
        if math.isnan(found.low):  # all alike
            found = Interval(found.value, found.value, found.value)
        return Interval(*map(math.exp, (found.value, found.low, found.high)))

    @property
    def width(self) -> float:
        """Half of the interval, relative to the ratio; infinite while it has no bounds."""
        found = self.interval
        return math.inf if math.isnan(found.high) else found.high / found.value - 1

    def least(self, tolerance: float) -> float:
        """The slow-down (0.2: a fifth more) that pairs which scatter like these would show four times out of five."""
        from scipy.special import stdtrit

        found, freedom = self.interval, len(self.pairs) - 1
        deviations = math.log(found.high / found.value) / float(stdtrit(freedom, (1 + CONFIDENCE) / 2))
        room = math.log(found.high / found.value) + float(stdtrit(freedom, POWER)) * deviations
        return (1 + tolerance) * math.exp(room) - 1

    def finding(self, case: str, tolerance: float) -> Finding:
        """Worse when the whole interval lies above 1 + the tolerance."""
        pairs, found = len(self.pairs), self.interval
        if math.isnan(found.low):
            why = f"{pairs} pairs of cells in the time that there was, {LEAST_PAIRS} are needed; give more --minutes"
            return Finding(case, "step time", "not judged", why=why)
        before, now = (
            float(np.exp(np.mean([math.log(getattr(pair, side)) for pair in self.pairs]))) for side in ("before", "now")
        )
        verdict = "worse" if found.low > 1 + tolerance else "better" if found.high < 1 / (1 + tolerance) else "noise"
        least = self.least(tolerance)
        why = f"interval {found.low - 1:+.1%} … {found.high - 1:+.1%} of {pairs} pairs, {least:+.0%} would show"
        return Finding(case, "step time", verdict, before, now, "seconds", found.value - 1, why, least)

    @property
    def _logs(self) -> np.ndarray:
        return np.log([pair.now / pair.before for pair in self.pairs])
