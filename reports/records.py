"""The record: what a cell leaves behind. This file owns its schema; cells write and reports read through it.

Bytes and seconds are stored as such. Whatever can be computed from a record (TPME, means, ratios) is not in it.
Schema versions only add fields, each with a default, so that an old record stays readable.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import BenchError
from ..files import JSON_BYTES, canonical_json, digest, read_text, write_atomic

SCHEMA_VERSION = 1

Status = Literal["ok", "oom", "diverged", "timeout", "crashed", "refused", "interrupted"]
"""`refused`: the cell cannot be run as it was asked for; the error says what to change."""
Family = Literal["full", "embedded", "decoupled", "reference"]


class Schema(BaseModel):
    """Records refuse unknown keys: a misspelt field must not vanish silently."""

    model_config = ConfigDict(extra="forbid")


class BackboneChoice(Schema):
    """Which pair of towers, and how they are read. `fingerprint` covers configuration and weights, "" for a hub id."""

    text: str | None
    image: str | None
    weights: Literal["pretrained", "random"] = "pretrained"
    text_pooling: Literal["auto", "cls", "last"] = "auto"
    text_length: int = Field(default=30, ge=4)
    image_side: int | None = Field(default=None, ge=8)
    fingerprint: str = ""


class Training(Schema):
    """The protocol's settings, the same for every method of a study.

    `encode`: "unique" encodes each distinct item of a batch once, and no more of it than is read; "every-slot" encodes
    padding, repeats and all positions, as the published code does.
    `evaluated_users`: ranks so many users, drawn once and the same for all methods, instead of everyone.
    """

    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=10, ge=1)
    batch: int | Literal["published"] = 64
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    encode: Literal["unique", "every-slot"] = "unique"
    learning_rate_scale: float = Field(default=1.0, gt=0)
    width: int = Field(default=64, ge=2)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    max_length: int = Field(default=10, ge=1)
    repeat_targets: Literal["miss", "rank"] = "miss"
    cache_dtype: Literal["float16", "float32"] = "float16"
    evaluated_users: int | None = Field(default=None, ge=1)
    compile: bool = False
    gradient_checkpointing: bool = False


class Cell(Schema):
    """One combination of a study: everything that decides its result, and nothing else."""

    method: str
    options: dict[str, Any] = {}
    dataset: str
    dataset_fingerprint: str = ""
    modalities: Literal["both", "text", "image"] = "both"
    missing_images: Literal["neutral", "drop", "error"] = "neutral"
    backbones: BackboneChoice
    training: Training = Training()
    seed: int = Field(default=0, ge=0)
    repeat: int = Field(default=0, ge=0)
    device: str = "cpu"
    threads: int = 0
    deterministic: bool = False
    timeout: float | None = None
    version: str = ""

    @property
    def id(self) -> str:
        """Sixteen hex digits of the hash of everything above."""
        return digest(canonical_json(self.model_dump(mode="json")))[:16]


class Environment(Schema):
    """Where a cell ran. `matrix_rate`: operations a second of float32 products; `copy_rate`: bytes a second."""

    python: str = ""
    platform: str = ""
    cpu: str = ""
    cores: int = 0
    threads: int = 0
    ram: int = 0
    gpu: str | None = None
    driver: str | None = None
    versions: dict[str, str] = {}
    commit: str | None = None
    dirty: bool | None = None
    deterministic: bool = False
    matrix_rate: float = 0.0
    copy_rate: float = 0.0
    load: float = 0.0
    warnings: list[str] = []


class Slice(Schema):
    """Metrics of a group of test users: `HR@5` … `NDCG@20`, `MRR`; none when the group is empty."""

    users: int
    metrics: dict[str, float]


class Accuracy(Schema):
    """Valid and test metrics at the best epoch (by valid HR@10); test also by kind of target."""

    best_epoch: int
    valid: Slice
    test: Slice
    warm: Slice
    cold: Slice
    novel: Slice
    repeat: Slice


class Epoch(Schema):
    """One training epoch: mean loss per position, seconds by phase (`total`: their wall time), valid metrics after it.

    `items` counts what was encoded. `evaluation` is the time of validation, which is no part of `total`. `resumed`: the
    epoch began in a continued cell. `waited`: seconds that threads were ready and had no core, summed over threads,
    None where the system does not tell. `cpu`: processor seconds of all threads. `preempted`: involuntary switches.
    `others`: other processes on the card. `attempts`: how often the epoch was run, the least disturbed one kept.
    """

    loss: float
    total: float
    data: float
    forward: float
    backward: float
    update: float
    steps: int
    users: int
    items: int = 0
    evaluation: float = 0.0
    valid: dict[str, float] = {}
    resumed: bool = False
    waited: float | None = None
    cpu: float | None = None
    preempted: int | None = None
    others: int = 0
    attempts: int = 1

    @property
    def disturbance(self) -> float:
        """The share of the epoch lost to waiting for a core, at most 1; 0 where it was not measured."""
        return min(1.0, (self.waited or 0.0) / self.total) if self.total else 0.0


class StepTimes(Schema):
    """Percentiles over the timed training steps, in seconds."""

    p50: float
    p90: float
    p99: float


class Time(Schema):
    """Wall times in seconds. `epochs` are raw; the first is a warm-up epoch for means when there are more."""

    epochs: list[Epoch] = []
    steps: StepTimes | None = None
    warmup_steps: int = 0
    cache_build: float | None = None
    cache_reused: bool | None = None
    test: float | None = None
    total: float | None = None
    clock: Literal["cuda-events", "perf-counter"] = "perf-counter"


class Parameters(Schema):
    """Numbers of scalars; `parts` maps a part (text tower, side network, head, …) to its trainable and total count."""

    trainable: int
    total: int
    parts: dict[str, tuple[int, int]] = {}
    saved_bytes: int = 0


class PhaseMemory(Schema):
    """Peaks of one phase in bytes. `tensors` is the CPU meter's; `allocated` and `reserved` are CUDA's."""

    tensors: int | None = None
    allocated: int | None = None
    reserved: int | None = None
    process: int | None = None
    rss: int | None = None


class Memory(Schema):
    """Peak memory by phase, and what the training peak consists of (bytes by kind)."""

    origin: Literal["cuda-allocated", "cpu-tensors"]
    training: PhaseMemory | None = None
    evaluation: PhaseMemory | None = None
    cache_build: PhaseMemory | None = None
    kinds: dict[str, int] = {}
    feature_cache: int | None = None
    metered_steps: int = 0

    @property
    def peak(self) -> int | None:
        """TPME's M: the peak of the training phase, in bytes."""
        if self.training is None:
            return None
        return self.training.allocated if self.origin == "cuda-allocated" else self.training.tensors


