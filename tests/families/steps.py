"""One training step of a method on a family: a cell's own modules, batches, loss and optimiser, on five items."""

from functools import cache

import numpy as np
import torch
from cells import method_of
from torch import Tensor

from tpmebench.bench.tasks.sequential import Sequential
from tpmebench.bench.worker.build import TrainedCell, build_modules
from tpmebench.bench.worker.step import Trainer
from tpmebench.cell import BackboneChoice, Cell, Head, Training
from tpmebench.datasets.catalogue import Catalogue, Dataset, Sequences
from tpmebench.errors import BenchError
from tpmebench.methods.features.content import Content, joined
from tpmebench.methods.inputs import States

from .items import ITEMS
from .reading import CPU, subject

BATCH = 4
METHODS = ("fft", "lora", "adapter", "bitfit", "iisan", "iisan-cached")


def prepared(kind: str, method_name: str) -> TrainedCell:
    """The parts of a cell of the method on the family. BenchError where it can't be."""
    on, method = subject(kind), method_of(method_name)
    towers = BackboneChoice(**{"text": None, "image": None, on.family.modality: kind})
    training = Training(batch=BATCH, learning_rate_scale=10.0)
    cell = Cell(method=method_name, dataset="shelf", backbones=towers, training=training, head=Head(width=8))
    task, dataset, backbones = Sequential(cell), _dataset(), on.backbones()
    how = method.reads(backbones)[on.family.modality]
    content: Content = on.shelf.content
    if isinstance(how, States):
        pooled = {on.family.modality: on.features(how.levels)} if how.levels else {}
        whole = {on.family.modality: on.features(how.whole, "all")} if how.whole else {}
        content = joined(ITEMS, {}, pooled, whole)
    recommender, unused = build_modules(cell, method, task, backbones, dataset)
    batches = task.batches(dataset, BATCH, cell.seed)
    return TrainedCell(
        cell, task, dataset, method, CPU, backbones, {}, content, None, recommender, unused, batches, BATCH
    )


def _dataset() -> Dataset:
    """Four users of four items each."""
    items = np.array([1, 2, 3, 4, 2, 5, 1, 3, 5, 4, 3, 2, 4, 1, 5, 2])
    sequences = Sequences(items, np.arange(0, 16, 4), np.arange(4, 20, 4))
    return Dataset("shelf", Catalogue([""] * (ITEMS + 1), None, None), sequences, sequences, sequences)


@cache
def reason(kind: str, method: str) -> str:
    """Why a method does not train on a family, "" where it does.

    It trains where the loss is finite, every parameter that has a rate was reached by a gradient, and what moved stands
    where the method's family says: in the tower, or beside it.
    """
    try:
        parts = prepared(kind, method)
    except BenchError as error:
        return str(error)
    trainer, before = Trainer(parts), _copied(parts)
    trainer.recommender.train()
    (batch, inputs), *_ = trainer.load(parts.batches.epoch(0))
    assert torch.isfinite(trainer.step(batch, inputs)), "the loss is not finite"
    names = {id(parameter): name for name, parameter in parts.recommender.named_parameters()}
    rated = {id(parameter) for group in trainer.optimiser.param_groups for parameter in group["params"]}
    unreached = rated - {id(parameter) for parameter in trainer.optimiser.state}
    assert not unreached, f"no gradient reaches {sorted(names[each] for each in unreached)[:3]}"
    moved = {name for name, value in _copied(parts).items() if not torch.equal(value, before[name])}
    inside = {name for name in moved if ".towers." in name}
    assert moved - inside, "nothing beside the tower moved"
    assert bool(inside) == parts.method.crosses_towers(), f"{len(inside)} parameters of the tower moved"
    return ""


def _copied(parts: TrainedCell) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in parts.recommender.named_parameters()}


def cached_name(kind: str) -> str:
    """The method by which cached and live are compared: one that reads levels, else the output alone."""
    return "frozen-cached" if reason(kind, "iisan-cached") else "iisan-cached"


@torch.no_grad()
def embeddings(kind: str, method: str) -> Tensor:
    """What an untrained cell makes of all items, `[items, width]`."""
    parts = prepared(kind, method)
    return parts.recommender.eval().item_encoder(parts.content.gather(torch.arange(1, ITEMS + 1)))
