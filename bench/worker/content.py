"""The second step to a cell: what its encoder reads of each item, tokens and pixels or the feature cache."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal

import numpy as np
import torch

from ...cell import Cell
from ...datasets.images import ImageStore
from ...energy import Energy
from ...errors import BenchError
from ...files import canonical_json
from ...methods.backbones.preprocessing import token_table
from ...methods.backbones.source import BackboneSource
from ...methods.features.build import BuildJob, BuildMeter, ensure_features
from ...methods.features.cache import CacheKey, FeatureCache
from ...methods.features.content import Content, RawContent, joined
from ...methods.inputs import States
from ...methods.method import Method
from ...methods.references.ranker import Ranker, Shelf
from ...reports.records import PhaseMemory
from .places import Places
from .read import Materials, Tell

BuildApart = Callable[[Cell, Places, str, Tell], None]
"""Has a cell's feature cache of a modality built by another process."""


@dataclass
class CacheUse:
    """What the feature cache cost, whenever and by whom it was built: seconds, peaks, bytes on disk, found or built.

    `machine`: where, in words; `beside`: the most cells that might run at the same time. `on_card`: bytes that training
    holds on the GPU. `towers`: of each modality bytes of the tower and operations an item, as far as it was run; None
    where unknown.
    """

    seconds: float = 0.0
    bytes: int = 0
    reused: bool = True
    memory: PhaseMemory | None = None
    built_by: str = ""
    machine: str = ""
    beside: int = 0
    on_card: int = 0
    energies: list[Energy | None] = field(default_factory=list)
    towers: dict[str, tuple[int | None, int | None]] = field(default_factory=dict)

    def add(self, modality: str, cache: FeatureCache, found: bool) -> None:
        """One tower's entry: seconds add up, of peaks the highest counts, for towers are built one after another."""
        self.bytes += cache.nbytes
        self.reused &= found
        built = cache.built
        self.seconds += built.seconds
        if built.memory:
            peaks = PhaseMemory.model_validate(built.memory)
            self.memory = peaks if self.memory is None else self.memory.higher(peaks)
        self.energies.append(built.energy)
        # Of several entries of a tower that counts which was built from most of it: it is run once.
        one, other = self.towers.get(modality, (0, 0)), (built.tower_bytes, built.tower_operations)
        self.towers[modality] = (_most(one[0], other[0]), _most(one[1], other[1]))
        self.built_by, self.machine = _both(self.built_by, built.built_by), _both(self.machine, built.machine)
        self.beside = max(self.beside, built.beside)

    @property
    def energy(self) -> Energy | None:
        """Of all entries together; None as soon as one of them was not measured."""
        known = [energy for energy in self.energies if energy is not None]
        return reduce(Energy.plus, known) if known and len(known) == len(self.energies) else None


def _both(before: str, another: str) -> str:
    return "; ".join(dict.fromkeys(filter(None, (*before.split("; "), another))))


