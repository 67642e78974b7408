"""What happens inside a cell's process: assemble, measure, train, rank, and fill in the record."""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ...energy import CARD
from ...errors import Mended
from ...files import cache_directory
from ...reports.analysis.machine import machine_words
from ...reports.records import Epoch, Memory, PhaseMemory, Record, StepTimes, Time
from ..meters import environment
from ..meters.energy import EnergyMeter
from ..meters.rates import copy_rate, matrix_rate
from ..tasks.task import ScoreUsers
from .build import RankedCell, TrainedCell, assemble
from .cache_build import build_apart
from .checkpoint import checkpoint_path, drop_checkpoints, load_checkpoint, save_checkpoint
from .content import CacheUse
from .costing import PRECISION, Costing, CostMeter
from .evaluation import Evaluator
from .job import Events, Job, MachineRates, save_ranks
from .loop import Fit, Progress
from .measuring import MemoryMeter, count_operations, count_parameters, tensor_memory
from .places import Places, saved_path
from .preparation import prepare_process
from .saving import Kept, save_kept
from .step import Trainer
from .towers import read_towers
from .turns import Turns
from .use import count_use, sample_passes


def execute(record: Record, job: Job, events: Events) -> None:
    """Runs the record's cell and fills in everything but its status."""
    start = time.perf_counter()
    cell = record.cell
    prepare_process(cell)
    record.environment = environment.describe(cell.device, cell.deterministic)
    record.environment.warnings = job.warnings
    memory = MemoryMeter(torch.device(cell.device))
    with _telling_of_damage(record, events):
        apart = partial(build_apart, machine=machine_words(record), beside=record.beside)
        parts = assemble(cell, events.phase, apart, job.places, job.batch)
    record.dataset = parts.dataset.facts
    if isinstance(parts, RankedCell):
        _rank(record, job, parts)
    else:
        record.batch = parts.batch
        record.towers, notes = read_towers(cell, parts.sources)
        record.warnings += [*parts.unused, *parts.method.notes, *notes]
        _train(record, job, events, parts, memory)
        rates = job.rates or _machine_rates(torch.device(cell.device))
        record.environment.matrix_rate, record.environment.copy_rate = rates.matrix, rates.copied
    record.time.total = (record.time.total or 0.0) + time.perf_counter() - start


def _machine_rates(device: torch.device) -> MachineRates:
    return MachineRates(matrix=matrix_rate(device), copied=copy_rate(device))


@contextmanager
def _telling_of_damage(record: Record, events: Events) -> Iterator[None]:
    """What of the cache had to be made anew is said on screen and in the record, where the log alone would have it."""
    with warnings.catch_warnings():
        log = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            log(message, category, *place, **more)
            line = str(message).replace(f"{cache_directory()}/", "")
            if issubclass(category, Mended) and line not in record.warnings:  # it is looked at again under a lock
                events.tell("warning", message=str(message))
                record.warnings.append(line)

        warnings.simplefilter("always", Mended)
        warnings.showwarning = tell
        yield


def _rank(record: Record, job: Job, parts: RankedCell) -> None:
    """A ranking that trains nothing."""
    judge, cpu, items = parts.task.judge(), torch.device("cpu"), parts.dataset.catalogue.size
    scorer = parts.ranker.scorer(parts.shelf, np.random.default_rng(parts.cell.seed))

    def rows(history: torch.Tensor) -> torch.Tensor:
        found = scorer(history.numpy())
        return torch.from_numpy(np.broadcast_to(found, (len(history), items + 1)).copy())

    score = ScoreUsers(rows)
    valid = judge(score, parts.dataset.valid, items, cpu)
    start = time.perf_counter()
    test = judge(score, parts.dataset.test, items, cpu)
    record.time = Time(test=time.perf_counter() - start)
    _keep_cache(record, parts.cache)
    record.accuracy = parts.task.accuracy(parts.dataset, valid, test, best_epoch=0)
    save_ranks(job.directory, record.cell_id, test)


def _keep_cache(record: Record, cache: CacheUse | None) -> None:
    """What building the feature cache took, of a cell that reads any of it."""
    if cache is not None:
        record.time.cache_build, record.time.cache_reused = cache.seconds, cache.reused
        record.time.cache_built_by, record.time.cache_energy = cache.built_by, cache.energy
        record.time.cache_machine, record.time.cache_beside = cache.machine, cache.beside


def _train(record: Record, job: Job, events: Events, parts: TrainedCell, memory: MemoryMeter) -> None:
    cell = record.cell
    trainer = Trainer(parts)
    evaluator = _evaluator(parts, trainer)
    record.rates, record.additions = _rates(trainer), parts.method.additions
    events.phase("measuring", 0, 0)
    record.parameters = count_parameters(trainer)
    record.compute, record.use = count_operations(trainer), count_use(parts, evaluator)
    measured = tensor_memory(trainer, evaluator) if parts.device.type == "cpu" else Memory(origin="cuda-allocated")
    start = parts.method.start_seconds
    record.time = Time(warmup_steps=trainer.warm_up(), clock=trainer.clock.source, start=start)
    _keep_cache(record, parts.cache)
    if parts.cache is not None:
        measured.cache_build, measured.feature_cache = parts.cache.memory, parts.cache.bytes
        measured.cache_on_card = parts.cache.on_card
    torch.manual_seed(cell.seed)

    def disturbed(epoch: Epoch, number: int) -> None:
        events.tell("disturbed", number=number, lost=epoch.disturbance, others=epoch.others)

    if cell.costs:
        users, turns = len(parts.dataset.train), Turns.joined()
        _cost(record, events, CostMeter(trainer, memory, users, job.costs_seconds, turns=turns))
        with memory.phase("evaluation"):
            record.use.passes = sample_passes(evaluator)
    else:
        fit = Fit(parts, trainer, evaluator, memory, job.repeat_disturbed, disturbed, job.test_every_epoch, job.save)
        _keep(record, job, parts, _fit(record, job, events, fit))
    record.memory = _with_phases(measured, memory)


