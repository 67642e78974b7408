"""A study: what to run. From a TOML file, from flags, or from both; every key is checked."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, field_validator, model_validator

from ...cell import (
    SECTIONS,
    SEQUENTIAL,
    Evaluation,
    Head,
    MissingImages,
    Modalities,
    Pooling,
    Training,
    Weights,
    current,
    upgrade,
)
from ...errors import BenchError, first_fault, quoted, unknown
from ...files import TOML_BYTES, read_text, read_toml
from ...values import (
    Epochs,
    ImageSide,
    JSONTable,
    Name,
    Note,
    PathPart,
    PositiveSeconds,
    Repetitions,
    Seconds,
    TextLength,
    Threads,
)
from .variants import split_methods, written_value

STUDIES = Path(__file__).parents[2] / "studies"

DEMO_METHODS = ("fft", "adapter", "lora", "bitfit", "iisan", "iisan-cached", "frozen")
REFERENCE_ROWS = ("popularity", "random", "content-knn", "sasrec-id")

_AS_WRITTEN = {
    "name", "methods", "seeds", "repeats", "points", "device", "threads", "timeout", "repeat_disturbed", "trackers",
}  # fmt: skip
"""What may be put over a study whose note stays true."""

MOST_CELLS = 100_000
"""Of a study: they are planned at once."""

Values = Annotated[list[Any], Field(min_length=1, max_length=1000)]
"""Of one setting, to be tried."""
Names = Annotated[list[Name], Field(min_length=1, max_length=1000)]

_OPTIONS = {"datasets": "--dataset", "training.epochs": "--epochs"}
"""Options of the command that are called otherwise than their key."""


class Towers(BaseModel):
    """A pair of towers under a name of the study's own: each a name that we know, a folder or a hub id."""

    model_config = ConfigDict(extra="forbid")

    text: Name | None = None
    image: Name | None = None


# Told apart by their shape, so that a mistake in one form is not reported as one in the other.
Pair = Annotated[
    Annotated[Name, Tag("name")] | Annotated[Towers, Tag("towers")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "towers"),
]
Pairs = Annotated[
    Annotated[Names, Tag("names")] | Annotated[dict[Name, Pair], Field(min_length=1, max_length=1000), Tag("table")],
    Discriminator(lambda value: "table" if isinstance(value, dict) else "names"),
]