class Compute(Schema):
    """Floating-point operations of the metered training step (the epoch's heaviest), and its items and slots."""

    forward: int
    backward: int
    items: int
    slots: int


class Record(Schema):
    """Everything known of a finished or failed cell. `family` and `rates` say of the method what a table needs.

    `warnings`: what a reader must know of this cell, a line each; what the machine did stands in `environment`.
    """

    schema_version: int = SCHEMA_VERSION
    study: str
    cell: Cell
    cell_id: str
    family: Family
    summary: str = ""
    batch: int = 0
    rates: dict[str, float] = {}
    status: Status
    error: str | None = None
    warnings: list[str] = []
    started: str
    environment: Environment = Environment()
    dataset: dict[str, str | int | float] = {}
    accuracy: Accuracy | None = None
    time: Time = Time()
    parameters: Parameters | None = None
    memory: Memory | None = None
    energy: float | None = None
    compute: Compute | None = None

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


def read_record(path: Path) -> Record:
    """One record. BenchError names the file and the field at fault."""
    try:
        return Record.model_validate_json(read_text(path, JSON_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BenchError(f"{path}: {where}: {first['msg']}; remove the file and run its study again") from error


def load_records(directory: Path) -> list[Record]:
    """All records of a study's directory, in the order in which they were written. BenchError when there are none."""
    paths = sorted((directory / "records").glob("*.json"))
    if not paths:
        raise BenchError(f"{directory}: no records here; run a study with --out {directory} first")
    return sorted((read_record(path) for path in paths), key=lambda record: record.started)
