"""Made-up records for `bench check`: a run of six methods, and what may be done to the cells of one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tpmebench.bench.guard import measured as measuring
from tpmebench.bench.guard.baseline import Baseline
from tpmebench.cell import BackboneChoice, Cell, Training
from tpmebench.metrics import METRICS
from tpmebench.reports.records import (
    Accuracy,
    Compute,
    Environment,
    Epoch,
    Memory,
    Parameters,
    PhaseMemory,
    Record,
    Slice,
    Time,
)

SECONDS = {"fft": 10.0, "lora": 7.0, "bitfit": 6.0, "adapter": 6.5, "iisan": 2.0, "iisan-cached": 0.5}


def record(method: str, seed: int = 0, repeat: int = 0, noise: int | None = None, **cell: Any) -> Record:
    """A finished cell with five epochs; `noise` seeds the jitter of its times (3 %), the first epoch being slow."""
    settings: dict[str, Any] = {
        "dataset": "bazaar",
        "backbones": BackboneChoice(text="micro", image="micro"),
        "training": Training(epochs=5),
    }
    made = Cell(method=method, seed=seed, repeat=repeat, **(settings | cell))
    random = np.random.default_rng(None if noise is None else [noise, len(method), seed, repeat])
    jitter = np.ones(5) if noise is None else random.normal(1, 0.03, 5)
    totals = SECONDS[method] * jitter * [3, 1, 1, 1, 1]
    test = Slice(users=2000, metrics={**dict.fromkeys(METRICS, 0.15), "HR@10": 0.2, "NDCG@10": 0.1})
    none = Slice(users=0, metrics={})
    return Record(
        study="demo",
        cell=made,
        cell_id=made.id,
        family="full" if method == "fft" else "embedded",
        status="ok",
        started=f"2026-01-01T00:00:{repeat:02d}",
        environment=Environment(cpu="A processor", cores=2, threads=2),
        accuracy=Accuracy.of(best_epoch=1, valid=test, test=test, warm=none, cold=none, novel=none, repeat=none),
        time=Time(
            epochs=[
                Epoch(loss=1, total=t, data=0, forward=t / 2, backward=t / 2, update=0, steps=9, users=90)
                for t in totals
            ]
        ),
        parameters=Parameters(trainable=1000 + seed, total=5000, saved_bytes=4000),
        memory=Memory(origin="cpu-tensors", training=PhaseMemory(tensors=10**6), cache_build=PhaseMemory(tensors=99)),
        compute=Compute(forward=10**9, backward=2 * 10**9, items=30, slots=60),
    )


def study(change: Callable[[Record], None] | None = None, of: str = "lora", noise: int | None = None) -> list[Record]:
    """Two cells a method; `change` is done to the cells of one method."""
    records = [record(method, repeat=repeat, noise=noise) for repeat in range(2) for method in SECONDS]
    for one in records:
        if change and one.cell.method == of:
            change(one)
    return records


def times(factor: float) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        for epoch in one.time.epochs:
            epoch.total *= factor

    return change


def on(records: list[Record], **environment: Any) -> list[Record]:
    """The same, run on another machine."""
    for one in records:
        one.environment = one.environment.model_copy(update=environment)
    return records


def disturb(share: float, epochs: slice = slice(None)) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        for epoch in one.time.epochs[epochs]:
            epoch.waited = share * epoch.total

    return change


def with_memory(factor: float) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        assert one.memory and one.memory.training and one.memory.training.tensors
        one.memory.training.tensors = int(one.memory.training.tensors * factor)

    return change


def with_parameters(factor: float) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        assert one.parameters
        one.parameters.trainable = round(one.parameters.trainable * factor)

    return change


def with_operations(factor: float) -> Callable[[Record], None]:
    def change(one: Record) -> None:
        assert one.compute
        one.compute.backward = int(one.compute.backward * factor)

    return change


def measured(records: list[Record]) -> Baseline:
    return measuring.from_records(records)