class Study(BaseModel):
    """Methods × datasets × backbones × seeds, and the protocol that all of them share.

    `note`: what a reader of its report must know of the study, shown in the report's head.
    `backbones`: pairs by name or as TEXT+IMAGE, or a table that gives pairs names of its own, which records then bear.
    `seeds`: how many, from 0. `repeats`: timing repeats of each seed. `references`: whether the reference rows run too.
    `task`: what is asked of the embeddings, by name or as code from outside.
    `methods`: names, perhaps with settings (`lora:r=16,lr=4e-4`), each of which is a row.
    `epochs`: methods that run another number of epochs than `training.epochs`. `options` and `rates`: by method, below
    those of its variants.
    `sweep`: by method, or `*` for all whom it concerns, the values of a setting to try in every combination.
    `points`: how many settings `bench tune` tries of every method.
    `repeat_disturbed`: how often an epoch that lost more than 5 % to other work is run again, from the same state.
    `test_every_epoch`: whether the test users are judged after every epoch, which takes about as long as validation, or
    after those that are the best so far. `trackers`: what is told of every finished record, by name or as code from
    outside. `costs`: whether only the costs are measured, by as many steps of each method
    as these need, for `costs_seconds` at most.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    name: PathPart = "study"
    note: Note = ""
    task: Name = SEQUENTIAL
    methods: Names = list(DEMO_METHODS)
    references: bool = True
    datasets: Names = ["bazaar"]
    backbones: Pairs = ["micro"]
    text_backbone: Name | None = None
    image_backbone: Name | None = None
    weights: Weights = "pretrained"
    text_pooling: Pooling = "auto"
    image_pooling: Pooling = "auto"
    text_length: TextLength = 30
    image_side: ImageSide | None = None
    modalities: Modalities = "both"
    missing_images: MissingImages = "neutral"
    seeds: Repetitions = 1
    repeats: Repetitions = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Threads = 0
    deterministic: bool = False
    timeout: PositiveSeconds | None = None
    checkpoint_seconds: Seconds = 60.0
    repeat_disturbed: Annotated[int, Field(ge=0, le=1000)] = 0
    test_every_epoch: bool = True
    trackers: Annotated[list[Name], Field(max_length=100)] = []
    costs: bool = False
    costs_seconds: PositiveSeconds = 300.0
    training: Training = Training()
    head: Head = Head()
    evaluation: Evaluation = Evaluation()
    epochs: dict[str, Epochs] = {}
    options: dict[str, JSONTable] = {}
    rates: dict[str, JSONTable] = {}
    sweep: dict[Name, dict[Name, Values]] = {}
    points: Annotated[int, Field(ge=1, le=1000)] = 8

    @property
    def directory(self) -> Path:
        """Where it works, unless it is told another place."""
        return Path("runs") / self.name

    @field_validator("methods", "trackers", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        try:
            return split_methods(value) if isinstance(value, str) else value
        except BenchError as error:
            raise ValueError(str(error)) from error

    @model_validator(mode="after")
    def _of_bounded_size(self) -> Self:
        every = self.sweep.get("*", {})
        swept = max((prod(map(len, {**every, **own}.values())) for own in self.sweep.values()), default=1)
        cells = prod((len(self.methods), len(self.datasets), len(self.backbones), self.seeds, self.repeats, swept))
        if cells > MOST_CELLS:
            raise ValueError(f"seeds, repeats, sweeps and names make {cells} cells; a study has at most {MOST_CELLS}")
        return self


def read_study(
    source: str | Mapping[str, Any] | None, overrides: Mapping[str, Any], settings: Sequence[str] = ()
) -> Study:
    """The study in a file, of a shipped name, or of the keys that a file would hold, with flags and
    `--set key.path=value` put over it.

    Without a source the demo is the base, unless a dataset or backbones are named: then the published protocol. Epochs
    among the flags are those of every method, whatever the file says of some. The note of a file is of the study as it
    is written: it goes where data, towers or protocol are others. BenchError names the file, line and key, or the
    option, at fault.
    """
    named = any(overrides.get(key) for key in ("datasets", "backbones", "text_backbone", "image_backbone"))
    if isinstance(source, Mapping):
        path, written = None, upgrade(dict(source))
    else:
        path = _find(source) if source else STUDIES / "demo.toml"
        written = _read_file(path) if source or not named else {}
    values = deepcopy(written)
    origins: dict[str, str] = {}
    if overrides.get("training.epochs") is not None:
        overrides = {**overrides, "epochs": {}}
    for key, value in overrides.items():
        if value is not None:
            origins[key] = _OPTIONS.get(key, "--" + key.replace("_", "-"))
            _put(values, key, _chosen_pairs(values.get(key), value) if key == "backbones" else value, origins[key])
    for setting in settings:
        written_key, value = _setting(setting)
        key = current(written_key)
        origins[key] = f"--set {written_key}"
        _put(values, key, value, origins[key])
    if "note" not in origins and not origins.keys() <= _AS_WRITTEN:
        values.pop("note", None)
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise _mistake(error, values, _Origins(path, written, origins)) from error


def _chosen_pairs(known: Any, chosen: list[str]) -> Any:
    """Pairs by name: those that the study names itself, or else as they are written."""
    return {name: known.get(name, name) for name in chosen} if isinstance(known, dict) else chosen


def _find(source: str) -> Path:
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        return path
    shipped = sorted(file.stem for file in STUDIES.glob("*.toml"))
    if source in shipped:  # a folder of that name, such as one that a run left, does not hide it
        return STUDIES / f"{source}.toml"
    if path.exists():
        return path
    raise unknown("study", source, [*shipped, "a .toml file"])


def _read_file(path: Path) -> dict[str, Any]:
    return {"name": path.stem} | upgrade(read_toml(path))


def _setting(text: str) -> tuple[str, Any]:
    """Key and value of a `--set`. The value is TOML, or else a word that stands for itself."""
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not all(key.split(".")):
        raise BenchError(f"--set {_word(text)}: give key=value, for example --set training.batch=32")
    if "\n" in text or "\r" in text:
        raise BenchError(f"--set {_word(key)}: a setting is one line; give each its own --set")
    return key, written_value(value)


def _put(values: dict[str, Any], key: str, value: Any, option: str) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise BenchError(f"{_word(option)}: {quoted(parent)} holds no further keys")
    values[last] = value


def _word(text: str) -> str:
    """What stands on the command line, as a message repeats it."""
    return quoted(text)[1:-1]


@dataclass(frozen=True)
class _Origins:
    """Where the values of a study come from: a file, what was written in it, and the options put over that, by key."""

    path: Path | None
    written: Mapping[str, Any]
    options: Mapping[str, str]

    def place(self, keys: Sequence[str]) -> str:
        """The option that set a key, or something under it that the file has not; else the file and the key's line."""
        where = f"{'.'.join(keys)}."
        above = (option for key, option in self.options.items() if where.startswith(f"{key}."))
        below = (option for key, option in self.options.items() if f"{key}.".startswith(where) and not self._has(keys))
        option = next(above, None) or next(below, None)
        if option is not None:
            return _word(option)
        if not self.written or self.path is None:
            return "the study"
        line = _line_of(self.path, keys)
        return f"{self.path}, line {line}" if line else str(self.path)

    def _has(self, keys: Sequence[str]) -> bool:
        values: Any = self.written
        for key in keys:
            if not isinstance(values, Mapping) or key not in values:
                return False
            values = values[key]
        return True


def _mistake(error: ValidationError, values: dict[str, Any], origins: _Origins) -> BenchError:
    """Names the key at fault, and the option that set it or else its line in the file."""
    fault = first_fault(error, values)
    place = origins.place(fault.keys) if fault.keys else str(origins.path or "the study")
    if fault.kind == "extra_forbidden":
        model = {**SECTIONS, "backbones": Towers}[fault.keys[0]] if len(fault.keys) > 1 else Study
        known = [".".join([*fault.keys[:-1], field]) for field in sorted(model.model_fields)]
        return BenchError(f"{place}: {unknown('key', fault.key, known)}")
    return BenchError(f"{place}: '{fault.key}': {fault.message}" if fault.keys else f"{place}: {fault.message}")


def _line_of(path: Path, keys: Sequence[str]) -> int | None:
    """The line that sets a key, as far as it can be told from the text."""
    names = [re.escape(key) for key in keys if not key.isdigit()]
    if not names:
        return None
    wanted = re.compile(rf"\s*(?:\[\s*(?:[\w.\"-]+\.)?)?\"?{names[-1]}\"?\s*[=\]]")
    lines = read_text(path, TOML_BYTES).splitlines()
    return next((number for number, line in enumerate(lines, 1) if wanted.match(line)), None)