def _most(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else max(one, other)


def content_of(
    materials: Materials, method: Method[Any], apart: BuildApart | None = None
) -> tuple[Content, CacheUse | None]:
    """What a method reads of a cell's items, and what the feature cache cost if it reads any of that.

    An entry that is not there is built `apart`, or here when nothing is given.
    """
    reads = method.reads(materials.backbones)
    raw = {name: raw_content(materials, name) for name in reads}
    use, caches, whole = CacheUse(), dict[str, FeatureCache](), dict[str, FeatureCache]()
    for name, how in reads.items():
        if isinstance(how, States):
            content = raw.pop(name)
            for entry in how.entries():
                into = whole if entry.whole else caches
                into[name] = _cached(materials, name, entry, content, use, apart)
    if _lies_on_card(materials, use.bytes):
        use.on_card = use.bytes
        caches, whole = (
            {name: cache.to(materials.device) for name, cache in found.items()} for found in (caches, whole)
        )
    return joined(materials.dataset.catalogue.size, raw, caches, whole), use if caches or whole else None


def shelf_of(materials: Materials, ranker: Ranker, apart: BuildApart | None = None) -> tuple[Shelf, CacheUse | None]:
    """What a ranking knows of a cell's items, and what the feature cache cost if it reads any of that."""
    dataset, use, states = materials.dataset, CacheUse(), dict[str, list[np.ndarray]]()
    for name, how in ranker.reads(materials.backbones).items():
        cache = _cached(materials, name, how, raw_content(materials, name), use, apart)
        levels = cache.gather(torch.arange(dataset.catalogue.size + 1))
        states[name] = [level.float().expand(dataset.catalogue.size + 1, -1).numpy() for level in levels]
    return Shelf(dataset.train_counts, states), use if states else None


def build_entry(materials: Materials, method: Method[Any] | Ranker, modality: str, meter: BuildMeter) -> None:
    """Builds the entries of a modality that a method reads, unless they are there, and measures that."""
    how, raw = method.reads(materials.backbones)[modality], raw_content(materials, modality)
    assert isinstance(how, States), "only what is read from the cache is built"
    for entry in how.entries():
        ensure_features(replace(_build_job(materials, modality, entry, raw), meter=meter))


def raw_content(materials: Materials, modality: str) -> RawContent:
    """Tokens or pixels of the whole catalogue, and the key of their content."""
    catalogue, source, chosen = materials.dataset.catalogue, materials.sources[modality], materials.cell.backbones
    if not source.is_model:
        return RawContent(
            catalogue.size, None, None, source.features.digest() if source.features else f"items 1 to {catalogue.size}"
        )
    if modality == "text":
        materials.tell("tokenising titles", 0, 0)
        assert catalogue.texts is not None
        tokens = token_table(catalogue.texts, source.tokenizer(), chosen.text_length)
        return RawContent(catalogue.size, tokens, None, tokens.digest)
    materials.tell("decoding pictures", 0, 0)
    store = ImageStore.open(catalogue, chosen.image_side or source.image_side())
    return RawContent(catalogue.size, None, store.pixels, store.digest)


def _cached(
    materials: Materials, modality: str, how: States, raw: RawContent, use: CacheUse, apart: BuildApart | None
) -> FeatureCache:
    job = _build_job(materials, modality, how, raw)
    if apart is not None:
        job = replace(job, apart=lambda: apart(materials.cell, materials.places, modality, materials.tell))
    cache, found = ensure_features(job)
    use.add(modality, cache, found)
    return cache


def _build_job(materials: Materials, modality: str, how: States, raw: RawContent) -> BuildJob:
    """How an entry of a modality is built, of pooled states or of all positions."""
    return BuildJob(
        key=_cache_key(materials, materials.sources[modality], raw, how),
        tower=lambda: materials.backbones.load(modality),
        content=raw,
        device=materials.device,
        progress=lambda done, total: materials.tell(f"caching {modality} features", done, total),
    )


def _lies_on_card(materials: Materials, size: int) -> bool:
    """Whether the cache is held on the GPU; one that is not is streamed from the CPU. BenchError without a GPU to hold
    what is to be held there.
    """
    device, place = materials.device, materials.cell.training.cache_on
    if device.type != "cuda" and place == "gpu":
        raise BenchError("training.cache_on = gpu: this cell runs on the CPU; use auto or host, or --device cuda")
    if device.type != "cuda":
        return False
    return place == "gpu" or (place == "auto" and size <= torch.cuda.mem_get_info(device)[0] / 2)


def _cache_key(materials: Materials, source: BackboneSource, content: RawContent, how: States) -> CacheKey:
    cell = materials.cell
    precision: Literal["fp32", "bf16"] = "bf16" if cell.training.precision == "bf16" else "fp32"
    preprocessing = {"text_length": cell.backbones.text_length} if source.modality == "text" else source.normalisation
    return CacheKey(
        backbone=source.label,
        modality=source.modality,
        weights=source.fingerprint() or source.weights_digest(),
        levels=how.whole or how.levels,
        pooling="" if how.whole else source.shape.pooling,
        preprocessing=canonical_json(preprocessing),
        content=content.digest,
        dtype=cell.training.cache_dtype,
        precision=precision,
        positions="all" if how.whole else "pooled",
    )
