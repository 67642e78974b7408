"""The self-check's process: tries the towers and methods of some cells on a few of their real items.

Reads a job on standard input and tells on standard output, per cell, which check was not passed. Nothing that it builds
stays: its feature cache and pictures are in a folder of its own.
"""

import copy
import os
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm

from ...cell import Cell
from ...datasets.catalogue import Catalogue
from ...datasets.images import SelectedImages
from ...errors import BenchError
from ...methods.backbones.loading import copy_of_same_weights
from ...methods.backbones.numbered import NumberedTower
from ...methods.backbones.pair import Backbones
from ...methods.backbones.preprocessing import token_table
from ...methods.backbones.tower import Tower
from ...methods.features.content import joined
from ...methods.inputs import ItemInputs, States
from ...methods.method import Method
from ...methods.references.ranker import Ranker
from ...methods.registry import make_method
from ..tasks.registry import find_task
from . import checks
from .content import content_of, raw_content, shelf_of
from .job import CheckJob, Subject
from .lifeline import begin
from .preparation import prepare_process
from .read import Materials, read

LOOKED_AT, PARTS = 64, (0.0, 1.0)
"""Of how many items those that are tried are chosen, and which: the shortest text and the longest."""
CORNER = 64
"""Pixels of a side."""


def main() -> int:
    """Checks a job's cells. A fault that is none of the checks' is left to the cells, which show it themselves."""
    events, job = begin(CheckJob)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        items, faults = run_checks(job.subjects, folder)
    events.tell("checked", items=items, seconds=time.perf_counter() - start, faults=faults)
    events.tell("done")
    return 0


def run_checks(subjects: list[Subject], cache: str) -> tuple[int, dict[int, str | None]]:
    """How many items were tried, and by the number of a subject the check that it did not pass, None where none could
    tell.
    """
    cell, places = subjects[0].cell, subjects[0].places
    prepare_process(cell)
    materials = read(cell, places, find_task(places.task)(cell), lambda *_: None)
    few = _with_few_items(materials)
    for name in few.sources:
        few.tower(name)  # what it is seen to be is remembered in the suite's own cache
    os.environ["TPMEBENCH_CACHE"] = cache  # from here on
    trial = Trial(few, checks.Tolerance.of(*_precisions(cell)))
    faults: dict[int, str | None] = {}
    for number, subject in enumerate(subjects):
        try:
            trial.check(make_method(subject.places.method, subject.cell.options))
        except checks.CheckFailed as failed:
            faults[number] = f"self-check of method '{subject.cell.method}' on {trial.towers}: {failed}"
        except BenchError as error:  # it says itself what it cannot be used with
            faults[number] = str(error)
        except Exception:
            traceback.print_exc()
            faults[number] = None
    return trial.materials.dataset.catalogue.size, faults


def _precisions(cell: Cell) -> tuple[str, str, str]:
    return cell.training.precision, cell.training.cache_dtype, cell.device


@dataclass(frozen=True)
class FewItems(Materials):
    """A few items, and towers that are loaded once: whoever asks for them gets copies, to change as he likes."""

    loaded: dict[str, Tower | NumberedTower] = field(default_factory=dict)

    @property
    def backbones(self) -> Backbones:  # type: ignore[override]
        shapes = {name: source.shape for name, source in self.sources.items()}
        return Backbones(shapes, lambda name: copy.deepcopy(self.tower(name)), self.dataset.catalogue.size)

    def tower(self, name: str) -> Any:
        """A modality's tower as it was loaded."""
        if name not in self.loaded:
            self.loaded[name] = self.sources[name].tower()
        return self.loaded[name]


def _with_few_items(materials: Materials) -> FewItems:
    """The same with a few items alone: texts of several lengths, and as far as there are any, no two alike."""
    catalogue = materials.dataset.catalogue
    looked_at = np.unique(np.linspace(1, catalogue.size, min(LOOKED_AT, catalogue.size)).astype(np.int64)).tolist()
    tokens = _tokens(materials, looked_at)
    pictures = [catalogue.images.fingerprint(item) if catalogue.images else "" for item in looked_at]
    shown = dict(zip(zip(tokens, pictures, strict=True), looked_at, strict=True))
    distinct = [shown[key] for key in sorted(shown, key=lambda key: (len(key[0]), shown[key]))]
    chosen = [distinct[place] for place in sorted({round(part * (len(distinct) - 1)) for part in PARTS})]
    ids, texts = catalogue.ids, catalogue.texts
    few = Catalogue(
        ids=[str(ids[item]) for item in (0, *chosen)],
        texts=None if texts is None else [str(texts[item]) for item in (0, *chosen)],
        images=SelectedImages(catalogue.images, np.array(chosen) - 1) if catalogue.images else None,
        features={name: vectors.take(np.array(chosen) - 1) for name, vectors in catalogue.features.items()},
    )
    dataset = replace(materials.dataset, catalogue=few)
    sources = materials.sources | {
        name: replace(materials.sources[name], features=vectors) for name, vectors in few.features.items()
    }
    return FewItems(materials.cell, materials.places, dataset, sources, materials.device, materials.tell)


