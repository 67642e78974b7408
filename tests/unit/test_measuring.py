"""Training, and the passes that measure beside it: what they find, and that they leave no trace."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tpmebench.bench.meters import process
from tpmebench.bench.meters.clocks import CudaTimeline
from tpmebench.bench.meters.tensor_bytes import TensorBytes
from tpmebench.bench.tasks import task as tasks
from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.tasks.task import Diverged
from tpmebench.bench.tasks.tiles import TILES, Tile
from tpmebench.bench.worker import measuring
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.measuring import MemoryMeter, count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.step import Trainer, trainable_state
from tpmebench.datasets.batches import Batch
from tpmebench.datasets.catalogue import Sequences

METHODS = ("fft", "lora", "iisan-cached", "sasrec-id")
Build = Callable[..., TrainedCell]


def evaluator_of(parts: TrainedCell, trainer: Trainer) -> Evaluator:
    rule = RankingRule(parts.cell.head.max_length)
    return Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)


def snapshot(trainer: Trainer) -> dict[str, torch.Tensor]:
    """All that the next epoch depends on: parameters, buffers, optimiser, generator."""
    state = {name: value.clone() for name, value in trainer.recommender.state_dict().items()}
    state |= {name: value.clone() for name, value in trainer.recommender.named_buffers()}
    for index, entry in trainer.optimiser.state_dict()["state"].items():
        state |= {f"optimiser/{index}/{name}": value.clone() for name, value in entry.items()}
    return state | {"generator": torch.get_rng_state()}


def assert_equal(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    assert before.keys() == after.keys()
    assert [name for name in before if not torch.equal(before[name], after[name])] == []


PASSES: dict[str, Callable[[TrainedCell, Trainer], object]] = {
    "warm-up": lambda _, trainer: trainer.warm_up(),
    "parameters": lambda _, trainer: count_parameters(trainer),
    "operations": lambda _, trainer: count_operations(trainer),
    "memory": lambda parts, trainer: tensor_memory(trainer, evaluator_of(parts, trainer)),
    "ranking": lambda parts, trainer: evaluator_of(parts, trainer).ranks(
        parts.dataset.test, evaluator_of(parts, trainer).embeddings()
    ),
}


@pytest.mark.parametrize("method", METHODS)
def test_no_measuring_pass_leaves_a_trace(small_cell: Build, method: str):
    parts = small_cell(method)
    trainer = Trainer(parts)
    torch.manual_seed(5)
    before = snapshot(trainer)
    for measure in PASSES.values():
        measure(parts, trainer)
        assert_equal(before, snapshot(trainer))
        assert all(parameter.grad is None for parameter in trainer.recommender.parameters())


def test_training_after_measuring_is_training_without(small_cell: Build):
    losses, states = [], []
    for measures in ((), PASSES.values()):
        parts = small_cell("lora")
        trainer = Trainer(parts)
        torch.manual_seed(0)
        for measure in measures:
            measure(parts, trainer)
        losses.append([trainer.epoch(number).loss for number in range(2)])
        states.append(snapshot(trainer))
    assert losses[0] == losses[1]
    assert_equal(*states)


@contextmanager
def watched(trainer: Trainer) -> Iterator[list[tuple[bool, bool, int]]]:
    """Each call of the head while inside: training mode, gradients on, users in it."""
    calls: list[tuple[bool, bool, int]] = []

    def note(module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        calls.append((module.training, torch.is_grad_enabled(), len(args[0])))

    handle = trainer.recommender.head.register_forward_pre_hook(note)
    yield calls
    handle.remove()


def test_what_measures_training_trains_and_what_ranks_does_not(small_cell: Build):
    parts = small_cell("sasrec-id")
    trainer = Trainer(parts)
    heaviest, _ = trainer.heaviest_batch()
    assert isinstance(heaviest, Batch)
    users = len(heaviest.slots)
    for name, expected in (("warm-up", 1), ("operations", 1)):
        trainer.recommender.eval()
        with watched(trainer) as calls:
            PASSES[name](parts, trainer)
        assert calls == [(True, True, users)] * expected
    trainer.recommender.eval()
    with watched(trainer) as calls:
        PASSES["memory"](parts, trainer)
    assert calls[:2] == [(True, True, users)] * 2
    assert {(training, grad) for training, grad, _ in calls[2:]} == {(False, False)}
    trainer.recommender.train()
    with watched(trainer) as calls:
        PASSES["ranking"](parts, trainer)
    assert {(training, grad) for training, grad, _ in calls} == {(False, False)}
    with watched(trainer) as calls:
        trainer.epoch(0)
    assert {(training, grad) for training, grad, _ in calls} == {(True, True)}


@pytest.mark.parametrize("method", ["lora", "sasrec-id"])
def test_ranking_is_the_same_whatever_ran_before(small_cell: Build, method: str):
    """Dropout would make two passes differ."""
    parts = small_cell(method, dropout=0.5)
    trainer = Trainer(parts)
    evaluator = evaluator_of(parts, trainer)
    found = []
    for _ in range(2):
        trainer.recommender.train()
        found.append(evaluator.ranks(parts.dataset.test, evaluator.embeddings()))
    assert np.array_equal(*found)


def test_the_heaviest_batch_has_the_most_distinct_items_of_the_first_epoch(small_cell: Build):
    trainer = Trainer(small_cell("sasrec-id", batch=4))
    sizes = [len(batch.items) for batch in trainer.batches.epoch(0)]
    assert sizes[0] < max(sizes), "the first must not be the heaviest by chance"
    batch, inputs = trainer.heaviest_batch()
    assert len(batch.items) == len(inputs.items) == max(sizes)
    assert count_operations(trainer).items == max(sizes)


def test_the_peak_holds_the_optimisers_moments_and_every_gradient(small_cell: Build):
    parts = small_cell("sasrec-id")
    trainer = Trainer(parts)
    memory = tensor_memory(trainer, evaluator_of(parts, trainer))
    trained = sum(value.nbytes for value in trainable_state(trainer.recommender).values())
    assert memory.kinds["optimiser"] >= 2 * trained
    assert memory.kinds["weights"] >= trained
    assert memory.training is not None and memory.training.tensors == sum(memory.kinds.values())
    assert memory.metered_steps == 2
    assert memory.evaluation is not None and (memory.evaluation.tensors or 0) > 0


def storage_bytes(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the storages behind some tensors, each counted once."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage._cdata: storage.nbytes() for storage in storages}.values())


@pytest.mark.parametrize("method", ["lora", "iisan-cached", "sasrec-id"])
def test_the_model_and_the_batch_with_its_inputs_are_counted_from_the_start(
    small_cell: Build, monkeypatch: pytest.MonkeyPatch, method: str
):
    """Memory over a NumPy array is counted where it is tracked alone."""
    entered: list[int] = []

    class Noting(TensorBytes):
        def __enter__(self) -> "Noting":
            super().__enter__()
            entered.append(self.current)
            return self

    monkeypatch.setattr(measuring, "TensorBytes", Noting)
    parts = small_cell(method)
    trainer = Trainer(parts)
    tensor_memory(trainer, evaluator_of(parts, trainer))
    model = [*trainer.recommender.parameters(), *trainer.recommender.buffers()]
    batch, inputs = trainer.heaviest_batch()
    read = [*vars(batch).values(), *inputs.tensors()]
    assert entered == [storage_bytes([*model, *read]), storage_bytes(model)]
    assert storage_bytes(read) > 0


@pytest.mark.parametrize("method", ["lora", "sasrec-id"])
@pytest.mark.parametrize("rows", [7, 3], ids=["rows", "tiles"])
def test_the_metered_evaluation_needs_what_a_whole_one_does(
    small_cell: Build, monkeypatch: pytest.MonkeyPatch, method: str, rows: int
):
    """It encodes one batch and ranks one chunk of the test's users, whose histories are the longest."""
    parts = small_cell(method)
    trainer = Trainer(parts)
    evaluator = evaluator_of(parts, trainer)
    monkeypatch.setattr(type(parts.content), "at_once", 16)
    monkeypatch.setitem(tasks._SCORES_AT_ONCE, "cpu", rows * (parts.dataset.catalogue.size + 1))
    monkeypatch.setitem(TILES, "cpu", Tile(users=7, items=16))
    ranked: list[Sequences] = []
    encoded: list[int] = []
    rank = Evaluator.ranks
    monkeypatch.setattr(Evaluator, "ranks", lambda self, users, table: ranked.append(users) or rank(self, users, table))
    encoder = trainer.recommender.item_encoder
    handle = encoder.register_forward_hook(lambda module, *_: encoded.append(1) if not module.training else None)
    memory = tensor_memory(trainer, evaluator)
    handle.remove()
    assert len(encoded) == 1
    [users] = ranked
    assert np.array_equal(users.stops, parts.dataset.test.stops[:7])
    with TensorBytes(track=[trainer.recommender]) as whole:
        rank(evaluator, parts.dataset.test, evaluator.embeddings())
    assert memory.evaluation is not None and memory.evaluation.tensors == whole.peak


