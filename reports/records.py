"""The record: what a cell leaves behind. This file owns its schema; cells write and reports read through it.

Bytes and seconds are stored as such. Whatever can be computed from a record (TPME, means, ratios) is not in it.
Schema versions only add fields, each with a default, so that an old record stays readable.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field

from ..cell import Cell, Family, Schema
from ..energy import CounterName, Energy
from ..files import write_atomic
from ..metrics import PRIMARY, RANKING, Metric, MetricName
from ..values import CellID, Count, Moment, Note, Number, PositiveSeconds, Seconds, Share
from .measurements import Compute, Plan, SelfCheck, TowerRead, Use

SCHEMA_VERSION = 2
"""2 has head and evaluation apart from training, where version 1 had all three."""

KINDS_OF_TARGET = (
    "Warm: the target occurs in training; cold: it does not. Novel: not yet in its user's history; repeat: it is."
)
"""What the slices are of a record that does not say."""

Status = Literal["ok", "oom", "diverged", "timeout", "crashed", "refused", "interrupted"]
"""`refused`: the cell cannot be run as it was asked for; the error says what to change."""


class Environment(Schema):
    """Where a cell ran. `matrix_rate`: operations a second of float32 products; `copy_rate`: bytes a second.

    `energy_counters`: those that were read, as `Energy` names them; `energy_unread`: why no others, a line each.
    """

    python: str = ""
    platform: str = ""
    cpu: str = ""
    cores: Count = 0
    threads: Count = 0
    ram: Count = 0
    gpu: str | None = None
    driver: str | None = None
    versions: dict[str, str] = {}
    commit: str | None = None
    dirty: bool | None = None
    deterministic: bool = False
    matrix_rate: Number = 0.0
    copy_rate: Number = 0.0
    load: Number = 0.0
    energy_counters: list[CounterName] = []
    energy_unread: list[str] = []
    warnings: list[str] = []


class Slice(Schema):
    """The record's metrics of a group of users; none when the group is empty."""

    users: Count
    metrics: dict[MetricName, Share]


SliceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class Accuracy(Schema):
    """Valid and test metrics at the best epoch, by the record's primary metric.

    Whatever else stands in it is a slice of the test users, named by the task: `warm`, `cold`, `novel`, `repeat`.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[SliceName, Slice] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]

    best_epoch: Count
    valid: Slice
    test: Slice

    @classmethod
    def of(cls, *, best_epoch: int, valid: Slice, test: Slice, **slices: Slice) -> Self:
        """With the slices of the test users by name."""
        return cls.model_validate({"best_epoch": best_epoch, "valid": valid, "test": test, **slices})

    @property
    def slices(self) -> dict[str, Slice]:
        """The slices of the test users by name, in order."""
        return dict(self.__pydantic_extra__)


class Epoch(Schema):
    """One training epoch: mean loss per position, seconds by phase (`total`: their wall time), metrics after it.

    `valid` choose the best epoch; `test`, of the same embeddings, are empty where they were not asked for.
    `loss` has a penalty of the method's own in it. `items` counts what was encoded. `evaluation` is the time of
    validation, which is no part of `total`. `resumed`: the epoch began in a continued cell. `waited`: seconds that
    threads were ready and had no core, summed over threads, None where the system does not tell. `cpu`: processor
    seconds of all threads. `preempted`: involuntary switches. `others`: other processes on the GPU. `attempts`: how
    often the epoch was run, the least disturbed one kept. `share`: of how much of the epoch all this was measured and
    then scaled to the whole, where only costs were wanted. `energy`: None where no counter was read.
    """

    loss: float
    total: PositiveSeconds
    data: Seconds
    forward: Seconds
    backward: Seconds
    update: Seconds
    steps: Count
    users: Count
    items: Count = 0
    evaluation: Seconds = 0.0
    valid: dict[str, Share] = {}
    test: dict[str, Share] = {}
    resumed: bool = False
    waited: Seconds | None = None
    cpu: Seconds | None = None
    preempted: Count | None = None
    others: Count = 0
    attempts: Count = 1
    share: Share = 1.0
    energy: Energy | None = None

    @property
    def disturbance(self) -> float:
        """The share of the epoch lost to waiting for a core, at most 1; 0 where it was not measured."""
        return min(1.0, (self.waited or 0.0) / self.total) if self.total else 0.0


class StepTimes(Schema):
    """Percentiles over the timed training steps, in seconds."""

    p50: Seconds
    p90: Seconds
    p99: Seconds


class Time(Schema):
    """Wall times in seconds. `epochs` are raw; the first is a warm-up epoch for means when there are more.
    `cache_build`: the feature cache's, whenever, by `cache_built_by`, and with `cache_energy`; on `cache_machine`, in
    words, while at most `cache_beside` other cells might run. `start`: the method's start from the weights.
    """

    epochs: list[Epoch] = []
    steps: StepTimes | None = None
    warmup_steps: Count = 0
    cache_build: Seconds | None = None
    cache_reused: bool | None = None
    cache_built_by: str = ""
    cache_machine: str = ""
    cache_beside: Count = 0
    cache_energy: Energy | None = None
    start: Seconds | None = None
    test: Seconds | None = None
    total: Seconds | None = None
    clock: Literal["cuda-events", "perf-counter"] = "perf-counter"


class Parameters(Schema):
    """Numbers of scalars; `parts` maps a part (text tower, side network, head, …) to its trainable and total count."""

    trainable: Count
    total: Count
    parts: dict[str, tuple[Count, Count]] = {}
    saved_bytes: Count = 0


class PhaseMemory(Schema):
    """Peaks of one phase in bytes. `tensors` is the CPU meter's; `allocated` and `reserved` are CUDA's."""

    tensors: Count | None = None
    allocated: Count | None = None
    reserved: Count | None = None
    process: Count | None = None
    rss: Count | None = None

    def higher(self, other: "PhaseMemory") -> "PhaseMemory":
        """Of each peak the higher one."""
        pairs = {name: (getattr(self, name), getattr(other, name)) for name in PhaseMemory.model_fields}
        known = {name: [peak for peak in pair if peak is not None] for name, pair in pairs.items()}
        return PhaseMemory(**{name: max(peaks, default=None) for name, peaks in known.items()})


class Memory(Schema):
    """Peak memory by phase, and what the training peak consists of (bytes by kind).

    `feature_cache`: its bytes on disk; `cache_on_card`: those of it that lay on the GPU in training, within its peak.
    """

    origin: Literal["cuda-allocated", "cpu-tensors"]
    training: PhaseMemory | None = None
    evaluation: PhaseMemory | None = None
    cache_build: PhaseMemory | None = None
    kinds: dict[str, Count] = {}
    feature_cache: Count | None = None
    cache_on_card: Count = 0
    metered_steps: Count = 0

    @property
    def peak(self) -> int | None:
        """TPME's M: the peak of the training phase, in bytes."""
        return self.peak_of("training")

    @property
    def peak_without_cache(self) -> int | None:
        """M without the feature cache, where that lay on the GPU; else None."""
        return self.peak - self.cache_on_card if self.peak and self.cache_on_card else None

    def peak_of(self, phase: Literal["training", "evaluation", "cache_build"]) -> int | None:
        """The peak of a phase in bytes, by the meter of the record's origin; None where it was not measured."""
        measured = {"training": self.training, "evaluation": self.evaluation, "cache_build": self.cache_build}[phase]
        if measured is None:
            return None
        return measured.allocated if self.origin == "cuda-allocated" else measured.tensors


