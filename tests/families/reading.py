"""A family as the suite reads it: the model inspected, towers of it, its states in a feature cache."""

import copy
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

import torch
from torch import Tensor

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.anatomy import Anatomy
from tpmebench.methods.backbones.inspection import inspect
from tpmebench.methods.backbones.loading import part_of
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import OUTPUT, Tower, TowerShape
from tpmebench.methods.backbones.trial import Frame, Items
from tpmebench.methods.features.build import BuildJob, ensure_features
from tpmebench.methods.features.cache import CacheKey, FeatureCache

from .family import Family
from .items import ITEMS, Shelf
from .pictures import PICTURES
from .texts import TEXTS

CPU = torch.device("cpu")
FAMILIES = {family.kind: family for family in (*TEXTS, *PICTURES) if family.is_installed}


@dataclass(frozen=True)
class Subject:
    """A family that is read: its shelf and what its inspection found."""

    family: Family
    shelf: Shelf
    anatomy: Anatomy

    @cached_property
    def shape(self) -> TowerShape:
        modality = self.family.modality
        return TowerShape.of(self.anatomy, modality, self.anatomy.pooling(modality, "auto"))

    @property
    def levels(self) -> tuple[int, ...]:
        """All that there are, the output last."""
        return (*range(self.shape.depth + 1), OUTPUT)

    def tower(self) -> Tower:
        """A fresh one; pictures go into it from -1 to 1."""
        model = part_of(copy.deepcopy(_model(self.family.kind)), self.family.modality)
        return Tower(model, self.shape, ([0.5] * 3, [0.5] * 3), self.anatomy)

    def backbones(self) -> Backbones:
        """The one tower as a method sees it."""
        return Backbones({self.family.modality: self.shape}, lambda _: self.tower(), ITEMS)

    def features(self, levels: tuple[int, ...], positions: Literal["pooled", "all"] = "pooled") -> FeatureCache:
        """Levels of all items from the feature cache, built as a cell builds it."""
        kind, modality = self.family.kind, self.family.modality
        key = CacheKey(kind, modality, kind, levels, "auto", "", "shelf", "float32", positions=positions)
        job = BuildJob(key, self.tower, self.shelf.content, CPU, lambda *_: None)
        return ensure_features(job)[0]

    @torch.no_grad()
    def states(self, *items: int) -> list[Tensor]:
        """Every level of some items from a fresh tower, in one batch; one row each where all share it."""
        found = self.tower().eval().states(self.shelf.content.gather(torch.tensor(items)), self.levels)
        return [level.expand(len(items), -1) for level in found]


@cache
def subject(kind: str) -> Subject:
    """A family, inspected once. BenchError says why it is refused."""
    family = FAMILIES[kind]
    model = part_of(copy.deepcopy(_model(kind)), family.modality)
    if family.modality == "image":
        shelf = Shelf(family, family.side)
        return Subject(family, shelf, inspect(model, Items.pictures(family.side)))
    around = family.around
    frame = Frame([*around.before], [*around.after], list(range(60, 10, -4)), 0, around.class_token)
    return Subject(family, Shelf(family, 0), inspect(model, Items.titles(frame)))


def refusal(kind: str) -> str:
    """Why a family is refused, "" where it is read."""
    try:
        subject(kind)
    except BenchError as error:
        return str(error)
    return ""


@cache
def _model(kind: str):
    return FAMILIES[kind].whole()