def test_operations_do_not_depend_on_the_mode_before(small_cell: Build):
    trainer = Trainer(small_cell("lora"))
    trainer.recommender.eval()
    first = count_operations(trainer)
    trainer.recommender.train()
    assert count_operations(trainer) == first
    assert first.backward > first.forward / 2 > 0


def test_a_phase_that_runs_again_keeps_its_higher_peak(monkeypatch: pytest.MonkeyPatch):
    peaks = iter([500, 300, 700])
    monkeypatch.setattr(process, "peak_rss", lambda: next(peaks))
    meter = MemoryMeter(torch.device("cpu"))
    seen = []
    for _ in range(3):
        with meter.phase("training"):
            pass
        seen.append(meter.phases["training"].rss)
    assert seen == [500, 500, 700]


def test_every_phase_starts_its_peaks_anew(monkeypatch: pytest.MonkeyPatch):
    reset: list[str] = []
    monkeypatch.setattr(process, "reset_peak_rss", lambda: reset.append("rss"))
    meter = MemoryMeter(torch.device("cpu"))
    monkeypatch.setattr(meter._peaks._cuda, "reset_peak", lambda: reset.append("card"))
    for number in (1, 2):
        with meter.phase("training"):
            assert sorted(reset) == ["card"] * number + ["rss"] * number


