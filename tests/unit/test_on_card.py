"""Every method on a stand-in for a card: a tensor left on the wrong side is an error, and nothing waits unasked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from card import CARD, Event, WrongDevice, card
from cells import tried_on_all
from transformers import BertModel

from tpmebench.bench.meters.clocks import PhaseClock
from tpmebench.bench.tasks import ranking
from tpmebench.bench.tasks.tiles import TILES, Tile
from tpmebench.bench.worker import build, content
from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.bench.worker.checkpoint import load_checkpoint, save_checkpoint
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.loop import Fit, Progress
from tpmebench.bench.worker.measuring import MemoryMeter, count_operations
from tpmebench.bench.worker.read import Materials, read
from tpmebench.bench.worker.self_check import FewItems
from tpmebench.bench.worker.step import Trainer
from tpmebench.bench.worker.training_state import TrainerState
from tpmebench.bench.worker.use import count_use
from tpmebench.cell import BackboneChoice, Cell, upgrade
from tpmebench.datasets.batches import Batch, ItemBatch
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.preprocessing import TokenTable
from tpmebench.methods.features.cache import FeatureCache
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.head.sasrec import SASRec
from tpmebench.methods.inputs import ItemInputs
from tpmebench.methods.registry import methods

ALL = methods()
TRAINED = [name for name, method in ALL.items() if method.kind == "method"]
CACHED = [name for name in TRAINED if ALL[name].uncached]
ITEMS, SIDE, VOCABULARY = 16, 16, 120
HOLD_UP = {"adalora", "fourierft", "shira", "vblora", "waveft"}
"""Kinds of peft whose steps make the host wait for the card: they copy indices to it that they keep on the host, or
look at numbers.
"""
NOT_SHOWN = {"frod"}
"""Kinds of peft that the stand-in cannot hold: their tensors are sparse."""
Assemble = Callable[..., TrainedCell]


def _content(items: int) -> RawContent:
    rng = np.random.default_rng(5)
    lengths = rng.integers(2, 8, items + 1)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(3, VOCABULARY, offsets[-1]).astype(np.int32)
    ids[offsets[:-1]] = 1
    pixels = rng.integers(0, 256, (items + 1, 3, SIDE, SIDE), dtype=np.uint8)
    return RawContent(items, TokenTable(ids, offsets, 0, "tokens"), pixels, "content")


@pytest.fixture(scope="module")
def parts_of(model_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The parts of a cell over a few items and towers as small as can be, all of which are loaded once."""
    towers, cache = dict[str, Any](), tmp_path_factory.mktemp("cache")
    once = list[Materials]()

    def shared(cell: Cell, places: Any, task: Any, tell: Any) -> FewItems:
        if not once:
            once.append(read(cell, places, task, tell))
        return FewItems(cell, places, once[0].dataset, once[0].sources, torch.device(cell.device), tell, towers)

    def make(method: str, device: str = "cuda:0", **fields: Any) -> TrainedCell:
        cell = Cell.model_validate(
            {
                "method": method,
                "dataset": f"bazaar:items={ITEMS},users=10",
                "backbones": BackboneChoice(text=str(model_folder("short-bert")), image=str(model_folder("wide-vit"))),
                "device": device,
            }
            | upgrade({"training": {"batch": 5, "cache_dtype": "float32", **fields}})
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TPMEBENCH_CACHE", str(cache))
            patch.setattr(build, "read", shared)
            patch.setattr(content, "raw_content", lambda materials, name: _content(materials.dataset.catalogue.size))
            parts = assemble(cell, lambda *_: None)
        assert isinstance(parts, TrainedCell)
        return parts

    make("fft", "cpu")  # loads the towers, and looks at them
    return make


def evaluator_of(trainer: Trainer, parts: TrainedCell) -> Evaluator:
    rule = parts.task.judge()
    return Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)


def train_and_rank(parts: TrainedCell) -> np.ndarray:
    """All that a cell does with its device, but for what it measures apart: ranks after an epoch."""
    trainer = Trainer(parts)
    trainer.warm_up()
    trainer.epoch(0)
    evaluator = evaluator_of(trainer, parts)
    return evaluator.ranks(parts.dataset.test, evaluator.embeddings())


