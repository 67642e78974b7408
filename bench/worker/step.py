"""Training: one optimiser, one step and one epoch for every method."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import torch
from torch import Tensor, nn

from ...cell import Training
from ...datasets.batches import ItemBatch
from ...energy import Energy
from ...errors import BenchError
from ...methods.encoder import EncoderLayout, layout_of
from ...methods.head.recommender import Recommender
from ...methods.inputs import ItemInputs
from ...methods.method import LearningRates, trainable
from ...reports.records import Epoch
from ..meters.clocks import EpochTimes, PhaseClock
from ..meters.energy import EnergyMeter
from ..meters.waiting import WaitMeter, Waits
from ..tasks.task import Diverged
from .build import TrainedCell, usual_batch
from .prefetch import prefetch
from .rates import batch_factor, training_rates

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Trained:
    """What an epoch of training gave: its mean loss, steps taken, items encoded, its times, what disturbed them, and
    what it used, where a counter says that.
    """

    loss: float
    steps: int
    items: int
    times: EpochTimes
    waits: Waits
    energy: Energy | None = None

    def record(self, users: int) -> Epoch:
        """As the record keeps it."""
        times, waits = self.times, self.waits
        return Epoch(
            loss=self.loss,
            total=times.total,
            data=times.data,
            forward=times.forward,
            backward=times.backward,
            update=times.update,
            steps=self.steps,
            users=users,
            items=self.items,
            waited=waits.waited,
            cpu=waits.cpu,
            preempted=waits.preempted,
            others=waits.others,
            energy=self.energy,
        )


class Trainer:
    """Trains a cell's recommender: Adam with the method's groups, mixed precision, timed by phase."""

    def __init__(self, parts: TrainedCell) -> None:
        self.recommender = parts.recommender
        self.method = parts.method
        self.batches = parts.batches
        self.content = parts.content
        self.device = parts.device
        self.training: Training = parts.cell.training
        encoder = self.recommender.item_encoder
        factor = batch_factor(parts.batch, usual_batch(parts.cell, parts.method))
        self.rates = training_rates(parts.method.learning_rates(encoder), parts.cell, encoder, factor)
        self.autocast = torch.autocast(
            self.device.type, _DTYPES[self.training.precision], enabled=self.training.precision != "fp32"
        )
        self.clock = PhaseClock(self.device)
        self.waits = WaitMeter(self.device)
        self.energy = EnergyMeter(self.device)
        self.reset()

    def reset(self) -> None:
        """A new optimiser, with no state, over the parameters as they are."""
        self.optimiser = make_optimiser(self.recommender, self.rates)
        self.updates = 0
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.training.precision == "fp16")

    def forward(self, batch: ItemBatch, inputs: ItemInputs) -> Tensor:
        """The loss of a batch, a penalty of the method's own included."""
        with self.autocast:
            loss = self.recommender.loss(batch, inputs)
            penalty = self.method.penalty(self.recommender.item_encoder)
            return loss if penalty is None else loss + penalty

    def step(self, batch: ItemBatch, inputs: ItemInputs) -> Tensor:
        """Forward, backward and update, each under its clock; gives the loss, detached."""
        clock = self.clock
        with clock.phase("forward"):
            loss = self.forward(batch, inputs)
        with clock.phase("backward"):
            self.scaler.scale(loss).backward()
        with clock.phase("update"):
            before = self._scale()
            self.scaler.step(self.optimiser)
            self.scaler.update()
            if self._scale() >= before:
                self.updates += 1
                self.method.after_update(self.recommender.item_encoder, self.updates)
            self.optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    def _scale(self) -> float:
        """What the loss is scaled by, which falls where gradients overflow and nothing is updated.

        Reading it waits for a GPU: only for a method that must know.
        """
        return self.scaler.get_scale() if "after_update" in self.method.additions else 1.0

    def epoch(self, number: int, most: int | None = None) -> Trained:
        """Trains one epoch, or the first `most` steps of it. Raises Diverged when its loss is not finite."""
        self.recommender.train()
        total = torch.zeros((), device=self.device)
        terms = steps = items = 0
        clock = self.clock
        self.energy.start()
        self.waits.start()
        clock.start_epoch()
        batches = prefetch(self.load(islice(self.batches.epoch(number), most)), self.device)
        while True:
            with clock.phase("data"):
                loaded = next(batches, None)
                if loaded is None:
                    break
                batch, inputs = loaded[0].to(self.device), loaded[1].to(self.device)
            total += self.step(batch, inputs) * batch.terms
            terms += batch.terms
            items += len(batch.items)
            steps += 1
            clock.end_step()
        times = clock.end_epoch()
        waits, energy = self.waits.stop(), self.energy.stop()
        loss = float(total) / terms
        if not torch.isfinite(total):
            raise Diverged(f"the loss of epoch {number + 1} is {loss}; lower the learning rate or use precision fp32")
        return Trained(loss, steps, items, times, waits, energy)

    def load(self, batches: Iterator[ItemBatch]) -> Iterator[tuple[ItemBatch, ItemInputs]]:
        """Batches with their inputs, on the CPU; pinned when the device is a GPU."""
        for batch in batches:
            inputs = self.content.gather(batch.items)
            if self.device.type == "cuda":
                batch, inputs = batch.pinned(), inputs.pinned()
            yield batch, inputs

    def heaviest_batch(self) -> tuple[ItemBatch, ItemInputs]:
        """The first epoch's batch with the most distinct items, on the device; the same for every method."""
        batch = self._heaviest
        return batch.to(self.device), self.content.gather(batch.items).to(self.device)

    @cached_property
    def _heaviest(self) -> ItemBatch:
        return max(self.batches.epoch(0), key=lambda batch: batch.weight)

    def warm_up(self) -> int:
        """Runs the heaviest batch forward and backward without an update, and gives the steps run.

        Libraries load, kernels compile and the allocator grows before the clock starts; parameters and random
        generators stay as they were.
        """
        self.recommender.train()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            self.forward(*self.heaviest_batch()).backward()
        self.optimiser.zero_grad(set_to_none=True)
        return 1


def make_optimiser(recommender: Recommender, rates: LearningRates) -> torch.optim.Adam:
    """Adam over the method's groups and the head, without decay, as published.

    BenchError when a method leaves a trainable parameter without a rate, or gives it two.
    """
    grouped = [id(parameter) for parameters, _ in rates.groups.values() for parameter in parameters]
    wanted = [id(parameter) for parameter in trainable(recommender.item_encoder)]
    if sorted(grouped) != sorted(wanted):
        raise BenchError(
            f"learning_rates covers {len(grouped)} parameters, {len(wanted)} are trainable; "
            "a method must put each trainable parameter of its encoder into exactly one group"
        )
    groups = [{"params": list(parameters), "lr": rate} for parameters, rate in rates.groups.values()]
    groups.append({"params": list(recommender.head.parameters()), "lr": rates.head})
    return torch.optim.Adam([group for group in groups if group["params"]], fused=True)


def trainable_state(module: nn.Module) -> dict[str, Tensor]:
    """The trained parameters by name: what has to be kept of a method beside the backbones."""
    return {name: parameter.detach() for name, parameter in module.named_parameters() if parameter.requires_grad}


def parameters_by_part(recommender: Recommender) -> dict[str, list[nn.Parameter]]:
    """Every parameter under the part it belongs to: each tower, each part of the method beside them, and the head."""
    head = EncoderLayout(parts={"head": list(recommender.head.parameters())})
    return (layout_of(recommender.item_encoder) | head).parts
