"""MLflow: every record as a run of the experiment that has the study's name.

Where to is MLflow's own affair: `MLFLOW_TRACKING_URI`, or else `mlflow.db` in the working directory.
"""

import logging
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pandas.api.types import is_numeric_dtype

from ...errors import BenchError
from ...reports.analysis.frame import CELL, frame
from ...reports.records import Record
from .trackers import Tracker, register

_VARIABLES = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Unless the user says otherwise: a server that is away must not hold a study up for minutes, as it would with MLflow's
defaults, and no thread of its own shall run beside a cell."""
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""How many MLflow takes at once."""
_NAME, _VALUE = 250, 5000
"""Characters of a name and of a value that it takes."""
_SIGNS = re.compile(r"[^\w\-. :/]", re.ASCII)


class MLflowTracker(Tracker):
    """MLflow: a run a cell, with its settings, every epoch, accuracy, costs and the record itself."""

    def __init__(self) -> None:
        for name, value in _VARIABLES.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow.tracking import MlflowClient  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise BenchError(
                f"tracker 'mlflow' needs MLflow ({error}): pip install 'tpme-bench[mlflow]', or take it out of the "
                "study's trackers"
            ) from error
        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._client = MlflowClient()

    def record(self, record: Record) -> None:
        """One run, whose times are the cell's: MLflow's pages then order and plot as things happened."""
        began = _milliseconds(record.started)
        experiment = self._experiment(record.study)
        run = self._client.create_run(experiment, began, tags=tags(record), run_name=run_name(record)).info.run_id
        batches: dict[str, list[Any]] = {"metrics": metrics(record, began), "params": params(record)}
        for kind, entries in batches.items():
            for start in range(0, len(entries), _BATCH[kind]):
                self._client.log_batch(run, **{kind: entries[start : start + _BATCH[kind]]})
        self._client.log_text(run, record.model_dump_json(indent=1) + "\n", f"{record.cell_id}.json")
        ended = began + round(1000 * (record.time.total or 0.0))
        self._client.set_terminated(run, "FINISHED" if record.status == "ok" else "FAILED", ended)

    def _experiment(self, study: str) -> str:
        known = self._client.get_experiment_by_name(study)
        return known.experiment_id if known else self._client.create_experiment(study)


def run_name(record: Record) -> str:
    """What tells a run from its neighbours at a glance."""
    cell = record.cell
    return f"{cell.method}, seed {cell.seed}" + (f", repeat {cell.repeat}" if cell.repeat else "")


def tags(record: Record) -> dict[str, str]:
    """By what runs are found."""
    environment = record.environment
    found = {
        "study": record.study,
        "cell_id": record.cell_id,
        "status": record.status,
        "error": record.error,
        "family": record.family,
        "version": record.cell.version,
        "commit": environment.commit,
        "dirty": environment.dirty,
        "cpu": environment.cpu,
        "gpu": environment.gpu,
    }
    return {name: str(value)[:_VALUE] for name, value in found.items() if value not in (None, "")}


def params(record: Record) -> list[Any]:
    """The cell's settings, each under its key: `method`, `options.r`, `training.batch`."""
    from mlflow.entities import Param  # pyright: ignore[reportMissingImports]

    settings = dict(_flat(record.cell.model_dump(mode="json", exclude={"version"})))
    return [Param(_name(key), str(value)[:_VALUE]) for key, value in settings.items() if value not in (None, "", [])]


def _flat(table: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def metrics(record: Record, began: int) -> list[Any]:
    """Every epoch under `epoch/`, the epoch's number being the step, then results under the names of `records.csv`."""
    from mlflow.entities import Metric  # pyright: ignore[reportMissingImports]

    found, now = list[Any](), float(began)
    for number, epoch in enumerate(record.time.epochs, 1):
        now += 1000 * (epoch.total + epoch.evaluation)
        values = {"loss": epoch.loss, "seconds": epoch.total}
        values |= {f"valid {name}": value for name, value in epoch.valid.items()}
        values |= {f"test {name}": value for name, value in epoch.test.items()}
        found += [Metric(_name(f"epoch/{name}"), value, round(now), number) for name, value in values.items()]
    last = len(record.time.epochs)
    return found + [Metric(_name(name), value, round(now), last) for name, value in results(record).items()]


def results(record: Record) -> dict[str, float]:
    """The numbers of the record's row that were measured."""
    row = frame([record])
    measured = [
        name for name in map(str, row) if name not in {field.name for field in CELL} and is_numeric_dtype(row[name])
    ]
    return {name: float(row[name].iloc[0]) for name in measured if row[name].notna().iloc[0]}


def _name(text: str) -> str:
    """A name as MLflow takes it: `HR@10` is `HR_10`."""
    return _SIGNS.sub("_", text)[:_NAME]


def _milliseconds(moment: str) -> int:
    found = datetime.fromisoformat(moment)
    return round(1000 * (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


register("mlflow", MLflowTracker)
