"""The first step to a cell: what it reads, its dataset and where its towers come from."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from ...cell import Cell, Modality, Pooling
from ...datasets.catalogue import Dataset, Sequences
from ...datasets.sources.loading import load_dataset
from ...methods.backbones.names import FEATURES
from ...methods.backbones.pair import Backbones
from ...methods.backbones.source import BackboneSource
from ..tasks.task import Task
from .places import Places

Tell = Callable[[str, int, int], None]
"""Progress of a phase: its name, steps done, steps in all (0: unknown)."""


@dataclass(frozen=True)
class Materials:
    """What a cell is made of. A source loads nothing before it is asked for its shape or its tower."""

    cell: Cell
    places: Places
    dataset: Dataset
    sources: dict[str, BackboneSource]
    device: torch.device
    tell: Tell

    @cached_property
    def backbones(self) -> Backbones:
        """The towers as a method sees them."""
        return Backbones.of(self.sources, self.dataset.catalogue.size)


def read(cell: Cell, places: Places, task: Task, tell: Tell) -> Materials:
    """Reads a cell's dataset, split as its task asks. BenchError for whatever the user can mend."""
    tell("reading data", 0, 0)
    dataset = load_dataset(
        places.dataset,
        modalities=cell.modalities,
        missing_images=cell.missing_images,
        features=[name for name, place in places.towers.items() if place == FEATURES],
        max_length=cell.head.max_length,
        split=task.split,
    )
    dataset = _with_fewer_evaluated(dataset, cell.evaluation.evaluated_users)
    return Materials(cell, places, dataset, backbone_sources(cell, dataset, places), torch.device(cell.device), tell)


def _with_fewer_evaluated(dataset: Dataset, users: int | None) -> Dataset:
    """The dataset with a sample of the users to rank, drawn once and for all methods alike."""
    if users is None or users >= max(len(dataset.valid), len(dataset.test)):
        return dataset
    valid, test = (_sample(each, users) for each in (dataset.valid, dataset.test))
    return replace(dataset, valid=valid, test=test, facts={**dataset.facts, "evaluated users": users})


def _sample(sequences: Sequences, users: int) -> Sequences:
    """Of splits of the same users the same ones."""
    if users >= len(sequences):
        return sequences
    return sequences.subset(np.sort(np.random.default_rng(0).choice(len(sequences), users, replace=False)))


def backbone_sources(cell: Cell, dataset: Dataset, places: Places) -> dict[str, BackboneSource]:
    """The cell's backbone of each modality that the dataset shows, in the fixed order text, image."""
    chosen, catalogue = cell.backbones, dataset.catalogue
    pooling: dict[Modality, Pooling] = {"text": chosen.text_pooling, "image": chosen.image_pooling}
    return {
        name: BackboneSource(name, place, chosen.weights, pooling[name], catalogue.features.get(name))
        for name, place in places.towers.items()
        if name in catalogue.modalities
    }
