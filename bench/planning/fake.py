"""A cell on fake tensors: the real modules, training step and batches, with towers of random weights and no memory.

Parameters are fake; what decides the course of a step is real: item numbers, tokens, masks and whatever is computed of
them alone. An operator on both gives a fake tensor. So a model that looks at its mask finds what it would find in a
run, and takes the same way.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from ...cell import Cell
from ...datasets.catalogue import Dataset
from ...errors import BenchError
from ...methods.backbones.loading import copy_of_same_weights
from ...methods.backbones.numbered import NumberedTower
from ...methods.backbones.pair import Backbones
from ...methods.backbones.shipping import merged_size
from ...methods.backbones.source import BackboneSource
from ...methods.backbones.tower import Tower
from ...methods.features.cache import Built, CacheKey, FeatureCache, as_tensor, kept_as
from ...methods.features.content import Content, RawContent, joined
from ...methods.features.encoding import Encoding
from ...methods.inputs import States
from ...methods.method import Method
from ...methods.registry import make_method
from ..meters.shapes import without_memory
from ..tasks.registry import find_task
from ..worker.build import TrainedCell, build_modules, usual_batch
from ..worker.content import raw_content
from ..worker.evaluation import Evaluator
from ..worker.places import Places
from ..worker.read import Materials, Tell, backbone_sources, read
from ..worker.step import Trainer
from .epoch_operations import Heads

_CPU = torch.device("cpu")
_MOST_ELEMENTS = 1 << 24
"""Real tensors that together make more than so many are computed without numbers."""


@dataclass(frozen=True)
class FakeCell:
    """What runs a cell, without memory.

    `builds`: what fills its feature cache, entry by entry. `merged`: bytes of the item encoder once all that can be is
    merged into its towers.
    """

    parts: TrainedCell
    trainer: Trainer
    evaluator: Evaluator
    builds: list[Encoding]
    merged: int

    @property
    def cache_bytes(self) -> int | None:
        """What the feature cache would take on disk; None of a method that reads none."""
        return sum(map(_entry_bytes, self.builds)) if self.builds else None


@dataclass
class Stock:
    """What the cells of a study have in common, read and built once: datasets, titles' tokens, towers."""

    tell: Tell = lambda _name, _done, _total: None

    def __post_init__(self) -> None:
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        self._datasets: dict[str, Dataset] = {}
        self._sources: dict[BackboneSource, BackboneSource] = {}
        self._towers: dict[str, tuple[BackboneSource, Tower]] = {}
        self._raw: dict[tuple[BackboneSource, int], RawContent] = {}
        self._heads: dict[str, Heads] = {}

    def heads(self, cell: Cell, places: Places, batch: int) -> Heads:
        """What is known of the head that a cell has in common with whatever reads and trains alike."""
        alike = _read_alike(cell, places), cell.training, cell.seed, batch
        return self._heads.setdefault(repr(alike), {})

    def cell(self, cell: Cell, places: Places) -> FakeCell:
        """A cell that trains, without memory. BenchError for whatever the user can mend."""
        method, task = make_method(places.method, cell.options), find_task(places.task)(cell)
        assert method.kind == "method", "what trains nothing has no costs"
        materials = self._materials(cell, places)
        dataset, backbones = materials.dataset, self._backbones(materials)
        content, builds = self._content(materials, method, backbones)
        eager = cell.model_copy(update={"training": cell.training.model_copy(update={"compile": False})})
        recommender, unused = build_modules(eager, method, task, backbones, dataset)
        head, merged = deepcopy(recommender.head), merged_size(recommender.item_encoder)
        without_memory(recommender, self.mode)
        batch = usual_batch(cell, method)
        parts = TrainedCell(
            cell=eager,
            task=task,
            dataset=dataset,
            method=method,
            device=_CPU,
            backbones=backbones,
            sources={name: materials.sources[name] for name in method.reads(backbones)},
            content=content,
            cache=None,
            recommender=recommender,
            unused=unused,
            batches=task.batches(dataset, batch, cell.seed),
            batch=batch,
        )
        trainer = Trainer(parts)
        # Ranks are of numbers, which the head has: it and the table of embeddings are small.
        ranked = task.recommender(recommender.item_encoder, head, dataset)
        evaluator = Evaluator(ranked, content, dataset, task.judge(), _CPU, trainer.autocast)
        return FakeCell(parts, trainer, evaluator, builds, merged)

    def _materials(self, cell: Cell, places: Places) -> Materials:
        task = find_task(places.task)(cell)
        key = repr(_read_alike(cell, places))
        if key not in self._datasets:
            self._datasets = {key: read(cell, places, task, self.tell).dataset}
            self._raw.clear()
        dataset = self._datasets[key]
        found = backbone_sources(cell, dataset, places)
        sources = {name: self._sources.setdefault(source, source) for name, source in found.items()}
        for source in sources.values():
            if source.is_model:
                self._held(source)  # which shows its shape as well: asked for that first, it would be built twice
        return Materials(cell, places, dataset, sources, _CPU, self.tell)

    def _backbones(self, materials: Materials) -> Backbones:
        return replace(materials.backbones, load=lambda name: self._tower(materials.sources[name]))

    def _tower(self, source: BackboneSource) -> Tower | NumberedTower:
        """A copy that has the same numbers in memory as every other: only shapes are wanted of them."""
        return copy_of_same_weights(self._held(source)) if source.is_model else source.tower()

    def _held(self, source: BackboneSource) -> Tower:
        """The one tower of a modality that is in memory."""
        held = self._towers.get(source.modality)
        if held is None or held[0] != source:
            self._towers.pop(source.modality, None)
            made = source.tower()
            assert isinstance(made, Tower)
            held = self._towers[source.modality] = (source, made)
        return held[1]

    def _content(
        self, materials: Materials, method: Method[Any], backbones: Backbones
    ) -> tuple[Content, list[Encoding]]:
        """What a method reads of the items, and what would build the feature cache, if it reads any of that."""
        reads, builds = method.reads(backbones), list[Encoding]()
        raw = {name: self._raw_content(materials, name) for name in reads}
        caches, whole = dict[str, FeatureCache](), dict[str, FeatureCache]()
        for name, how in reads.items():
            if isinstance(how, States):
                content = raw.pop(name)
                for entry in how.entries():
                    builds.append(self._encoding(materials, name, entry, content))
                    (whole if entry.whole else caches)[name] = self._cache(builds[-1])
        return joined(materials.dataset.catalogue.size, raw, caches, whole), builds

    def _raw_content(self, materials: Materials, modality: str) -> RawContent:
        """Titles as they are tokenised, and pictures of which only the size is known."""
        source, chosen = materials.sources[modality], materials.cell.backbones
        if modality == "image" and source.is_model:
            pictures = _NoPictures(chosen.image_side or source.image_side())
            return RawContent(materials.dataset.catalogue.size, None, pictures, "")
        key = source, chosen.text_length
        if key not in self._raw:
            self._raw[key] = raw_content(materials, modality)
        return self._raw[key]

    def _encoding(self, materials: Materials, modality: str, how: States, content: RawContent) -> Encoding:
        source, training = materials.sources[modality], materials.cell.training
        key = CacheKey(
            backbone=source.label,
            modality=modality,
            weights="",
            levels=how.whole or how.levels,
            pooling=source.shape.pooling,
            preprocessing="",
            content="",
            dtype=training.cache_dtype,
            precision="bf16" if training.precision == "bf16" else "fp32",
            positions="all" if how.whole else "pooled",
        )
        found = Encoding.of(key, self._tower(source), content, _CPU)
        without_memory(found.tower, self.mode)
        return found

    def _cache(self, build: Encoding) -> FeatureCache:
        """An entry as it is read in a step. Its array has no rows: whichever are asked for, they are fake."""
        _, levels, width = build.shape
        dtype, offsets = getattr(torch, build.key.dtype), build.rows.offsets
        with self.mode:
            states = torch.empty(0, levels, width, dtype=dtype)
        shared = as_tensor(np.zeros(width, kept_as(build.key.dtype))) if build.shared else None
        return FeatureCache(
            Path(), states, shared, Built(seconds=0), None if offsets is None else torch.from_numpy(offsets)
        )