@pytest.mark.parametrize("method", [name for name in TRAINED if name not in NOT_SHOWN])
def test_a_method_does_all_on_its_card_and_no_step_waits_for_it(parts_of: Assemble, method: str) -> None:
    with card() as found:
        parts = parts_of(method)
        trainer = Trainer(parts)
        found.forget()
        most = None if tried_on_all(method) else 1  # kinds of peft are many and built alike
        trained = trainer.epoch(0, most)
        waits, copies = list(found.waits), set(found.copies)
        evaluator = evaluator_of(trainer, parts)
        ranks = evaluator.ranks(parts.dataset.test, evaluator.embeddings())
    assert np.isfinite(trained.loss) and len(trained.times.steps) == trained.steps and len(ranks) == 10
    assert found.synchronised == 2, "at the two ends of the epoch"
    assert all(parameter.is_cuda for parameter in trainer.recommender.parameters())
    # Whether what a step is given does not come from pinned memory, or is waited for; and who looks at a number. A text
    # model of transformers looks whether its mask hides anything, and the loss is read at the end.
    runs_text = any(isinstance(module, BertModel) for module in trainer.recommender.modules())
    expected = ["aten._local_scalar_dense.default"] * (runs_text * trained.steps + 2)
    assert (copies != {(True, True)} or waits != expected) == (method in HOLD_UP)


@pytest.mark.parametrize("method", CACHED)
def test_a_cache_that_does_not_fit_is_streamed_from_the_host(parts_of: Assemble, method: str) -> None:
    with card(free=1) as found:
        parts = parts_of(method)
        ranks = train_and_rank(parts)
        assert len(ranks) == 10 and (True, True) in found.copies
        assert not any(tensor.is_cuda for tensor in parts.content.gather(torch.arange(1, 4)).tensors())


@pytest.mark.parametrize(
    ("place", "left", "there"),
    [("host", 1 << 40, False), ("gpu", 1, True), ("auto", 2, True), ("auto", 1.99, False)],
)
def test_the_cache_lies_where_it_is_told(parts_of: Assemble, place: str, left: float, there: bool) -> None:
    """`left`: what is free on the card, in times the size of the cache."""
    host = parts_of("frozen-cached", "cpu").cache
    assert host is not None and host.on_card == 0
    with card(free=int(left * host.bytes)):
        parts = parts_of("frozen-cached", cache_on=place)
        assert any(tensor.is_cuda for tensor in parts.content.gather(torch.arange(1, 4)).tensors()) == there
        assert parts.cache is not None
        assert parts.cache.on_card == there * host.bytes


def test_no_cache_is_held_on_a_card_that_is_not_used(parts_of: Assemble) -> None:
    with pytest.raises(BenchError, match="cache_on = gpu: this cell runs on the CPU"):
        parts_of("frozen-cached", "cpu", cache_on="gpu")


