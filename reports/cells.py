"""A record as one flat row of numbers, the form in which tables, plots and exports read it."""

from collections.abc import Callable
from typing import Any

from .records import Epoch, Record

FAMILIES = ("full", "embedded", "decoupled", "reference")
PHASES = ("data", "forward", "backward", "update")
METRICS = ("HR@5", "HR@10", "HR@20", "NDCG@5", "NDCG@10", "NDCG@20", "MRR")
TARGETS = ("warm", "cold", "novel", "repeat")


def timed_epochs(record: Record) -> list[Epoch]:
    """The epochs that count for T: all but the first, which warms up, or that one when there is no other."""
    return record.time.epochs[1:] or record.time.epochs


def mean_epoch(record: Record, part: Callable[[Epoch], float]) -> float | None:
    """Mean of a part of an epoch over `timed_epochs`, None when nothing was trained."""
    epochs = timed_epochs(record)
    return sum(map(part, epochs)) / len(epochs) if epochs else None


def origin(record: Record) -> str:
    """Which meter M comes from; of a cell without one, the meter of its device."""
    if record.memory is not None:
        return record.memory.origin
    return "cuda-allocated" if record.cell.device.startswith("cuda") else "cpu-tensors"


def row(record: Record) -> dict[str, Any]:
    """Everything of a record that is shown, in seconds, bytes and scalars. None where it was not measured."""
    return {
        "method": record.cell.method,
        "family": record.family,
        "study": record.study,
        "cell_id": record.cell_id,
        "seed": record.cell.seed,
        "repeat": record.cell.repeat,
        "status": record.status,
        "error": record.error,
        "started": record.started,
        "batch": record.batch or None,
        **times(record),
        **sizes(record),
        **accuracies(record),
    }


def times(record: Record) -> dict[str, Any]:
    time, steps = record.time, record.time.steps
    return {
        "time": mean_epoch(record, lambda epoch: epoch.total),
        "epochs": len(time.epochs) or None,
        **{phase: mean_epoch(record, lambda epoch, phase=phase: getattr(epoch, phase)) for phase in PHASES},
        "step_p50": steps.p50 if steps else None,
        "step_p90": steps.p90 if steps else None,
        "step_p99": steps.p99 if steps else None,
        "cache_build": time.cache_build,
        "cache_reused": time.cache_reused,
        "validation": mean_epoch(record, lambda epoch: epoch.evaluation),
        "test_time": time.test,
        "total_time": time.total,
        "energy": record.energy,
    }


def sizes(record: Record) -> dict[str, Any]:
    memory, parameters, compute = record.memory, record.parameters, record.compute
    training = memory.training if memory else None

    def phase(name: str) -> int | None:
        measured = getattr(memory, name) if memory else None
        if measured is None or memory is None:
            return None
        return measured.allocated if memory.origin == "cuda-allocated" else measured.tensors

    return {
        "parameters": parameters.trainable if parameters else None,
        "parameters_total": parameters.total if parameters else None,
        "saved_bytes": parameters.saved_bytes if parameters else None,
        "memory": memory.peak if memory else None,
        "memory_evaluation": phase("evaluation"),
        "memory_cache_build": phase("cache_build"),
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
    accuracy = record.accuracy
    test = accuracy.test.metrics if accuracy else {}
    values: dict[str, Any] = {"best_epoch": accuracy.best_epoch if accuracy else None}
    values |= {metric: test.get(metric) for metric in METRICS}
    for target in TARGETS:
        part = getattr(accuracy, target) if accuracy else None
        values[f"users_{target}"] = part.users if part else None
        values |= {f"{metric} {target}": part.metrics.get(metric) if part else None for metric in ("HR@10", "NDCG@10")}
    return values
