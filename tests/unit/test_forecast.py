"""A forecast is what a run of the cell is measured to cost, or says why there is none."""

import shutil
from pathlib import Path

import pytest
import torch
from planned import assembled, differences, planned
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from tpmebench.bench.meters.operations import count_step
from tpmebench.bench.planning.fake import Stock, running
from tpmebench.bench.planning.forecast import Forecast, NoForecast
from tpmebench.bench.planning.session import plan_study
from tpmebench.bench.study.schema import Study
from tpmebench.bench.worker.places import Places
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Modalities, Training
from tpmebench.datasets.sources.loading import load_dataset
from tpmebench.errors import BenchError
from tpmebench.methods.features.content import RawContent
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Record

METHODS: dict[str, Modalities] = {
    "lora": "text",
    "iisan-cached": "both",
    "lst-cached": "text",
    "hybrid-cached": "image",
}
"""One of each way to be built and to be fed, by what it reads here: `tests/soak/planned.py` holds every registered one
to it.
"""


@pytest.fixture(scope="module")
def stock() -> Stock:
    return Stock()


@pytest.fixture(scope="module")
def lora(stock: Stock) -> Forecast:
    found = planned(stock, small("lora"))
    assert isinstance(found, Forecast), found
    return found


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))


def small(method: str, **training: object) -> Cell:
    return Cell(
        method=method,
        dataset="bazaar:items=120,users=30",
        modalities=METHODS.get(method, "text"),
        backbones=BackboneChoice(text="micro", image="micro", image_side=32),
        training=Training.model_validate({"batch": 16, **training}),
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_forecast_is_what_is_measured(stock: Stock, lora: Forecast, method: str) -> None:
    found = lora if method == "lora" else planned(stock, small(method))
    assert isinstance(found, Forecast), found
    assert not list(differences(found, assembled(small(method))))


def test_operations_of_an_epoch_are_those_of_its_steps(lora: Forecast) -> None:
    trainer = Trainer(assembled(small("lora")))
    counted = steps = items = 0
    for batch, inputs in trainer.load(trainer.batches.epoch(0)):
        counted += sum(count_step(lambda batch=batch, inputs=inputs: trainer.forward(batch, inputs)))
        steps, items = steps + 1, items + len(batch.items)
    assert (lora.operations, lora.steps, lora.items) == (counted, steps, items)


def test_the_peak_has_a_place_and_torchs_generator_is_left_alone(stock: Stock) -> None:
    torch.manual_seed(3)
    drawn = torch.rand(1)
    torch.manual_seed(3)
    found = planned(stock, small("frozen-cached"))
    assert torch.equal(drawn, torch.rand(1))
    assert isinstance(found, Forecast)
    assert found.peak.moment in {"forward", "backward", "update"}
    assert found.peak.module


@pytest.mark.parametrize(
    ("method", "why"), [("vblora", "DataDependentOutput"), ("frod", "computes with sparse tensors")]
)
def test_what_only_numbers_can_tell_is_no_forecast_and_says_why(stock: Stock, method: str, why: str) -> None:
    found = planned(stock, small(method))
    assert isinstance(found, NoForecast)
    assert "cannot be followed without numbers" in found.reason
    assert why in found.reason


def test_titles_are_those_of_the_dataset_at_hand(stock: Stock) -> None:
    small_shop, other = small("frozen"), small("frozen").model_copy(update={"dataset": "stated:users=20,items=30"})
    lengths = []
    for cell in (small_shop, other, small_shop):
        content = stock.cell(cell, Places.of(cell)).parts.content
        assert isinstance(content, RawContent)
        assert content.tokens is not None
        lengths.append((content.items, int(content.tokens.lengths.max())))
    assert lengths[0] == lengths[2]
    assert lengths[1] == (content_size(other), 30)


def content_size(cell: Cell) -> int:
    return load_dataset(cell.dataset).catalogue.size


def test_a_plan_leaves_records_that_are_none_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = Study(name="shop", methods=["frozen-cached"], references=False, datasets=["stated:users=20,items=30"])
    assert plan_study(study, tmp_path / "plan") == 0
    assert "frozen-cached" in capsys.readouterr().out
    (record,) = load_records(tmp_path / "plan")
    assert record.plan is not None
    assert record.memory is not None
    assert (record.status, record.accuracy, record.time.epochs) == ("ok", None, [])
    assert record.memory.feature_cache == 2 * 2 * 64 * (load_dataset(study.datasets[0]).catalogue.size + 1)
    shutil.copytree(tmp_path / "plan", tmp_path / "run")
    Record.model_validate(record.model_dump() | {"plan": None}).save(tmp_path / "run")
    with pytest.raises(BenchError, match="holds records of a run"):
        plan_study(study, tmp_path / "run")


def test_what_spreads_over_all_users_and_candidates_takes_no_memory() -> None:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    own, items = torch.zeros(1 << 14, 1, dtype=torch.int64), torch.zeros(1 << 13, dtype=torch.int64)
    with running(mode):
        mask, small = own == items, own[:8] == items
    assert isinstance(mask, FakeTensor) and mask.shape == (1 << 14, 1 << 13)
    assert not isinstance(small, FakeTensor) and small.all()
