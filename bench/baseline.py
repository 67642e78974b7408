"""What a run measured, as it is compared: a readable JSON file, made from records or from pytest-benchmark."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import BenchError
from ..files import JSON_BYTES, read_json, read_text, write_atomic
from ..reports.cells import origin, timed_epochs
from ..reports.formats import Kind
from ..reports.records import Record, load_records
from .matching import Settings, group, names

SCHEMA_VERSION = 1
METRICS = ("HR@10", "NDCG@10")

EXACT: dict[str, Callable[[Record], int | None]] = {
    "trainable parameters": lambda record: record.parameters.trainable if record.parameters else None,
    "saved bytes": lambda record: record.parameters.saved_bytes if record.parameters else None,
    "forward operations": lambda record: record.compute.forward if record.compute else None,
    "backward operations": lambda record: record.compute.backward if record.compute else None,
    "training memory": lambda record: _memory(record, "training"),
    "evaluation memory": lambda record: _memory(record, "evaluation"),
    "cache build memory": lambda record: _memory(record, "cache_build"),
    "feature cache bytes": lambda record: record.memory.feature_cache if record.memory else None,
}
"""Numbers that repeat exactly (on CUDA, memory nearly so)."""


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Tolerances(Schema):
    """How far a number may move before it counts. Relative, but for `deviations`. Edit them in the file.

    `time`, or `time_elsewhere` on another machine than the baseline's or on a busy one, is what the whole interval of a
    ratio must exceed; `deviations` is by how many deviations of their difference an accuracy may fall.
    """

    exact: float = Field(default=0.0, ge=0)
    operations: float = Field(default=0.01, ge=0)
    memory: float = Field(default=0.01, ge=0)
    time: float = Field(default=0.15, ge=0)
    time_elsewhere: float = Field(default=0.30, ge=0)
    deviations: float = Field(default=3.0, gt=0)

    def of(self, number: str) -> float:
        """The tolerance of an exact number, by its name."""
        if "operations" in number:
            return self.operations
        return self.memory if "memory" in number or "tensor" in number else self.exact


class Case(Schema):
    """One method in one setting, over its seeds and repeats. Lists in `exact` and `accuracy` go with `seeds`.

    `times` holds for each cell, in order of seed and repeat, the seconds of its timed epochs. `reference` names the
    benchmark that a benchmark is compared with.
    """

    name: str
    settings: dict[str, Any] = {}
    reference: str | None = None
    seeds: list[int] = [0]
    exact: dict[str, list[int | None]] = {}
    times: list[list[float]] = []
    accuracy: dict[str, list[float]] = {}
    users: int = 0
    failure: str | None = None


class Baseline(Schema):
    """Everything that one run measured. `settings` are those that all cases share, `reference` a method's name.

    `busy`: something else used the machine when the run started.
    """

    schema_version: int = SCHEMA_VERSION
    made: str
    source: str
    machine: str
    busy: bool = False
    reference: str
    tolerances: Tolerances = Tolerances()
    settings: dict[str, Any] = {}
    cases: list[Case]

    def full(self, case: Case) -> Settings:
        """All settings of a case."""
        return self.settings | case.settings

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all, with short lists on one line."""
        text = json.dumps(self.model_dump(mode="json", exclude_none=True), indent=1)
        flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
        write_atomic(path, flat + "\n")


