"""What operators take on this machine, and what a step takes beside them: measured once, kept as a file."""

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ...cell import Schema
from ...errors import BenchError
from ...files import cache_directory, digest, parse_json, read_text, write_atomic
from ...values import Count, Moment, PositiveSeconds, Seconds
from .work import Operator, StepWork

VERSION = 1
_MOST_BYTES, _MOST_SAMPLES = 1 << 25, 50_000
_INTENSE = 8
"""Operations a byte from which a product is bound by multiplying rather than by memory."""
Text = Annotated[str, Field(max_length=2000)]
Positive = Annotated[float, Field(gt=0, le=1e18)]


class Machine(Schema):
    """Of what a calibration holds: the same processor or card, threads and torch."""

    processor: Text
    device: Literal["cpu", "cuda"]
    threads: Count
    torch: Text

    @classmethod
    def here(cls, device: Any = "cpu") -> "Machine":
        """This process's, computing on a device."""
        import torch

        from ..meters.environment import cpu_model

        found = torch.device(device)
        name = torch.cuda.get_device_name(found) if found.type == "cuda" else cpu_model()
        threads = 0 if found.type == "cuda" else torch.get_num_threads()
        return cls(
            processor=name,
            device="cuda" if found.type == "cuda" else "cpu",
            threads=threads,
            torch=torch.__version__,
        )

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' * (self.threads != 1)}" if self.device == "cpu" else ""
        return f"{self.processor or 'unknown processor'}{threads}, torch {self.torch}"


class Sample(Schema):
    """What one call of an operator took by itself. `key`: a digest of `Operator.key`."""

    key: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    name: Text
    dtype: Text
    operations: Count
    bytes: Count
    seconds: PositiveSeconds

    @classmethod
    def of(cls, operator: Operator, seconds: float) -> "Sample":
        """A measured one."""
        return cls(
            key=_key(operator),
            name=operator.name,
            dtype=operator.dtype,
            operations=operator.operations,
            bytes=operator.bytes,
            seconds=seconds,
        )


class Beside(Schema):
    """What a step takes beside its operators, fitted to steps that were really run.

    `factor`: what operators take in a step over what they take by themselves. `forward`, `backward`: the host's seconds
    a launch, Python's and dispatch's. `tensor`: the host's seconds for each tensor of an optimiser's update.
    """

    factor: Positive = 1.0
    forward: Seconds = 0.0
    backward: Seconds = 0.0
    tensor: Seconds = 0.0


class Data(Schema):
    """Seconds of getting a batch: for itself, for each slot of it, and for each byte that its items' inputs have."""

    batch: Seconds = 0.0
    slot: Seconds = 0.0
    byte: Seconds = 0.0


class Calibration(Schema):
    """Rates of one machine. `matrix_rate`, `copy_rate`: as in a record's environment, for what nothing else tells.
    `load`: runnable threads while it was measured.
    """

    version: Literal[1] = VERSION
    machine: Machine
    measured: Moment
    load: float = 0.0
    matrix_rate: Positive
    copy_rate: Positive
    beside: Beside = Beside()
    data: Data = Data()
    samples: Annotated[list[Sample], Field(max_length=_MOST_SAMPLES)] = Field(default_factory=list)

    def merged(self, older: "Calibration | None") -> "Calibration":
        """With an older one's samples of operators that were not measured now."""
        new = {sample.key for sample in self.samples}
        kept = [] if older is None else [sample for sample in older.samples if sample.key not in new]
        return self.model_copy(update={"samples": [*self.samples, *kept][:_MOST_SAMPLES]})

    def save(self, path: Path) -> None:
        """Writes the file, whole or not at all."""
        write_atomic(path, self.model_dump_json(indent=1) + "\n")


def calibration_path(machine: Machine) -> Path:
    """Where the calibration of a machine is kept: in the cache, under a name of its own."""
    name = digest(machine.processor, machine.device, str(machine.threads), machine.torch)[:16]
    return cache_directory() / "calibrations" / f"{name}.json"


def load_calibration(path: Path, machine: Machine) -> Calibration:
    """A machine's calibration. BenchError when the file is damaged, or is another machine's or of another version."""
    remedy = "measure anew with bench plan --calibrate"
    values = parse_json(read_text(path, _MOST_BYTES), str(path))
    if isinstance(values, dict) and values.get("version") != VERSION:
        raise BenchError(f"{path}: a calibration of another version of the suite: {remedy}")
    try:
        found = Calibration.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise BenchError(f"{path}: no calibration ({where}: {first['msg']}): remove it and {remedy}") from error
    if found.machine != machine:
        raise BenchError(f"{path}: measured on {found.machine}, and this is {machine}: {remedy}")
    return found


