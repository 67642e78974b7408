"""Planned times on the way from a calibration to the plan's table and records."""

from pathlib import Path

import pytest
import torch

from tpmebench.bench.planning import times
from tpmebench.bench.planning.calibrate import Bench
from tpmebench.bench.planning.calibration import Calibration, Data, Machine, Sample, calibration_path
from tpmebench.bench.planning.session import plan_study
from tpmebench.bench.planning.work import WorkMode
from tpmebench.bench.study.study import read_study
from tpmebench.errors import BenchError
from tpmebench.reports.analysis.cells import row
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Plan, Record


def measured(wanted: list[WorkMode], bench: Bench) -> Calibration:
    """Every operator takes a millisecond, and data nothing."""
    operators = {operator for mode in wanted for operator in mode.work.operators}
    samples = [Sample.of(operator, 1e-3) for operator in operators]
    return Calibration(
        machine=Machine.here(bench.device), measured="2026-11-27", matrix_rate=1e9, copy_rate=1e9, samples=samples,
        data=Data(batch=1.0),
    )  # fmt: skip


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TPMEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(times, "calibrate", measured)
    what = {"methods": "iisan-cached", "datasets": ["bazaar:items=60,users=40"], "backbones": ["micro"]}
    study = read_study(None, what, ["training.batch=20", f"threads={torch.get_num_threads()}", "references=false"])

    def run(name: str, calibrated: bool = False) -> Record:
        assert plan_study(study, tmp_path / name, calibrated=calibrated) == 0
        (record,) = load_records(tmp_path / name)
        return record

    return run


def plan_of(record: Record) -> Plan:
    assert record.plan is not None
    return record.plan


def test_an_epoch_is_its_steps_and_their_data(planned, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan_of(planned("uncalibrated")).seconds is None
    assert "no times: bench plan --calibrate" in capsys.readouterr().out
    record = planned("calibrated", calibrated=True)
    plan, said = plan_of(record), capsys.readouterr().out
    assert plan.seconds is not None
    launches = (plan.seconds / plan.steps - 1.0) / 1e-3
    assert launches == pytest.approx(round(launches))
    assert 100 < launches < 2000
    assert plan.seconds_measured == 1.0
    assert plan.seconds_error
    assert "an epoch is planned, ±" in said
    assert row(record)["time"] == plan.seconds
    assert plan_of(planned("kept")).seconds == plan.seconds


def test_a_damaged_calibration_is_said_before_the_work_and_measured_anew(planned) -> None:
    path = calibration_path(Machine.here())
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(BenchError, match="not valid JSON"):
        planned("one")
    assert plan_of(planned("two", calibrated=True)).seconds
