"""How long an epoch of training will take on this machine: its typical step and the data of that, times its steps."""

from dataclasses import dataclass
from statistics import fmean

from ...datasets.batches import ItemBatch
from ...methods.inputs import ItemInputs
from ..worker.step import Trainer
from .calibration import Calibration, Machine, Predicted, seconds
from .comparisons import stated_error
from .work import WorkMode


@dataclass(frozen=True)
class PlannedEpoch:
    """`step`: a typical step without its data, `data`: seconds of these, both on `machine`. `error`: the share of it by
    which it may be off, from comparisons with measurements.
    """

    machine: Machine
    steps: int
    step: Predicted
    data: float

    @property
    def seconds(self) -> float:
        """Of the whole epoch."""
        return self.steps * (self.step.seconds + self.data)

    @property
    def error(self) -> float:
        """As `stated_error` says of such predictions."""
        return stated_error(self.step.measured)


@dataclass(frozen=True)
class TypicalStep:
    """A step on the batch whose number of items is nearest to the mean of the first epoch.

    `mode`: what ran in it. `slots`: of the batch; `bytes`: of what is read of its items. `steps`: of the epoch.
    """

    mode: WorkMode
    slots: int
    bytes: int
    steps: int

    def planned(self, calibration: Calibration) -> PlannedEpoch:
        """On the machine of a calibration."""
        rates = calibration.data
        data = rates.batch + rates.slot * self.slots + rates.byte * self.bytes
        return PlannedEpoch(calibration.machine, self.steps, seconds(self.mode.work, calibration), data)


def typical_step(trainer: Trainer) -> TypicalStep:
    """Runs a step, on real tensors or fake ones, and observes it, once another has made the optimiser's state."""
    batch, steps = _typical_batch(trainer)
    inputs = trainer.content.gather(batch.items)
    trainer.recommender.train()
    batch, inputs = batch.to(trainer.device), inputs.to(trainer.device)
    if not trainer.optimiser.state:
        trainer.step(batch, inputs)
    with WorkMode() as mode:
        trainer.step(batch, inputs)
    return TypicalStep(mode, batch.places, _bytes(inputs), steps)


def _typical_batch(trainer: Trainer) -> tuple[ItemBatch, int]:
    batches = list(trainer.batches.epoch(0))
    mean = fmean(len(batch.items) for batch in batches)
    return min(batches, key=lambda batch: abs(len(batch.items) - mean)), len(batches)


def _bytes(inputs: ItemInputs) -> int:
    return sum(tensor.nbytes for tensor in inputs.tensors())
