"""From a study to its cells, and which of them are done."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

from ...cell import BackboneChoice, Cell
from ...datasets.sources import registry as sources
from ...errors import BenchError
from ...methods.backbones.check import DoesNotFit, check_backbone
from ...methods.backbones.source import BackboneSource
from ...methods.features.misfit import misfit
from ...methods.registry import Entry, make_method
from ...outside import canonical_name
from ...reports.records import Code, Record, Status
from ..tasks.registry import find_task
from ..tasks.task import Task
from ..worker.places import Places
from .asked import Asked, asked
from .digests import codes_of
from .earlier import Earlier
from .named import pairs, towers
from .schema import Study, Towers
from .variants import label


@dataclass(frozen=True)
class Planned:
    """A cell, the method and the task behind it, where its parts stand, and the record that an earlier run left of it.

    `stale`: why that record no longer holds, in words. `replaces`: whether a new record takes its place, as it does
    unless the old one is of other data or towers. `unfit`: why it cannot run, where that is known already.
    """

    cell: Cell
    method: Entry
    task: type[Task]
    places: Places
    unfit: str = ""
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


class Grid:
    """What all cells of a study share: its task, device, data and towers, checked and found once.

    BenchError for whatever is wrong with them.
    """

    def __init__(self, study: Study, version: str, asked: Sequence[Asked]) -> None:
        _check_reached(study, asked)
        self._study, self._version = study, version
        self._task = find_task(study.task)
        self._task(study)  # which refuses settings that it cannot serve
        self._device = resolve_device(study.device)
        chosen = [_Towers.of(study, alias, pair) for alias, pair in pairs(study)]
        if all(pair.unfit for pair in chosen):
            raise BenchError(chosen[0].unfit)  # nothing of the study could run
        self._fingerprints = {dataset: sources.open_source(dataset).fingerprint() for dataset in study.datasets}
        self.places = list(product(study.datasets, chosen))
        """Each dataset with each pair of towers."""

    def cells(
        self, where: tuple[str, "_Towers"], asked: Sequence[Asked], seeds: Iterable[int], repeats: int = 1
    ) -> list[Planned]:
        """The cells of one place, in the order to run them: methods take turns within a seed."""
        return [
            self._planned(where, each, seed, repeat)
            for seed, repeat, each in product(seeds, range(repeats), asked)
            if self._counts(each.settled.method, seed, repeat)
        ]

    def _counts(self, method: Entry, seed: int, repeat: int) -> bool:
        """Whether a cell is one: what trains nothing has no costs or times, and counting is the same for every seed."""
        return method.kind == "method" or not (self._study.costs or repeat or (seed and not method.stochastic))

    def _planned(self, where: tuple[str, "_Towers"], asked: Asked, seed: int, repeat: int) -> Planned:
        study, (dataset, towers), method = self._study, where, asked.settled.method
        epochs = study.epochs.get(asked.name, study.training.epochs)
        cell = Cell(
            task=canonical_name(study.task),
            method=canonical_name(asked.name),
            options=asked.settled.options,
            rates=asked.settled.rates,
            search=list(asked.search),
            point=asked.point,
            costs=study.costs,
            dataset=sources.label(dataset),
            dataset_fingerprint=self._fingerprints[dataset],
            modalities=study.modalities,
            missing_images=study.missing_images,
            backbones=towers.choice,
            training=study.training.model_copy(update={"epochs": epochs}),
            head=study.head,
            evaluation=study.evaluation,
            seed=seed,
            repeat=repeat,
            device="cpu" if method.kind == "ranker" and not method.reads_towers() else self._device,
            threads=study.threads,
            deterministic=study.deterministic,
            timeout=study.timeout,
            version=self._version,
        )
        places = Places(dataset=dataset, text=towers.text, image=towers.image, method=asked.name, task=study.task)
        unfit = towers.unfit if reads_towers(method) else ""
        unfit = unfit or misfit(make_method(asked.name, asked.settled.options), towers.sources)
        return Planned(cell, method, self._task, places, unfit)


def reads_towers(method: Entry) -> bool:
    """Whether a method or ranking reads anything of the towers."""
    return method.family != "reference" or (method.kind == "ranker" and method.reads_towers())


def plan(study: Study, directory: Path, version: str) -> list[Planned]:
    """Every cell of a study. Checks names, options, folders and datasets' files first. BenchError for what is wrong."""
    rows = asked(study)
    grid = Grid(study, version, rows)
    cells = [grid.cells(where, rows, range(study.seeds), study.repeats) for where in grid.places]
    return look_again(distinct(chain(*cells)), directory)


