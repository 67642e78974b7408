"""`bench tune`: which settings are tried, and that its records are all that it knows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tpmebench.bench.study import digests
from tpmebench.bench.study.asked import Asked
from tpmebench.bench.study.grid import Planned
from tpmebench.bench.study.study import Study
from tpmebench.bench.study.tuning import SEARCH_SEED, Tuning, points
from tpmebench.bench.study.variants import Variant
from tpmebench.errors import BenchError
from tpmebench.methods.registry import methods
from tpmebench.ranges import RATES, Choice, Log
from tpmebench.reports.records import Record, Slice

MADE = '''
from tpmebench.methods.embedded.bitfit import BitFit
from tpmebench.methods.method import Options


class Settings(Options):
    head_lr: int = 1


class Made(BitFit):
    """Says nothing of a search, and has an option that is called as a rate is."""

    options = Settings
'''


def study(*names: str, **values: Any) -> Study:
    return Study.model_validate({"methods": list(names), "references": False, "device": "cpu", **values})


def tried(name: str, **values: Any) -> list[Asked]:
    return points(study(name, **values), Variant.read(name))


def settings(point: Asked) -> dict[str, Any]:
    return {**point.settled.options, **point.settled.rates}


def ended(planned: Planned) -> bool:
    return planned.status is not None


def test_a_rate_is_drawn_evenly_over_its_logarithm_with_two_digits():
    rates = Log(0.3, 30.0)
    assert [rates.at(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0.3, 0.95, 3.0, 9.5, 30.0]
    assert Log(6e-5, 6e-3).at(0.123) == 0.00011


def test_a_choice_is_drawn_as_often_as_the_others():
    assert [Choice((4, 8, 16)).at(share) for share in (0.0, 0.33, 0.34, 0.66, 0.67, 0.999, 1.0)] == [
        4,
        4,
        8,
        8,
        16,
        16,
        16,
    ]


@pytest.mark.parametrize("name", [name for name, method in methods().items() if method.kind == "method"])
def test_of_every_method_as_many_settings_are_tried_itself_first(name: str):
    found = tried(name, points=16)
    assert len(found) == 16
    assert found[0].settled == Variant(name).settled()
    assert len({str(settings(point)) for point in found}) == 16
    assert {point.search for point in found} == {tuple(sorted(methods()[name].search))}
    assert [point.point for point in found] == list(range(1, 17))
    assert methods()[name].search.keys() >= RATES.keys()
    drawn = [settings(point) for point in found[1:]]
    for key, over in methods()[name].search.items():
        values = {str(point.get(key)) for point in drawn}
        assert len(values) >= (8 if isinstance(over, Log) else 2), (key, values)


def test_a_shorter_search_is_the_beginning_of_a_longer_one():
    assert tried("lora", points=5) == tried("lora", points=16)[:5]


def test_the_settings_tried_are_the_same_today_as_when_a_search_began():
    """Another sequence would go on with other settings than those whose records are there."""
    given = [dict(point.settled.rates) for point in tried("fft", points=4)]
    assert given == [
        {},
        {"learning_rate_scale": 2.0, "head_lr": 0.0051},
        {"learning_rate_scale": 8.3, "head_lr": 9.8e-05},
        {"learning_rate_scale": 19.0, "head_lr": 0.00068},
    ]


def test_settings_that_come_to_the_same_count_once_and_a_space_may_be_exhausted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(methods()["lora"], "search", {"r": Choice((4, 8)), "dropout": Choice((0.0, 0.1))})
    found = tried("lora", points=20)
    assert [settings(found[0])[key] for key in ("r", "dropout")] == [8, 0.0]
    assert {(settings(point)["r"], settings(point)["dropout"]) for point in found} == {
        *((4, 0.0), (4, 0.1), (8, 0.0), (8, 0.1))
    }
    assert len(found) == 4


def test_what_a_study_says_of_a_method_is_not_searched():
    values = {"rates": {"lora": {"head": 1e-3}}, "options": {"lora": {"dropout": 0.1}}}
    found = tried("lora:r=2", **values)
    assert {point.search for point in found} == {("learning_rate_scale",)}
    assert {(settings(p)["r"], settings(p)["head_lr"], settings(p)["dropout"]) for p in found} == {(2, 1e-3, 0.1)}


def test_a_method_from_outside_has_the_rates_to_be_searched(tmp_path: Path):
    (tmp_path / "made_elsewhere.py").write_text(MADE)
    found = tried(f"{tmp_path}/made_elsewhere.py:Made", points=4)
    assert len(found) == 4
    assert {point.search for point in found} == {("learning_rate_scale",)}, "its option is no rate"


def test_a_ranking_that_trains_nothing_has_no_search():
    assert [(point.search, point.point) for point in tried("content-knn")] == [((), 0)]


def test_what_may_be_tried_is_no_part_of_a_methods_code(tmp_path: Path):
    source = tmp_path / "made.py"
    source.write_text("class A:\n    search = {'r': 1}\n    other = 2\n")
    first = digests._source_digest(source, (1, 1))
    source.write_text("class A:\n    other = 2\n")
    assert digests._source_digest(source, (2, 2)) == first
    source.write_text("class A:\n    other = 3\n")
    assert digests._source_digest(source, (3, 3)) != first


def test_a_search_and_a_sweep_are_not_asked_for_at_once():
    with pytest.raises(BenchError, match="leave it out, or use bench run"):
        Tuning(study("lora", sweep={"lora": {"r": [4]}}), "1")


def test_too_many_points_are_refused_before_one_is_made(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tpmebench.bench.study.tuning.ask", lambda *_: pytest.fail("makes a point"))
    names = [f"lora:r={r}" for r in range(1, 102)]
    with pytest.raises(BenchError, match="points: they make 101000 cells"):
        Tuning(study(*names, points=1000), "1")
    few = ["mica:learning_rate_scale=1,head_lr=2e-4", "popularity"]  # itself, 4 ranks by 2 dropouts; itself
    with pytest.raises(BenchError, match="points: they make 100010 cells"):
        Tuning(study(*names[1:], *few, points=1000), "1")


Make = Callable[..., Record]


def leave(planned: Planned, directory: Path, make_record: Make, valid: float, test: float) -> None:
    """The record of a cell that has ended."""
    whole = make_record(planned.cell.method)
    accuracy = whole.accuracy
    assert accuracy is not None
    parts = {name: Slice(users=100, metrics=dict.fromkeys(accuracy.test.metrics, value)) for name, value in
             (("valid", valid), ("test", test))}  # fmt: skip
    record = whole.model_copy(
        update={"cell": planned.cell, "cell_id": planned.id, "accuracy": accuracy.model_copy(update=parts)}
    )
    record.save(directory)


def test_what_each_search_chose_runs_on_all_seeds_once_all_of_its_points_have_ended(tmp_path: Path, make_record: Make):
    tuning = Tuning(study("lora", "fft", "popularity", "random", points=3, seeds=2), "0.1.0")
    cells = tuning.plan(tmp_path, ended)
    searched = [each for each in cells if each.cell.search]
    assert [each.cell.method for each in searched] == ["lora", "fft"] * 3, "methods take turns"
    assert {each.cell.seed for each in searched} == {SEARCH_SEED}
    others = [(each.cell.method, each.cell.seed) for each in cells if not each.cell.search]
    assert others == [("popularity", 0), ("random", 0), ("random", 1)]
    assert "then 4 more" in tuning.outlook(cells)

    valid = {"lora": [0.1, 0.3, 0.2], "fft": [0.3, 0.1, 0.2]}
    of_lora = [each for each in searched if each.cell.method == "lora"]
    for planned, reached in zip(of_lora[:2], valid["lora"], strict=False):
        leave(planned, tmp_path, make_record, reached, 1 - reached)
    assert [each.id for each in tuning.plan(tmp_path, ended)] == [each.id for each in cells], "one is to come"
    leave(of_lora[2], tmp_path, make_record, valid["lora"][2], 1 - valid["lora"][2])

    cells = tuning.plan(tmp_path, ended)
    runs = [each for each in cells if not each.cell.search and each.cell.method == "lora"]
    assert [each.cell.seed for each in runs] == [0, 1]
    assert [(each.cell.options, each.cell.rates) for each in runs] == [
        (of_lora[1].cell.options, of_lora[1].cell.rates)
    ] * 2
    assert "then 2 more" in tuning.outlook(cells)
    for planned, reached in zip([e for e in searched if e.cell.method == "fft"], valid["fft"], strict=True):
        leave(planned, tmp_path, make_record, reached, 1 - reached)
    cells = tuning.plan(tmp_path, ended)
    assert {each.cell.method for each in cells if each.status is None} == {"lora", "fft", "popularity", "random"}
    assert [each.cell.rates for each in cells if each.cell.method == "fft" and not each.cell.search] == [{}, {}]
    assert tuning.outlook(cells) == ""
    again = Tuning(study("lora", "fft", "popularity", "random", points=3, seeds=2), "0.1.0")
    assert [each.id for each in again.plan(tmp_path, ended)] == [each.id for each in cells], "records are all its state"


def test_each_dataset_is_searched_by_itself(tmp_path: Path, make_record: Make):
    datasets = ["bazaar:items=60,users=40", "bazaar:items=60,users=40,seed=1"]
    tuning = Tuning(study("fft", points=2, datasets=datasets), "0.1.0")
    searched = tuning.plan(tmp_path, ended)
    for planned, reached in zip(searched, (0.1, 0.2, 0.2, 0.1), strict=True):
        leave(planned, tmp_path, make_record, reached, 0.5)
    chosen = [each for each in tuning.plan(tmp_path, ended) if not each.cell.search]
    assert [(each.cell.dataset, each.cell.rates) for each in chosen] == [
        (searched[1].cell.dataset, searched[1].cell.rates),
        (searched[2].cell.dataset, {}),
    ]
