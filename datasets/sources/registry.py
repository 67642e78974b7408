"""Datasets by name: from what stands after `--dataset` to a `Dataset` with the protocol's splits."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from pydantic import ValidationError

from ...errors import BenchError, unknown
from ...files import canonical_json, digest
from ..catalogue import Catalogue, Dataset
from ..images import SelectedImages
from ..protocol import prepare
from ..raw import Interactions, RawData

if TYPE_CHECKING:
    from ..bazaar.shop import BazaarOptions

Modalities = Literal["both", "text", "image"]
MissingImages = Literal["neutral", "drop", "error"]

SUMMARIES = {
    "bazaar": "a generated shop with titles and pictures, deterministic from its seed",
    "folder": "your own data: CSV, TSV or Parquet and pictures, described by a dataset.toml",
    "iisan-release": "the layout in which the IISAN paper's data were published (two TSV files)",
}


@dataclass(frozen=True)
class Listing:
    """A row of `bench list datasets`: how a source is written, what it is, and its options with their defaults."""

    name: str
    usage: str
    summary: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """A dataset as asked for: a source, with its path or its options as they were written."""

    source: str
    path: Path = Path()
    options: dict[str, str] = field(default_factory=dict)


def list_datasets() -> list[Listing]:
    """What `--dataset` takes, in the order in which it is shown."""
    from ..bazaar.shop import BazaarOptions

    options = {name: str(option.default) for name, option in BazaarOptions.model_fields.items()}
    return [
        Listing("bazaar", "bazaar[:OPTION=VALUE,…]", SUMMARIES["bazaar"], options),
        Listing("folder", "PATH", SUMMARIES["folder"]),
        Listing("iisan-release", "iisan-release:PATH", SUMMARIES["iisan-release"]),
    ]


def parse(spec: str) -> Spec:
    """Reads `bazaar`, `bazaar:items=1000,users=500`, `iisan-release:PATH`, or the path of a folder or TOML file.

    Raises BenchError for an unknown source, a missing path and an option without a value.
    """
    name, _, argument = spec.partition(":")
    if name == "bazaar":
        return Spec("bazaar", options=_written_options(spec, argument))
    if name in SUMMARIES:
        if not argument:
            raise BenchError(f"dataset '{spec}': the path is missing: write {name}:PATH")
        return Spec(name, Path(os.path.expanduser(argument)))  # noqa: PTH111 (which raises for an unknown user)
    path = Path(os.path.expanduser(spec))  # noqa: PTH111
    if os.path.lexists(path) or len(path.parts) > 1 or path.suffix == ".toml":
        return Spec("folder", path)
    raise unknown("dataset", name, list(SUMMARIES))


def label(spec: str) -> str:
    """What a dataset is called wherever it stands: its folder's name, or that of its description; else the spec."""
    parsed = parse(spec)
    if parsed.source == "bazaar":
        return spec
    place = parsed.path.resolve()
    if place.suffix == ".toml":
        place = place.parent if place.name == "dataset.toml" else place.with_suffix("")
    return place.name if parsed.source == "folder" else f"{parsed.source}:{place.name}"


def fingerprint(spec: str) -> str:
    """A hash that changes when the data of `spec` do; cheap, since pictures count by name and size alone."""
    parsed = parse(spec)
    if parsed.source == "bazaar":
        from ..bazaar.shop import VERSION

        return digest("bazaar", str(VERSION), canonical_json(_bazaar_options(parsed.options).model_dump(mode="json")))
    return _reader(parsed.source).fingerprint(parsed.path)


def former_fingerprint(spec: str) -> str:
    """What `fingerprint` was in versions up to 0.1, so that their records are known to be of the same data."""
    parsed = parse(spec)
    if parsed.source != "folder":
        return fingerprint(spec)
    from . import folder

    return folder.former_fingerprint(parsed.path)


def picture_folders(spec: str) -> list[Path]:
    """The folders whose pictures a dataset shows: whatever is put there would count as a part of it."""
    parsed = parse(spec)
    return [] if parsed.source == "bazaar" else _reader(parsed.source).picture_folders(parsed.path)


