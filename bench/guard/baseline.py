"""The baseline: what is known of a study's cost, in a readable JSON file that holds several machines.

Settings, exact numbers and accuracy are the same wherever a study runs and stand once; times stand by machine. A run is
measured into the same form (`measured`), so that the two can be held against each other.
"""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ...cell import SEQUENTIAL, current
from ...errors import BenchError, first_fault
from ...files import read_json, write_atomic
from ...metrics import PRIMARY, RANKING, MetricName, headline
from ...reports.analysis.statistics import TimesByRun
from ...reports.quantities import Kind
from ...values import Count, JSONTable, Name, PositiveSeconds, Share
from .pairing import Settings

SCHEMA_VERSION = 2
PLAN_OF = "plan of "
"""What the source of a baseline of plans begins with."""
_MISFIT = "misfit"

Tolerance = Annotated[float, Field(ge=0, le=1000)]
RunKey = Annotated[str, Field(pattern=r"^\d{1,9}/\d{1,9}$")]


class Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Tolerances(Schema):
    """How far a number may move before it counts. Relative, but for `deviations`. Edit them in the file.

    `time`, or `time_elsewhere` on another machine than the baseline's or on a busy one, is what the whole interval of a
    ratio must exceed; `deviations` is by how many deviations of their difference an accuracy may fall.
    """

    exact: Tolerance = 0.0
    operations: Tolerance = 0.01
    memory: Tolerance = 0.01
    time: Tolerance = 0.15
    time_elsewhere: Tolerance = 0.30
    deviations: float = Field(default=3.0, gt=0, le=1000)

    def of(self, number: str) -> float:
        """The tolerance of an exact number, by its name."""
        if "operations" in number:
            return self.operations
        return self.memory if "memory" in number or "tensor" in number else self.exact


class Timing(Schema):
    """Seconds of a case's timed epochs by "seed/repeat"; `disturbed` counts epochs that other work kept out of it."""

    runs: dict[RunKey, Annotated[list[PositiveSeconds], Field(min_length=1)]] = {}
    disturbed: Count = 0

    @property
    def by_run(self) -> TimesByRun:
        """The times as the statistics want them, by (seed, repeat)."""
        keys = {key: key.partition("/") for key in self.runs}
        return {(int(seed), int(repeat)): self.runs[key] for key, (seed, _, repeat) in keys.items()}

    @property
    def epochs(self) -> int:
        """How many epochs are timed."""
        return sum(map(len, self.runs.values()))


class Case(Schema):
    """One method in one setting, over its seeds and repeats. Lists in `exact` and `accuracy` go with `seeds`.

    `accuracy` has the headline metrics of the case's task; of those in `less_is_better` less is better. `times` are by
    machine. `reference` names the benchmark that a benchmark is compared with.
    """

    name: Name
    settings: JSONTable = {}
    reference: Name | None = None
    seeds: list[Count] = [0]
    exact: dict[Name, list[Count | None]] = {}
    times: dict[Name, Timing] = {}
    accuracy: dict[MetricName, list[Share]] = {}
    less_is_better: list[MetricName] | None = None
    users: Count = 0
    failure: str | None = None

    @model_validator(mode="after")
    def _lists_go_with_the_seeds(self) -> "Case":
        if len(set(self.seeds)) != len(self.seeds):
            raise _misfit(f"seeds: {self.seeds} names one twice")
        for group, lists in (("exact", self.exact), ("accuracy", self.accuracy)):
            for number, values in lists.items():
                if len(values) != len(self.seeds):
                    raise _misfit(f"{group}.{number}: {len(values)} numbers for {len(self.seeds)} seeds")
        if self.accuracy and not self.users:
            raise _misfit("users: must be above 0 where there is accuracy")
        return self

    def on(self, machine: str) -> Timing:
        """The times on a machine; none where it has none."""
        return self.times.get(machine, Timing())


class Machine(Schema):
    """When a machine was measured, and whether something else used it when the run began."""

    made: str = ""
    busy: bool = False


