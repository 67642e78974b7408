"""`bench check` fails when a method starts to cost more: each regression planted in a method made for it."""

import json
import os
import random
from pathlib import Path

import pytest
import torch
from cells import trained
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from tpmebench.bench.guard.check import CheckOptions, run_check
from tpmebench.bench.worker.job import Events, Job
from tpmebench.bench.worker.phases import execute
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.embedded.fft import FullFineTuning
from tpmebench.methods.inputs import ItemInputs, TokenBatch
from tpmebench.methods.method import LearningRates
from tpmebench.methods.registry import find_method
from tpmebench.reports.records import Record

METHOD = f"{__name__}:Planted"


def _third(inputs: ItemInputs) -> ItemInputs:
    assert inputs.text is not None and inputs.pixels is not None
    some = slice(-(-len(inputs.items) // 3))
    return ItemInputs(
        inputs.items[some], TokenBatch(inputs.text.ids[some], inputs.text.mask[some]), inputs.pixels[some]
    )


class WorseEncoder(nn.Module):
    """An encoder that gives what the honest one gives, at a greater cost that PLANTED names."""

    def __init__(self, honest: nn.Module, fault: str) -> None:
        super().__init__()
        self.honest = honest
        self.fault = fault
        trained = sum(parameter.numel() for parameter in honest.parameters() if parameter.requires_grad)
        self.extra = nn.Parameter(torch.zeros(trained // 20 + 1)) if fault == "parameters" else None

    def forward(self, inputs: ItemInputs) -> Tensor:
        encoded = self.honest(inputs)
        if self.fault == "steps":  # work that no graph and no number but the time shows
            with torch.no_grad():
                for _ in range(2):
                    self.honest(inputs)
        if self.fault == "memory":  # a second graph of the same size, alive until the backward pass
            encoded = (encoded + self.honest(inputs)) / 2
        if self.fault == "operations":  # a third of the items again, without a graph: a ninth of the step's operations
            with torch.no_grad():
                self.honest(_third(inputs))
        if self.extra is not None:
            encoded = encoded + self.extra.sum()
        return encoded


class OperationClock(TorchDispatchMode):
    """A clock that goes on by each operation that torch runs, with a little noise: what else runs doesn't move it."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0
        self.noise = random.Random(0)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.seconds += self.noise.uniform(0.5e-5, 1.5e-5)
        return func(*args, **(kwargs or {}))

    def mark(self) -> float:
        return self.seconds


class Planted(FullFineTuning):
    """Full fine-tuning, made worse as the environment variable PLANTED says."""

    name, family = METHOD, "full"

    def item_encoder(self, backbones: Backbones, width: int) -> nn.Module:  # type: ignore[override]
        return WorseEncoder(super().item_encoder(backbones, width), os.environ.get("PLANTED", ""))

    def learning_rates(self, encoder: nn.Module) -> LearningRates:  # type: ignore[override]
        assert isinstance(encoder, WorseEncoder)
        rates = super().learning_rates(encoder.honest)  # type: ignore[arg-type]
        if encoder.extra is not None:
            rates.groups["extra"] = ([encoder.extra], 1e-4)
        return rates


METHODS = {METHOD: Planted, "fft": FullFineTuning}


def planted_cell(method: str = METHOD, epochs: int = 1, repeat: int = 0) -> Cell:
    return Cell(
        method=method,
        dataset="bazaar:items=1000,users=64",
        backbones=BackboneChoice(text="micro", image="micro", image_side=32),
        training=Training(epochs=epochs, batch=16),
        repeat=repeat,
    )


def new_record(cell: Cell) -> Record:
    return Record(study="planted", cell=cell, cell_id=cell.id, family="full", status="ok", started="2026-01-01")


def planted_study(directory: Path, fault: str) -> Path:
    """Runs the planted method in this process and gives the study's directory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TPMEBENCH_CACHE", str(directory.parent / "cache"))
        patch.setenv("PLANTED", fault)
        patch.setattr("tpmebench.bench.worker.build.make_method", lambda *_: Planted())
        record = new_record(planted_cell())
        with (directory.parent / "events").open("w", encoding="utf-8") as stream:
            execute(record, Job(record=record, directory=directory), Events(stream))
        record.save(directory)
    return directory


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an honest run; a folder beside it has its cache, for others to use."""
    place = tmp_path_factory.mktemp("planted")
    run_check(planted_study(place / "first", ""), place / "baseline.json", CheckOptions(update=True))
    return place / "baseline.json"


def test_an_honest_repetition_raises_no_alarm(baseline: Path):
    assert run_check(planted_study(baseline.parent / "again", ""), baseline)[0] == 0
    assert json.loads(baseline.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("fault", "named"), [("memory", "memory"), ("operations", "operations"), ("parameters", "parameters")]
)
def test_a_costlier_method_fails_the_check(baseline: Path, fault: str, named: str):
    status, found = run_check(planted_study(baseline.parent / fault, fault), baseline)
    assert status == 1
    assert any(named in finding.number for finding in found.failed), found.markdown()


@pytest.fixture
def timed_study(tmp_path, monkeypatch):
    """Times epochs of full fine-tuning and of the planted method in turns, and gives the study's directory.

    By a clock of operations, so that nothing depends on what else keeps the machine busy.
    """
    clock = OperationClock()
    monkeypatch.setattr("tpmebench.bench.meters.clocks.CpuTimeline.mark", staticmethod(clock.mark))
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tpmebench.bench.worker.build.make_method", lambda name, _: METHODS[name]())

    def run(name: str, fault: str = ""):
        monkeypatch.setenv("PLANTED", fault)
        directory = tmp_path / name
        trainers = {method: Trainer(trained(planted_cell(method))) for method in METHODS}
        for trainer in trainers.values():
            trainer.warm_up()
        for repeat in range(3):
            for method, trainer in trainers.items():
                record = new_record(planted_cell(method, epochs=3, repeat=repeat))
                with clock:
                    record.time.epochs = [trainer.epoch(number).record(users=64) for number in range(3)]
                for epoch in record.time.epochs:
                    epoch.waited = 0.0  # the clock stands still meanwhile
                record.save(directory)
        return directory

    return run


def test_slower_steps_fail_the_check(timed_study, tmp_path):
    baseline = tmp_path / "baseline.json"
    run_check(timed_study("first"), baseline, CheckOptions(update=True))
    assert run_check(timed_study("again"), baseline)[0] == 0
    status, found = run_check(timed_study("slower", "steps"), baseline)
    assert status == 1
    assert [("Planted" in one.case, one.number) for one in found.failed] == [(True, "time / fft")]


def test_the_planted_method_is_one_of_its_own():
    assert find_method("fft") is not Planted