def distinct(cells: Iterable[Planned]) -> list[Planned]:
    """Each cell once: spelt in two ways, it is still one."""
    found: dict[str, Planned] = {}
    for planned in cells:
        found.setdefault(planned.cell.id, planned)
    return list(found.values())


def look_again(cells: Sequence[Planned], directory: Path) -> list[Planned]:
    """The same cells with the records that a directory holds of them now."""
    methods = {each.cell.method: each.places.method for each in cells}
    defaults = {name: make_method(place).chosen.model_dump(mode="json") for name, place in methods.items()}
    data = {each.places.dataset: each.cell.dataset_fingerprint for each in cells}
    earlier, ids = Earlier(directory, defaults, data), frozenset(each.cell.id for each in cells)
    result = []
    for each, code in zip(cells, codes(cells), strict=True):
        found = earlier.find(each.cell, code, ids)
        changes: dict[str, Any] = {"record": None, "stale": (), "replaces": True}
        if found:
            changes = {"record": found.record, "stale": found.stale, "replaces": found.same}
        result.append(replace(each, **changes))
    return result


def codes(cells: Sequence[Planned]) -> list[Code]:
    """Today's digests of the code behind each cell of a study."""
    names = {each.places.dataset for each in cells}
    readers = {name: sources.source_class(name) for name in names}
    task = next((each.task for each in cells), None)
    found = codes_of({(each.method, readers[each.places.dataset]) for each in cells}, task)
    return [found[each.method, readers[each.places.dataset]] for each in cells]


def resolve_device(device: str) -> str:
    """`auto` is the GPU when torch sees one. BenchError for a device that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA GPU here; use --device cpu")
    return device


def _check_reached(study: Study, asked: Sequence[Asked]) -> None:
    """BenchError for checkpointing where no method has a graph across a tower. Beside one that has, it is noted."""
    if study.training.gradient_checkpointing and not any(each.settled.method.crosses_towers() for each in asked):
        names = ", ".join(dict.fromkeys(each.name for each in asked))
        raise BenchError(
            f"training.gradient_checkpointing: no gradient crosses a tower in {names}; "
            "leave it out, or add a method that trains inside the towers, such as lora"
        )


@dataclass(frozen=True)
class _Towers:
    """A pair as a cell records it, and where each tower stands."""

    choice: BackboneChoice
    text: str | None
    image: str | None
    sources: list[BackboneSource]
    unfit: str

    @classmethod
    def of(cls, study: Study, alias: str, pair: Towers) -> "_Towers":
        """The towers that the study reads of a pair; flags for a single tower stand over it."""
        places = towers(study, pair)
        for name, place in places.items():
            if place is None and study.modalities in {"both", name}:
                raise BenchError(f'backbones.{alias}: names no {name} tower; add {name} = "…", or set modalities')
        own = {"text": study.text_backbone, "image": study.image_backbone}
        sources = [BackboneSource(name, place, study.weights) for name, place in places.items() if place]
        reasons = [reason for each in sources if (reason := unfit(each, study.text_length, study.image_side))]
        labels = {each.modality: each.label if own[each.modality] else alias or each.label for each in sources}
        choice = BackboneChoice(
            text=labels.get("text"),
            image=labels.get("image"),
            weights=study.weights,
            text_pooling=study.text_pooling,
            image_pooling=study.image_pooling,
            text_length=study.text_length,
            image_side=study.image_side,
            fingerprint="+".join(each.fingerprint()[:16] for each in sources),
        )
        return cls(choice, places["text"], places["image"], sources, "; ".join(reasons))


def unfit(source: BackboneSource, text_length: int, image_side: int | None) -> str:
    """Why a tower cannot read what it is to be given; "" when it can. BenchError for one that cannot be had at all."""
    try:
        check_backbone(source, text_length, image_side)
    except DoesNotFit as error:
        return str(error)
    return ""
