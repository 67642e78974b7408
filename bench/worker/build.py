"""From a cell to the parts that it runs: dataset, method, content (with the feature cache), recommender."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import torch

from ...cell import Cell
from ...datasets.catalogue import Dataset
from ...datasets.images import ImageStore
from ...datasets.sources.loading import load_dataset
from ...files import canonical_json
from ...methods.backbones.preprocessing import make_tokenizer, token_table
from ...methods.backbones.source import Backbones, BackboneSource
from ...methods.features.build import BuildJob, BuildMeter, ensure_features
from ...methods.features.cache import CacheKey, FeatureCache
from ...methods.features.content import CachedContent, Content, IDContent, RawContent
from ...methods.head.recommender import Recommender, drawn_alike
from ...methods.method import Method
from ...methods.registry import make_method
from ...reports.records import PhaseMemory
from ..tasks.registry import find_task
from ..tasks.task import Batches, Task
from .places import Places
from .speedups import speed_up, unused_settings

Tell = Callable[[str, int, int], None]
"""Progress of a phase: its name, steps done, steps in all (0: unknown)."""


BuildApart = Callable[[Cell, Places, str, Tell], None]
"""Has a cell's feature cache of a modality built by another process."""


@dataclass
class CacheUse:
    """What the feature cache cost, whenever and by whom it was built: seconds, peaks, bytes on disk, found or built."""

    seconds: float = 0.0
    bytes: int = 0
    reused: bool = True
    memory: PhaseMemory | None = None
    built_by: str = ""

    def add_build(self, cache: FeatureCache) -> None:
        """One tower's entry: seconds add up, of peaks the highest counts, for towers are built one after another."""
        self.seconds += cache.seconds
        if cache.memory:
            found = PhaseMemory.model_validate(cache.memory)
            self.memory = found if self.memory is None else self.memory.higher(found)
        self.built_by = "; ".join(dict.fromkeys(filter(None, (*self.built_by.split("; "), cache.built_by))))


@dataclass
class Assembly:
    """A cell's parts, ready to train. `recommender` and `plan` are None for a ranking that trains nothing."""

    cell: Cell
    places: Places
    dataset: Dataset
    method: Method
    task: Task
    device: torch.device
    tell: Tell
    cache: CacheUse | None = None
    content: Content | None = None
    recommender: Recommender | None = None
    plan: Batches | None = None
    sources: dict[str, BackboneSource] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)

    @property
    def batch(self) -> int:
        """Users a batch."""
        chosen = self.cell.training.batch
        return self.method.published_batch if chosen == "published" else chosen


def assemble(cell: Cell, tell: Tell, apart: BuildApart | None = None, places: Places | None = None) -> Assembly:
    """Loads and builds everything that a cell needs. BenchError for whatever the user can mend.

    A feature cache that is not there is built `apart`, or here when nothing is given. `places`: where the cell's parts
    stand, unless what they are called says it.
    """
    parts = _loaded(cell, tell, places or Places.of(cell))
    if parts.method.content == "none":
        return parts
    backbones = Backbones.of(parts.sources, parts.dataset.catalogue.size)
    parts.content = _content(parts, backbones, apart)
    training = cell.training
    tell("building the model", 0, 0)
    item_encoder, head = drawn_alike(
        parts.task.head, lambda: parts.method.item_encoder(backbones, cell.head.width), cell.seed
    )
    recommender = parts.task.recommender(item_encoder, head, parts.dataset)
    parts.unused = unused_settings(speed_up(recommender, training, parts.device), parts.method, training)
    parts.recommender = recommender.to(parts.device)
    parts.plan = parts.task.batches(parts.dataset, parts.batch, cell.seed)
    return parts


def build_features(cell: Cell, places: Places, modality: str, tell: Tell, meter: BuildMeter) -> None:
    """Builds a cell's feature cache of one modality, unless it is there, and measures that."""
    parts = _loaded(cell, tell, places)
    backbones = Backbones.of(parts.sources, parts.dataset.catalogue.size)
    job = _build_job(parts, backbones, modality, _raw_content(parts, modality))
    ensure_features(replace(job, meter=meter))


def _loaded(cell: Cell, tell: Tell, places: Places) -> Assembly:
    """Data, method and towers' sources."""
    method, task = make_method(places.method, cell.options), find_task(places.task)(cell)
    tell("reading data", 0, 0)
    dataset = load_dataset(
        places.dataset,
        modalities=cell.modalities,
        missing_images=cell.missing_images,
        max_length=cell.head.max_length,
        split=task.split,
    )
    dataset = _with_fewer_evaluated(dataset, cell.evaluation.evaluated_users)
    parts = Assembly(cell, places, dataset, method, task, torch.device(cell.device), tell)
    if method.content not in {"none", "ids"}:
        parts.sources = backbone_sources(cell, dataset, places)
    return parts


