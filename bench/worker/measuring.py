"""The passes that measure: apart from the timed training, so that no meter disturbs another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from ...reports.measurements import Compute
from ...reports.records import Memory, Parameters, PhaseMemory
from ..meters import parameters
from ..meters.operations import count_step
from ..meters.peaks import PeakMemory
from ..meters.tensor_bytes import TensorBytes
from .evaluation import Evaluator
from .step import Trainer, parameters_by_part, trainable_state
from .training_state import changing

METERED_STEPS = 2


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
        training = training_peak(trainer)
        trainer.reset()
        evaluation = evaluation_peak(evaluator)
    with torch.no_grad():
        for name, value in changing(trainer).items():
            value.copy_(before[name])
    return Memory(
        origin="cpu-tensors",
        training=PhaseMemory(tensors=training.peak),
        evaluation=PhaseMemory(tensors=evaluation),
        kinds=training.kinds_at_peak(),
        metered_steps=METERED_STEPS,
    )


def training_peak(trainer: Trainer, whereabouts: Callable[[], Any] = lambda: None) -> TensorBytes:
    """The meter that followed a few training steps on the heaviest batch; `whereabouts` as of `TensorBytes`."""
    trainer.recommender.train()
    batch, inputs = trainer.heaviest_batch()
    with TensorBytes([trainer.recommender, trainer.optimiser, vars(batch), inputs.tensors()], whereabouts) as meter:
        for _ in range(METERED_STEPS):
            trainer.step(batch, inputs)
    return meter


def evaluation_peak(evaluator: Evaluator) -> int:
    """Peak bytes of encoding the heaviest items and ranking for the first users."""
    with TensorBytes(track=[evaluator.recommender]) as meter:
        table = evaluator.embeddings(evaluator.batches()[:1])
        evaluator.ranks(evaluator.first_users(evaluator.dataset.test), table)
    return meter.peak
