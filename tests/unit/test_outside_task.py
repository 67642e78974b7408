"""A task from outside, in one file: trained, judged by its own metric and slices, reported and compared by them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tpmebench.bench.guard.compare import compare
from tpmebench.bench.guard.measured import measure
from tpmebench.bench.running.request import Request
from tpmebench.bench.running.session import run_study
from tpmebench.bench.study import digests
from tpmebench.bench.study.study import Study
from tpmebench.bench.tasks import registry
from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.tasks.task import Task
from tpmebench.cell import BackboneChoice, Cell
from tpmebench.datasets.sources.registry import source_class
from tpmebench.errors import BenchError
from tpmebench.methods.registry import find_method
from tpmebench.metrics import Metric
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Record, ranks_path
from tpmebench.reports.report import ReportOptions, write_report

OUTSIDE = '''
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tpmebench.bench.tasks.task import Judge, Task
from tpmebench.datasets.batches import ItemBatch
from tpmebench.datasets.protocol import prepare
from tpmebench.methods.head.recommender import Recommender
from tpmebench.metrics import Metric


@dataclass(frozen=True)
class Pairs(ItemBatch):
    """Of each user the last two items, as places among `items`."""

    items: Tensor
    before: Tensor
    after: Tensor

    @property
    def terms(self):
        return len(self.before)


class AllPairs:
    def __init__(self, sequences, size, seed):
        self.pairs, self.size, self.seed = sequences.padded(np.arange(len(sequences)), 2), size, seed

    def epoch(self, number):
        order = np.random.default_rng([self.seed, number]).permutation(len(self.pairs))
        for start in range(0, len(order), self.size):
            items, places = np.unique(self.pairs[order[start : start + self.size]], return_inverse=True)
            before, after = places.reshape(-1, 2).T
            yield Pairs(*(torch.from_numpy(np.ascontiguousarray(each)) for each in (items, before, after)))


class LastItem(Recommender):
    """What follows an item is like a turned form of it."""

    @property
    def width(self):
        return self.head.in_features

    def loss(self, batch, inputs):
        encoded = self.item_encoder(inputs)
        return functional.cross_entropy(self.head(encoded[batch.before]) @ encoded.T, batch.after)

    def scores(self, history, embeddings):
        return self.head(embeddings[history[:, -1]]) @ embeddings.T


class Mistakes(Judge):
    """The share of all other items that score above the target."""

    def __call__(self, score, sequences, items, device):
        slots = torch.from_numpy(sequences.padded(np.arange(len(sequences)), 11)).to(device)
        scores = score(slots[:, :-1])[:, 1:]
        wanted = scores.gather(1, slots[:, -1:] - 1)
        return ((scores > wanted).sum(1).double() / max(items - 1, 1)).cpu().numpy()


class Taste(Task):
    """What a user takes next, given the last item alone."""

    metrics = (Metric(name="Error", better="less"),)
    primary = "Error"
    slices_are = "Short: fewer than eight interactions; long: more."

    def split(self, interactions, n_items, max_length):
        return prepare(interactions, n_items, max_length, min_length=3)

    def batches(self, dataset, size, seed):
        return AllPairs(dataset.train, size, seed)

    def head(self):
        return nn.Linear(self.settings.head.width, self.settings.head.width)

    def recommender(self, item_encoder, head, dataset):
        return LastItem(item_encoder, head)

    def judge(self):
        return Mistakes()

    def slices(self, dataset):
        short = dataset.test.stops - dataset.test.starts < 8
        return {"short": short, "long": ~short}
'''
METHODS = ["bitfit", "frozen"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study's directory, run with a task of which the package knows nothing."""
    place = tmp_path_factory.mktemp("taste")
    (place / "taste.py").write_text(OUTSIDE)
    study = Study.model_validate(
        {
            "task": f"{place / 'taste.py'}:Taste",
            "methods": [*METHODS, "popularity"],
            "datasets": ["bazaar:items=60,users=40"],
            "training": {"epochs": 4, "batch": 16, "learning_rate_scale": 5.0},
            "references": False,
            "device": "cpu",
        }
    )
    before = sys.path.copy()
    assert run_study(study, Request(place / "out", strict=True)) == 0
    yield place / "out"
    sys.path[:] = before
    registry._registry._classes.pop("taste:Taste")
    del sys.modules["taste"]


@pytest.fixture(scope="module")
def records(ran: Path) -> list[Record]:
    return load_records(ran)


