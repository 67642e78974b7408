"""A whole training run: epochs, validation, early stop, and the test ranks of the best epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...metrics import is_better
from ...reports.analysis.cells import is_marked
from ...reports.records import Epoch
from .build import TrainedCell
from .evaluation import Evaluator
from .measuring import MemoryMeter
from .step import Trainer
from .training_state import TrainerState


@dataclass
class Progress:
    """Where a training run stands; all of it is in a checkpoint. `best_epoch` counts from 1, 0 before the first.

    `seconds` and `energy` (joules, None where not measured) are what the runs took whose epochs are kept.
    """

    epochs: list[Epoch] = field(default_factory=list)
    step_times: list[float] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    valid_ranks: np.ndarray | None = None
    test_ranks: np.ndarray | None = None
    test_seconds: float | None = None
    seconds: float = 0.0
    energy: float | None = 0.0

    def finished(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or more than `patience` in a row brought nothing better (as published)."""
        done = len(self.epochs)
        return done >= epochs or (done > 0 and done - self.best_epoch > patience)


@dataclass(frozen=True)
class Fit:
    """Trains the parts of a cell, one epoch at a time.

    `repeat_disturbed`: how often an epoch that other work disturbed is run again. `disturbed` is told of each that is
    about to be, with its number.
    """

    parts: TrainedCell
    trainer: Trainer
    evaluator: Evaluator
    memory: MemoryMeter
    repeat_disturbed: int = 0
    disturbed: Callable[[Epoch, int], None] = lambda _epoch, _number: None

    def run(self, progress: Progress, after_epoch: Callable[[Progress], None]) -> Progress:
        """Goes on from `progress` to the end. Raises Diverged when the loss stops being finite."""
        training = self.parts.cell.training
        resumed = bool(progress.epochs)
        while not progress.finished(training.epochs, training.patience):
            epoch, steps = self._train(len(progress.epochs))
            epoch.resumed, resumed = resumed, False
            progress.step_times += steps
            progress.epochs.append(epoch)
            with self.memory.phase("evaluation"):
                self._evaluate(progress, epoch)
            after_epoch(progress)
        return progress

    def _train(self, number: int) -> tuple[Epoch, list[float]]:
        """The epoch and the seconds of its steps: of several attempts, which train the same, the least disturbed."""
        start = TrainerState.of(self.trainer) if self.repeat_disturbed else None
        attempts: list[tuple[Epoch, list[float]]] = []
        while True:
            with self.memory.phase("training"):
                trained = self.trainer.epoch(number)
            epoch = trained.record(users=len(self.parts.dataset.train))
            attempts.append((epoch, trained.times.steps))
            if start is None or not is_marked(epoch) or len(attempts) > self.repeat_disturbed:
                break
            self.disturbed(epoch, number + 1)
            start.restore(self.trainer)
        best, steps = min(attempts, key=lambda attempt: attempt[0].disturbance)
        best.attempts = len(attempts)
        return best, steps

    def _evaluate(self, progress: Progress, epoch: Epoch) -> None:
        """Validates; when this epoch is the best so far, judges the test users with the same embeddings."""
        dataset, watch = self.parts.dataset, self.evaluator.watch()
        embeddings = self.evaluator.embeddings()
        encoded = watch()
        valid = self.evaluator.ranks(dataset.valid, embeddings)
        epoch.evaluation = watch()
        epoch.valid, task = self.parts.task.measure(valid), self.parts.task
        reached = epoch.valid[task.primary]
        if progress.best is None or is_better(reached, progress.best, task.better()):
            progress.best, progress.best_epoch = reached, len(progress.epochs)
            progress.valid_ranks = valid
            progress.test_ranks = self.evaluator.ranks(dataset.test, embeddings)
            progress.test_seconds = encoded + watch() - epoch.evaluation