def _tokens(materials: Materials, items: list[int]) -> list[bytes]:
    """The tokens of some items' texts; nothing where no tower reads them."""
    texts, source = materials.dataset.catalogue.texts, materials.sources.get("text")
    if texts is None or source is None or not source.is_model:
        return [b""] * len(items)
    length = materials.cell.backbones.text_length
    table = token_table([texts[item] for item in items], source.tokenizer(), length)
    return [table.ids[start:stop].tobytes() for start, stop in pairwise(table.offsets)]


@dataclass
class Trial:
    """What the subjects are tried on. Towers are loaded once, checked once, and copied for each method."""

    materials: FewItems
    tolerance: checks.Tolerance

    @property
    def towers(self) -> str:
        """Their names."""
        return " and ".join(f"{name} tower '{source.label}'" for name, source in self.materials.sources.items())

    def check(self, method: Method[Any] | Ranker) -> None:
        """CheckFailed for the first check that a method, or a tower that it reads, does not pass."""
        reads = method.reads(self.materials.backbones)
        for name in reads:
            if name in self.seen and (fault := self.faults[name]):
                raise fault
        cached = self._cached(method)
        for name, how in reads.items():
            if isinstance(how, States) and name in self.seen:
                with self._precise():
                    self._check_cached(name, how, cached)
        if method.kind == "method":
            self._check_trains(method, cached)

    def _check_cached(self, name: str, how: States, cached: ItemInputs) -> None:
        """Of what is cached at all positions its pooled form."""
        seen, levels, kept = self.seen[name], [*how.levels], list((cached.states or {}).get(name, []))
        if how.whole:
            assert cached.sequences is not None
            found, shape = cached.sequences[name], self.materials.sources[name].shape
            levels += how.whole
            kept += [shape.pooled(level.float(), found.mask) for level in found.levels]
        checks.check_cached(tuple(levels), kept, seen, self.tolerance)

    def _check_trains(self, method: Method[Any], cached: ItemInputs) -> None:
        """On a corner of the pictures first, which costs a tenth: most towers take pictures of any size. It is enough
        to show that gradients go where they should; that they don't only whole pictures can show.
        """
        pixels = self.inputs.pixels
        if pixels is not None and pixels.shape[-1] > CORNER:
            with suppress(Exception):
                self._train(method, cached, replace(self.inputs, pixels=pixels[..., :CORNER, :CORNER]))
                return
        self._train(method, cached, self.inputs)

    def _train(self, method: Method[Any], cached: ItemInputs, inputs: ItemInputs) -> None:
        device, width = self.materials.device, self.materials.cell.head.width
        encoder = method.item_encoder(self.materials.backbones, width).to(device)
        several = any(isinstance(module, BatchNorm) for module in encoder.modules())  # of one it knows no variance
        inputs = replace(inputs, states=cached.states, sequences=cached.sequences)
        some = inputs.rows(torch.arange(len(inputs.items))[: 1 + several])
        # In fp16 gradients would vanish without a scaler.
        with self._precise() if self.materials.cell.training.precision == "bf16" else nullcontext():
            checks.check_trains(method, encoder, some)

    @cached_property
    def inputs(self) -> ItemInputs:
        """All of the items, raw, on the device."""
        size = self.materials.dataset.catalogue.size
        raw = {name: raw_content(self.materials, name) for name in self.materials.sources}
        content = joined(size, raw, {})
        return content.gather(torch.arange(1, size + 1)).to(self.materials.device)

    @cached_property
    def seen(self) -> dict[str, checks.Seen]:
        """What each tower that runs gives of the items."""
        with self._precise():
            return {
                name: checks.see(self._on_device(name), self.inputs)
                for name, source in self.materials.sources.items()
                if source.is_model
            }

    @cached_property
    def faults(self) -> dict[str, checks.CheckFailed | None]:
        """What is wrong with each tower, whatever the method."""
        return {name: self._fault(name, seen) for name, seen in self.seen.items()}

    def _fault(self, name: str, seen: checks.Seen) -> checks.CheckFailed | None:
        tower = self._on_device(name)
        try:
            with self._precise():
                checks.check_repeats(tower, seen, self.tolerance)
                checks.check_alone(seen, self.tolerance)
                checks.check_tells_apart(tower, seen)
                if self.materials.cell.training.encode == "unique":
                    checks.check_cut(tower, self._on_device(name), seen, self.tolerance)
        except checks.CheckFailed as failed:
            return failed
        return None

    def _on_device(self, name: str) -> Tower:
        return copy_of_same_weights(self.materials.tower(name)).to(self.materials.device)

    def _cached(self, method: Method[Any] | Ranker) -> ItemInputs:
        """The states that a method's cache holds of the items, built as a cell would."""
        items = torch.arange(1, self.materials.dataset.catalogue.size + 1)
        if method.kind == "ranker":
            shelf, _ = shelf_of(self.materials, method)
            states = {name: [torch.from_numpy(level[1:]) for level in levels] for name, levels in shelf.states.items()}
            return ItemInputs(items, states=states)
        content, _ = content_of(self.materials, method)
        return content.gather(items).to(self.materials.device)

    @contextmanager
    def _precise(self) -> Iterator[None]:
        """Towers run as precisely as the cells run them."""
        cell = self.materials.cell
        dtype = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[cell.training.precision]
        with torch.autocast(self.materials.device.type, dtype, enabled=dtype is not None):
            yield
