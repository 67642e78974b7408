"""From a dataset's name to the `Dataset` with the protocol's splits, whatever source it comes from."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np

from ...cell import MissingImages, Modalities
from ...errors import BenchError, unknown
from ..catalogue import Catalogue, Dataset
from ..images import SelectedImages
from ..protocol import Split, prepare
from ..raw import RawData
from .registry import open_source


def load_dataset(
    spec: str | Path,
    *,
    modalities: Modalities = "both",
    missing_images: MissingImages = "neutral",
    max_length: int = 10,
    split: Split = prepare,
) -> Dataset:
    """Reads a dataset and splits it, by the published protocol unless told otherwise.

    `modalities` leaves out texts or pictures. An item without a picture stays and shows a neutral one (`neutral`), goes
    together with its interactions before the split (`drop`), or is an error (`error`). Raises BenchError for whatever
    is wrong with `spec` or the data.
    """
    _check("modalities", modalities, Modalities)
    _check("missing_images", missing_images, MissingImages)
    spec = str(spec)
    source = open_source(spec)
    raw = source.read()
    if raw.images is None and modalities != "text":
        raise BenchError(f"dataset '{spec}' has no pictures: {source.without_pictures()}")
    raw = _restricted(raw, spec, modalities)
    absent = np.zeros(len(raw.ids), dtype=bool)
    absent[np.asarray(raw.missing_images, dtype=np.int64)] = True
    interactions = raw.interactions
    if missing_images == "drop":
        interactions = interactions.taken(~absent[interactions.items])
    try:
        prepared = split(interactions, len(raw.ids), max_length)
    except BenchError as error:
        raise BenchError(f"dataset '{spec}': {error}") from error
    facts = {**raw.facts, **prepared.facts}
    if raw.texts is not None:
        facts["missing titles"] = sum(not str(raw.texts[row]).strip() for row in prepared.order.tolist())
    if raw.images is not None:
        missing = prepared.order[absent[prepared.order]]
        if missing_images == "error" and len(missing):
            raise BenchError(
                f"dataset '{spec}': item '{raw.ids[missing[0]]}' has no picture, nor have {len(missing) - 1} others: "
                "add them, or use missing_images = neutral or drop"
            )
        facts["missing images"] = len(missing)
        if missing_images == "drop":
            facts["items dropped without image"] = int(np.count_nonzero(absent))
    catalogue = _catalogue(raw, prepared.order)
    return Dataset(raw.name, catalogue, prepared.train, prepared.valid, prepared.test, facts)


def _check(option: str, value: str, choices: object) -> None:
    if value not in get_args(choices):
        raise unknown(option, value, list(get_args(choices)))


def _restricted(raw: RawData, spec: str, modalities: Modalities) -> RawData:
    """The data with the modalities that were asked for; BenchError when it has no texts."""
    if raw.texts is None and modalities != "image":
        raise BenchError(f"dataset '{spec}' has no texts: use --modalities image")
    if modalities == "text":
        return replace(raw, images=None, missing_images=())
    return replace(raw, texts=None) if modalities == "image" else raw


def _catalogue(raw: RawData, order: np.ndarray) -> Catalogue:
    """The items of the splits under their numbers, with padding as number 0."""
    rows = order.tolist()
    ids = ["", *(raw.ids[row] for row in rows)]
    texts = None if raw.texts is None else ["", *(raw.texts[row] for row in rows)]
    return Catalogue(ids, texts, None if raw.images is None else SelectedImages(raw.images, order))
