"""The baseline's file: several machines in one, older files, and slips of the hand that are named."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bounds import bounded
from hypothesis import given
from schemas import mutated

from tpmebench.bench.guard import baseline as baselines
from tpmebench.bench.guard import measured as measuring
from tpmebench.bench.guard.baseline import Baseline, Case, Machine, Timing
from tpmebench.bench.guard.check import check
from tpmebench.bench.guard.renewal import renew
from tpmebench.errors import BenchError
from tpmebench.reports.records import Record

HERE, THERE = "A processor, 2 cores, torch 2", "Another processor, 8 cores, torch 2"


def case(method: str = "lora", parameters: int = 100, machine: str = HERE, **changed: Any) -> Case:
    settings = {"method": method, "device": "cpu", "dataset": "bazaar"}
    whole: dict[str, Any] = {
        "name": method,
        "settings": settings,
        "exact": {"trainable parameters": [parameters]},
        "times": {machine: Timing(runs={"0/0": [1.0, 1.1], "0/1": [1.0, 1.2]})},
        "accuracy": {"HR@10": [0.1], "NDCG@10": [0.05]},
        "users": 50,
    }
    return Case(**(whole | changed))


def baseline(*cases: Case, machine: str = HERE, **changed: Any) -> Baseline:
    machines = {machine: Machine(made="2026-01-01")}
    whole: dict[str, Any] = {"source": "study ci", "reference": "fft", "machines": machines, "cases": list(cases)}
    return Baseline(**(whole | changed))


def test_a_new_machine_is_added_and_the_others_stay(tmp_path: Path) -> None:
    known = baseline(case("fft"), case("lora"))
    run = baseline(case("fft", machine=THERE), case("lora", machine=THERE), machine=THERE)
    both, words = renew(run, known)
    assert words == []
    assert list(both.machines) == [HERE, THERE]
    assert both.latest == THERE
    assert all(set(one.times) == {HERE, THERE} for one in both.cases)
    assert both.settings == {"device": "cpu", "dataset": "bazaar"}
    both.save(tmp_path / "both.json")
    assert baselines.read(tmp_path / "both.json") == both


def test_a_machine_that_is_known_is_measured_anew() -> None:
    again, _ = renew(baseline(case(times={HERE: Timing(runs={"0/0": [5.0]})})), baseline(case()))
    assert again.cases[0].times == {HERE: Timing(runs={"0/0": [5.0]})}


def test_other_machines_times_of_a_method_that_costs_something_else_are_dropped_and_said() -> None:
    run = baseline(case("fft", machine=THERE), case("lora", 200, machine=THERE), machine=THERE)
    both, words = renew(run, baseline(case("fft"), case("lora")))
    assert [set(one.times) for one in both.cases] == [{HERE, THERE}, {THERE}]
    assert words == [
        f"times of lora on {HERE} were dropped: they cost something else now; run it there again",
    ]
    only, _ = renew(baseline(case("lora", 200, machine=THERE), machine=THERE), baseline(case("lora")))
    assert list(only.machines) == [THERE]


def test_methods_that_are_gone_go_but_not_those_of_another_device() -> None:
    card = case("lora", settings={"method": "lora", "device": "cuda", "dataset": "bazaar"}, machine=THERE)
    known = baseline(case("lora"), case("bitfit"), machines={HERE: Machine(), THERE: Machine()})
    known, _ = renew(baseline(card, machine=THERE), known)
    assert [known.full(one)["device"] for one in known.cases] == ["cuda", "cpu", "cpu"]
    renewed, _ = renew(baseline(case("lora")), known)
    assert [(one.name, renewed.full(one)["method"]) for one in renewed.cases] == [
        ("lora (device=cpu)", "lora"),
        ("lora (device=cuda)", "lora"),
    ]
    assert [(f.case, f.number) for f in check(baseline(case("lora")), known) if f.verdict == "missing"] == [
        ("bitfit (device=cpu)", "cell")
    ]


def test_tolerances_and_reference_are_kept() -> None:
    known = baseline(case(), reference="lora", tolerances=baselines.Tolerances(time=0.5))
    renewed, _ = renew(baseline(case()), known)
    assert (renewed.reference, renewed.tolerances.time) == ("lora", 0.5)


def content() -> dict[str, Any]:
    return json.loads(baseline(case("fft"), case("lora")).model_dump_json(exclude_none=True))


def put(*keys: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(whole: dict[str, Any]) -> None:
        place: Any = whole
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (put("cases", 0, "exact", "trainable parameters", value=[1, 2]), "cases.0.exact.trainable parameters: 2 numb"),
        (put("cases", 1, "accuracy", "HR@10", value=[]), "cases.1.accuracy.HR@10: 0 numbers for 1 seeds"),
        (put("cases", 1, "accuracy", value={"HR@10": [0.1]}), "cases.1.accuracy.NDCG@10: missing"),
        (put("cases", 1, "accuracy", "HR@10", value=[1.5]), "cases.1.accuracy.HR@10.0"),
        (put("cases", 1, "accuracy", "HR@10", value=[float("nan")]), "cases.1.accuracy.HR@10.0"),
        (put("cases", 1, "users", value=0), "cases.1.users: must be above 0"),
        (put("cases", 1, "users", value=-5), "cases.1.users"),
        (put("cases", 0, "exact", "trainable parameters", value=[-1]), "cases.0.exact.trainable parameters.0"),
        (put("cases", 0, "exact", "trainable parameters", value=[10**30]), "cases.0.exact.trainable parameters.0"),
        (put("cases", 0, "seeds", value=[-1]), "cases.0.seeds.0"),
        (put("cases", 0, "seeds", value=[0, 0]), r"cases.0.seeds: \[0, 0\] names one twice"),
        (put("cases", 0, "times", HERE, "runs", "0/0", value=[0.0]), "runs.0/0.0: .*greater than 0"),
        (put("cases", 0, "times", HERE, "runs", "0/0", value=[float("inf")]), "runs.0/0.0"),
        (put("cases", 0, "times", HERE, "runs", "0/0", value=[1e300]), "runs.0/0.0"),
        (put("cases", 0, "times", HERE, "runs", "0/0", value=[]), "runs.0/0"),
        (put("cases", 0, "times", HERE, "runs", "first", value=[1.0]), "runs.first"),
        (put("cases", 0, "times", "unknown", value={}), "cases.0.times.unknown: not one of 'machines'"),
        (put("cases", 0, "name", value="lora"), "cases.1.name: 'lora' stands twice"),
        (put("cases", 0, "name", value=""), "cases.0.name"),
        (put("cases", value=[]), "cases: "),
        (put("cases", value=3), "cases: "),
        (put("cases", 1, "settings", "method", value=3), "cases.1.settings.method: a text"),
        (put("cases", 1, "settings", value={}), "cases.1.settings.method: a text"),
        (put("source", value="pytest-benchmark"), "cases.0.settings: a benchmark has none"),
        (put("tolerances", "time", value=-1), "tolerances.time"),
        (put("tolerances", "time", value=float("nan")), "tolerances.time"),
        (put("tolerances", "deviations", value=0), "tolerances.deviations"),
        (put("reference", value=""), "reference"),
        (put("misspelt", value=1), "misspelt"),
        (put("schema_version", value=99), "schema_version 99 is newer"),
    ],
)
def test_a_slip_of_the_hand_is_named_with_its_field(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], named: str
) -> None:
    whole = content()
    file = tmp_path / "demo.json"
    file.write_text(json.dumps(whole))
    baselines.read(file)
    change(whole)
    file.write_text(json.dumps(whole))
    with pytest.raises(BenchError, match=rf"demo\.json: .*{named}"):
        baselines.read(file)


@pytest.mark.parametrize("text", ["", "{", '{"made": 1}', "[]", "null", "\xff", "[" * 100_000])
def test_a_broken_baseline_names_itself(tmp_path: Path, text: str) -> None:
    (tmp_path / "demo.json").write_text(text, encoding="latin-1")
    with pytest.raises(BenchError, match=r"demo\.json"):
        baselines.read(tmp_path / "demo.json")


@given(mutated(Baseline, content()))
def test_whatever_stands_in_a_baseline_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    file = tmp_path_factory.getbasetemp() / "demo.json"
    file.write_text(json.dumps(values, default=str), "utf-8")
    run = baseline(case("fft"), case("lora"))
    with bounded("demo.json"):
        known = baselines.read(file)
        check(run, known)
        renewed, _ = renew(run, known)
        renewed.save(file)
        assert baselines.read(file) == renewed


def old_file() -> dict[str, Any]:
    """As version 0.1 wrote it: one machine, times as lists in order of seed and repeat."""
    return {
        "schema_version": 1,
        "made": "2026-01-01",
        "source": "study ci",
        "machine": "A processor, 2 cores, 2 threads",
        "busy": True,
        "reference": "fft",
        "settings": {"dataset": "bazaar", "device": "cpu"},
        "cases": [
            {
                "name": method,
                "settings": {"method": method},
                "seeds": [0],
                "exact": {"trainable parameters": [100]},
                "times": times,
                "accuracy": {"HR@10": [0.1], "NDCG@10": [0.05]},
                "users": 50,
            }
            for method, times in (("fft", [[1.0, 1.1], [1.0, 1.2]]), ("lora", []))
        ],
    }


def test_an_older_file_is_read_and_its_machine_is_one_without_torch(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    file.write_text(json.dumps(old_file()))
    known = baselines.read(file)
    machine = "A processor, 2 cores, 2 threads"
    assert known.machines == {machine: Machine(made="2026-01-01", busy=True)}
    assert known.cases[0].times == {machine: Timing(runs={"0/0": [1.0, 1.1], "1/0": [1.0, 1.2]})}
    assert known.cases[1].times == {}
    found = check(baseline(case("fft"), case("lora", 101)), known)
    assert [(f.case, f.number) for f in found if f.verdict == "worse"] == [("lora", "trainable parameters")]
    unjudged = {f.case: f.why for f in found if f.verdict == "not judged"}
    assert unjudged["lora"] == "no timed epoch in the baseline"
    for key in ("machine", "cases"):
        broken = old_file()
        broken[key] = 3
        file.write_text(json.dumps(broken))
        with pytest.raises(BenchError, match=r"old\.json: "):
            baselines.read(file)


def test_settings_of_an_older_file_are_called_as_today(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    old = old_file()
    old["settings"] |= {"training.width": 64, "training.batch": 32}
    old["cases"][0]["settings"] |= {"training.repeat_targets": "miss"}
    file.write_text(json.dumps(old))
    known = baselines.read(file)
    assert known.settings == {"dataset": "bazaar", "device": "cpu", "head.width": 64, "training.batch": 32}
    assert known.cases[0].settings == {"method": "fft", "evaluation.repeat_targets": "miss"}


def test_the_shipped_baseline_is_read() -> None:
    shipped = baselines.read(Path(__file__).parents[2] / "baselines" / "demo.json")
    assert {shipped.full(one)["method"] for one in shipped.cases} >= {"fft", "lora", "iisan-cached"}


def test_an_impossible_record_is_named(make_record: Callable[..., Record]) -> None:
    def refused(change: Callable[[Record], None], named: str) -> None:
        one = copy.deepcopy(make_record("lora"))
        change(one)
        with pytest.raises(BenchError, match=named):
            measuring.from_records([one])

    def no_time(one: Record) -> None:
        for epoch in one.time.epochs:
            epoch.total = 0.0

    def many(one: Record) -> None:
        assert one.parameters
        one.parameters.trainable = 10**30

    def no_metric(one: Record) -> None:
        assert one.accuracy
        del one.accuracy.test.metrics["NDCG@10"]

    cell = make_record("lora").cell_id
    refused(no_time, rf"records of lora \({cell}\): times\..*greater than 0")
    refused(many, rf"records of lora \({cell}\): exact\.trainable parameters")
    refused(no_metric, f"record {cell}: accuracy.test.metrics: no NDCG@10")
