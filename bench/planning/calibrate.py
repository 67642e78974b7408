"""Measures what a calibration holds, within two minutes: operators by themselves, small steps, batches."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

import numpy as np
import torch

from ..meters.environment import load_average
from ..meters.rates import copy_rate, matrix_rate
from .calibration import Beside, Calibration, Machine, Rates, Sample, updated_tensors
from .data import data_rates
from .reference import SIZES, Part, ReferenceStep, Size
from .replay import Clock, operator_seconds
from .work import Call, Operator, WorkMode

LIMIT = 90.0
"""Seconds after which no further operator is begun."""
_BUDGET, _PASSES, _ROUNDS = 0.01, 2, 8

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Bench:
    """Where is measured, by which clock, for how long, and who is told how far it is."""

    device: torch.device
    limit: float = LIMIT
    sizes: Sequence[Size] = SIZES
    clock: Clock = time.perf_counter
    tell: Tell = lambda _name, _done, _total: None


def calibrate(wanted: Iterable[WorkMode], bench: Bench) -> Calibration:
    """The rates of this machine, by what the reference steps call and what was observed of the steps of a study.

    Operators are gone through twice and the shorter time kept, as other work on the machine can only lengthen it; of
    the reference steps, which are run before, between and after, the median counts. What takes most of a step is
    measured first; what no longer fits into the limit is left to interpolation.
    """
    end, load, most = bench.clock() + bench.limit, load_average(), _most_bytes(bench.device)
    rates = matrix_rate(bench.device), copy_rate(bench.device)
    steps = [ReferenceStep(size, bench.device) for size in bench.sizes]
    observed = [step.observe() for step in steps]
    calls = _in_order([mode for _, mode in observed], *rates)
    calls = calls | {operator: call for operator, call in _in_order(wanted, *rates).items() if operator not in calls}
    taken, parts = dict[Operator, float](), [step.time(_ROUNDS) for step in steps]
    for number in range(_PASSES):
        for done, (operator, call) in enumerate(calls.items()):
            if bench.clock() >= end:
                break
            if operator.bytes > most:
                continue
            bench.tell("measuring operators", number * len(calls) + done, _PASSES * len(calls))
            found = operator_seconds(operator, call, bench.device, _BUDGET, bench.clock)
            if found is not None:
                taken[operator] = min(found, taken.get(operator, found))
        for step, times in zip(steps, parts, strict=True):
            times += step.time(_ROUNDS)
    calibration = Calibration(
        machine=Machine.here(bench.device),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        load=load,
        matrix_rate=rates[0],
        copy_rate=rates[1],
        data=data_rates(bench.clock),
        samples=[Sample.of(operator, seconds) for operator, seconds in taken.items() if seconds > 0],
    )
    run = [
        Part(work, median(seconds))
        for (works, _), times in zip(observed, parts, strict=True)
        for work, seconds in zip(works, zip(*times, strict=True), strict=True)
    ]
    return calibration.model_copy(update={"beside": fit(run, calibration)})


def _most_bytes(device: torch.device) -> int:
    """Of an operator that is called: a plan may be of more than this machine holds."""
    import psutil

    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return free // 4


def _in_order(modes: Iterable[WorkMode], matrix: float, copied: float) -> dict[Operator, Call]:
    """Operators with their calls, from those that take most of the steps to those that take least, as rates tell."""
    times, calls = Counter[Operator](), dict[Operator, Call]()
    for mode in modes:
        times.update(mode.work.operators)
        calls |= mode.calls

    def share(operator: Operator) -> float:
        return times[operator] * max(operator.operations / matrix, operator.bytes / copied)

    return {operator: calls[operator] for operator in sorted(calls, key=share, reverse=True)}


def fit(parts: Sequence[Part], calibration: Calibration) -> Beside:
    """What explains best, relatively, what the parts of the reference steps took; nothing is negative.

    On a card the parts of the first step, which computes next to nothing, say what the host takes.
    """
    from scipy.optimize import nnls

    rates = Rates(calibration)
    on_card = calibration.machine.device == "cuda"
    rows = [_row(part, rates) for part in (parts[:3] if on_card else parts)]
    table = np.array(rows) / np.array([[part.seconds] for part in parts[: len(rows)]])
    if on_card:
        table[:, 0] = 0.0
    factor, forward, backward, tensor = map(float, nnls(table, np.ones(len(rows)))[0])
    return Beside(factor=1.0 if on_card or not factor else factor, forward=forward, backward=backward, tensor=tensor)


def _row(part: Part, rates: Rates) -> list[float]:
    """Seconds of the operators, launches of the modules and of autograd, tensors of an update."""
    work = part.work
    operators = sum(rates.of(operator)[1] * times for operator, times in work.operators.items())
    return [operators, work.launches - work.backward, work.backward, updated_tensors(work)]