@contextmanager
def running(mode: FakeTensorMode) -> Iterator[None]:
    """Within it what is run of a fake cell, whose tensors are of `mode`, is; torch's generator is as before afterwards.

    BenchError says why, where a step asks what only numbers can tell, or does what fake tensors cannot.
    """
    collecting = gc.isenabled()
    gc.disable()  # it takes its time, with so many small objects about
    try:
        with torch.random.fork_rng(devices=[]), _Mixed(mode):
            yield
    finally:
        if collecting:
            gc.enable()


class _Mixed(TorchDispatchMode):
    """What is written into a real tensor leaves it one, whatever was written: it is the same object afterwards.

    What real tensors would spread to, as the loss's masks do over users and candidates, is a fake one: at the largest
    batch of a catalogue they are gigabytes.

    BenchError for a sparse tensor, of which a fake one has no elements: what is computed of it would be nothing.
    """

    def __init__(self, mode: FakeTensorMode) -> None:
        super().__init__()
        self._fake = mode

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.pointwise in func.tags and _spread(args) > _MOST_ELEMENTS:
            args = [self._fake.from_tensor(each) if isinstance(each, torch.Tensor) else each for each in args]
        output = func(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor) and output.layout is not torch.strided:
            raise BenchError("its step computes with sparse tensors, which cannot be followed without numbers")
        if isinstance(output, FakeTensor) and args and func._schema.is_mutable and func._schema.arguments[0].is_write:
            into = args[0]
            if isinstance(into, torch.Tensor) and not isinstance(into, FakeTensor):
                return into
        return output


def _spread(args: Any) -> int:
    """How many elements an operation makes of real tensors, one by one; 0 where one is fake already."""
    tensors = [each for each in args if isinstance(each, torch.Tensor)]
    if len(tensors) < 2 or any(isinstance(each, FakeTensor) for each in tensors):
        return 0
    return prod(torch.broadcast_shapes(*(each.shape for each in tensors)))


@dataclass(frozen=True)
class _NoPictures:
    """Black pictures: memory that nothing reads is not taken."""

    side: int

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        return np.zeros((len(rows), 3, self.side, self.side), np.uint8)


def _read_alike(cell: Cell, places: Places) -> tuple[Any, ...]:
    """What decides a dataset, its users and the head."""
    return places.dataset, places.task, cell.modalities, cell.missing_images, cell.head, cell.evaluation


def _entry_bytes(build: Encoding) -> int:
    rows, levels, width = build.shape
    one = getattr(torch, build.key.dtype).itemsize
    offsets = 0 if build.rows.offsets is None else build.rows.offsets.nbytes
    return one * width * (rows * levels + build.shared) + offsets