def test_its_records_say_what_it_is_judged_by(records: list[Record]) -> None:
    assert {record.cell.method for record in records} == {*METHODS, "popularity"}
    for record in records:
        assert (record.status, record.cell.task, record.primary_metric) == ("ok", "taste:Taste", "Error")
        assert record.accuracy is not None
        assert list(record.accuracy.test.metrics) == ["Error"]
        assert list(record.accuracy.slices) == ["short", "long"]
        users = record.accuracy.test.users
        assert sum(part.users for part in record.accuracy.slices.values()) == users > 20


def test_the_best_epoch_is_the_one_with_the_least_of_what_less_is_better_of(ran: Path, records: list[Record]) -> None:
    trained = [record for record in records if record.cell.method in METHODS]
    for record in trained:
        assert record.accuracy is not None
        valid = [epoch.valid["Error"] for epoch in record.time.epochs]
        assert record.accuracy.best_epoch == 1 + int(np.argmin(valid)) and len(set(valid)) > 1
        assert record.accuracy.valid.metrics["Error"] == min(valid)
        kept = np.load(ranks_path(ran, record.cell_id))
        assert record.accuracy.test.metrics["Error"] == pytest.approx(kept.mean())
        assert record.parameters is not None and record.parameters.parts["head"] == (64 * 65, 64 * 65)
        assert record.memory is not None and record.memory.peak


def test_its_report_shows_its_own_metric_and_slices_alone(ran: Path, tmp_path: Path) -> None:
    write_report([ran], ReportOptions(formats=("md", "html"), reference="frozen", output=tmp_path, disturbed=True))
    for page in ("report.md", "report.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "HR@" not in text and "NDCG" not in text
        assert "the Error of frozen (" in text and "Short: fewer than eight interactions; long: more." in text
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| method | against frozen | family | Error | T (s)" in text
    assert "Error short" in text and "Error long" in text and "Verdict on Error" in text
    assert "taste:Taste" in text and "could not be made" not in text


def test_it_is_compared_and_measured_by_its_own_metric(ran: Path, tmp_path: Path) -> None:
    found = [finding for finding in compare(ran, ran) if finding.kind == "metric"]
    assert {(finding.number, finding.verdict) for finding in found} == {("Error", "same")}
    run = measure(ran)
    assert all(list(case.accuracy) == case.less_is_better == ["Error"] for case in run.cases)
    run.save(tmp_path / "baseline.json")


def test_a_changed_task_leaves_stale_records(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task, asked = registry.find_task("taste:Taste"), (find_method("frozen"), source_class("bazaar"))
    before = digests.code_of(*asked, task)
    assert before.training != digests.code_of(*asked, Sequential).training == digests.code_of(*asked).training
    source = ran.parent / "taste.py"
    source.write_text(OUTSIDE.replace("min_length=3", "min_length=4"))
    after = digests.code_of(*asked, task)
    source.write_text(OUTSIDE)
    assert before.method == after.method and before.training != after.training


def test_a_cell_of_the_task_that_always_was_keeps_its_id() -> None:
    known = {"method": "lora", "dataset": "bazaar", "backbones": BackboneChoice(text="micro", image="micro")}
    one = Cell.model_validate(known)
    assert one.task == Sequential.name == "sequential" and "task" not in one.identity()
    assert Cell.model_validate({**known, "task": "taste:Taste"}).id != one.id


def test_a_task_that_is_nothing_of_the_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BenchError, match=r"task.*'sequental'.*sequential"):
        registry.find_task("sequental")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("broken_task.py").write_text(
        "from tpmebench.bench.tasks.task import Task\n\n\nclass Half(Task):\n    pass\n\n\nclass Other:\n    pass\n"
    )
    with pytest.raises(BenchError, match=r"task 'broken_task:Half' is abstract: batches, head, judge"):
        registry.find_task("broken_task:Half")
    with pytest.raises(BenchError, match=r"task 'broken_task:Other' is no subclass of tpmebench.bench.tasks.task.Task"):
        registry.find_task("./broken_task.py:Other")
    wrong: type[Task] = type("Wrong", (Sequential,), {"primary": "HR@3"})
    with pytest.raises(BenchError, match="task 'wrong': its primary metric HR@3 is not one of its metrics"):
        registry.register("wrong", wrong)


def test_a_judge_that_gives_no_shares_is_an_error() -> None:
    task: type[Task] = type("Off", (Sequential,), {"metrics": (Metric(name="Sum"),), "primary": "Sum", "name": "off"})
    with pytest.raises(BenchError, match=r"task 'off': Sum is 2\.5; its judge should give each user 0 to 1"):
        task(Study()).measure(np.array([2.0, 3.0]))
