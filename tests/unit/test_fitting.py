"""A whole training run with epochs and validation results that the test invents."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tpmebench.bench.meters.clocks import EpochTimes
from tpmebench.bench.meters.waiting import Waits
from tpmebench.bench.study.study import Study
from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.step import Trained
from tpmebench.cell import Training

USERS = 10


class FakeTrainer:
    """Trains nothing; epoch n takes n + 1 seconds in n + 1 steps."""

    def __init__(self) -> None:
        self.numbers: list[int] = []

    def epoch(self, number: int) -> Trained:
        self.numbers.append(number)
        times = EpochTimes(total=number + 1.0, steps=[float(number)] * (number + 1))
        return Trained(float(number), number + 1, 5, times, Waits(0.25, 1.5, 3))


class FakeEvaluator:
    """In epoch n `hits[n]` of ten users have rank 1, the others miss; test ranks say which epoch they are of."""

    def __init__(self, trainer: FakeTrainer, hits: list[int]) -> None:
        self.trainer, self.hits = trainer, hits
        self.dataset = SimpleNamespace(valid="valid", test="test", train=range(7), catalogue=SimpleNamespace(size=9))
        self.ranked: list[tuple[int, str]] = []
        self.clock = 0.0

    def embeddings(self) -> int:
        self.clock += 1
        return self.trainer.numbers[-1]

    def ranks(self, sequences: str, epoch: int) -> np.ndarray:
        self.clock += 2 if sequences == "valid" else 4
        self.ranked.append((epoch, sequences))
        if sequences == "test":
            return np.full(3, 100.0 + epoch)
        return np.where(np.arange(USERS) < self.hits[epoch], 1.0, np.inf)

    def watch(self) -> Callable[[], float]:
        start = self.clock
        return lambda: self.clock - start


def run(
    hits: list[int], start: Progress | None = None, test_every_epoch: bool = True, **training: Any
) -> tuple[Progress, FakeTrainer, FakeEvaluator, list[int]]:
    trainer = FakeTrainer()
    evaluator = FakeEvaluator(trainer, hits)
    settings = Training.model_validate({"epochs": len(hits), "patience": 10} | training)
    task = Sequential(Study(training=settings))
    cell, device = SimpleNamespace(training=settings), torch.device("cpu")
    parts = SimpleNamespace(cell=cell, device=device, dataset=evaluator.dataset, task=task)
    fit = Fit(parts, trainer, evaluator, MemoryMeter(device), test_every_epoch=test_every_epoch)  # type: ignore[arg-type]
    seen: list[int] = []
    progress = fit.run(start or Progress(), lambda progress: seen.append(len(progress.epochs)))
    return progress, trainer, evaluator, seen


@pytest.mark.parametrize(("test_every_epoch", "judged"), [(True, [0, 1, 2, 3]), (False, [0, 1])])
def test_test_ranks_are_those_of_the_best_epoch_not_of_the_last(test_every_epoch: bool, judged: list[int]):
    progress, _, evaluator, _ = run([1, 4, 2, 3], test_every_epoch=test_every_epoch)
    assert progress.best_epoch == 2
    assert progress.best == 0.4
    assert progress.test_ranks is not None and progress.test_ranks.tolist() == [101.0] * 3
    assert progress.valid_ranks is not None and np.isfinite(progress.valid_ranks).sum() == 4
    assert [epoch for epoch, split in evaluator.ranked if split == "test"] == judged
    assert [bool(epoch.test) for epoch in progress.epochs] == [test_every_epoch] * 4


def test_the_metrics_of_the_test_users_stand_beside_those_of_the_valid_users():
    progress, *_ = run([1, 4])
    assert [epoch.test["MRR"] for epoch in progress.epochs] == pytest.approx([1 / 100, 1 / 101])
    assert [epoch.evaluation for epoch in progress.epochs] == [3, 3], "judging the test users is no part of validation"


def test_of_equal_epochs_the_first_is_the_best():
    progress, *_ = run([2, 2, 2])
    assert progress.best_epoch == 1
    assert progress.test_ranks is not None and progress.test_ranks[0] == 100.0


def test_an_epoch_without_a_hit_is_better_than_none():
    progress, *_ = run([0])
    assert progress.best_epoch == 1 and progress.test_ranks is not None


@pytest.mark.parametrize(
    ("hits", "patience", "epochs_run"),
    [
        ([3, 1, 1, 1, 1, 1], 2, 4),  # more than `patience` epochs after the best
        ([1, 2, 1, 1, 3, 1, 1, 1, 1], 2, 8),
        ([1, 1, 1, 1], 10, 4),  # all of them
    ],
)
def test_training_stops_early_as_published(hits: list[int], patience: int, epochs_run: int):
    progress, trainer, _, seen = run(hits, patience=patience)
    assert trainer.numbers == list(range(epochs_run))
    assert seen == list(range(1, epochs_run + 1))
    assert len(progress.epochs) == epochs_run


@pytest.mark.parametrize(
    ("hits", "patience", "epochs_run"),
    [
        ([3, 1, 1, 1, 1, 1], "5 steps", 4),  # 2 + 3 steps are 5; with the 4 of the fourth epoch they are more
        ([3, 1, 1, 1, 1, 1], "4 steps", 3),
        ([3, 1, 1, 1, 1, 1], "1 step", 2),
        ([1, 2, 1, 3, 1, 1, 1, 1], "6 steps", 6),
        ([1, 1, 1, 1], "1900 steps", 4),
    ],
)
def test_a_patience_in_steps_counts_those_since_the_best_epoch(hits: list[int], patience: str, epochs_run: int):
    progress, *_ = run(hits, patience=patience)
    assert len(progress.epochs) == epochs_run


def test_an_early_stop_is_the_same_after_an_interruption():
    whole, *_ = run([3, 1, 1, 1, 1, 1], patience="6 steps")
    begun, *_ = run([3, 1, 1], patience="6 steps")
    ended, *_ = run([3, 1, 1, 1, 1, 1], start=begun, patience="6 steps")
    assert len(whole.epochs) == len(ended.epochs) == 4
    assert whole.best_epoch == ended.best_epoch == 1


def test_every_epoch_keeps_its_numbers_and_all_steps_are_kept():
    progress, *_ = run([1, 2, 1])
    assert [epoch.loss for epoch in progress.epochs] == [0.0, 1.0, 2.0]
    assert [epoch.total for epoch in progress.epochs] == [1.0, 2.0, 3.0]
    assert [epoch.steps for epoch in progress.epochs] == [1, 2, 3]
    assert {(epoch.users, epoch.items, epoch.waited, epoch.cpu, epoch.preempted) for epoch in progress.epochs} == {
        (7, 5, 0.25, 1.5, 3)
    }
    assert progress.step_times == [0.0, 1.0, 1.0, 2.0, 2.0, 2.0]
    assert [epoch.valid["HR@10"] for epoch in progress.epochs] == [0.1, 0.2, 0.1]


def test_validation_is_timed_apart_from_the_test():
    progress, *_ = run([1])
    assert progress.epochs[0].evaluation == 3  # encoding and the valid users
    assert progress.test_seconds == 5  # encoding and the test users


def test_only_the_first_epoch_of_a_continued_run_is_marked():
    begun, *_ = run([2, 1])
    assert not any(epoch.resumed for epoch in begun.epochs)
    ended, trainer, *_ = run([2, 1, 1, 3], start=begun, epochs=4)
    assert trainer.numbers == [2, 3]
    assert [epoch.resumed for epoch in ended.epochs] == [False, False, True, False]
    assert ended.best_epoch == 4


def test_a_finished_run_trains_no_further():
    begun, *_ = run([1, 2])
    _, trainer, *_ = run([1, 2], start=begun)
    assert trainer.numbers == []


def test_the_phases_of_memory_are_told_apart(monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []
    whole = MemoryMeter.phase
    monkeypatch.setattr(MemoryMeter, "phase", lambda self, name: (order.append(name), whole(self, name))[1])
    run([1, 2])
    assert order == ["training", "evaluation"] * 2