def test_many_items_are_ranked_on_the_card(parts_of: Assemble, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train_and_rank(parts_of("frozen", "cpu"))
    monkeypatch.setitem(TILES, "cuda", Tile(users=10**7, items=7))
    monkeypatch.setattr(ranking, "rank_scores", None)
    with card():
        assert train_and_rank(parts_of("frozen")).tolist() == whole.tolist()


def stray_in_the_method(patch: pytest.MonkeyPatch) -> None:
    encode = FusedEncoder.forward
    patch.setattr(
        FusedEncoder, "forward", lambda self, inputs: encode(self, inputs) + torch.zeros(len(inputs.items), 1)
    )


def stray_in_the_head(patch: pytest.MonkeyPatch) -> None:
    forward = SASRec.forward
    patch.setattr(SASRec, "forward", lambda self, history, present, **how: forward(self, history, present.cpu(), **how))


def stray_in_the_batches(patch: pytest.MonkeyPatch) -> None:
    def moved(self: Batch, device: torch.device) -> Batch:
        return Batch(**{name: value if name == "labels" else value.to(device) for name, value in vars(self).items()})

    patch.setattr(ItemBatch, "to", moved)


def stray_in_the_cache(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(FeatureCache, "_there", lambda self, tensor: tensor)


def stray_in_ranking(patch: pytest.MonkeyPatch) -> None:
    rank = ranking.rank_scores
    patch.setattr(ranking, "rank_scores", lambda scores, history, *more: rank(scores, history.cpu(), *more))


STRAYS = [stray_in_the_method, stray_in_the_head, stray_in_the_batches, stray_in_the_cache, stray_in_ranking]


@pytest.mark.parametrize("plant", STRAYS)
def test_a_tensor_left_on_the_host_is_caught(
    parts_of: Assemble, monkeypatch: pytest.MonkeyPatch, plant: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A run on the CPU does not see it."""
    plant(monkeypatch)
    train_and_rank(parts_of("frozen-cached", "cpu"))
    with card(), pytest.raises(WrongDevice, match="on the card meet others on the host"):
        train_and_rank(parts_of("frozen-cached"))


@pytest.mark.parametrize("method", ["fft", "iisan-cached", "hybrid-cached", "sasrec-id"])
def test_an_epoch_on_the_card_trains_as_on_the_cpu(
    parts_of: Assemble, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """However late copies from pinned memory arrive: what they are copied from is not used again before."""
    losses = []
    for device in ("cpu", "cuda:0"):
        with card():
            trainer = Trainer(parts_of(method, device, dropout=0.0))
            asleep = trainer.recommender.eval()  # nothing is dropped at random
            monkeypatch.setattr(asleep, "train", lambda *_, asleep=asleep: asleep)
            losses.append([trainer.epoch(0).loss, trainer.epoch(1).loss])
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_pinned_memory_that_is_filled_anew_before_the_copy_has_ended_is_seen(
    parts_of: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[Any, torch.Tensor] = {}

    def reused(self: ItemInputs) -> ItemInputs:
        def fill(tensor: torch.Tensor) -> torch.Tensor:
            size = tensor.numel()
            room = kept.setdefault(tensor.dtype, torch.zeros(1 << 16, dtype=tensor.dtype).pin_memory())
            room[:size] = tensor.flatten()
            part = room[:size].view(tensor.shape)
            part.is_page_locked = True  # type: ignore[attr-defined]
            return part

        return self._map(fill)

    found = []
    for pinned in (ItemInputs.pinned, reused):
        monkeypatch.setattr(ItemInputs, "pinned", pinned)
        with card(free=1):
            trainer = Trainer(parts_of("frozen-cached", dropout=0.0))
            found.append(trainer.epoch(0).loss)
    assert found[1] != pytest.approx(found[0], rel=1e-3)


def test_what_is_put_back_gives_the_same_epoch_again(parts_of: Assemble, tmp_path: Path) -> None:
    """The card's generator draws the dropout; measuring does not move it."""
    path = tmp_path / "cell.safetensors"
    with card() as found:
        parts = parts_of("iisan-cached", dropout=0.5)
        trainer = Trainer(parts)
        before = found.generator.get_state()
        trainer.warm_up()
        count_operations(trainer)
        count_use(parts, evaluator_of(trainer, parts))
        assert torch.equal(found.generator.get_state(), before)
        trainer.epoch(0)
        assert not torch.equal(found.generator.get_state(), before)
        state = TrainerState.of(trainer)
        assert not any(value.is_cuda for value in [*state.tensors.values(), *state.generators.values()])
        save_checkpoint(path, trainer, Progress())
        first = trainer.epoch(1).loss
        state.restore(trainer)
        again = trainer.epoch(1).loss
        other = Trainer(parts_of("iisan-cached", dropout=0.5))
        assert load_checkpoint(path, other)[1] is None
        steps = [entry["step"] for entry in other.optimiser.state.values()]
        assert steps and all(step.is_cuda for step in steps), "the fused optimiser wants its counts on the card"
        resumed = other.epoch(1).loss
        found.generator.manual_seed(99)
        assert (again, resumed) == (first, first)
        state.restore(other)
        found.generator.manual_seed(99)
        assert other.epoch(1).loss != first


def test_a_scaled_step_does_not_wait_and_one_that_overflows_changes_nothing(
    parts_of: Assemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    with card() as found:
        trainer = Trainer(parts_of("frozen-cached", precision="fp16"))
        loaded = trainer.heaviest_batch()
        found.forget()
        trainer.step(*loaded)
        assert trainer.scaler.is_enabled() and not found.waits
        before, forward = TrainerState.of(trainer), trainer.forward
        monkeypatch.setattr(trainer, "forward", lambda *given: forward(*given) * torch.inf)
        trainer.step(*loaded)
        after = TrainerState.of(trainer)
        assert all(torch.equal(value, after.tensors[name]) for name, value in before.tensors.items())
        assert after.scaler["scale"] == before.scaler["scale"] / 2


def test_phases_on_the_card_have_its_peaks_and_its_events(parts_of: Assemble) -> None:
    with card() as found:
        parts = parts_of("frozen-cached", epochs=2)
        trainer = Trainer(parts)
        memory = MemoryMeter(parts.device)
        progress = Fit(parts, trainer, evaluator_of(trainer, parts), memory).run(Progress(), lambda _: None)
    assert trainer.clock.source == "cuda-events"
    assert found.peak_resets == 4, "training and evaluation of two epochs"
    for phase in memory.phases.values():
        assert (phase.allocated, phase.reserved, phase.process) == (2000, 3000, None)
    for epoch in progress.epochs:
        assert epoch.total >= epoch.data + epoch.forward + epoch.backward + epoch.update > 0


def test_events_are_read_when_they_have_ended_and_not_before() -> None:
    with card() as found:
        clock = PhaseClock(CARD)
        clock.start_epoch()
        for _ in range(600):
            with clock.phase("forward"):
                pass
            clock.end_step()
        assert len(clock.end_epoch().steps) == 600
        found.synchronize = lambda device=None: None  # type: ignore[method-assign]
        start, end = Event(enable_timing=True), Event(enable_timing=True)
        start.record()
        end.record()
        with pytest.raises(AssertionError, match="must have ended"):
            start.elapsed_time(end)