class Code(Schema):
    """Digests of the code behind a result, "" where it is unknown.

    `method` covers the method's own sources, `training` ours of backbones, head, data, training and evaluation.
    """

    method: str = ""
    training: str = ""


class Record(Schema):
    """Everything known of a finished or failed cell. `family` and `rates` say of the method what a table needs.

    `note`: what its study says of itself. `metrics` are the task's, in order; `primary_metric` chose the
    best epoch. `planned_peak`: bytes by which the batch was chosen, of a cell that was given a memory. `slices`: what
    those of the accuracy are, in words. `additions`: what of its own the method adds to a training step, `penalty` or
    `after_update`. `uncached`: the method that does the same without the feature cache, or "". `towers`: by modality,
    of a method that reads them. `energy`: joules of a card over the whole run, validation included. `warnings`: what a
    reader must know of this cell, in lines. `beside`: how many other cells of its study might run at the same time;
    with any, no time of it counts. `plan`: of a cell that was not run and whose costs were computed; it has no times
    and no accuracy.
    """

    schema_version: Annotated[int, Field(ge=1)] = SCHEMA_VERSION
    study: str
    note: Note = ""
    cell: Cell
    cell_id: CellID
    family: Family
    summary: str = ""
    uncached: str = ""
    primary_metric: MetricName = PRIMARY
    metrics: Annotated[list[Metric], Field(max_length=100)] = list(RANKING)
    slices: str = KINDS_OF_TARGET
    batch: Count = 0
    planned_peak: Count | None = None
    rates: dict[str, Number] = {}
    additions: list[str] = []
    status: Status
    error: str | None = None
    warnings: list[str] = []
    beside: Count = 0
    self_check: SelfCheck | None = None
    started: Moment
    code: Code = Code()
    environment: Environment = Environment()
    towers: dict[str, TowerRead] = {}
    dataset: dict[str, str | Annotated[int, Field(ge=-(10**18), le=10**18)] | float] = {}
    accuracy: Accuracy | None = None
    time: Time = Time()
    parameters: Parameters | None = None
    memory: Memory | None = None
    energy: Number | None = None
    compute: Compute | None = None
    use: Use | None = None
    plan: Plan | None = None

    def save(self, directory: Path) -> Path:
        """Writes `records/<cell-id>.json` under a study's directory, whole or not at all."""
        path = record_path(directory, self.cell_id)
        write_atomic(path, self.model_dump_json(indent=1) + "\n")
        return path


def record_path(directory: Path, cell_id: str) -> Path:
    """Where the record of a cell stands in a study's directory."""
    return directory / "records" / f"{cell_id}.json"


def ranks_path(directory: Path, cell_id: str) -> Path:
    """Where the ranks of a cell's test targets stand: float64 `[test users]`, infinite for a missed repeat."""
    return directory / "ranks" / f"{cell_id}.npy"


def log_path(directory: Path, cell_id: str) -> Path:
    """Where stands what was printed in a cell's process."""
    return directory / "logs" / f"{cell_id}.log"