def _with_fewer_evaluated(dataset: Dataset, users: int | None) -> Dataset:
    """The dataset with a sample of the users to rank, drawn once and for all methods alike."""
    if users is None or users >= len(dataset.test):
        return dataset
    chosen = np.sort(np.random.default_rng(0).choice(len(dataset.test), users, replace=False))
    return replace(
        dataset,
        valid=dataset.valid.subset(chosen),
        test=dataset.test.subset(chosen),
        facts={**dataset.facts, "evaluated users": users},
    )


def backbone_sources(cell: Cell, dataset: Dataset, places: Places) -> dict[str, BackboneSource]:
    """The cell's backbone of each modality that the dataset shows, in the fixed order text, image."""
    chosen = cell.backbones
    sources: dict[str, BackboneSource] = {}
    if "text" in dataset.catalogue.modalities and places.text:
        sources["text"] = BackboneSource("text", places.text, chosen.weights, chosen.text_pooling)
    if "image" in dataset.catalogue.modalities and places.image:
        sources["image"] = BackboneSource("image", places.image, chosen.weights)
    return sources


def _content(parts: Assembly, backbones: Backbones, apart: BuildApart | None) -> Content:
    if parts.method.content == "ids":
        return IDContent(parts.dataset.catalogue.size)
    raw = {name: _raw_content(parts, name) for name in parts.sources}
    if parts.method.content == "items":
        merged = RawContent(parts.dataset.catalogue.size, None, None, "")
        for content in raw.values():
            merged = merged | content
        return merged
    return _cached_content(parts, backbones, raw, apart)


def _raw_content(parts: Assembly, modality: str) -> RawContent:
    """Tokens or pixels of the whole catalogue, and the key of their content."""
    catalogue, source, chosen = parts.dataset.catalogue, parts.sources[modality], parts.cell.backbones
    if source.is_generated:
        return RawContent(catalogue.size, None, None, f"items 1 to {catalogue.size}")
    if modality == "text":
        parts.tell("tokenising titles", 0, 0)
        assert catalogue.texts is not None
        tokens = token_table(catalogue.texts, make_tokenizer(source), chosen.text_length)
        return RawContent(catalogue.size, tokens, None, tokens.digest)
    parts.tell("decoding pictures", 0, 0)
    store = ImageStore.open(catalogue, chosen.image_side or source.image_side())
    return RawContent(catalogue.size, None, store.pixels, store.digest)


def _cached_content(
    parts: Assembly, backbones: Backbones, raw: dict[str, RawContent], apart: BuildApart | None
) -> CachedContent:
    use, caches = CacheUse(), {}
    for name in parts.sources:
        job = _build_job(parts, backbones, name, raw[name])
        if apart is not None:
            job = replace(job, apart=lambda name=name: apart(parts.cell, parts.places, name, parts.tell))
        caches[name], found = ensure_features(job)
        use.bytes += caches[name].nbytes
        use.add_build(caches[name])
        use.reused &= found
    parts.cache = use
    if _fits_on_card(use.bytes, parts.device):
        caches = {name: cache.to(parts.device) for name, cache in caches.items()}
    return CachedContent(parts.dataset.catalogue.size, caches)


def _build_job(parts: Assembly, backbones: Backbones, modality: str, content: RawContent) -> BuildJob:
    """How the feature cache of a modality is built."""
    return BuildJob(
        key=_cache_key(parts, parts.sources[modality], content, parts.method.levels(backbones)[modality]),
        tower=lambda: backbones.load(modality),
        content=content,
        device=parts.device,
        progress=lambda done, total: parts.tell(f"caching {modality} features", done, total),
    )


def _fits_on_card(size: int, device: torch.device) -> bool:
    """Whether the cache takes no more than half of what is free on the card; a larger one is streamed from the CPU."""
    return device.type == "cuda" and size <= torch.cuda.mem_get_info(device)[0] / 2


def _cache_key(parts: Assembly, source: BackboneSource, content: RawContent, levels: tuple[int, ...]) -> CacheKey:
    cell = parts.cell
    precision: Literal["fp32", "bf16"] = "bf16" if cell.training.precision == "bf16" else "fp32"
    preprocessing = {"text_length": cell.backbones.text_length} if source.modality == "text" else source.normalisation
    return CacheKey(
        backbone=source.label,
        modality=source.modality,
        weights=source.fingerprint() or source.weights_digest(),
        levels=levels,
        pooling=source.shape.pooling,
        preprocessing=canonical_json(preprocessing),
        content=content.digest,
        dtype=cell.training.cache_dtype,
        precision=precision,
    )
