"""From a study to its cells, and which of them are done."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ...cell import BackboneChoice, Cell, Modality, Rates
from ...datasets.sources import registry as sources
from ...errors import BenchError, quoted
from ...methods.backbones.check import check_backbone
from ...methods.backbones.names import parse_pair
from ...methods.backbones.source import BackboneSource
from ...methods.registry import Entry, find_method, make_method, methods
from ...outside import canonical_name
from ...reports.records import Record, Status
from ..tasks.registry import find_task
from ..tasks.task import Task
from ..worker.places import Places
from .digests import codes_of
from .earlier import Earlier
from .study import REFERENCE_ROWS, Study, Towers
from .variants import Settled, Variant, check_rates, label


@dataclass(frozen=True)
class Planned:
    """A cell, the method and the task behind it, where its parts stand, and the record that an earlier run left of it.

    `stale`: why that record no longer holds, in words. `replaces`: whether a new record takes its place, as it does
    unless the old one is of other data or towers.
    """

    cell: Cell
    method: Entry
    task: type[Task]
    places: Places
    record: Record | None = None
    stale: tuple[str, ...] = ()
    replaces: bool = True

    @property
    def id(self) -> str:
        """Under which the record stands: an older one keeps the id that it has."""
        return self.record.cell_id if self.record and self.replaces else self.cell.id

    @property
    def label(self) -> str:
        """Its method, told from other variants of it."""
        return label(self.cell, make_method(self.places.method).chosen.model_dump(mode="json"))

    @property
    def status(self) -> Status | None:
        """The earlier run's status; None when there was none or it was interrupted."""
        return None if self.record is None or self.interrupted else self.record.status

    @property
    def interrupted(self) -> bool:
        """Whether the earlier run was stopped before its end."""
        return self.record is not None and self.record.status == "interrupted"

    @property
    def failed(self) -> bool:
        """Whether the earlier run ended, and not well."""
        return self.status not in {None, "ok"}


def plan(study: Study, directory: Path, version: str) -> list[Planned]:
    """Every cell of a study, in the order to run them: methods take turns within a seed.

    Checks names, options, folders and datasets' files first. BenchError for whatever is wrong.
    """
    variants = _variants(study)
    _check_reached(study, variants)
    task = find_task(study.task)
    task(study)  # which refuses settings that it cannot serve
    device = resolve_device(study.device)
    choices = [_Towers.of(study, alias, pair) for alias, pair in _pairs(study)]
    fingerprints = {dataset: sources.open_source(dataset).fingerprint() for dataset in study.datasets}
    planned: dict[str, Planned] = {}
    for dataset, towers in product(study.datasets, choices):
        for seed, repeat, (name, settled) in product(range(study.seeds), range(study.repeats), variants):
            method = settled.method
            if method.kind == "ranker" and (repeat or (seed and not method.stochastic)):
                continue  # it is not timed, and counting is the same for every seed
            training = study.training.model_copy(update={"epochs": study.epochs.get(name, study.training.epochs)})
            cell = Cell(
                task=canonical_name(study.task),
                method=canonical_name(name),
                options=settled.options,
                rates=_told(settled.rates, study),
                dataset=sources.label(dataset),
                dataset_fingerprint=fingerprints[dataset],
                modalities=study.modalities,
                missing_images=study.missing_images,
                backbones=towers.choice,
                training=training,
                head=study.head,
                evaluation=study.evaluation,
                seed=seed,
                repeat=repeat,
                device="cpu" if method.kind == "ranker" and not method.reads_towers() else device,
                threads=study.threads,
                deterministic=study.deterministic,
                timeout=study.timeout,
                version=version,
            )
            places = Places(dataset=dataset, text=towers.text, image=towers.image, method=name, task=study.task)
            planned.setdefault(cell.id, Planned(cell, method, task, places))  # spelt in two ways, it is still one cell
    return look_again(list(planned.values()), directory)


def look_again(cells: Sequence[Planned], directory: Path) -> list[Planned]:
    """The same cells with the records that a directory holds of them now."""
    defaults = {each.cell.method: make_method(each.places.method).chosen.model_dump(mode="json") for each in cells}
    readers = {each.places.dataset: sources.source_class(each.places.dataset) for each in cells}
    task = next((each.task for each in cells), None)
    codes = codes_of({(each.method, readers[each.places.dataset]) for each in cells}, task)
    data = {each.places.dataset: each.cell.dataset_fingerprint for each in cells}
    earlier, ids = Earlier(directory, defaults, data), frozenset(each.cell.id for each in cells)
    result = []
    for each in cells:
        found = earlier.find(each.cell, codes[each.method, readers[each.places.dataset]], ids)
        changes: dict[str, Any] = {"record": None, "stale": (), "replaces": True}
        if found:
            changes = {"record": found.record, "stale": found.stale, "replaces": found.same}
        result.append(replace(each, **changes))
    return result


