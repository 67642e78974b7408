"""A study: what to run. From a TOML file, from flags, or from both; every key is checked."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, field_validator

from ..errors import BenchError, unknown
from ..files import TOML_BYTES, read_text, read_toml
from ..reports.records import Training

STUDIES = Path(__file__).parent.parent / "studies"

DEMO_METHODS = ("fft", "adapter", "lora", "bitfit", "iisan", "iisan-cached", "frozen")
REFERENCE_ROWS = ("popularity", "random", "sasrec-id")

_OPTIONS = {"datasets": "--dataset", "training.epochs": "--epochs"}
"""Options of the command that are called otherwise than their key."""


class Study(BaseModel):
    """Methods × datasets × backbones × seeds, and the protocol that all of them share.

    `seeds`: how many, from 0. `repeats`: timing repeats of each seed. `references`: whether the reference rows run too.
    `epochs`: methods that run another number of epochs than `training.epochs`. `options`: by method.
    `repeat_disturbed`: how often an epoch that lost more than 5 % to other work is run again, from the same state.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = "study"
    methods: list[str] = list(DEMO_METHODS)
    references: bool = True
    datasets: list[str] = Field(default=["bazaar"], min_length=1)
    backbones: list[str] = Field(default=["micro"], min_length=1)
    text_backbone: str | None = None
    image_backbone: str | None = None
    weights: Literal["pretrained", "random"] = "pretrained"
    text_pooling: Literal["auto", "cls", "last"] = "auto"
    text_length: int = Field(default=30, ge=4)
    image_side: int | None = Field(default=None, ge=8)
    modalities: Literal["both", "text", "image"] = "both"
    missing_images: Literal["neutral", "drop", "error"] = "neutral"
    seeds: int = Field(default=1, ge=1)
    repeats: int = Field(default=1, ge=1)
    device: str = "auto"
    threads: int = Field(default=0, ge=0)
    deterministic: bool = False
    timeout: float | None = Field(default=None, gt=0)
    checkpoint_seconds: float = Field(default=60.0, ge=0)
    repeat_disturbed: int = Field(default=0, ge=0)
    training: Training = Training()
    epochs: dict[str, PositiveInt] = {}
    options: dict[str, dict[str, Any]] = {}

    @field_validator("methods", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def read_study(source: str | None, overrides: dict[str, Any], settings: Sequence[str]) -> Study:
    """The study in a file or of a shipped name, with flags and `--set key.path=value` put over it.

    Without a source the demo is the base, unless a dataset or backbones are named: then the published protocol.
    BenchError names the file, line and key, or the option, at fault.
    """
    values: dict[str, Any] = {}
    path = _find(source) if source else STUDIES / "demo.toml"
    named = any(overrides.get(key) for key in ("datasets", "backbones", "text_backbone", "image_backbone"))
    if source or not named:
        values = read_toml(path)
        values.setdefault("name", path.stem)
    origins: dict[str, str] = {}
    for key, value in overrides.items():
        if value is not None:
            _put(values, key, value)
            origins[key] = _OPTIONS.get(key, "--" + key.replace("_", "-"))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise BenchError(f"--set {setting}: give key=value, for example --set training.batch=32")
        _put(values, key.strip(), _value(text.strip()))
        origins[key.strip()] = f"--set {key.strip()}"
    try:
        return Study.model_validate(values)
    except ValidationError as error:
        raise _mistake(error, values, origins, path) from error


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


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise BenchError(f"--set {key}: '{parent}' holds no further keys")
    values[last] = value


def _value(text: str) -> Any:
    """A TOML value, or the text as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _mistake(error: ValidationError, values: dict[str, Any], origins: dict[str, str], path: Path) -> BenchError:
    """Names the key at fault, and the option that set it or else its line in the file at `path`."""
    faults = error.errors()
    keys = _keys(faults[0]["loc"], values)
    where = ".".join(keys)
    place = next((option for key, option in origins.items() if f"{where}.".startswith(f"{key}.")), None)
    if place is None:
        line = _line_of(path, keys)
        place = f"{path}, line {line}" if line else str(path)
    if faults[0]["type"] == "extra_forbidden":
        model = Training if keys[0] == "training" and len(keys) > 1 else Study
        known = [".".join([*keys[:-1], field]) for field in sorted(model.model_fields)]
        return BenchError(f"{place}: {unknown('key', where, known)}")
    # a key that may be of several kinds has a fault for each
    messages = dict.fromkeys(fault["msg"] for fault in faults if _keys(fault["loc"], values) == keys)
    message = " or ".join(f"{text[0].lower()}{text[1:]}" for text in messages)
    return BenchError(f"{place}: '{where}': {message} (got {faults[0]['input']!r})")


def _keys(location: Sequence[str | int], values: Any) -> list[str]:
    """The part of a fault's location that a user wrote; what follows names a branch of the schema."""
    keys: list[str] = []
    for part in location:
        if not isinstance(values, dict | list):
            break
        keys.append(str(part))
        values = values.get(part) if isinstance(values, dict) else values[int(part)]
    return keys


def _line_of(path: Path, keys: list[str]) -> int | None:
    """The line that sets a key, as far as it can be told from the text."""
    names = [re.escape(key) for key in keys if not key.isdigit()]
    if not names:
        return None
    wanted = re.compile(rf"\s*(?:\[\s*(?:[\w.\"-]+\.)?)?\"?{names[-1]}\"?\s*[=\]]")
    lines = read_text(path, TOML_BYTES).splitlines()
    return next((number for number, line in enumerate(lines, 1) if wanted.match(line)), None)