class Baseline(Schema):
    """Everything that is known of a study. `settings` are those that all cases share, `reference` a method's name.

    `machines` by name (processor or GPU, cores, threads, torch), the one measured last at the end.
    """

    schema_version: int = SCHEMA_VERSION
    source: str
    reference: Name
    tolerances: Tolerances = Tolerances()
    machines: dict[Name, Machine] = {}
    settings: JSONTable = {}
    cases: Annotated[list[Case], Field(min_length=1)]

    @model_validator(mode="after")
    def _cases_fit(self) -> "Baseline":
        for number, case in enumerate(self.cases):
            settings = self.full(case)
            if self.of_benchmarks and settings:
                raise _misfit(f"cases.{number}.settings: a benchmark has none")
            usual = headline(RANKING, PRIMARY) if settings.get("task", SEQUENTIAL) == SEQUENTIAL else []
            for name in (metric.name for metric in usual if case.accuracy):
                if name not in case.accuracy:
                    raise _misfit(f"cases.{number}.accuracy.{name}: missing, though the other metric is there")
            for key in () if self.of_benchmarks else ("method", "dataset", "device"):
                if not isinstance(settings.get(key), str):
                    raise _misfit(f"cases.{number}.settings.{key}: a text is needed")
            if any(case.name == other.name for other in self.cases[:number]):
                raise _misfit(f"cases.{number}.name: '{case.name}' stands twice")
            for machine in case.times:
                if machine not in self.machines:
                    raise _misfit(f"cases.{number}.times.{machine}: not one of 'machines'")
        return self

    def full(self, case: Case) -> Settings:
        """All settings of a case; none for a benchmark."""
        return self.settings | case.settings

    @property
    def of_benchmarks(self) -> bool:
        """Whether it was made by pytest-benchmark instead of from a study's records."""
        return self.source == "pytest-benchmark"

    @property
    def of_plans(self) -> bool:
        """Whether it is what a study was planned to cost: it has no times, no accuracy and no machine."""
        return self.source.startswith(PLAN_OF)

    @property
    def latest(self) -> str | None:
        """The machine that was measured last."""
        return next(reversed(self.machines), None)

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all, short lists on one line. BenchError for what `read` would refuse."""
        content = self.model_dump(mode="json", exclude_none=True)
        try:
            Baseline.model_validate(content)
        except ValidationError as error:
            raise BenchError(f"--baseline {path}: this run cannot be one: {fault(error, content)}") from error
        text = json.dumps(content, indent=1)
        flat = re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: "[" + " ".join(found[1].split()) + "]", text)
        write_atomic(path, flat + "\n")


def read(path: Path) -> Baseline:
    """A baseline from its file, of this schema or an older one. BenchError names the file and the field at fault."""
    if not os.path.lexists(path):
        raise BenchError(f"--baseline {path}: no such file; make it with --update")
    content = read_json(path)
    version = content.get("schema_version", 1) if isinstance(content, dict) else 1
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BenchError(f"--baseline {path}: schema_version {version} is newer than this version of the suite reads")
    content = upgrade(content)
    try:
        return Baseline.model_validate(content)
    except ValidationError as error:
        raise BenchError(
            f"--baseline {path}: {fault(error, content)}; mend it or make it again with --update"
        ) from error


def fault(error: ValidationError, content: Any) -> str:
    """The field at fault and what is wrong with it."""
    found = first_fault(error, content)
    if found.kind == _MISFIT:  # its message begins with the rest of the field
        return ".".join([*found.keys, error.errors()[0]["msg"]])
    return f"{found.key or 'the file'}: {found.message}"


def _misfit(message: str) -> PydanticCustomError:
    """The error for fields that do not fit together; the message begins with the one at fault."""
    return PydanticCustomError(_MISFIT, "{message}", {"message": message})


def upgrade(content: Any) -> Any:
    """A baseline of schema 1, which knew one machine, without torch's version, in the form of today."""
    content = _renamed(content)
    if not isinstance(content, dict) or content.get("schema_version", 1) != 1 or "machine" not in content:
        return content
    old = dict(content)
    machine = old.pop("machine")
    old["machines"] = {machine: {"made": old.pop("made", ""), "busy": old.pop("busy", False)}}
    old["schema_version"] = SCHEMA_VERSION
    if isinstance(old.get("cases"), list):
        old["cases"] = [_upgrade_case(case, machine) for case in old["cases"]]
    return old


def _renamed(content: Any) -> Any:
    """The same with every setting called as it is today."""
    if not isinstance(content, dict):
        return content
    cases = content.get("cases")
    if isinstance(cases, list):
        content = content | {"cases": [_with_current_settings(case) for case in cases]}
    return _with_current_settings(content)


def _with_current_settings(holder: Any) -> Any:
    if not isinstance(holder, dict) or not isinstance(holder.get("settings"), dict):
        return holder
    return holder | {"settings": {current(key): value for key, value in holder["settings"].items()}}


def _upgrade_case(case: Any, machine: str) -> Any:
    if not isinstance(case, dict) or not isinstance(case.get("times", []), list):
        return case
    runs = {f"{number}/0": times for number, times in enumerate(case.get("times", [])) if times}
    return case | {"times": {machine: {"runs": runs}} if runs else {}}


def kind_of(number: str) -> Kind:
    """How an exact number is shown."""
    if "operations" in number:
        return "operations"
    return "bytes" if any(word in number for word in ("memory", "bytes")) else "count"
