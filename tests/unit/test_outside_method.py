"""A method from outside, in one file, whose encoder stands in modules of its own: measured as the one inside."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from tpmebench.bench.tasks.ranking import RankingRule
from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.job import Events, Job
from tpmebench.bench.worker.measuring import count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.phases import execute
from tpmebench.bench.worker.step import Trainer
from tpmebench.bench.worker.training_state import TrainerState, changing
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.errors import BenchError
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.registry import find_method, methods
from tpmebench.reports.records import Record

Build = Callable[..., TrainedCell]

OUTSIDE = '''
import torch
from torch import nn

from tpmebench.methods.backbones.tower import OUTPUT
from tpmebench.methods.decoupled.iisan import IISAN
from tpmebench.methods.decoupled.frozen import Frozen
from tpmebench.methods.embedded.fft import FullFineTuning
from tpmebench.methods.embedded.lora import LoRA
from tpmebench.methods.features.readers import CacheReader, TowerReader
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.inputs import Raw, States
from tpmebench.methods.method import LearningRates, Method, trainable
from tpmebench.methods.references.sasrec_id import SASRecID


class Wrapped(nn.Module):
    """Holds another encoder, two modules down."""

    def __init__(self, encoder):
        super().__init__()
        self.inner = nn.ModuleDict({"held": nn.ModuleList([encoder])})

    @property
    def held(self):
        return self.inner["held"][0]

    def forward(self, inputs):
        return self.held(inputs)


class Wraps:
    def item_encoder(self, backbones, width):
        return Wrapped(super().item_encoder(backbones, width))

    def learning_rates(self, encoder):
        return super().learning_rates(encoder.held)


class Full(Wraps, FullFineTuning):
    """Full fine-tuning."""


class Low(Wraps, LoRA):
    """LoRA."""


class Beside(Wraps, IISAN):
    """IISAN."""


class Numbers(Wraps, SASRecID):
    """Item numbers."""


class Shrinks(SASRecID):
    """Adds a penalty on its vectors."""

    def penalty(self, encoder):
        return 0.5 * encoder.embedding.weight.square().sum()


class Budget(SASRecID):
    """Keeps its vectors within a budget after every update, and the numbers of the updates."""

    def item_encoder(self, backbones, width):
        encoder = super().item_encoder(backbones, width)
        encoder.register_buffer("seen", torch.zeros(400, dtype=torch.int64))
        return encoder

    def after_update(self, encoder, step):
        assert encoder.embedding.weight.grad is not None
        encoder.seen[step] += 1
        with torch.no_grad():
            encoder.embedding.weight.clamp_(-0.01, 0.01)


class Both(nn.Module):
    """States of some modalities from their towers, of the others from the cache."""

    def __init__(self, towers):
        super().__init__()
        self.towers, self.cache = towers, CacheReader()

    def forward(self, inputs):
        return self.towers(inputs) | self.cache(inputs)


class Hybrid(Method):
    """Trains the text tower, and reads the image tower's output from the cache."""

    def reads(self, backbones):
        return {"text": Raw(), "image": States((OUTPUT,))}

    def item_encoder(self, backbones, width):
        text = TowerReader({"text": backbones.tower("text")}, {"text": (OUTPUT,)}, frozen=False)
        return FusedEncoder(Both(text), backbones, width)

    def learning_rates(self, encoder):
        return LearningRates({"all": (trainable(encoder), 1e-4)}, head=1e-4)


class Claims(Frozen):
    """Says that gradients cross its towers, and they don't."""

    family = "embedded"
