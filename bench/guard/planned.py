"""`bench check --plan`: holds what a study is planned to cost now against what it was: nothing is trained."""

from pathlib import Path

from ..console import Screen
from ..planning.forecast import Beside
from ..planning.session import forecasts, planned_cells, record_of
from ..study.schema import Study
from .check import Sides, hold, known_baseline
from .findings import Outcome
from .measured import from_records


def run_plan_check(study: Study, baseline: Path, update: bool, console: Screen) -> tuple[int, Outcome]:
    """The exit code, 1 when a row's plan got worse or it lost its forecast, and what was found.

    A row without forecast then as now is no finding. The console shows the progress. With `update` the plan becomes the
    baseline.
    """
    known = known_baseline(baseline, update)
    records = [record_of(study, cost) for cost in forecasts(console, planned_cells(study), Beside())]
    run = from_records(records, known.reference if known else "fft")
    return hold(run, known, Sides(f"the plan of {study.name}", baseline), update)
