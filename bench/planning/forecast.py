"""What a cell will cost, from its real modules and its real training step on fake tensors, by the meters of a run."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean
from typing import TypeVar

from ...cell import Cell
from ...errors import BenchError
from ...files import reason
from ...methods.backbones.shipping import size
from ...methods.features.content import form_of, typical_items
from ...methods.features.encoding import Encoding
from ...reports.measurements import Compute, Use
from ...reports.records import Memory, Parameters, PhaseMemory
from ..meters.operations import count
from ..meters.tensor_bytes import TensorBytes
from ..worker.measuring import METERED_STEPS, count_operations, count_parameters, evaluation_peak, training_peak
from ..worker.places import Places
from ..worker.step import Trainer
from ..worker.use import count_use
from .epoch import TypicalStep, typical_step
from .epoch_operations import Heads, epoch_operations
from .fake import FakeCell, Stock, running
from .whereabouts import Place, Whereabouts
from .work import StepWork, observe

T = TypeVar("T")


@dataclass(frozen=True)
class Forecast:
    """Exact but for what a run may find only then (numbers that are not finite, for one).

    `users`: of an epoch, `batch`: of a batch. `steps` and `items` of the first epoch: batches, and items that they
    encode. `peak`: where training needs the most memory. `operations`: of training for an epoch; None where they are in
    no proportion to what the batches show, or not wanted. `cache_operations`: of building the feature cache; None of a
    method without one. `notes`: a line for whatever a reader must know. `typical`: a step as most are, to plan times
    by; None unless it is wanted.
    """

    users: int
    batch: int
    steps: int
    items: int
    parameters: Parameters
    compute: Compute
    operations: int | None
    use: Use
    memory: Memory
    peak: Place
    cache_operations: int | None
    notes: list[str]
    typical: TypicalStep | None


@dataclass(frozen=True)
class NoForecast:
    """Why there is none."""

    reason: str


@dataclass(frozen=True)
class Beside:
    """What of a cell is wanted beside the costs of a step, each for some steps more: `epoch`: the operations of one;
    `times`: what times are planned by.
    """

    epoch: bool = True
    times: bool = False


def forecast(stock: Stock, cell: Cell, places: Places, wanted: Beside) -> Forecast | NoForecast:
    """Of a cell that trains."""

    def run() -> Forecast:
        fake = stock.cell(cell, places)
        return _forecast(fake, stock.heads(cell, places, fake.parts.batch), wanted)

    return _followed(stock, run)


def training_peak_of(stock: Stock, cell: Cell, places: Places) -> int | NoForecast:
    """The peak of training alone, in bytes: the one that hangs on the batch, in half the time."""
    return _followed(stock, lambda: training_peak(stock.cell(cell, places).trainer).peak)


def work_of(stock: Stock, cell: Cell, places: Places) -> StepWork | NoForecast:
    """The operators of the heaviest training step, once the optimiser has its state."""
    return _followed(stock, lambda: _work(stock.cell(cell, places).trainer))


def _followed(stock: Stock, run: Callable[[], T]) -> T | NoForecast:
    try:
        with running(stock.mode):
            return run()
    except BenchError as error:
        return NoForecast(str(error))
    except Exception as error:  # whatever a method's code says of tensors without numbers
        return NoForecast(f"its step cannot be followed without numbers ({type(error).__name__}: {reason(error)})")


def _work(trainer: Trainer) -> StepWork:
    trainer.recommender.train()
    batch, inputs = trainer.heaviest_batch()
    trainer.step(batch, inputs)
    return observe(lambda: trainer.step(batch, inputs))


def _forecast(fake: FakeCell, heads: Heads, wanted: Beside) -> Forecast:
    trainer, sizes = fake.trainer, [len(batch.items) for batch in fake.parts.batches.epoch(0)]
    parameters, compute = count_parameters(trainer), count_operations(trainer)
    operations = epoch_operations(trainer, compute, heads) if wanted.epoch else None
    trainer.clock = whereabouts = Whereabouts(trainer.recommender)
    training = training_peak(trainer, whereabouts.here)
    whereabouts.remove()
    typical = typical_step(trainer) if wanted.times else None
    trainer.reset()
    memory = Memory(
        origin="cpu-tensors",
        training=PhaseMemory(tensors=training.peak),
        evaluation=PhaseMemory(tensors=evaluation_peak(fake.evaluator)),
        kinds=training.kinds_at_peak(),
        feature_cache=fake.cache_bytes,
        metered_steps=METERED_STEPS,
    )
    if fake.builds:
        memory.cache_build = PhaseMemory(tensors=max(map(_build_peak, fake.builds)))
    notes = [*fake.parts.unused, *fake.parts.method.notes]
    return Forecast(
        users=len(fake.parts.dataset.train),
        batch=fake.parts.batch,
        steps=len(sizes),
        items=sum(sizes),
        parameters=parameters,
        compute=compute,
        operations=operations,
        use=_use(fake),
        memory=memory,
        peak=training.where,
        cache_operations=sum(map(_build_operations, fake.builds)) if fake.builds else None,
        notes=notes,
        typical=typical,
    )


def _use(fake: FakeCell) -> Use:
    """As a run counts it; of a tower that several entries are built from, the run of most of it."""
    found = count_use(fake.parts, fake.evaluator, fake.merged)
    if not fake.builds:
        return found
    towers = dict[str, tuple[int, int]]()
    for build in fake.builds:
        held, ran = towers.get(build.key.modality, (0, 0))
        towers[build.key.modality] = max(held, size(build.tower)), max(ran, _item_operations(build))
    shipped = None if found.new_bytes is None else found.new_bytes + sum(held for held, _ in towers.values())
    return found.model_copy(update={"tower_operations": sum(ran for _, ran in towers.values()), "new_bytes": shipped})


def _item_operations(build: Encoding) -> int:
    chosen = [(form_of(build.content.gather(item)), item.numpy()) for item in typical_items(build.content)]
    known = {form: count(lambda item=item: build.encode(item)) for form, item in dict(chosen).items()}
    return round(mean(known[form] for form, _ in chosen))


def _build_peak(build: Encoding) -> int:
    with TensorBytes(track=[build.tower]) as meter:
        build.encode(build.heaviest())
    return meter.peak


def _build_operations(build: Encoding) -> int:
    """Of all batches; those of one shape are counted once."""
    tokens, known = build.content.tokens, dict[tuple[int, int], int]()
    total = 0
    for items in build.batches:
        shape = len(items), 0 if tokens is None else int(tokens.lengths[items].max())
        if shape not in known:
            known[shape] = count(lambda items=items: build.encode(items))
        total += known[shape]
    return total
