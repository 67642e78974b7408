"""From a dataset's name to the `Dataset` with the protocol's splits, whatever source it comes from."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from ...cell import MissingImages, Modalities, Modality
from ...errors import BenchError, unknown
from ..catalogue import Catalogue, Dataset
from ..images import SelectedImages
from ..pictures.absent import Absent
from ..protocol import Split
from ..raw import RawData
from ..splits import check_parts, split_as_given
from .registry import open_source
from .source import Source


def load_dataset(
    spec: str | Path,
    *,
    modalities: Modalities = "both",
    missing_images: MissingImages = "neutral",
    features: Collection[Modality] = (),
    max_length: int = 10,
    split: Split = split_as_given,
) -> Dataset:
    """Reads a dataset and splits it, by its own split, else the published protocol, unless told otherwise.

    `modalities` leaves out texts or pictures; those of `features` are read from the vectors that the dataset brings.
    An item without a picture stays and shows a neutral one (`neutral`), goes together with its interactions before the
    split (`drop`), or is an error (`error`); so does one whose picture is bad. Raises BenchError for
    whatever is wrong with `spec` or the data.
    """
    _check("modalities", modalities, Modalities)
    _check("missing_images", missing_images, MissingImages)
    spec = str(spec)
    source = open_source(spec)
    raw = _restricted(source.read(), source, spec, modalities, features)
    absent = Absent.of(raw)
    interactions, facts = raw.interactions, dict(raw.facts)
    if interactions.parts is not None and not raw.split:
        check_parts(raw)
        facts["split"] = "ready"
    if missing_images == "drop":
        interactions = interactions.taken(~absent.rows[interactions.items])
    try:
        prepared = split(interactions, len(raw.ids), max_length)
        shown = {} if raw.images is None else absent.facts(raw, prepared.order, missing_images)
    except BenchError as error:
        raise BenchError(f"dataset '{spec}': {error}") from error
    facts |= prepared.facts
    if raw.texts is not None:
        facts["missing titles"] = sum(not str(raw.texts[row]).strip() for row in prepared.order.tolist())
    facts |= shown
    for name, vectors in raw.features.items():
        facts[f"{name} features"] = f"{vectors.dtype}, {vectors.width} wide"
        facts[f"missing {name} features"] = int(np.count_nonzero(vectors.zeros[prepared.order]))
    catalogue = _catalogue(raw, prepared.order, absent)
    return Dataset(raw.name, catalogue, prepared.train, prepared.valid, prepared.test, facts)


def _check(option: str, value: str, choices: object) -> None:
    if value not in get_args(choices):
        raise unknown(option, value, list(get_args(choices)))


def _restricted(
    raw: RawData, source: Source, spec: str, modalities: Modalities, features: Collection[Modality]
) -> RawData:
    """The data with what was asked for alone, of each modality one kind; BenchError when they lack it."""
    shown = {"image": raw.images, "text": raw.texts}
    asked: list[Modality] = [name for name in ("image", "text") if modalities in {"both", name}]
    for name in asked:
        if name in features and name not in raw.features:
            instead = " and ".join(raw.features)
            use = f"use --modalities {instead}, or another {name} tower" if instead else "name towers with --backbones"
            raise BenchError(f"dataset '{spec}' has no {name} features: {use}")
        if name not in features and shown[name] is None:
            raise BenchError(_lacking(raw, source, spec, name))
    given = {name: vectors for name, vectors in raw.features.items() if name in asked and name in features}
    images = raw.images if "image" in asked and "image" not in given else None
    return replace(
        raw,
        texts=raw.texts if "text" in asked and "text" not in given else None,
        images=images,
        missing_images=() if images is None else raw.missing_images,
        features=given,
    )


def _lacking(raw: RawData, source: Source, spec: str, modality: Modality) -> str:
    what = "pictures" if modality == "image" else "texts"
    if modality in raw.features:
        both = raw.texts is None and raw.images is None and len(raw.features) == 2  # then one is as good as the other
        option = "backbones" if both else f"{modality}-backbone"
        return f"dataset '{spec}' has no {what}, but features of them: use --{option} features"
    use = source.without_pictures() if modality == "image" else source.without_texts()
    return f"dataset '{spec}' has no {what}: {use}"


def _catalogue(raw: RawData, order: np.ndarray, absent: Absent) -> Catalogue:
    """The items of the splits under their numbers, with padding as number 0."""
    rows = order.tolist()
    ids = ["", *(raw.ids[row] for row in rows)]
    texts = None if raw.texts is None else ["", *(raw.texts[row] for row in rows)]
    images = None if raw.images is None else SelectedImages(raw.images, np.where(absent.rows[order], -1, order))
    return Catalogue(ids, texts, images, {name: vectors.take(order) for name, vectors in raw.features.items()})