@dataclass(frozen=True)
class Predicted:
    """Seconds of a step without its data. `measured`, `alike`, `rough`: which shares of the operators' seconds are of
    operators that were measured themselves, of others of their kind, and by bytes and operations alone.
    """

    seconds: float
    measured: float
    alike: float
    rough: float


def seconds(work: StepWork, calibration: Calibration) -> Predicted:
    """A step's seconds on the machine of a calibration, without those of its data.

    On a CPU the host computes itself: its time and the operators' add up. On a card they overlap, and the longer one
    counts.
    """
    rates = Rates(calibration)
    shares = {"measured": 0.0, "alike": 0.0, "rough": 0.0}
    for operator, times in work.operators.items():
        how, one = rates.of(operator)
        shares[how] += one * times
    total, beside = sum(shares.values()), calibration.beside
    tensors = updated_tensors(work)
    host = beside.forward * (work.launches - work.backward) + beside.backward * work.backward + beside.tensor * tensors
    on_card = calibration.machine.device == "cuda"
    step = max(beside.factor * total, host) if on_card else beside.factor * total + host
    return Predicted(step, **{how: share / total if total else 0.0 for how, share in shares.items()})


def updated_tensors(work: StepWork) -> int:
    """How many tensors an optimiser's update hands over: its Python code goes through each of them."""
    return sum(len(operator.given) * times for operator, times in work.operators.items() if _updates(operator))


def _updates(operator: Operator) -> bool:
    return operator.name.startswith(("aten._fused_adam", "aten._foreach_"))


class Rates:
    """Seconds of any operator, from the samples of a calibration.

    An operator that was measured itself takes what it took. Otherwise it takes what others of its kind suggest: the
    same function, dtype and side of the balance between multiplying and moving, interpolated linearly between the
    logarithms of their sizes (operations, or bytes of what has none) and seconds. Beyond the largest the rate stays as
    it is there; below the smallest too, down to the shortest call of all.
    The step's own operators are what is measured first: a study has some hundred of them, tenths of a second each at
    most, so that nearly all of a step is known within a minute or two; interpolation serves other batches and towers.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._known = {sample.key: sample.seconds for sample in calibration.samples}
        self._lines: dict[tuple[str, ...], list[tuple[float, float]]] = {}

    def of(self, operator: Operator) -> tuple[Literal["measured", "alike", "rough"], float]:
        """How it is known, and its seconds by itself."""
        known = self._known.get(_key(operator))
        if known is not None:
            return "measured", known
        size = operator.operations or operator.bytes
        for kind in _kinds(operator):
            if size and (line := self._line(kind)):
                return "alike", max(self._shortest, interpolated(line, size))
        rate, copied = self._calibration.matrix_rate, self._calibration.copy_rate
        return "rough", max(self._shortest, operator.operations / rate, operator.bytes / copied)

    @cached_property
    def _shortest(self) -> float:
        return min(self._known.values(), default=0.0)

    def _line(self, kind: tuple[str, ...]) -> list[tuple[float, float]]:
        """Sizes and seconds of the samples of a kind, in the order of sizes; the mean of those of one size."""
        if kind not in self._lines:
            found: dict[float, list[float]] = {}
            for sample in self._calibration.samples:
                if (size := sample.operations or sample.bytes) and kind in _kinds(sample):
                    found.setdefault(size, []).append(math.log(sample.seconds))
            self._lines[kind] = [(size, math.exp(fmean(found[size]))) for size in sorted(found)]
        return self._lines[kind]


def interpolated(line: list[tuple[float, float]], size: float) -> float:
    """Seconds at a size between two points `(size, seconds)` of a line, or at the rate of its end."""
    if size <= line[0][0]:
        return line[0][1] * size / line[0][0]
    for (lower, low), (upper, high) in pairwise(line):
        if size <= upper:
            share = math.log(size / lower) / math.log(upper / lower)
            return math.exp((1 - share) * math.log(low) + share * math.log(high))
    return line[-1][1] * size / line[-1][0]


def _kinds(of: Operator | Sample) -> list[tuple[str, ...]]:
    """From what an operator is most like to what it is least like."""
    intense = "intense" if of.operations > _INTENSE * of.bytes else "not"
    return [(of.name, of.dtype, intense), (of.name, of.dtype), (of.name,)]


def _key(operator: Operator) -> str:
    return digest(operator.key)[:16]
