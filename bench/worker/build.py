"""From a cell to the whole of what runs it: read, then content, then the modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ...cell import Cell
from ...datasets.catalogue import Dataset
from ...methods.backbones.pair import Backbones
from ...methods.backbones.source import BackboneSource
from ...methods.features.build import BuildMeter
from ...methods.features.content import Content
from ...methods.head.recommender import Recommender, drawn_alike
from ...methods.method import Method
from ...methods.references.ranker import Ranker, Shelf
from ...methods.registry import make_method
from ..tasks.registry import find_task
from ..tasks.task import Batches, Task
from .content import BuildApart, CacheUse, build_entry, content_of, shelf_of
from .places import Places
from .read import Tell, read
from .speedups import check_compiler, speed_up, unused_settings


@dataclass(frozen=True)
class RankedCell:
    """A cell that ranks without training. `cache`: what the feature cache cost, of a ranking that reads any of it."""

    cell: Cell
    task: Task
    dataset: Dataset
    ranker: Ranker
    shelf: Shelf
    cache: CacheUse | None


@dataclass(frozen=True)
class TrainedCell:
    """A cell that is ready to train.

    `sources`: where the towers that the method reads come from. `batch`: users a batch. `cache`: what the feature cache
    cost, of a method that reads any of it. `unused`: a line for each setting that has nothing to act on here.
    """

    cell: Cell
    task: Task
    dataset: Dataset
    method: Method[Any]
    device: torch.device
    backbones: Backbones
    sources: Mapping[str, BackboneSource]
    content: Content
    cache: CacheUse | None
    recommender: Recommender
    unused: list[str]
    batches: Batches
    batch: int


def assemble(
    cell: Cell, tell: Tell, apart: BuildApart | None = None, places: Places | None = None, batch: int | None = None
) -> TrainedCell | RankedCell:
    """Reads and builds everything that a cell needs. BenchError for whatever the user can mend.

    A feature cache that is not there is built `apart`, or here when nothing is given. `places`: where the cell's parts
    stand, unless what they are called says it. `batch`: users a batch in place of what the cell says, which its rates
    are of.
    """
    check_compiler(cell.training, torch.device(cell.device))
    places = places or Places.of(cell)
    method, task = make_method(places.method, cell.options), find_task(places.task)(cell)
    materials = read(cell, places, task, tell)
    dataset, device = materials.dataset, materials.device
    if method.kind == "ranker":
        return RankedCell(cell, task, dataset, method, *shelf_of(materials, method, apart))
    content, cache = content_of(materials, method, apart)
    tell("building the model", 0, 0)
    recommender, unused = build_modules(cell, method, task, materials.backbones, dataset)
    size = batch or usual_batch(cell, method)
    return TrainedCell(
        cell=cell,
        task=task,
        dataset=dataset,
        method=method,
        device=device,
        backbones=materials.backbones,
        sources={name: materials.sources[name] for name in method.reads(materials.backbones)},
        content=content,
        cache=cache,
        recommender=recommender.to(device),
        unused=unused,
        batches=task.batches(dataset, size, cell.seed),
        batch=size,
    )


def usual_batch(cell: Cell, method: Method[Any]) -> int:
    """Users a batch as the cell says: what a method's rates are of."""
    chosen = cell.training.batch
    return method.published_batch if chosen == "published" else chosen


def build_modules(
    cell: Cell, method: Method[Any], task: Task, backbones: Backbones, dataset: Dataset
) -> tuple[Recommender, list[str]]:
    """A cell's recommender, and a line for each setting that has nothing to act on in it.

    Needs no feature cache, and of the dataset only what the task's recommender asks of it: on torch's meta device it
    costs no memory.
    """
    item_encoder, head = drawn_alike(task.head, lambda: method.item_encoder(backbones, cell.head.width), cell.seed)
    recommender = task.recommender(item_encoder, head, dataset)
    reached = speed_up(recommender, cell.training, torch.device(cell.device))
    return recommender, unused_settings(reached, method, cell.training)


def build_features(cell: Cell, places: Places, modality: str, tell: Tell, meter: BuildMeter) -> None:
    """Builds a cell's feature cache of one modality, unless it is there, and measures that."""
    method, task = make_method(places.method, cell.options), find_task(places.task)(cell)
    build_entry(read(cell, places, task, tell), method, modality, meter)
