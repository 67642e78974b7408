"""Builds a feature cache in a process of its own, so that its time and its peaks are of nothing else.

    python -m tpmebench.bench.worker.cache_build MODALITY < order.json

What building took stands in the entry: every cell that reads it reports the same.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Sequence
from contextlib import suppress
from statistics import mean
from typing import Any

import torch
from torch import nn

from ...cell import Cell
from ...errors import BenchError
from ...methods.features.build import Run
from ..meters import environment
from ..meters.energy import EnergyMeter
from ..meters.kills import out_of_memory_kills, signal_name
from ..meters.operations import count
from ..meters.peaks import PeakMemory
from ..meters.tensor_bytes import TensorBytes
from ..nursery import Program, start
from .build import build_features
from .failure import classify, one_line
from .job import Order
from .lifeline import begin
from .places import Places
from .preparation import prepare_process
from .read import Tell


class CacheMeter:
    """Peaks of a build: of torch's allocator on CUDA, tensor bytes of its heaviest batch on a CPU, resident memory.
    What it used, where a counter says that.
    """

    def __init__(self, order: Order) -> None:
        self._device = torch.device(order.cell.device)
        self._order = order
        self._peaks = PeakMemory(self._device)
        self._energy = EnergyMeter(self._device)

    def start(self) -> None:
        """From here on."""
        self._peaks.reset()
        self._energy.start()

    def stop(self, tower: nn.Module, heaviest: Run, items: Sequence[Run]) -> dict[str, Any]:
        """`memory`, `energy`, `tower_operations` and by whom and where it was built, as the entry keeps them."""
        energy, found = self._energy.stop(), self._peaks.read()
        if self._device.type == "cpu":
            with TensorBytes(track=[tower]) as meter:
                heaviest()
            found.tensors = meter.peak
        measured: dict[str, Any] = {"memory": found.model_dump(exclude_none=True), "built_by": self._builder()}
        measured |= {"machine": self._order.machine, "beside": self._order.beside}
        measured["tower_operations"] = round(mean(count(item) for item in items))
        return measured if energy is None else {**measured, "energy": energy.model_dump()}

    def _builder(self) -> str:
        cell, on_gpu = self._order.cell, self._device.type == "cuda"
        machine = torch.cuda.get_device_name(self._device) if on_gpu else environment.cpu_model()
        return f"{cell.method}, seed {cell.seed}, on {machine}, {torch.get_num_threads()} threads"


def build_apart(cell: Cell, places: Places, modality: str, tell: Tell, machine: str = "", beside: int = 0) -> None:
    """Has a cell's feature cache built, on this machine and beside so many other cells, and raises here whatever ended
    it there.
    """
    kills = out_of_memory_kills()
    jobs, given = os.pipe()
    told, events = os.pipe()
    builder = start(Program(__name__, (modality,), (jobs, events, 2)))
    os.close(jobs)
    os.close(events)
    # The builder takes the end of what it is given for ours, so that stays open until it has ended.
    with os.fdopen(given, "wb", buffering=0) as job, os.fdopen(told, "rb") as lines:
        with suppress(BrokenPipeError):  # it is gone already; its exit status says why
            order = Order(cell=cell, places=places, machine=machine, beside=beside)
            job.write(order.model_dump_json().encode() + b"\n")
        failure = _follow(lines, tell)
        code = builder.wait()
    _judge(failure, code, modality, out_of_memory_kills() != kills)


def _follow(lines: Iterable[bytes], tell: Tell) -> dict[str, str] | None:
    """Passes on what the builder tells; its failure, if it tells of one."""
    failure = None
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a process that was killed while it wrote
        if event["event"] == "phase":
            tell(event["name"], event["done"], event["total"])
        else:
            failure = event
    return failure


def _judge(failure: dict[str, str] | None, code: int, modality: str, killed_for_memory: bool) -> None:
    """Raises what became of a builder that did not end well."""
    if failure is not None:
        kinds = {"refused": BenchError, "oom": MemoryError}
        raise kinds.get(failure["status"], RuntimeError)(failure["message"])
    if code == -signal.SIGKILL and killed_for_memory:
        raise MemoryError(f"memory ran out while the {modality} features were cached")
    if code:
        how = f"was killed by {signal_name(-code)}" if code < 0 else f"ended with status {code}"
        raise RuntimeError(f"the process that cached the {modality} features {how}")


def main(modality: str) -> int:
    """Builds; 0 when the entry is there."""
    events, job = begin(Order)
    try:
        prepare_process(job.cell)
        build_features(job.cell, job.places, modality, events.phase, CacheMeter(job))
    except BaseException as error:
        traceback.print_exc()
        events.tell("failed", status=classify(error), message=one_line(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