def _fit(record: Record, job: Job, events: Events, fit: Fit) -> Progress:
    """Trains on from the cell's checkpoint, if there is one, and writes new ones."""
    cell, path = record.cell, checkpoint_path(job.directory, record)
    progress, damage = load_checkpoint(path, fit.trainer, job.save)
    if damage:
        record.warnings.append(damage)
        events.tell("warning", message=damage)
    progress.beside = record.beside = max(progress.beside, record.beside)
    record.time.total, before = progress.seconds, progress.energy
    saved, energy = time.monotonic(), EnergyMeter(fit.parts.device, powercap=None)
    energy.start()

    def after_epoch(progress: Progress) -> None:
        nonlocal saved
        last = progress.epochs[-1]
        done = progress.finished(cell.training)
        events.tell(
            "epoch",
            number=len(progress.epochs),
            of=cell.training.epochs,
            loss=last.loss,
            seconds=last.total,
            metric=record.primary_metric,
            valid=last.valid[record.primary_metric],
            lost=last.disturbance,
            others=last.others,
        )
        if not done and time.monotonic() - saved >= job.checkpoint_seconds:
            progress.seconds += time.monotonic() - saved
            progress.energy = _sum(before, _of_card(energy))
            save_checkpoint(path, fit.trainer, progress)
            saved = time.monotonic()

    progress = fit.run(progress, after_epoch)
    record.energy = _sum(before, _of_card(energy))
    drop_checkpoints(job.directory, record.cell_id)
    return progress


def _of_card(energy: EnergyMeter) -> float | None:
    """Joules of the card since the meter was started."""
    used = energy.stop()
    return None if used is None else used.joules.get(CARD)


def _sum(before: float | None, now: float | None) -> float | None:
    """Joules of all runs of a cell; None as soon as one of them was not measured."""
    return None if before is None or now is None else before + now


def _keep(record: Record, job: Job, parts: TrainedCell, progress: Progress) -> None:
    """Epochs, step percentiles, accuracy and ranks."""
    assert progress.valid_ranks is not None and progress.test_ranks is not None
    record.time.epochs, record.time.steps = progress.epochs, _percentiles(progress.step_times)
    record.time.test = progress.test_seconds
    if record.use is not None:
        record.use.passes = progress.passes
    judged = progress.valid_ranks, progress.test_ranks
    record.accuracy = parts.task.accuracy(parts.dataset, *judged, progress.best_epoch)
    save_ranks(job.directory, record.cell_id, progress.test_ranks)
    if progress.best_state is not None:
        about = Kept(started=record.started, epoch=progress.best_epoch, places=job.places or Places.of(record.cell))
        save_kept(saved_path(job.directory, record.cell_id), progress.best_state, about)


def _cost(record: Record, events: Events, meter: CostMeter) -> None:
    """The costs alone; a mean that is not as sure as it should be is said."""

    def after_block(costing: Costing) -> None:
        events.phase("measuring costs", len(costing.epochs) - 1, 0)

    found = replace(meter, after_block=after_block).run()
    record.time.epochs, record.time.steps = found.epochs, _percentiles(found.step_times)
    if meter.turns is None and found.width > PRECISION:
        width = f"± {found.width:.0%}" if math.isfinite(found.width) else "unknown"
        record.warnings.append(
            f"T is less sure than it should be: its interval is {width} after {meter.seconds:g} s; give it more time "
            "by --set costs_seconds=…, or a quieter machine"
        )


def _percentiles(step_times: list[float]) -> StepTimes:
    p50, p90, p99 = np.percentile(step_times, (50, 90, 99))
    return StepTimes(p50=float(p50), p90=float(p90), p99=float(p99))


def _with_phases(measured: Memory, memory: MemoryMeter) -> Memory:
    """The exact tensor peaks joined with what the process and the GPU needed in each phase."""
    for name in memory.phases:
        exact: PhaseMemory | None = getattr(measured, name)
        phase = memory.phases[name].model_copy(update={"tensors": exact.tensors if exact else None})
        setattr(measured, name, phase)
    return measured


def _evaluator(parts: TrainedCell, trainer: Trainer) -> Evaluator:
    return Evaluator(
        trainer.recommender, trainer.content, parts.dataset, parts.task.judge(), parts.device, trainer.autocast
    )


def _rates(trainer: Trainer) -> dict[str, float]:
    return {name: rate for name, (_, rate) in trainer.rates.groups.items()} | {"head": trainer.rates.head}