def resolve_device(device: str) -> str:
    """`auto` is the GPU when torch sees one. BenchError for a device that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA GPU here; use --device cpu")
    return device


def _variants(study: Study) -> list[tuple[str, Settled]]:
    """Each method of a study by the name that finds it, with its options and rates."""
    for key, names in (("options", study.options), ("rates", study.rates), ("epochs", study.epochs)):
        for name in names:
            if Variant.read(name).settings:
                raise BenchError(f"{key}: {quoted(name)} is a variant; name the method alone, for all of its variants")
            find_method(name)
    for name, rates in study.rates.items():
        check_rates(name, rates)
    for name in (*study.options, *study.rates):
        Variant(name).settled(_base(study, name))
    variants = [Variant.read(text) for text in _methods(study)]
    return [(variant.name, variant.settled(_base(study, variant.name))) for variant in variants]


def _base(study: Study, name: str) -> dict[str, Any]:
    """What a study says of a method, below what its variants say."""
    return {**study.options.get(name, {}), **study.rates.get(name, {})}


def _told(rates: Rates, study: Study) -> Rates:
    """Rates without a factor that is the study's: with it the cell is no other."""
    return {
        name: rate
        for name, rate in rates.items()
        if name != "learning_rate_scale" or rate != study.training.learning_rate_scale
    }


def _check_reached(study: Study, variants: list[tuple[str, Settled]]) -> None:
    """BenchError for checkpointing where no method has a graph across a tower. Beside one that has, it is noted."""
    if study.training.gradient_checkpointing and not any(settled.method.crosses_towers() for _, settled in variants):
        names = ", ".join(name for name, _ in variants)
        raise BenchError(
            f"training.gradient_checkpointing: no gradient crosses a tower in {names}; "
            "leave it out, or add a method that trains inside the towers, such as lora"
        )


def _methods(study: Study) -> list[str]:
    chosen = list(study.methods)
    if "all" in chosen:
        own = [name for name, method in methods().items() if method.family != "reference"]
        chosen = [name for text in chosen for name in (own if text == "all" else [text])]
    if study.references:
        chosen += [name for name in REFERENCE_ROWS if name not in chosen]
    return list(dict.fromkeys(chosen))


def _pairs(study: Study) -> list[tuple[str, Towers]]:
    """The pairs of a study under the names that it gives them, "" for one that has its own."""
    if isinstance(study.backbones, list):
        return [("", _towers(pair)) for pair in study.backbones]
    return [
        (name, pair) if isinstance(pair, Towers) else (name if pair != name else "", _towers(pair))
        for name, pair in study.backbones.items()
    ]


def _towers(pair: str) -> Towers:
    text, image = parse_pair(pair)
    return Towers(text=text, image=image)


@dataclass(frozen=True)
class _Towers:
    """A pair as a cell records it, and where each tower stands."""

    choice: BackboneChoice
    text: str | None
    image: str | None

    @classmethod
    def of(cls, study: Study, alias: str, pair: Towers) -> "_Towers":
        """The towers that the study reads of a pair; flags for a single tower stand over it."""
        places: dict[Modality, str | None] = {
            "text": study.text_backbone or pair.text,
            "image": study.image_backbone or pair.image,
        }
        if study.modalities != "both":
            places = {name: place if name == study.modalities else None for name, place in places.items()}
        for name, place in places.items():
            if place is None and study.modalities in {"both", name}:
                raise BenchError(f'backbones.{alias}: names no {name} tower; add {name} = "…", or set modalities')
        own = {"text": study.text_backbone, "image": study.image_backbone}
        towers = [BackboneSource(name, place, study.weights) for name, place in places.items() if place]
        for each in towers:
            check_backbone(each, study.text_length, study.image_side)
        labels = {each.modality: each.label if own[each.modality] else alias or each.label for each in towers}
        choice = BackboneChoice(
            text=labels.get("text"),
            image=labels.get("image"),
            weights=study.weights,
            text_pooling=study.text_pooling,
            image_pooling=study.image_pooling,
            text_length=study.text_length,
            image_side=study.image_side,
            fingerprint="+".join(each.fingerprint()[:16] for each in towers),
        )
        return cls(choice, places["text"], places["image"])