'''
INSIDE = {"Full": "fft", "Low": "lora", "Beside": "iisan", "Numbers": "sasrec-id"}


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """The name of a method in the file from outside."""
    file = tmp_path_factory.mktemp("outside") / "wrapping_methods.py"
    file.write_text(OUTSIDE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr("tpmebench.methods.registry._registry._classes", dict(methods()))
        yield lambda name: find_method(f"{file}:{name}").name


def evaluator_of(parts: TrainedCell, trainer: Trainer) -> Evaluator:
    rule = RankingRule(parts.cell.head.max_length)
    return Evaluator(trainer.recommender, trainer.content, parts.dataset, rule, parts.device, trainer.autocast)


@pytest.mark.parametrize("encode", ["unique", "every-slot"])
@pytest.mark.parametrize("name", INSIDE)
def test_a_wrapped_encoder_is_measured_as_the_one_inside(
    small_cell: Build, outside: Callable[[str], str], name: str, encode: str
) -> None:
    found = []
    for method in (INSIDE[name], outside(name)):
        parts = small_cell(method, encode=encode)
        trainer = Trainer(parts)
        evaluator = evaluator_of(parts, trainer)
        found.append((count_parameters(trainer), count_operations(trainer), tensor_memory(trainer, evaluator)))
    assert found[1] == found[0]
    assert len(found[0][0].parts) > 1


@pytest.mark.parametrize("name", ["Full", "Low"])
def test_checkpointing_and_compilation_reach_a_wrapped_encoder(
    small_cell: Build, outside: Callable[[str], str], name: str
) -> None:
    parts = small_cell(outside(name), gradient_checkpointing=True, compile=True)
    towers = [module for module in parts.recommender.item_encoder.modules() if isinstance(module, Tower)]
    assert len(towers) == 2
    for tower in towers:
        assert tower.model.is_gradient_checkpointing
        assert tower.model._compiled_call_impl is not None
    assert parts.unused == []


def test_a_setting_that_reaches_none_of_the_towers_that_it_should_is_refused(
    small_cell: Build, outside: Callable[[str], str]
) -> None:
    claims = outside("Claims")
    for setting in ("gradient_checkpointing", "compile"):
        with pytest.raises(BenchError, match=f"method '{claims}': training.{setting} reaches none of its modules"):
            small_cell(claims, **{setting: True})


@pytest.mark.parametrize("method", ["frozen", "iisan-cached", "sasrec-id"])
def test_a_setting_that_has_nothing_to_act_on_is_said(small_cell: Build, method: str) -> None:
    assert small_cell(method).unused == []
    [line] = small_cell(method, gradient_checkpointing=True).unused
    assert line.startswith("training.gradient_checkpointing is not used")
    compiled = small_cell(method, compile=True).unused
    assert compiled == [] if method == "iisan-cached" else "compile is not used" in compiled[0]


def test_a_penalty_is_in_the_loss_that_is_trained_on(small_cell: Build, outside: Callable[[str], str]) -> None:
    plain, other = (Trainer(small_cell(method)) for method in ("sasrec-id", outside("Shrinks")))
    weights = [trainer.recommender.item_encoder.get_parameter("embedding.weight") for trainer in (plain, other)]
    losses = []
    for trainer in (plain, other):
        torch.manual_seed(0)  # of the head's dropout
        losses.append(float(trainer.forward(*trainer.heaviest_batch()).detach()))
    assert losses[1] - losses[0] == pytest.approx(0.5 * float(weights[1].detach().square().sum()), rel=1e-4)
    plain.epoch(0)
    other.epoch(0)
    norms = [float(weight.detach().norm()) for weight in weights]
    assert norms[1] < norms[0]


def test_after_update_is_told_the_number_of_each_update_also_when_training_goes_on(
    small_cell: Build, outside: Callable[[str], str]
) -> None:
    parts = small_cell(outside("Budget"), batch=16)
    trainer = Trainer(parts)
    before = {name: value.clone() for name, value in changing(trainer).items()}
    tensor_memory(trainer, evaluator_of(parts, trainer))
    assert all(torch.equal(value, before[name]) for name, value in changing(trainer).items())
    seen, steps = trainer.recommender.item_encoder.get_buffer("seen"), trainer.epoch(0).steps
    state = TrainerState.of(trainer)
    trainer.epoch(1)
    resumed = Trainer(parts)
    state.restore(resumed)
    resumed.epoch(1)
    assert seen.tolist() == [0] + [1] * (2 * steps) + [0] * (399 - 2 * steps)
    weight = trainer.recommender.item_encoder.get_parameter("embedding.weight")
    assert float(weight.detach().abs().max()) <= 0.01


def test_after_update_follows_no_update_that_overflowing_gradients_prevented(
    small_cell: Build, outside: Callable[[str], str]
) -> None:
    trainer = Trainer(small_cell(outside("Budget"), batch=16, precision="fp16"))
    encoder = trainer.recommender.item_encoder
    batch, before = trainer.heaviest_batch(), encoder.get_parameter("embedding.weight").detach().clone()
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=3e38)
    trainer.step(*batch)
    assert trainer.updates == 0 and not encoder.get_buffer("seen").any()
    assert torch.equal(encoder.get_parameter("embedding.weight"), before)
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    trainer.step(*batch)
    assert trainer.updates == 1 and encoder.get_buffer("seen").tolist()[:3] == [0, 1, 0]


def test_what_a_method_adds_to_a_step_is_recorded(
    outside: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    found = {}
    for method in ("sasrec-id", outside("Shrinks"), outside("Budget")):
        cell = Cell(
            method=method,
            dataset="bazaar:items=60,users=20",
            backbones=BackboneChoice(text="micro", image="micro"),
            training=Training(epochs=1),
        )
        record = Record(study="s", cell=cell, cell_id=cell.id, family="reference", status="ok", started="2026-01-01")
        with (tmp_path / "events").open("w", encoding="utf-8") as stream:
            execute(record, Job(record=record, directory=tmp_path), Events(stream))
        found[method.rpartition(":")[2]] = record.additions
    assert found == {"sasrec-id": [], "Shrinks": ["penalty"], "Budget": ["after_update"]}


def test_one_modality_may_come_from_its_tower_and_the_other_from_the_cache(
    small_cell: Build, outside: Callable[[str], str]
) -> None:
    hybrid, full = (small_cell(method, gradient_checkpointing=True) for method in (outside("Hybrid"), "fft"))
    assert hybrid.cache is not None and hybrid.unused == []
    inputs = hybrid.content.gather(torch.arange(1, 9))
    assert inputs.text is not None and inputs.pixels is None and list(inputs.states or {}) == ["image"]
    parts = count_parameters(Trainer(hybrid)).parts
    assert list(parts) == ["text tower", "projections", "fusion", "head"]
    embeddings = [
        parts.recommender.eval().item_encoder(parts.content.gather(torch.arange(1, 9))) for parts in (hybrid, full)
    ]
    torch.testing.assert_close(embeddings[0], embeddings[1], atol=2e-3, rtol=1e-2)  # the cache holds float16
    assert Trainer(hybrid).epoch(0).loss > 0
