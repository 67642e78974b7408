"""The curve of a training run: a shorter run is the beginning of a longer one, interrupted or not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tpmebench.bench.tasks.task import Task
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.checkpoint import load_checkpoint, save_checkpoint
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.step import Trainer

Build = Callable[..., TrainedCell]


def fit_of(parts: TrainedCell) -> Fit:
    """With everything drawn as in a process of its own."""
    torch.manual_seed(parts.cell.seed)
    trainer, task = Trainer(parts), parts.task
    assert isinstance(task, Task)
    evaluator = Evaluator(
        trainer.recommender, trainer.content, parts.dataset, task.judge(), parts.device, trainer.autocast
    )
    return Fit(parts, trainer, evaluator, MemoryMeter(parts.device))


def curve(progress: Progress) -> list[dict[str, Any]]:
    """All that training decides of each epoch: no times."""
    kept = {"loss", "steps", "items", "users", "valid", "test"}
    return [epoch.model_dump(include=kept) for epoch in progress.epochs]


@pytest.mark.parametrize("method", ["sasrec-id", "frozen-mix-cached"])
def test_a_shorter_run_is_the_beginning_of_a_longer_one(small_cell: Build, method: str) -> None:
    short, long = (
        fit_of(small_cell(method, epochs=epochs, learning_rate_scale=20.0)).run(Progress(), lambda _: None)
        for epochs in (2, 4)
    )
    assert curve(short) == curve(long)[:2]
    assert all(epoch.valid and epoch.test for epoch in long.epochs)
    assert len({epoch.test["MRR"] for epoch in long.epochs}) > 1, "a curve that stands still proves nothing"


def test_a_run_continued_from_a_checkpoint_has_the_curve_of_a_whole_one(small_cell: Build, tmp_path: Path) -> None:
    whole = fit_of(small_cell("sasrec-id", epochs=4)).run(Progress(), lambda _: None)
    fit, path = fit_of(small_cell("sasrec-id", epochs=4)), tmp_path / "checkpoint.safetensors"

    def stop(progress: Progress) -> None:
        if len(progress.epochs) == 2:
            save_checkpoint(path, fit.trainer, progress)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit.run(Progress(), stop)
    again = fit_of(small_cell("sasrec-id", epochs=4))
    begun, damage = load_checkpoint(path, again.trainer)
    assert damage is None and len(begun.epochs) == 2
    ended = again.run(begun, lambda _: None)
    assert curve(ended) == curve(whole)
    assert (ended.best_epoch, ended.best) == (whole.best_epoch, whole.best)
    assert ended.test_ranks is not None and whole.test_ranks is not None
    assert ended.test_ranks.tolist() == whole.test_ranks.tolist()