def test_what_is_counted_is_of_all_that_is_trained_and_of_every_slot(small_cell: Build):
    trainer = Trainer(small_cell("sasrec-id", batch=4))
    found = count_parameters(trainer)
    assert (found.saved_bytes, found.trainable) == (4 * found.trainable, found.total)
    batch, _ = trainer.heaviest_batch()
    assert isinstance(batch, Batch)
    assert count_operations(trainer).slots == batch.slots.numel() > len(batch.slots)


def test_resident_memory_is_in_bytes(tmp_path, monkeypatch: pytest.MonkeyPatch):
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nVmPeak:\t  9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
    monkeypatch.setattr(process, "_STATUS", status)
    assert process.peak_rss() == 2048 * 1024


def test_events_of_a_card_are_read_in_seconds():
    start = SimpleNamespace(elapsed_time=lambda end: 1500.0 if end == "end" else 0.0)
    assert CudaTimeline("cuda").seconds(start, "end") == 1.5


def test_an_epochs_loss_is_the_mean_over_its_positions(small_cell: Build):
    one, other = (Trainer(small_cell("sasrec-id", batch=7)) for _ in range(2))
    torch.manual_seed(0)
    trained = one.epoch(0)
    torch.manual_seed(0)
    other.recommender.train()
    losses, positions, items = [], [], 0
    for batch, inputs in other.load(other.batches.epoch(0)):
        losses.append(float(other.step(batch, inputs)))
        positions.append(batch.terms)
        items += len(batch.items)
    assert len(set(positions)) > 1
    assert trained.loss == pytest.approx(np.average(losses, weights=positions), rel=1e-6)
    assert (trained.steps, trained.items) == (len(losses), items)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training(small_cell: Build, value: float):
    trainer = Trainer(small_cell("sasrec-id"))
    with torch.no_grad():
        trainable_state(trainer.recommender)["head.positions.weight"].fill_(value)
    with pytest.raises(Diverged, match=r"the loss of epoch 3 is .*; lower the learning rate"):
        trainer.epoch(2)


def test_the_optimiser_is_adam_without_decay(small_cell: Build):
    """With gradients of zero nothing moves; decay would pull every weight towards zero."""
    trainer = Trainer(small_cell("sasrec-id"))
    before = snapshot(trainer)
    for parameter in trainer.recommender.parameters():
        parameter.grad = torch.zeros_like(parameter)
    trainer.optimiser.step()
    weights = trainable_state(trainer.recommender)
    assert all(torch.equal(before[name], weights[name]) for name in weights)
    for group in trainer.optimiser.param_groups:
        assert group["weight_decay"] == 0
    for parameter in trainer.recommender.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    trainer.reset()
    trainer.optimiser.step()  # Adam's first step is the rate, whatever the gradient's size
    head = trainable_state(trainer.recommender)["head.positions.weight"]
    moved = (before["head.positions.weight"] - head).detach()
    assert torch.allclose(moved, torch.full_like(moved, trainer.rates.head), rtol=1e-3)


def test_the_timed_step_updates_and_leaves_no_gradient(small_cell: Build):
    trainer = Trainer(small_cell("lora"))
    before = snapshot(trainer)
    trainer.recommender.train()
    trainer.step(*trainer.heaviest_batch())
    weights = trainable_state(trainer.recommender)
    assert any(not torch.equal(before[name], weights[name]) for name in weights)
    assert all(parameter.grad is None for parameter in trainer.recommender.parameters())
