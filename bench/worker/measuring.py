"""The passes that measure: apart from the timed training, so that no meter disturbs another."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ...reports.records import Compute, Memory, Parameters, PhaseMemory
from ..meters import parameters
from ..meters.operations import count_step
from ..meters.peaks import PeakMemory
from ..meters.tensor_bytes import TensorBytes
from .evaluation import Evaluator
from .step import Trainer, parameters_by_part, trainable_state
from .training_state import changing

_METERED_STEPS = 2


class MemoryMeter:
    """Peaks of the phases of a cell: torch's allocator on CUDA, resident memory on both."""

    def __init__(self, device: torch.device) -> None:
        self._peaks = PeakMemory(device)
        self.phases: dict[str, PhaseMemory] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Peaks of what runs inside; a phase that runs again keeps the higher peak."""
        self._peaks.reset()
        yield
        found = self._peaks.read()
        self.phases[name] = self.phases[name].higher(found) if name in self.phases else found


def count_parameters(trainer: Trainer) -> Parameters:
    """Trainable and total parameters by part, and the bytes of the trained ones as saved."""
    saved = sum(value.nbytes for value in trainable_state(trainer.recommender).values())
    return parameters.describe(parameters_by_part(trainer.recommender), saved_bytes=saved)


def count_operations(trainer: Trainer) -> Compute:
    """Operations of the heaviest training step, forward and backward apart. Changes no parameter and no generator."""
    batch, inputs = trainer.heaviest_batch()
    trainer.recommender.train()
    devices = [trainer.device] if trainer.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        forward, backward = count_step(lambda: trainer.forward(batch, inputs))
    trainer.optimiser.zero_grad(set_to_none=True)
    return Compute(forward=forward, backward=backward, items=len(batch.items), slots=batch.places)


def tensor_memory(trainer: Trainer, evaluator: Evaluator) -> Memory:
    """On a CPU: the exact peak of live tensor bytes, of a few training steps and of the heaviest part of evaluation.

    The steps run on the heaviest batch; parameters, optimiser and generators are put back afterwards.
    """
    before = {name: value.clone() for name, value in changing(trainer).items()}
    with torch.random.fork_rng(devices=[]):
        training, kinds = _training_peak(trainer)
        trainer.reset()
        evaluation = _evaluation_peak(evaluator)
    with torch.no_grad():
        for name, value in changing(trainer).items():
            value.copy_(before[name])
    return Memory(
        origin="cpu-tensors",
        training=PhaseMemory(tensors=training),
        evaluation=PhaseMemory(tensors=evaluation),
        kinds=kinds,
        metered_steps=_METERED_STEPS,
    )


def _training_peak(trainer: Trainer) -> tuple[int, dict[str, int]]:
    trainer.recommender.train()
    batch, inputs = trainer.heaviest_batch()
    with TensorBytes(track=[trainer.recommender, trainer.optimiser, vars(batch), inputs.tensors()]) as meter:
        for _ in range(_METERED_STEPS):
            trainer.step(batch, inputs)
    return meter.peak, meter.kinds_at_peak()


def _evaluation_peak(evaluator: Evaluator) -> int:
    with TensorBytes(track=[evaluator.recommender]) as meter:
        table = evaluator.embeddings(evaluator.batches()[:1])
        evaluator.ranks(evaluator.first_users(evaluator.dataset.test), table)
    return meter.peak
