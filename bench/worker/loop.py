"""A whole training run: epochs, validation, early stop, and the test ranks of the best epoch."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ...cell import Training
from ...metrics import is_better
from ...patience import is_over
from ...reports.analysis.epochs import is_marked
from ...reports.measurements import Pass
from ...reports.records import Epoch
from ..meters.waiting import WaitMeter
from .build import TrainedCell
from .evaluation import Evaluator
from .measuring import MemoryMeter
from .saving import kept_state
from .step import Trainer
from .training_state import TrainerState


@dataclass
class Progress:
    """Where a training run stands; all of it is in a checkpoint. `best_epoch` counts from 1, 0 before the first.

    `best_state`: what training had made by the end of the best epoch, of a run that keeps it.
    `seconds` and `energy` (joules, None where not measured) are what the runs took whose epochs are kept, `passes` what
    their evaluations took, `beside` the most cells that ran beside one of them.
    """

    epochs: list[Epoch] = field(default_factory=list)
    step_times: list[float] = field(default_factory=list)
    best: float | None = None
    best_epoch: int = 0
    valid_ranks: np.ndarray | None = None
    test_ranks: np.ndarray | None = None
    best_state: dict[str, Tensor] | None = None
    test_seconds: float | None = None
    seconds: float = 0.0
    energy: float | None = 0.0
    passes: list[Pass] = field(default_factory=list)
    beside: int = 0

    def finished(self, training: Training) -> bool:
        """Whether all epochs are done, or more than the patience went by without a better one."""
        steps = [epoch.steps for epoch in self.epochs]
        return len(steps) >= training.epochs or is_over(training.patience, steps, self.best_epoch)


@dataclass(frozen=True)
class Fit:
    """Trains the parts of a cell, one epoch at a time.

    `repeat_disturbed`: how often an epoch that other work disturbed is run again. `disturbed` is told of each that is
    about to be, with its number. `test_every_epoch`: the test users are judged after each epoch, beside the valid ones,
    and not only where it is the best so far. `keep_best`: what training has made is kept whenever an epoch is that.
    """

    parts: TrainedCell
    trainer: Trainer
    evaluator: Evaluator
    memory: MemoryMeter
    repeat_disturbed: int = 0
    disturbed: Callable[[Epoch, int], None] = lambda _epoch, _number: None
    test_every_epoch: bool = True
    keep_best: bool = False

    def run(self, progress: Progress, after_epoch: Callable[[Progress], None]) -> Progress:
        """Goes on from `progress` to the end. Raises Diverged when the loss stops being finite."""
        training = self.parts.cell.training
        resumed = bool(progress.epochs)
        while not progress.finished(training):
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
        """Judges the valid users and, with the same embeddings, the test users: the best epoch is chosen on valid."""
        dataset = self.parts.dataset
        waits = WaitMeter(self.parts.device)
        waits.start()
        watch = self.evaluator.watch()
        embeddings = self.evaluator.embeddings()
        encoded = watch()
        valid = self.evaluator.ranks(dataset.valid, embeddings)
        epoch.evaluation = watch()
        ranked, waited = epoch.evaluation - encoded, waits.stop().waited
        sizes = {"items": dataset.catalogue.size, "users": len(dataset.valid)}
        progress.passes.append(Pass(encoding=encoded, ranking=ranked, waited=waited, **sizes))
        start = watch()
        epoch.valid, task = self.parts.task.measure(valid), self.parts.task
        reached = epoch.valid[task.primary]
        is_best = progress.best is None or is_better(reached, progress.best, task.better())
        if not (is_best or self.test_every_epoch):
            return
        test = self.evaluator.ranks(dataset.test, embeddings)
        seconds = encoded + watch() - start
        if self.test_every_epoch:
            epoch.test = task.measure(test)
        if is_best:
            progress.best, progress.best_epoch = reached, len(progress.epochs)
            progress.valid_ranks, progress.test_ranks = valid, test
            progress.test_seconds = seconds
            progress.best_state = kept_state(self.trainer.recommender) if self.keep_best else None
