"""A report of a run with its plan beside it: the errors row by row, and nothing planned in any other table."""

from pathlib import Path

import pandas as pd
import pytest

from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.epochs import mean_epoch
from tpmebench.reports.analysis.planned import set_apart
from tpmebench.reports.analysis.results import Result, load
from tpmebench.reports.measurements import Plan
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report
from tpmebench.reports.tables.planned import planned_table
from tpmebench.reports.tables.table import Table


def plan_of(record: Record, **sizes: float) -> Record:
    """What a plan of a record's cell leaves: no times, no accuracy, random weights; `sizes` by which it is off."""
    cell = record.cell.model_copy(
        update={"costs": True, "backbones": record.cell.backbones.model_copy(update={"weights": "random"})}
    )
    gone = {"accuracy": None, "time": {}, "environment": {}, "cell": cell.model_dump(), "cell_id": cell.id}
    plan = Record.model_validate(record.model_dump() | gone | {"plan": Plan().model_dump()})
    assert plan.parameters is not None
    plan.parameters.trainable = round(plan.parameters.trainable * sizes.get("parameters", 1))
    return plan


def test_each_row_has_its_plan_beside_it_and_how_far_off_it_was(make_record) -> None:
    run = [make_record(method, seed=seed) for method in ("fft", "lora") for seed in range(2)]
    plan = [plan_of(run[0]), plan_of(run[2], parameters=1.1), plan_of(make_record("adapter"))]
    measured, planned = set_apart([Result(record) for record in (*run, *plan)])
    assert [result.record for result in measured] == run
    assert planned is not None
    [comparison] = compare(measured)
    table = planned_table(comparison, planned)
    assert table is not None
    assert list(table.frame.index) == ["fft", "lora"]
    assert table.frame["parameters difference"].tolist() == pytest.approx([0, 0.1], abs=1e-3)
    assert table.frame["operations difference"].tolist() == table.frame["training difference"].tolist() == [0, 0]
    assert planned.unmatched == ["Planned, and measured in no row with the same settings: adapter."]


def test_nothing_planned_is_in_another_table(make_record, write_study, tmp_path: Path, undrawn) -> None:
    run = [make_record(method) for method in ("fft", "lora")]
    write_study(tmp_path / "run", run)
    for record in run:
        plan_of(record).save(tmp_path / "plan")
    options = ReportOptions(("md",), output=tmp_path / "out")
    write_report([tmp_path / "run"], options)
    alone = (tmp_path / "out" / "report.md").read_text()
    write_report([tmp_path / "run", tmp_path / "plan"], options)
    both = (tmp_path / "out" / "report.md").read_text()
    begin = both.index("Planned and measured")
    assert "Planned and measured" not in alone
    added = [line for line in both.splitlines() if line not in alone.splitlines()]
    assert {line for line in added if line.startswith("|")} <= set(both[begin:].splitlines())
    assert [line for line in alone.splitlines() if line not in both.splitlines()] == []


def test_a_plan_and_a_run_of_one_cell_are_two_and_never_compared(make_record, write_study, tmp_path: Path) -> None:
    planned = plan_of(make_record("fft"))
    planned.save(tmp_path / "plan")
    write_study(tmp_path / "run", [Record.model_validate(planned.model_dump() | {"plan": None})])
    results = load([tmp_path / "run", tmp_path / "plan"])
    assert sorted(result.record.plan is not None for result in results) == [False, True]
    assert len(compare(results)) == 2


def beside(run: Record, plan: Record) -> Table | None:
    measured, planned = set_apart([Result(run), Result(plan)])
    assert planned is not None
    return planned_table(compare(measured)[0], planned)


def notes(run: Record, plan: Record) -> str:
    table = beside(run, plan)
    assert table is not None
    return " ".join(table.notes)


def test_a_difference_of_one_is_not_rounded_away(make_record) -> None:
    run = make_record("iisan")
    off = plan_of(run)
    assert off.parameters is not None
    off.parameters.trainable += 1
    assert "Not equal to the last digit: parameters of iisan (+1)." in notes(run, off)
    assert "equal to the last digit wherever" in notes(run, plan_of(run))


def test_other_data_of_the_same_name_are_not_set_beside(make_record) -> None:
    run, other = (make_record("iisan", dataset="shop", dataset_fingerprint=letter * 64) for letter in "ab")
    assert beside(run, plan_of(run)) is not None
    assert beside(run, plan_of(other)) is None


def test_a_cards_peak_is_compared_and_said_to_hold_more(make_record) -> None:
    run = make_record("iisan")
    assert "allocator" not in notes(run, plan_of(run))
    card = run.model_copy(deep=True)
    assert card.memory is not None and card.memory.training is not None
    card.memory.origin, card.memory.training.allocated = "cuda-allocated", 2 * (run.memory.peak or 0)
    table = beside(card, plan_of(run))
    assert table is not None
    assert table.frame["training difference"].tolist() == [-0.5]
    assert "workspaces" in " ".join(table.notes)


def test_another_seed_than_the_plans_is_said(make_record) -> None:
    plan = plan_of(make_record("iisan"))
    assert "plan's seed was measured of iisan" in notes(make_record("iisan", seed=3), plan)
    assert "plan's seed" not in notes(make_record("iisan"), plan)


def test_planned_seconds_stand_beside_those_of_the_same_machine_alone(make_record) -> None:
    run = make_record("iisan")
    measured = mean_epoch(run, lambda epoch: epoch.total)
    assert measured
    there = run.environment

    def planned(processor: str, threads: int) -> Table:
        plan = plan_of(run)
        times = {"seconds": 1.5 * measured, "seconds_error": 0.6, "processor": processor, "threads": threads}
        plan.plan = Plan.model_validate(times)
        table = beside(run, plan)
        assert table is not None
        return table

    same = planned(there.cpu, there.threads)
    assert same.frame["epoch difference"].tolist() == pytest.approx([0.5])
    assert "planned ± 60%" in " ".join(same.notes)
    assert any(column.key == "epoch planned" for column in same.columns)
    for other in (planned("another", there.threads), planned(there.cpu, there.threads + 1)):
        assert not any(column.key.startswith("epoch") for column in other.columns)
        assert other.frame["epoch planned"].isna().all()


def test_a_plan_alone_is_headed_planned_and_marked_in_the_data(make_record, tmp_path: Path, undrawn) -> None:
    for method in ("fft", "lora"):
        plan_of(make_record(method)).save(tmp_path)
    write_report([tmp_path], ReportOptions(("md", "csv")))
    assert (tmp_path / "report.md").read_text().partition("\n")[0].endswith(", planned")
    table = pd.read_csv(tmp_path / "records.csv")
    assert table["planned"].tolist() == [True, True]
