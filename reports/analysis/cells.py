"""A record as one flat row of numbers, the form in which tables, plots and exports read it."""

from collections.abc import Callable
from typing import Any, get_args

import pandas as pd

from ...cell import Family
from ...metrics import headline
from ..records import Epoch, Record
from .energy import COUNTERS, cache_energy, epoch_energy
from .epochs import alone, is_marked, mean_epoch, timed_epochs, usable_epochs
from .machine import machine_words
from .use import use_sizes, use_times

FAMILIES = get_args(Family)
PHASES = ("data", "forward", "backward", "update")


def origin(record: Record) -> str:
    """Which meter M comes from; of a cell without one, the meter of its device."""
    if record.memory is not None:
        return record.memory.origin
    return "cuda-allocated" if record.cell.device.startswith("cuda") else "cpu-tensors"


KEPT = ("epochs", "validation", "test_time", "total_time", "energy")
"""What is told of the run of an accuracy cell whose costs were measured by another."""


def of_whole_runs(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells, of which those of costs alone say nothing of KEPT where a whole run of their row does.

    They train for seconds and judge nobody: averaged with the others, they would shorten a run.
    """
    whole = cells["label"].isin(cells["label"][(cells["status"] == "ok") & ~cells["costs"]])
    kept = cells[list(KEPT)].astype(float).where(~(whole & cells["costs"]))
    return cells.assign(**{name: kept[name] for name in KEPT})


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
        "machine": machine_words(record),
        "status": record.status,
        "error": record.error,
        "started": record.started,
        "batch": record.batch or None,
        **times(record, disturbed),
        **sizes(record),
        **accuracies(record),
    }


def times(record: Record, disturbed: bool = False) -> dict[str, Any]:
    """Seconds, and joules of the whole run: what other cells on the same machine change, unless they may."""
    quiet = disturbed or alone(record)
    time, steps = record.time, record.time.steps if quiet else None
    counted, usable = timed_epochs(record, disturbed), usable_epochs(record)

    def mean(part: Callable[[Epoch], float]) -> float | None:
        return mean_epoch(record, part, disturbed)

    return {
        "time": record.plan.seconds if record.plan else mean(lambda epoch: epoch.total),
        "epochs": len(time.epochs) or None,
        "marked": sum(map(is_marked, counted)) if usable else None,
        "left_out": len(usable) - len(counted) if usable and quiet else None,
        "beside": (0 if quiet else record.beside) if usable else None,
        **{phase: mean(lambda epoch, phase=phase: getattr(epoch, phase)) for phase in PHASES},
        "step_p50": steps.p50 if steps else None,
        "step_p90": steps.p90 if steps else None,
        "step_p99": steps.p99 if steps else None,
        "cache_build": time.cache_build if quiet else None,
        "cache_reused": time.cache_reused,
        "start": time.start if quiet else None,
        "validation": None if record.cell.costs else mean(lambda epoch: epoch.evaluation),
        "test_time": time.test if quiet else None,
        "total_time": time.total,
        "energy": record.energy if quiet else None,
        **energies(record, disturbed),
        **use_times(record, disturbed),
    }


def energies(record: Record, disturbed: bool = False) -> dict[str, Any]:
    """Joules of an epoch and of the cache build by counter, and how many epochs behind them are marked or left out."""
    found: dict[str, Any] = {}
    for counter in COUNTERS:
        mean, marked, left_out = epoch_energy(record, counter, disturbed)
        found |= {f"{counter}_energy": mean, f"{counter}_marked": marked, f"{counter}_left_out": left_out}
        found[f"{counter}_cache_energy"] = cache_energy(record, counter, disturbed)
    return found


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
        "memory_without_cache": memory.peak_without_cache if memory else None,
        "flops_forward": compute.forward if compute else None,
        "flops_backward": compute.backward if compute else None,
        "items": compute.items if compute else None,
        "slots": compute.slots if compute else None,
        **use_sizes(record),
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
