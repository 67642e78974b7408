"""Reading a study: from a TOML file, from flags, or from both; every key is checked, and a mistake has its place."""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ...cell import SECTIONS, current, upgrade
from ...errors import BenchError, first_fault, quoted, unknown
from ...files import TOML_BYTES, read_text, read_toml
from . import shipped
from .schema import Study, Towers
from .variants import written_value

_AS_WRITTEN = {
    "name", "methods", "seeds", "repeats", "points", "device", "threads", "timeout", "repeat_disturbed", "trackers",
}  # fmt: skip
"""What may be put over a study whose note stays true."""

_OPTIONS = {
    "datasets": "--dataset",
    "training.epochs": "--epochs",
    "training.batch": "--batch",
    "training.precision": "--precision",
}
"""Options of the command that are called otherwise than their key."""


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
        path = study_file(source) if source else shipped.STUDIES / "demo.toml"
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


def study_file(source: str) -> Path:
    """The file of a study that ships or that a path names. BenchError for what is neither."""
    path = Path(source)
    if path.suffix == ".toml" or path.is_file():
        return path
    if source in (known := shipped.names()):  # a folder of that name, such as one that a run left, does not hide it
        return shipped.STUDIES / f"{source}.toml"
    if path.exists():
        return path
    raise unknown("study", source, [*known, "a .toml file"])


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
