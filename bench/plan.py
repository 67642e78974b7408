"""From a study to its cells, and which of them are done."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

from ..datasets import sources
from ..errors import BenchError
from ..methods.backbone_check import check_backbone
from ..methods.backbones import BackboneSource, parse_pair
from ..methods.method import Method
from ..methods.registry import find_method, make_method, methods
from ..methods.sasrec import HeadSize
from ..reports.records import BackboneChoice, Cell, Record, Status, read_record, record_path
from .study import REFERENCE_ROWS, Study


@dataclass(frozen=True)
class Planned:
    """A cell, the method behind it, and the record that an earlier run left of it."""

    cell: Cell
    method: type[Method]
    record: Record | None

    @property
    def status(self) -> Status | None:
        """The earlier run's status; None when there was none or it was interrupted."""
        return None if self.record is None or self.record.status == "interrupted" else self.record.status


def plan(study: Study, directory: Path, version: str) -> list[Planned]:
    """Every cell of a study, in the order to run them: methods take turns within a seed.

    Checks names, options, folders and datasets' files first. BenchError for whatever is wrong.
    """
    names = _method_names(study)
    for name, options in study.options.items():
        make_method(name, options)
    for name in study.epochs:
        find_method(name)
    HeadSize(study.training.width)  # which refuses what its heads do not divide
    device = resolve_device(study.device)
    planned: list[Planned] = []
    for dataset, pair in product(study.datasets, study.backbones):
        fingerprint = sources.fingerprint(dataset)
        choice = _backbones(study, pair)
        for seed, repeat, name in product(range(study.seeds), range(study.repeats), names):
            method = find_method(name)
            if method.content == "none" and (repeat or (seed and name != "random")):
                continue  # counting is the same for every seed and is not timed
            options = make_method(name, study.options.get(name)).chosen.model_dump(mode="json")
            training = study.training.model_copy(update={"epochs": study.epochs.get(name, study.training.epochs)})
            cell = Cell(
                method=name,
                options=options,
                dataset=dataset,
                dataset_fingerprint=fingerprint,
                modalities=study.modalities,
                missing_images=study.missing_images,
                backbones=choice,
                training=training,
                seed=seed,
                repeat=repeat,
                device="cpu" if method.content == "none" else device,
                threads=study.threads,
                deterministic=study.deterministic,
                timeout=study.timeout,
                version=version,
            )
            planned.append(Planned(cell, method, _earlier(directory, cell)))
    return planned


def resolve_device(device: str) -> str:
    """`auto` is the card when torch sees one. BenchError for a device that is not there."""
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BenchError("--device cuda: torch sees no CUDA card here; use --device cpu")
    return device


def _method_names(study: Study) -> list[str]:
    chosen = list(study.methods)
    if chosen == ["all"]:
        chosen = [name for name, method in methods().items() if method.family != "reference"]
    if study.references:
        chosen += [name for name in REFERENCE_ROWS if name not in chosen]
    for name in chosen:
        find_method(name)
    return list(dict.fromkeys(chosen))


def _backbones(study: Study, pair: str) -> BackboneChoice:
    text, image = parse_pair(pair)
    text = study.text_backbone or text if study.modalities != "image" else None
    image = study.image_backbone or image if study.modalities != "text" else None
    chosen = [BackboneSource("text", text, study.weights)] if text else []
    chosen += [BackboneSource("image", image, study.weights)] if image else []
    for source in chosen:
        check_backbone(source, study.text_length, study.image_side)
    found = [source.fingerprint() for source in chosen]
    return BackboneChoice(
        text=text,
        image=image,
        weights=study.weights,
        text_pooling=study.text_pooling,
        text_length=study.text_length,
        image_side=study.image_side,
        fingerprint="+".join(part[:16] for part in found),
    )


def _earlier(directory: Path, cell: Cell) -> Record | None:
    path = record_path(directory, cell.id)
    try:
        return read_record(path) if path.exists() else None
    except BenchError:
        return None  # it counts as not done: the runner sets the file aside, and says so
