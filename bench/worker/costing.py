"""What training costs and nothing else: as many steps as a sure mean needs, timed, and no evaluation.

Steps run in blocks, each the beginning of another epoch, or all of a short one. What a block took is scaled to its
whole epoch by the share of that epoch's items that it encoded. In turns with another process (`turns`) both take the
same steps of the same epochs.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from ...reports.analysis.epochs import LEFT_OUT
from ...reports.records import Epoch
from .measuring import MemoryMeter
from .step import Trainer
from .turns import Turns

PRECISION = 0.02
"""Blocks are run until the 95 % interval of the mean is within this share of it."""
FEWEST_BLOCKS, FEWEST_STEPS, BLOCK_SECONDS = 4, 10, 2.0
"""The least number of blocks that count, and of steps in one, and for how long it should run."""
_SCALED = ("total", "data", "forward", "backward", "update", "waited", "cpu")


@dataclass(frozen=True)
class Costing:
    """Blocks of steps as the epochs that they stand for, the first a warm-up; the seconds of the steps after that.

    `width`: half of the 95 % interval of the mean epoch, over that mean.
    """

    epochs: list[Epoch]
    step_times: list[float]
    width: float


@dataclass(frozen=True)
class CostMeter:
    """Trains until the mean step is known, for `seconds` at most. `after_block` is told of each.

    With `turns` whoever gives them says how long a block is, and when it is enough.
    """

    trainer: Trainer
    memory: MemoryMeter
    users: int
    seconds: float
    after_block: Callable[[Costing], None] = lambda _: None
    turns: Turns | None = None

    def run(self) -> Costing:
        """At least a warm-up and one block that counts. Raises Diverged when the loss stops being finite."""
        if self.turns is not None:
            return self._in_turns(self.turns)
        start, (warm, steps) = time.monotonic(), self._block(0, FEWEST_STEPS)
        # A short block would wait for its first batch as often as a long one: a light step is given a longer block.
        length = max(FEWEST_STEPS, math.ceil(BLOCK_SECONDS / mean(steps)))
        found = Costing([warm], [], math.inf)
        while True:
            epoch, steps = self._block(len(found.epochs), length)
            epochs = [*found.epochs, epoch]
            found = Costing(epochs, found.step_times + steps, relative_width(counted(epochs)))
            self.after_block(found)
            if found.width <= PRECISION or time.monotonic() - start >= self.seconds:
                return found

    def _in_turns(self, turns: Turns) -> Costing:
        found, last = Costing([], [], math.inf), 0.0
        while length := turns.next(last):
            epoch, steps = self._block(len(found.epochs), length)
            epochs, last = [*found.epochs, epoch], mean(steps) * (1 - epoch.disturbance)
            kept = found.step_times + steps if found.epochs else []  # none of the warm-up
            found = Costing(epochs, kept, relative_width(counted(epochs)))
            self.after_block(found)
        return found

    def _block(self, number: int, most: int) -> tuple[Epoch, list[float]]:
        """The first `most` steps of an epoch, or all where they are hardly more, as that epoch; the seconds of each."""
        sizes = [len(batch.items) for batch in self.trainer.batches.epoch(number)]
        with self.memory.phase("training"):
            trained = self.trainer.epoch(number, None if number and most > 0.8 * len(sizes) else most)
        share = trained.items / sum(sizes)
        epoch = trained.record(self.users)
        known = {name: value for name in _SCALED if (value := getattr(epoch, name)) is not None}
        scaled: dict[str, Any] = {name: value / share for name, value in known.items()}
        if epoch.energy is not None:
            scaled["energy"] = epoch.energy.scaled(1 / share)
        whole = {"share": share, "steps": len(sizes), "items": sum(sizes)}
        return epoch.model_copy(update=scaled | whole), trained.times.steps


def counted(epochs: Sequence[Epoch]) -> list[float]:
    """Seconds of the epochs that count for T: neither the warm-up nor one that other work disturbed much."""
    return [epoch.total for epoch in epochs[1:] if epoch.disturbance <= LEFT_OUT]


def relative_width(seconds: Sequence[float]) -> float:
    """Half of the 95 % interval (Student's t) of a mean over that mean; infinite of fewer than FEWEST_BLOCKS."""
    from scipy.special import stdtrit

    if len(seconds) < FEWEST_BLOCKS:
        return math.inf
    t = float(stdtrit(len(seconds) - 1, 0.975))
    return t * stdev(seconds) / math.sqrt(len(seconds)) / mean(seconds)
