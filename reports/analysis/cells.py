"""A record as one flat row of numbers, the form in which tables, plots and exports read it."""

from collections.abc import Callable
from typing import Any, get_args

from ...cell import Family
from ...metrics import headline
from ..records import Epoch, Record
from .machine import machine

FAMILIES = get_args(Family)
PHASES = ("data", "forward", "backward", "update")

MARKED, LEFT_OUT, SIGN = 0.05, 0.20, "†"
"""Shares of an epoch lost to waiting above which it is marked, and above which it stays out of T; the mark."""


def warm_epochs(record: Record) -> list[Epoch]:
    """All epochs but those that began in a fresh process, the first and a resumed one.

    Libraries, caches and the allocator are cold in them.
    """
    return [epoch for number, epoch in enumerate(record.time.epochs) if number and not epoch.resumed]


def usable_epochs(record: Record) -> list[Epoch]:
    """The warm epochs, or of a cell that has no other the cold ones."""
    return warm_epochs(record) or record.time.epochs


def timed_epochs(record: Record, disturbed: bool = False) -> list[Epoch]:
    """The epochs that count for T: the warm ones that lost no more than a fifth to waiting, or all when `disturbed`.

    Empty when nothing was trained or every epoch was disturbed so much: such a cell has no T.
    """
    return [epoch for epoch in usable_epochs(record) if disturbed or epoch.disturbance <= LEFT_OUT]


def is_marked(epoch: Epoch) -> bool:
    """Whether so much of an epoch was lost to waiting, or others were on the GPU, that its time needs a mark."""
    return epoch.disturbance > MARKED or epoch.others > 0


def mean_epoch(record: Record, part: Callable[[Epoch], float], disturbed: bool = False) -> float | None:
    """Mean of a part of an epoch over `timed_epochs`, None when there are none."""
    epochs = timed_epochs(record, disturbed)
    return sum(map(part, epochs)) / len(epochs) if epochs else None


def origin(record: Record) -> str:
    """Which meter M comes from; of a cell without one, the meter of its device."""
    if record.memory is not None:
        return record.memory.origin
    return "cuda-allocated" if record.cell.device.startswith("cuda") else "cpu-tensors"


KEPT = ("epochs", "validation", "test_time", "total_time", "energy")
"""What is told of the run of an accuracy cell whose costs were measured by another."""


def row(record: Record, disturbed: bool = False) -> dict[str, Any]:
    """Everything of a record that is shown, in seconds, bytes and scalars. None where it was not measured.

    `disturbed`: epochs that lost more than a fifth to waiting count for T as well.
    """
    return {
        "method": record.cell.method,
        "family": record.family,
        "study": record.study,
        "cell_id": record.cell_id,
        "seed": record.cell.seed,
        "repeat": record.cell.repeat,
        "costs": record.cell.costs,
        "machine": ", ".join(machine(record).values()),
        "status": record.status,
        "error": record.error,
        "started": record.started,
        "batch": record.batch or None,
        **times(record, disturbed),
        **sizes(record),
        **accuracies(record),
    }


def times(record: Record, disturbed: bool = False) -> dict[str, Any]:
    time, steps = record.time, record.time.steps
    counted, usable = timed_epochs(record, disturbed), usable_epochs(record)

    def mean(part: Callable[[Epoch], float]) -> float | None:
        return mean_epoch(record, part, disturbed)

    return {
        "time": mean(lambda epoch: epoch.total),
        "epochs": len(time.epochs) or None,
        "marked": sum(map(is_marked, counted)) if usable else None,
        "left_out": len(usable) - len(counted) if usable else None,
        **{phase: mean(lambda epoch, phase=phase: getattr(epoch, phase)) for phase in PHASES},
        "step_p50": steps.p50 if steps else None,
        "step_p90": steps.p90 if steps else None,
        "step_p99": steps.p99 if steps else None,
        "cache_build": time.cache_build,
        "cache_reused": time.cache_reused,
        "start": time.start,
        "validation": mean(lambda epoch: epoch.evaluation),
        "test_time": time.test,
        "total_time": time.total,
        "energy": record.energy,
    }


def sizes(record: Record) -> dict[str, Any]:
    memory, parameters, compute = record.memory, record.parameters, record.compute
    training = memory.training if memory else None

    return {
        "parameters": parameters.trainable if parameters else None,
        "parameters_total": parameters.total if parameters else None,
        "saved_bytes": parameters.saved_bytes if parameters else None,
        "memory": memory.peak if memory else None,
        "memory_evaluation": memory.peak_of("evaluation") if memory else None,
        "memory_cache_build": memory.peak_of("cache_build") if memory else None,
        "memory_reserved": training.reserved if training else None,
        "memory_process": training.process if training else None,
        "memory_rss": training.rss if training else None,
        "feature_cache": memory.feature_cache if memory else None,
        "flops_forward": compute.forward if compute else None,
        "flops_backward": compute.backward if compute else None,
        "items": compute.items if compute else None,
        "slots": compute.slots if compute else None,
    }


def accuracies(record: Record) -> dict[str, Any]:
    """Each metric of the test users, and the headline ones of each slice of them, as `metric slice`."""
    accuracy = record.accuracy
    test = accuracy.test.metrics if accuracy else {}
    values: dict[str, Any] = {"best_epoch": accuracy.best_epoch if accuracy else None}
    values |= {metric.name: test.get(metric.name) for metric in record.metrics}
    shown = headline(record.metrics, record.primary_metric)
    for name, part in accuracy.slices.items() if accuracy else ():
        values[f"users_{name}"] = part.users
        values |= {f"{metric.name} {name}": part.metrics.get(metric.name) for metric in shown}
    return values