def inspect(spec: str, modalities: Modalities, *, strict: bool) -> list[str]:
    """What can be told of a dataset from headers and names alone, a line each; misspelt columns are BenchErrors.

    `strict`: pictures of which not one is there under the name looked for are an error too.
    """
    parsed = parse(spec)
    if parsed.source == "bazaar":
        return []
    return _reader(parsed.source).inspect(parsed.path, pictures=modalities != "text", strict=strict)


def load_dataset(
    spec: str, *, modalities: Modalities = "both", missing_images: MissingImages = "neutral", max_length: int = 10
) -> Dataset:
    """Reads a dataset and splits it by the published protocol (`protocol.prepare`).

    `modalities` leaves out texts or pictures. An item without a picture stays and shows a neutral one (`neutral`), goes
    together with its interactions before the split (`drop`), or is an error (`error`). Raises BenchError for whatever
    is wrong with `spec` or the data.
    """
    _check("modalities", modalities, Modalities)
    _check("missing_images", missing_images, MissingImages)
    parsed = parse(spec)
    raw = _read(parsed)
    if raw.images is None and modalities != "text" and parsed.source == "iisan-release":
        from .iisan_release import packed

        if archive := packed(parsed.path):
            raise BenchError(f"dataset '{spec}': {archive} is packed: unpack it into {parsed.path / 'images'}")
    raw = _restricted(raw, spec, modalities)
    absent = np.zeros(len(raw.ids), dtype=bool)
    absent[np.asarray(raw.missing_images, dtype=np.int64)] = True
    interactions = raw.interactions
    if missing_images == "drop":
        interactions = _selected(interactions, ~absent[interactions.items])
    try:
        prepared = prepare(interactions, len(raw.ids), max_length)
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


def _read(spec: Spec) -> RawData:
    if spec.source == "bazaar":
        from ..bazaar.shop import generate

        return generate(_bazaar_options(spec.options))
    return _reader(spec.source).read(spec.path)


def _reader(source: str) -> ModuleType:
    """The file that reads a source from a path; loaded when needed, since pyarrow takes its time."""
    from . import folder, iisan_release

    return {"folder": folder, "iisan-release": iisan_release}[source]


def _written_options(spec: str, argument: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in argument.split(",") if argument else []:
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise BenchError(f"dataset '{spec}': '{part}' is no option: write name=value, with commas between")
        if name in options:
            raise BenchError(f"dataset '{spec}': option '{name}' stands there twice: keep one")
        options[name] = value
    return options


def _bazaar_options(options: dict[str, str]) -> "BazaarOptions":
    from ..bazaar.shop import BazaarOptions

    known = list(BazaarOptions.model_fields)
    for name in options:
        if name not in known:
            raise unknown("option of dataset bazaar", name, known)
    try:
        return BazaarOptions.model_validate(options)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        name = ".".join(str(part) for part in fault["loc"])
        message = f"{fault['msg'].removeprefix('Value error, ')} (options: {', '.join(known)})"
        place = f"{name}={fault['input']}: " if name else ""
        raise BenchError(f"dataset bazaar: {place}{message}") from error


def _check(option: str, value: str, choices: object) -> None:
    if value not in get_args(choices):
        raise unknown(option, value, list(get_args(choices)))


def _restricted(raw: RawData, spec: str, modalities: Modalities) -> RawData:
    """The data with the modalities that were asked for; BenchError when the source has not got one of them."""
    if raw.images is None and modalities != "text":
        raise BenchError(f"dataset '{spec}' has no pictures: use --modalities text")
    if raw.texts is None and modalities != "image":
        raise BenchError(f"dataset '{spec}' has no texts: use --modalities image")
    if modalities == "text":
        return replace(raw, images=None, missing_images=())
    return replace(raw, texts=None) if modalities == "image" else raw


def _selected(interactions: Interactions, kept: np.ndarray) -> Interactions:
    times = None if interactions.times is None else interactions.times[kept]
    return Interactions(interactions.users[kept], interactions.items[kept], times)


def _catalogue(raw: RawData, order: np.ndarray) -> Catalogue:
    """The items of the splits under their numbers, with padding as number 0."""
    rows = order.tolist()
    ids = ["", *(raw.ids[row] for row in rows)]
    texts = None if raw.texts is None else ["", *(raw.texts[row] for row in rows)]
    return Catalogue(ids, texts, None if raw.images is None else SelectedImages(raw.images, order))
