"""How many steps it takes to know what a step costs."""

import math
from collections.abc import Callable
from dataclasses import replace
from statistics import mean
from types import SimpleNamespace

import pytest
import torch

from tpmebench.bench.meters.clocks import EpochTimes
from tpmebench.bench.meters.waiting import Waits
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.costing import CostMeter, counted, relative_width
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.step import Trained, Trainer
from tpmebench.cell import Cell
from tpmebench.reports.analysis.epochs import timed_epochs


class FakeTrainer:
    """Epochs of 40 steps with 5 items each; block n takes `seconds[n]` a step, of which `waited[n]` is lost."""

    def __init__(self, seconds: list[float], waited: list[float] | None = None) -> None:
        self.seconds, self.waited, self.asked = seconds, waited or [0.0] * len(seconds), list[int | None]()
        self.batches = SimpleNamespace(epoch=lambda number: [SimpleNamespace(items=range(5))] * 40)

    def epoch(self, number: int, most: int | None = None) -> Trained:
        self.asked.append(most)
        steps, each = most or 40, self.seconds[number]
        times = EpochTimes(total=steps * each, forward=steps * each / 2, steps=[each] * steps)
        return Trained(1.0, steps, 5 * steps, times, Waits(self.waited[number] * steps * each, 0.0, 0))


def meter(trainer: FakeTrainer, seconds: float = 60.0) -> CostMeter:
    return CostMeter(trainer, MemoryMeter(torch.device("cpu")), 7, seconds)  # type: ignore[arg-type]


def test_a_block_stands_for_its_epoch_by_the_share_of_the_items(make_record: object) -> None:
    trainer = FakeTrainer([0.5] + [0.2] * 4)
    found = meter(trainer).run()
    assert trainer.asked == [10] * 5, "a warm-up and four that count, of the least length"
    assert [epoch.total for epoch in found.epochs] == pytest.approx([0.5 * 40] + [0.2 * 40] * 4)
    last = found.epochs[-1]
    assert (last.share, last.steps, last.items, last.users) == (0.25, 40, 200, 7)
    assert last.forward == pytest.approx(0.1 * 40)
    assert found.step_times == [0.2] * 40, "without the warm-up's"
    assert found.width == 0.0


def test_light_steps_are_given_longer_blocks_and_at_last_whole_epochs() -> None:
    trainer = FakeTrainer([0.1] * 9)
    meter(trainer).run()
    assert trainer.asked == [10, 20, 20, 20, 20], "two seconds"
    trainer = FakeTrainer([0.01] * 9)
    found = meter(trainer).run()
    assert trainer.asked == [10, None, None, None, None]
    assert found.epochs[-1].share == 1.0


def test_it_goes_on_until_the_interval_is_narrow_or_the_time_is_over() -> None:
    restless = [1.0, *([1.0, 1.2] * 300)]
    found = meter(FakeTrainer(restless)).run()
    assert relative_width(counted(found.epochs[:-1])) > 0.02 >= found.width
    over = meter(FakeTrainer(restless), seconds=0.0).run()
    assert len(over.epochs) == 2 and math.isinf(over.width)


def test_blocks_that_other_work_disturbed_do_not_count() -> None:
    found = meter(FakeTrainer([1.0] * 9, waited=[0.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0])).run()
    assert len(found.epochs) == 7 and len(counted(found.epochs)) == 4
    assert found.epochs[1].disturbance == pytest.approx(0.5), "scaled, it is the same share"


def test_an_interval_by_hand() -> None:
    """Of 9, 10, 10, 11: mean 10, deviation sqrt(2/3), Student's t of 3 degrees 3.1824."""
    assert relative_width([9, 10, 10, 11]) == pytest.approx(3.182446 * math.sqrt(2 / 3) / 2 / 10, rel=1e-6)
    assert math.isinf(relative_width([1, 1, 1]))


def test_a_real_cell_gives_the_time_of_its_epochs(small_cell: Callable[..., TrainedCell]) -> None:
    parts = small_cell("sasrec-id", batch=4)
    trainer = Trainer(parts)
    found = CostMeter(trainer, MemoryMeter(parts.device), 40, 0.5).run()
    sizes = [len(list(trainer.batches.epoch(number))) for number in range(2)]
    assert {epoch.steps for epoch in found.epochs} == set(sizes)
    assert all(0 < epoch.share <= 1 and not epoch.valid for epoch in found.epochs)
    assert mean(found.step_times) > 0


def test_the_id_of_a_cell_of_costs_is_its_own() -> None:
    cell = Cell.model_validate({"method": "fft", "dataset": "d", "backbones": {"text": "a", "image": None}})
    assert "costs" not in cell.identity(), "as before there were any"
    assert cell.model_copy(update={"costs": True}).id != cell.id


def test_the_warm_up_is_no_part_of_t(make_record: Callable[..., object]) -> None:
    found = meter(FakeTrainer([9.0] + [1.0] * 4)).run()
    record = make_record("fft", epochs=5)
    record.time.epochs = found.epochs  # type: ignore[attr-defined]
    assert {epoch.total for epoch in timed_epochs(record)} == {40.0}  # type: ignore[arg-type]


def test_in_turns_whoever_gives_them_says_how_many_steps_a_block_has_and_when_it_is_enough() -> None:
    trainer, told = FakeTrainer([0.5, 0.2, 0.3], waited=[0.0, 0.5, 0.0]), list[float]()

    class Given:
        def next(self, step_seconds: float) -> int:
            told.append(step_seconds)
            return (4, 7, 7, 0)[len(told) - 1]

    found = replace(meter(trainer, seconds=0.0), turns=Given()).run()  # type: ignore[arg-type]
    assert trainer.asked == [4, 7, 7]
    assert told == pytest.approx([0.0, 0.5, 0.1, 0.3]), "what waiting took makes no step longer"
    assert found.step_times == pytest.approx([0.2] * 7 + [0.3] * 7)
