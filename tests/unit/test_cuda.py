"""What only a card can show: peaks, events, pinned copies, the feature cache on the card. Skipped without one."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tpmebench.bench.meters.clocks import PhaseClock
from tpmebench.bench.meters.cuda import CudaMemory
from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.checkpoint import load_checkpoint, save_checkpoint
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter
from tpmebench.bench.worker.prefetch import prefetch
from tpmebench.bench.worker.preparation import prepare_process
from tpmebench.bench.worker.step import Trainer
from tpmebench.bench.worker.training_state import TrainerState
from tpmebench.methods.features.cache import Built, FeatureCache
from tpmebench.methods.features.content import CachedContent
from tpmebench.methods.inputs import ItemInputs

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card"),
]
CARD = torch.device("cuda", 0)
Build = Callable[..., TrainedCell]


def test_the_peak_is_of_what_follows_the_reset():
    memory = CudaMemory(CARD)
    before = torch.empty(8 << 20, dtype=torch.uint8, device=CARD)
    del before
    memory.reset_peak()
    base = torch.cuda.memory_allocated(CARD)
    held = torch.empty(4 << 20, dtype=torch.uint8, device=CARD)
    del held
    assert memory.allocated() == base + (4 << 20)
    assert (memory.reserved() or 0) >= (memory.allocated() or 0)


def test_a_phase_keeps_the_higher_peak_of_the_card():
    meter = MemoryMeter(CARD)
    peaks = []
    for size in (8, 2):
        with meter.phase("training"):
            torch.empty(size << 20, dtype=torch.uint8, device=CARD)
        peaks.append(meter.phases["training"].allocated or 0)
    assert peaks[0] >= 8 << 20 and peaks[1] == peaks[0]


def test_events_time_the_cards_work_and_not_the_launch():
    clock, a = PhaseClock(CARD), torch.randn(4096, 4096, device=CARD)
    torch.mm(a, a)
    clock.start_epoch()
    with clock.phase("forward"):
        for _ in range(20):
            torch.mm(a, a)
    clock.end_step()
    times = clock.end_epoch()
    operations = 20 * 2 * 4096**3
    assert clock.source == "cuda-events"
    assert times.forward > operations / 1e16  # no card is that fast; a launch takes microseconds
    assert times.forward <= times.steps[0] <= times.total * 1.001


def test_pinned_copies_arrive_whole():
    inputs = ItemInputs(torch.arange(1000), pixels=torch.randint(0, 255, (1000, 3, 8, 8), dtype=torch.uint8))
    pinned = inputs.pinned()
    assert all(tensor.is_pinned() for tensor in pinned.tensors())
    moved = pinned.to(CARD)
    assert all(tensor.device == CARD for tensor in moved.tensors())
    torch.cuda.synchronize(CARD)
    assert moved.pixels is not None and inputs.pixels is not None
    assert torch.equal(moved.pixels.cpu(), inputs.pixels)
    assert [item for item in prefetch(range(5), CARD)] == list(range(5))  # noqa: C416


def test_the_feature_cache_on_the_card_gives_the_same_states():
    states, shared = torch.randn(30, 2, 8).half(), torch.randn(8).half()
    cache = FeatureCache(Path("nowhere"), states, shared, Built(seconds=0.0))
    items = torch.tensor([3, 1, 29])
    for a, b in zip(cache.gather(items), cache.to(CARD).gather(items), strict=True):
        assert b.device == CARD and torch.equal(a, b.cpu())


@pytest.mark.parametrize("method", ["lora", "iisan-cached", "sasrec-id"])
def test_a_cell_trains_on_the_card_and_repeats_from_a_kept_state(small_cell: Build, method: str):
    parts = small_cell(method, device="cuda", epochs=1)
    if isinstance(parts.content, CachedContent):
        assert all(cache.states.is_cuda for cache in parts.content.caches.values())
    trainer = Trainer(parts)
    trainer.warm_up()
    torch.manual_seed(0)
    state = TrainerState.of(trainer)
    assert all(not value.is_cuda for value in state.tensors.values()), "a kept state must not raise the card's peak"
    losses = []
    for _ in range(2):
        losses.append(trainer.epoch(0).loss)
        state.restore(trainer)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    evaluator = Evaluator(
        trainer.recommender, trainer.content, parts.dataset, RankingRule(), parts.device, trainer.autocast
    )
    memory = MemoryMeter(parts.device)
    progress = Fit(parts, trainer, evaluator, memory).run(Progress(), lambda _: None)
    assert progress.test_ranks is not None and np.isfinite(progress.epochs[0].loss)
    training, evaluation = memory.phases["training"], memory.phases["evaluation"]
    assert (training.allocated or 0) > 0 and (evaluation.allocated or 0) > 0
    assert progress.epochs[0].total >= progress.epochs[0].forward > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("method", ["fft", "iisan-cached"])
def test_every_precision_trains_on_the_card(small_cell: Build, method: str, precision: str):
    parts = small_cell(method, device="cuda", epochs=2, precision=precision)
    trainer = Trainer(parts)
    losses = [trainer.epoch(0).loss, trainer.epoch(1).loss]
    assert np.isfinite(losses).all() and losses[1] < losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in trainer.recommender.parameters())


def test_a_cell_on_the_card_goes_on_from_its_checkpoint(small_cell: Build, tmp_path: Path):
    """The card's generator, which draws the dropout, and the optimiser's moments decide the next epoch."""
    torch.manual_seed(3)
    first = Trainer(small_cell("fft", device="cuda", dropout=0.5))
    first.epoch(0)
    save_checkpoint(tmp_path / "cell.safetensors", first, Progress())
    losses = [first.epoch(1).loss]
    for seed in (99, 100):
        torch.manual_seed(seed)
        other = Trainer(small_cell("fft", device="cuda", dropout=0.5))
        _, damage = load_checkpoint(tmp_path / "cell.safetensors", other)
        assert damage is None
        losses.append(other.epoch(1).loss)
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=1e-4)


def test_cached_states_give_the_embeddings_that_the_towers_give(small_cell: Build):
    items = torch.arange(1, 21)
    found = []
    for method in ("iisan", "iisan-cached"):
        parts = small_cell(method, device="cuda", cache_dtype="float32")
        assert parts.recommender is not None and parts.content is not None
        with torch.no_grad():
            found.append(parts.recommender.eval().item_encoder(parts.content.gather(items).to(CARD)))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


def test_the_ranks_of_the_card_are_those_of_the_cpu(small_cell: Build):
    found = []
    for device in ("cpu", "cuda"):
        parts = small_cell("iisan", device=device)
        trainer = Trainer(parts)
        evaluator = Evaluator(
            trainer.recommender, trainer.content, parts.dataset, RankingRule(), parts.device, trainer.autocast
        )
        found.append(evaluator.ranks(parts.dataset.valid, evaluator.embeddings()))
    close = np.isclose(found[0], found[1], atol=1)
    assert close.mean() > 0.9, "kernels round otherwise, which may swap neighbours"


def test_attention_over_a_shape_that_is_new_takes_no_longer_than_over_one_that_was_seen(small_cell: Build):
    """cuDNN's would plan anew, for tens of milliseconds."""
    prepare_process(small_cell("sasrec-id").cell)

    def seconds(items: int) -> float:
        hidden = torch.randn(items, 2, 17, 32, dtype=torch.bfloat16, device=CARD)
        torch.cuda.synchronize(CARD)
        start = time.perf_counter()
        torch.nn.functional.scaled_dot_product_attention(hidden, hidden, hidden)
        torch.cuda.synchronize(CARD)
        return time.perf_counter() - start

    seconds(8)
    seen, new = (float(np.median([seconds(items) for items in sizes])) for sizes in ([8] * 9, range(9, 18)))
    assert new < 3 * seen + 2e-3