def read(path: Path) -> Baseline:
    """A baseline from its file. BenchError names the file and the field at fault."""
    if not path.exists():
        raise BenchError(f"--baseline {path}: no such file; make it with --update")
    try:
        return Baseline.model_validate_json(read_text(path, JSON_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BenchError(f"--baseline {path}: {where}: {first['msg']}; make it again with --update") from error


def measure(path: Path, reference: str = "fft") -> Baseline:
    """What a run measured: a study's directory, or a JSON file of pytest-benchmark."""
    return from_benchmarks(path, reference) if path.is_file() else from_records(load_records(path), reference)


def from_records(records: Sequence[Record], reference: str = "fft") -> Baseline:
    """One case for each method and setting; failed cells are named in its `failure`."""
    groups = group(records)
    everything = [settings for settings, _ in groups]
    shared = {
        name: value
        for name, value in everything[0].items()
        if name != "method" and all(name in other and other[name] == value for other in everything)
    }
    cases = [
        _case(name, {key: value for key, value in settings.items() if key not in shared}, members)
        for name, (settings, members) in zip(names(everything), groups, strict=True)
    ]
    return Baseline(
        made=_today(),
        source=f"study {records[0].study}",
        machine=_machine(records),
        busy=any(record.environment.warnings for record in records),
        reference=reference,
        settings=shared,
        cases=cases,
    )


def from_benchmarks(path: Path, reference: str = "fft") -> Baseline:
    """One case for each benchmark; whole numbers of its `extra_info` are exact, its rounds are the times.

    The reference of `test_step[lora]` is `test_step[fft]`. Without kept rounds (`--benchmark-save-data`) quartiles
    stand for them. BenchError when the file is not one of pytest-benchmark's.
    """
    content = read_json(path)
    try:
        cases = [_benchmark(entry, reference) for entry in content["benchmarks"]]
        machine = content.get("machine_info", {})
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(
            f"{path}: not a JSON file of pytest-benchmark ({error!r}); write one with `make perf`"
        ) from error
    if not cases:
        raise BenchError(f"{path}: no benchmarks in it; run `make perf` again")
    cpu = machine.get("cpu", {})
    brand = cpu.get("brand_raw") or machine.get("machine", "unknown")
    return Baseline(
        made=_today(),
        source="pytest-benchmark",
        machine=f"{brand}, {cpu.get('count', '?')} cores",
        reference=reference,
        cases=cases,
    )


def kind_of(number: str) -> Kind:
    """How an exact number is shown."""
    if "operations" in number:
        return "operations"
    return "bytes" if any(word in number for word in ("memory", "bytes")) else "count"


def _case(name: str, settings: Settings, records: list[Record]) -> Case:
    records = sorted(records, key=lambda record: (record.cell.seed, record.cell.repeat))
    done = [record for record in records if record.status == "ok"]
    failed = [record for record in records if record.status != "ok"]
    by_seed = {record.cell.seed: record for record in reversed(done)}
    seeds = sorted(by_seed)
    first = [by_seed[seed] for seed in seeds]
    exact = {number: [value(record) for record in first] for number, value in EXACT.items()}
    accuracies = [record.accuracy.test for record in first if record.accuracy]
    scored = accuracies if len(accuracies) == len(first) else []
    return Case(
        name=name,
        settings=settings,
        seeds=seeds,
        exact={number: values for number, values in exact.items() if any(value is not None for value in values)},
        times=[
            [round(epoch.total, 6) for epoch in epochs]
            for record in done
            if len(record.time.epochs) > 1 and (epochs := timed_epochs(record))
        ],
        accuracy={metric: [round(slice.metrics[metric], 6) for slice in scored] for metric in METRICS}
        if scored
        else {},
        users=min((slice.users for slice in scored), default=0),
        failure=f"{failed[0].status}: {failed[0].error or 'no message'}" if failed else None,
    )


def _benchmark(entry: dict[str, Any], reference: str) -> Case:
    name, stats = entry["name"], entry["stats"]
    exact: dict[str, list[int | None]] = {
        key.replace("_", " "): [value]
        for key, value in entry.get("extra_info", {}).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    return Case(
        name=name,
        reference=re.sub(r"\[[^\[\]]*\]$", f"[{reference}]", name) if name.endswith("]") else None,
        exact=exact,
        times=[stats.get("data") or [stats["q1"], stats["median"], stats["q3"]]],
    )


def _memory(record: Record, phase: str) -> int | None:
    measured = getattr(record.memory, phase) if record.memory else None
    if measured is None:
        return None
    return measured.allocated if origin(record) == "cuda-allocated" else measured.tensors


def _machine(records: Sequence[Record]) -> str:
    environment = next((r.environment for r in records if r.environment.cpu), records[0].environment)
    return f"{environment.gpu or environment.cpu}, {environment.cores} cores, {environment.threads} threads"


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
