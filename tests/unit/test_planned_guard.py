"""`bench check --plan`: what a study is planned to cost, held against what it was planned to."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tpmebench.bench.cli import app
from tpmebench.bench.console import Screen
from tpmebench.bench.guard.baseline import read
from tpmebench.bench.guard.check import run_check
from tpmebench.bench.guard.findings import Finding
from tpmebench.bench.guard.planned import run_plan_check
from tpmebench.bench.planning import session
from tpmebench.bench.planning.fake import Stock
from tpmebench.bench.planning.forecast import Beside, Forecast, NoForecast, forecast
from tpmebench.bench.study.schema import Study
from tpmebench.bench.worker.places import Places
from tpmebench.cell import Cell
from tpmebench.errors import BenchError
from tpmebench.methods.embedded import bitfit

DATA = "stated:users=8,items=20,words=6"
METHODS = ["adapter", "bitfit", "shira"]
"""The last has no forecast."""


def shop(**values: object) -> Study:
    about = {"name": "shop", "methods": METHODS, "references": False, "modalities": "text", "datasets": [DATA]}
    return Study.model_validate(about | values)


@pytest.fixture(scope="module", autouse=True)
def remembered() -> Iterator[None]:
    """Each plan is made once, but for one that is planted."""
    known: dict[str, Forecast | NoForecast] = {}

    def once(stock: Stock, cell: Cell, places: Places, wanted: Beside) -> Forecast | NoForecast:
        key = f"{cell.id} {wanted} {bitfit._biases.__name__ if cell.method == 'bitfit' else ''}"
        if key not in known:
            known[key] = forecast(stock, cell, places, wanted)
        return known[key]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session, "forecast", once)
        yield


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    assert run_plan_check(shop(), path, True, Screen(stderr=True))[0] == 0
    return path


def found(study: Study, baseline: Path) -> list[Finding]:
    status, outcome = run_plan_check(study, baseline, False, Screen(stderr=True))
    assert status == int(bool(outcome.failed))
    assert any("No forecast of" in note for note in outcome.notes)
    return list(outcome.findings)


def test_the_same_plan_again_is_the_same(baseline: Path) -> None:
    again = found(shop(), baseline)
    assert {one.verdict for one in again} == {"same"}
    assert {one.case for one in again} == {"adapter", "bitfit"}
    assert {"trainable parameters", "forward operations", "training memory"} <= {one.number for one in again}
    known = read(baseline)
    assert (known.of_plans, known.machines) == (True, {})
    assert (known.tolerances.operations, known.tolerances.memory) == (0, 0)


def test_another_bottleneck_is_found(baseline: Path) -> None:
    wider = found(shop(options={"adapter": {"bottleneck": 128}}), baseline)
    worse = {(one.case, one.number) for one in wider if one.verdict == "worse"}
    assert {("adapter", "trainable parameters"), ("adapter", "forward operations")} <= worse
    assert {case for case, _ in worse} == {"adapter"}
    assert [one.number for one in wider if one.verdict == "changed"] == ["settings"]


def test_a_method_that_trains_more_is_found(baseline: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitfit, "_biases", lambda tower: list(tower.parameters()))
    worse = {(one.case, one.number) for one in found(shop(), baseline) if one.verdict == "worse"}
    assert {("bitfit", "trainable parameters"), ("bitfit", "training memory")} <= worse
    assert {case for case, _ in worse} == {"bitfit"}


def test_a_forecast_that_is_lost_fails_and_one_that_is_new_does_not(
    baseline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(session, "forecast", lambda *_, **__: NoForecast("its step cannot be followed"))
        lost = found(shop(), baseline)
        assert [(one.case, one.verdict) for one in lost] == [("adapter", "failed"), ("bitfit", "failed")]
        assert "no forecast: its step cannot be followed" in lost[0].why
        none = tmp_path / "none.json"
        run_plan_check(shop(), none, True, Screen(stderr=True))
    again = found(shop(), none)
    assert [(one.case, one.number, one.verdict) for one in again] == [
        ("adapter", "cell", "new"),
        ("bitfit", "cell", "new"),
    ]


def test_a_plan_that_was_kept_is_checked_alike_and_never_against_a_run(baseline: Path, tmp_path: Path) -> None:
    session.plan_study(shop(), tmp_path / "plan")
    status, outcome = run_check(tmp_path / "plan", baseline)
    assert (status, {one.verdict for one in outcome.findings}) == (0, {"same"})
    measured = tmp_path / "measured.json"
    measured.write_text(baseline.read_text().replace("plan of shop", "study shop"))
    with pytest.raises(BenchError, match="made from study shop, but the plan of shop is from plan of shop"):
        run_plan_check(shop(), measured, False, Screen(stderr=True))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "--baseline FILE is missing"),
        (["--baseline", "no.json"], "no.json: no such file"),
        (["--baseline", "no.json", "--minutes", "3"], "--minutes: goes with --against, not with --plan"),
        (["--baseline", "no.json", "--disturbed"], "--disturbed: goes with a run, not with --plan"),
    ],
)
def test_options_that_do_not_go_together_are_refused(given: list[str], says: str) -> None:
    with pytest.raises(BenchError, match=says):
        CliRunner().invoke(app, ["check", "--plan", *given], catch_exceptions=False)
