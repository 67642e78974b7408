"""The one list of sources: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from ...errors import BenchError, first_fault, unknown
from ...naming import read_settings, split_name
from ...outside import Registry, canonical_name, is_outside, subclass_of
from ..preparation.card import is_prepared
from .description import describe
from .source import Source

ENTRY_POINTS = "tpmebench.sources"
_BUILT_IN = {
    "bazaar": "bazaar",
    "stated": "stated",
    "folder": "folder",
    "iisan-release": "iisan_release",
    "prepared": "prepared",
    "amazon-2018": "amazon_2018",
    "amazon-2023": "amazon_2023",
    "amazon-ratings": "amazon_ratings",
    "microlens": "microlens",
}
_BUILT_IN |= {each: each for each in ("recbole", "mmrec", "ducho", "perpeft", "pixelrec", "movielens", "parquet")}
"""Their modules, each loaded when it is asked for: pyarrow takes its time."""

_CLASS = re.compile(r"(?P<name>(?P<code>[^:]+\.py|[A-Za-z_][\w.]*):[A-Za-z_]\w*)(?::(?P<argument>.*))?", re.DOTALL)

S = TypeVar("S", bound=type[Source])


def register(name: str) -> Callable[[S], S]:
    """Class decorator: makes a source known under a name; its docstring's first line becomes its summary."""

    def add(source: S) -> S:
        _registry.add(name, source)
        if "usage" not in vars(source):
            source.usage = name + ":PATH" * source.takes_path + "[:OPTION=VALUE,…]" * bool(source.options.model_fields)
        return source

    return add


def sources() -> dict[str, type[Source]]:
    """Every registered source by name: the built-in ones in their order, then those from entry points."""
    return _registry.all()


def names() -> list[str]:
    """Every source's name, found without importing any."""
    return _registry.names()


def built_in_modules() -> tuple[str, ...]:
    """The modules of this folder that hold the sources built in, without their suffix."""
    return tuple(_BUILT_IN.values())


def open_source(spec: str) -> Source:
    """The source that reads what stands after `--dataset`: `bazaar`, `bazaar:items=1000`, `iisan-release:PATH`, a path.

    BenchError for an unknown source, a missing path, and options that it has not got.
    """
    return _open(spec)[0]


def check_source(spec: str) -> None:
    """BenchError for what can be told of a dataset without reading it; nothing is said of one that code from outside
    reads. Of your own data the description is looked at before what reads tables is imported.
    """
    named = _named(spec)
    if is_outside(named.source):
        return
    if named.source == "folder":
        describe(Path(os.path.expanduser(named.argument)))  # noqa: PTH111 (as below)
    open_source(spec).inspect(pictures=False, strict=False)


def source_class(spec: str) -> type[Source]:
    """The class behind a dataset's name."""
    return _registry.find(_named(spec).source)


def label(spec: str) -> str:
    """What a dataset is called wherever it stands: its folder's name, or that of its description; else the spec."""
    source, written = _open(spec)
    return source.label(written)


def outside_code(spec: str) -> str:
    """The class from outside that naming a dataset imports, as it is called; "" when there is none."""
    name = _named(spec).source
    return canonical_name(name) if is_outside(name) else ""


class _Named(NamedTuple):
    """A source's name, or that of its class, and what was written after it."""

    source: str
    argument: str


def _named(spec: str) -> _Named:
    """What a spec means. A name of our own stands before a path, a path that is there before all others."""
    name, _, argument = spec.partition(":")
    if name in _BUILT_IN:
        return _Named(name, argument)
    path, of_class = Path(os.path.expanduser(spec)), _CLASS.fullmatch(spec)  # noqa: PTH111 (which raises for an unknown user)
    if os.path.lexists(path):
        return _Named("prepared" if is_prepared(path) else "folder", spec)
    if of_class and of_class["code"].endswith(".py"):
        return _Named(of_class["name"], of_class["argument"] or "")
    if len(path.parts) > 1 or path.suffix == ".toml":
        return _Named("folder", spec)
    if name in (known := _registry.names()):
        return _Named(name, argument)
    if of_class:
        return _Named(of_class["name"], of_class["argument"] or "")
    raise unknown("dataset", name, known)


def _adopt(name: str, found: object) -> type[Source]:
    """A class from outside, registered unless it already did so itself."""
    source = subclass_of(Source, "source", name, found)
    if "name" not in vars(source):  # a name that is inherited is the parent's
        register(name)(source)
    return source


def _open(spec: str) -> tuple[Source, str]:
    """The source of a spec, and its options as they were written."""
    named = _named(spec)
    source = _registry.find(named.source)
    path, written = (named.argument, "") if source.takes_path else ("", named.argument)
    if source.takes_path and source.options.model_fields:
        path, written = split_name(named.argument)
    if source.takes_path and not path:
        raise BenchError(f"dataset '{spec}': the path is missing: write {source.usage}")
    options = read_settings(f"dataset '{spec}'", written)
    return source(Path(os.path.expanduser(path)), _chosen(source, options)), written  # noqa: PTH111


def _chosen(source: type[Source], options: dict[str, str]) -> object:
    known = list(source.options.model_fields)
    try:
        return source.options.model_validate(options)
    except ValidationError as error:
        fault = first_fault(error, options)
        if fault.kind == "extra_forbidden":
            raise unknown(f"option of dataset {source.name}", fault.key, known) from error
        place = f"option '{fault.key}': " if fault.key else ""
        raise BenchError(f"dataset {source.name}: {place}{fault.message} (options: {', '.join(known)})") from error


_HOMES = {name: f"{__package__}.{module}" for name, module in _BUILT_IN.items()}
_registry = Registry[type[Source]]("source", ENTRY_POINTS, _HOMES, _adopt)
