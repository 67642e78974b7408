"""The card of a prepared folder: what it was made from and how, what was dropped, and a checksum of each file."""

import os
import stat
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...cell import Modality
from ...errors import BenchError, first_fault
from ...files import file_digest, read_json
from ...values import Count
from .options import Preparation, SplitName

CARD = "card.json"
FORMAT: Literal["tpmebench-dataset"] = "tpmebench-dataset"

FileName = Literal[
    "interactions.parquet",
    "users.parquet",
    "items.parquet",
    "pictures.bin",
    "images.tsv",
    "text-features.npy",
    "image-features.npy",
]
INTERACTIONS: FileName = "interactions.parquet"
USERS: FileName = "users.parquet"
ITEMS: FileName = "items.parquet"
PICTURES: FileName = "pictures.bin"
LINKS: FileName = "images.tsv"
FEATURES: dict[Modality, FileName] = {"text": "text-features.npy", "image": "image-features.npy"}
Kind = Literal["interactions", "users", "items"]
Said = Annotated[str, Field(max_length=4000)]
SHA256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Stamp(_Part):
    """What a file is known by."""

    bytes: Count
    sha256: SHA256


class Counted(_Part):
    """Of interactions, users or items: those read, those dropped by reason, those that windows repeat, those kept."""

    read: Count
    dropped: dict[Said, Count]
    repeated: Count = 0
    kept: Count

    def line(self, kind: str) -> str:
        """In words."""
        dropped = [f"{reason}: {count:,}" for reason, count in self.dropped.items()]
        said = f"{self.kept:,} of {self.read:,} {kind}" + (f"; dropped: {', '.join(dropped)}" if dropped else "")
        return said + (f"; repeated by windows: {self.repeated:,}" if self.repeated else "")


class Card(_Part):
    """A whole `card.json`. `request` identifies what was asked for, source and options together."""

    format: Literal["tpmebench-dataset"] = FORMAT
    version: Literal[1] = 1
    name: Said
    source: Said
    request: SHA256
    options: Preparation
    counts: dict[Kind, Counted]
    files: dict[FileName, Stamp]
    facts: dict[Said, Said | int | float]

    @property
    def split(self) -> SplitName:
        """How the data are split."""
        return self.options.split or "leave-one-out"

    def lines(self) -> list[str]:
        """What was kept, and each reason why something was not, a line each kind."""
        return [counted.line(kind) for kind, counted in self.counts.items()]

    def written(self) -> str:
        """As the file holds it."""
        return self.model_dump_json(indent=2) + "\n"


def is_prepared(folder: Path) -> bool:
    """Whether a folder is known by its card as one that `bench data prepare` wrote, or began to describe so."""
    return os.path.lexists(folder / CARD) and not os.path.lexists(folder / "dataset.toml")


def read_card(folder: Path) -> Card:
    """The card of a folder, each file beside it looked at by kind and size; BenchError names what is wrong."""
    path = folder / CARD
    refuse_links(path)
    values = read_json(path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BenchError(f"{path}: not the card of a prepared dataset: name a folder that bench data prepare wrote")
    try:
        card = Card.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error, values)
        known = f"; files are {', '.join(sorted(map(str, get_args(FileName))))}" if fault.keys[:1] == ("files",) else ""
        raise BenchError(f"{path}: {fault.key}: {fault.message}{known}: prepare the dataset again") from error
    missing = {INTERACTIONS, USERS, ITEMS} - card.files.keys()
    if missing:
        raise BenchError(f"{path}: names no {min(missing)}: prepare the dataset again")
    for name, stamp in card.files.items():
        size = refuse_links(folder / name)
        if size != stamp.bytes:
            raise BenchError(f"{folder / name}: {size:,} bytes, of {stamp.bytes:,} by the card: prepare it again")
    return card


def refuse_links(path: Path) -> int:
    """A regular file's size; BenchError for a link, wherever it leads, and for what is not there."""
    try:
        about = path.lstat()
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror or error}: prepare the dataset again") from error
    if not stat.S_ISREG(about.st_mode):
        kind = "a link" if stat.S_ISLNK(about.st_mode) else "no regular file"
        raise BenchError(f"{path}: {kind}, where a file of its own is needed: prepare the dataset again")
    return about.st_size


def stamp(path: Path) -> Stamp:
    """Of a file as it is."""
    return Stamp(bytes=path.stat().st_size, sha256=file_digest(path))


def check_bytes(folder: Path, card: Card, name: FileName) -> None:
    """BenchError when a file is not as it was written."""
    if file_digest(folder / name) != card.files[name].sha256:
        raise BenchError(f"{folder / name}: changed since it was written: prepare the dataset again")
