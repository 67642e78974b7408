"""What a run measured, in the form of a baseline: from a study's records or from pytest-benchmark's JSON file."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...errors import BenchError
from ...files import read_json
from ...metrics import headline
from ...reports.analysis.epochs import is_marked, warm_epochs
from ...reports.analysis.machine import machine_name
from ...reports.reading import load_records
from ...reports.records import Record
from .baseline import PLAN_OF, Baseline, Case, Machine, Timing, Tolerances, fault
from .pairing import Settings, group, newest_runs
from .renewal import gather

EXACT: dict[str, Callable[[Record], int | None]] = {
    "trainable parameters": lambda record: record.parameters.trainable if record.parameters else None,
    "saved bytes": lambda record: record.parameters.saved_bytes if record.parameters else None,
    "forward operations": lambda record: record.compute.forward if record.compute else None,
    "backward operations": lambda record: record.compute.backward if record.compute else None,
    "training memory": lambda record: record.memory.peak if record.memory else None,
    "evaluation memory": lambda record: record.memory.peak_of("evaluation") if record.memory else None,
    "cache build memory": lambda record: _build_memory(record),
    "feature cache bytes": lambda record: record.memory.feature_cache if record.memory else None,
    "operations of an epoch": lambda record: record.plan.operations if record.plan else None,
    "cache build operations": lambda record: record.plan.cache_operations if record.plan else None,
}
"""Numbers that repeat exactly (on CUDA, memory nearly so). The last two are of plans alone."""


def measure(path: Path, reference: str = "fft", disturbed: bool = False) -> Baseline:
    """What a run measured: a study's directory, or a JSON file of pytest-benchmark.

    `disturbed`: epochs that lost time to other work count as well.
    """
    if path.is_file():
        return from_benchmarks(path, reference)
    return from_records(load_records(path), reference, disturbed)


def from_records(records: Sequence[Record], reference: str = "fft", disturbed: bool = False) -> Baseline:
    """One case for each method and setting; failed cells are named in its `failure`.

    Planned cells make a baseline of plans, which holds every number to be the same. BenchError where both are mixed.
    """
    cases = [_case(settings, members, disturbed) for settings, members in group(records)]
    machines: dict[str, Machine] = {}
    for record in [record for record in records if record.time.epochs] or records[:1]:
        about = machines.setdefault(machine_name(record), Machine(made=_today()))
        about.busy = about.busy or bool(record.environment.warnings)
    update: dict[str, Any] = {"source": f"study {records[0].study}", "reference": reference, "machines": machines}
    if any(record.plan for record in records):
        if not all(record.plan for record in records):
            raise BenchError("bench check: planned and measured records in one directory; check each by itself")
        exactly = Tolerances(exact=0, operations=0, memory=0)
        update |= {"source": f"{PLAN_OF}{records[0].study}", "machines": {}, "tolerances": exactly}
    return gather(cases).model_copy(update=update)


def from_benchmarks(path: Path, reference: str = "fft") -> Baseline:
    """One case for each benchmark; whole numbers of its `extra_info` are exact, its rounds are the times.

    The reference of `test_step[lora]` is `test_step[fft]`. Without kept rounds (`--benchmark-save-data`) quartiles
    stand for them. BenchError when the file is not one of pytest-benchmark's.
    """
    content = read_json(path)
    try:
        about = content.get("machine_info", {})
        cpu = about.get("cpu", {})
        machine = f"{cpu.get('brand_raw') or about.get('machine', 'unknown')}, {cpu.get('count', '?')} cores"
        cases = [_benchmark(entry, reference, machine) for entry in content["benchmarks"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        cause = fault(error, None) if isinstance(error, ValidationError) else repr(error)
        raise BenchError(
            f"{path}: not a JSON file of pytest-benchmark ({cause}); write one with `make perf`"
        ) from error
    if not cases:
        raise BenchError(f"{path}: no benchmarks in it; run `make perf` again")
    machines = {machine: Machine(made=_today())}
    return Baseline(source="pytest-benchmark", machines=machines, reference=reference, cases=cases)


def _case(settings: Settings, records: list[Record], disturbed: bool) -> Case:
    """One case. Of a seed and repeat that stands twice, the newest; BenchError names a record that cannot be one."""
    records = [record for _, record in sorted(newest_runs(records).items())]
    done = [record for record in records if record.status == "ok"]
    failed = [record for record in records if record.status != "ok"]
    by_seed = {record.cell.seed: record for record in reversed(done)}
    seeds = sorted(by_seed)
    first = [by_seed[seed] for seed in seeds]
    exact = {number: [value(record) for record in first] for number, value in EXACT.items()}
    tests = [record.accuracy.test for record in first if record.accuracy]
    scored = tests if len(tests) == len(first) else []
    metrics = headline(first[0].metrics, first[0].primary_metric) if scored else ()
    content = {
        "name": settings["method"],
        "settings": settings,
        "seeds": seeds,
        "exact": {number: values for number, values in exact.items() if any(value is not None for value in values)},
        "times": _times(done, disturbed),
        "accuracy": {metric.name: [_metric(record, metric.name) for record in first] for metric in metrics},
        "less_is_better": [metric.name for metric in metrics if metric.better == "less"] or None,
        "users": min((part.users for part in scored), default=0),
        "failure": f"{failed[0].status}: {failed[0].error or 'no message'}" if failed else None,
    }
    try:
        return Case.model_validate(content)
    except ValidationError as error:
        cells = ", ".join(record.cell_id for record in records)
        raise BenchError(
            f"records of {settings['method']} ({cells}): {fault(error, content)}; run these cells again"
        ) from error


def _times(records: Sequence[Record], disturbed: bool) -> dict[str, Any]:
    """`Timing`s by machine, to be checked with the rest."""
    times: dict[str, Any] = {}
    for record in records:
        epochs = warm_epochs(record)
        if not epochs:
            continue
        timing = times.setdefault(machine_name(record), {"runs": {}, "disturbed": 0})
        counted = [round(epoch.total, 6) for epoch in epochs if disturbed or not is_marked(epoch)]
        if counted:
            timing["runs"][f"{record.cell.seed}/{record.cell.repeat}"] = counted
        timing["disturbed"] += len(epochs) - len(counted)
    return times


def _metric(record: Record, metric: str) -> float:
    assert record.accuracy is not None
    value = record.accuracy.test.metrics.get(metric)
    if value is None:
        raise BenchError(f"record {record.cell_id}: accuracy.test.metrics: no {metric}; run its cell again")
    return round(value, 6)


def _benchmark(entry: dict[str, Any], reference: str, machine: str) -> Case:
    name, stats = entry["name"], entry["stats"]
    exact: dict[str, list[int | None]] = {
        key.replace("_", " "): [value]
        for key, value in entry.get("extra_info", {}).items()
        if isinstance(value, int) and not isinstance(value, bool)
    }
    rounds = stats.get("data") or [stats["q1"], stats["median"], stats["q3"]]
    return Case(
        name=name,
        reference=re.sub(r"\[[^\[\]]*\]$", f"[{reference}]", name) if name.endswith("]") else None,
        exact=exact,
        times={machine: Timing(runs={"0/0": rounds})},
    )


def _build_memory(record: Record) -> int | None:
    """Of a cell that built its cache, or was planned to: an entry that was there may have been built by other code."""
    built = record.time.cache_reused is False or record.plan is not None
    return record.memory.peak_of("cache_build") if built and record.memory else None


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
