"""The one list of methods: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

from collections.abc import Callable
from importlib import import_module
from inspect import getdoc
from typing import Any, TypeVar, cast

from ..errors import BenchError, unknown
from ..outside import canonical_name, is_outside, load_named, offered, subclass_of
from .method import Method, Registered
from .references.ranker import Ranker

ENTRY_POINTS = "tpmebench.methods"
FAMILIES = ("full", "embedded", "decoupled", "reference")
_BUILT_IN = (
    "embedded.fft",
    "decoupled.frozen",
    "embedded.bitfit",
    "embedded.adapter",
    "embedded.lora",
    "decoupled.iisan",
    "decoupled.frozen_mix",
    "references.popularity",
    "references.random",
    "references.content_knn",
    "references.sasrec_id",
)
Entry = type[Method[Any]] | type[Ranker]
_registered: dict[str, Entry] = {}

M = TypeVar("M", bound=type[Registered])


def register(name: str, family: str, uncached: str = "") -> Callable[[M], M]:
    """Class decorator: makes a method, or a ranking that trains nothing, known under a name.

    `family` is `full`, `embedded` (gradients cross the backbone), `decoupled` (they don't) or `reference`. `uncached`
    names the method that does the same without the feature cache. The first line of the class's docstring becomes its
    summary. BenchError for another family.
    """
    if family not in FAMILIES:
        raise unknown(f"family of method '{name}'", family, list(FAMILIES))

    def add(method: M) -> M:
        if name in _registered and _registered[name].__qualname__ != method.__qualname__:
            raise BenchError(f"two methods are called '{name}': {_registered[name].__module__}, {method.__module__}")
        method.name, method.family, method.uncached = name, family, uncached
        method.summary = (getdoc(method) or "").split("\n", 1)[0]
        _registered[name] = cast("Entry", method)
        return method

    return add


def methods() -> dict[str, Entry]:
    """Every registered method by name: the built-in ones in their order, then those from entry points."""
    for module in _BUILT_IN:
        import_module(f".{module}", __package__)
    for name, found in offered("method", ENTRY_POINTS, _registered):
        _adopt(name, found)
    order = [f"{__package__}.{module}" for module in _BUILT_IN]  # whichever was imported first

    def place(entry: tuple[str, Entry]) -> int:
        return order.index(entry[1].__module__) if entry[1].__module__ in order else len(order)

    return dict(sorted(_registered.items(), key=place))


def find_method(name: str) -> Entry:
    """The class behind a registered name, `package.module:Class` or `./file.py:Class`.

    BenchError with a suggestion for a name that is nothing of these, and for code that does not load.
    """
    if canonical_name(name) != name:
        return _adopt(canonical_name(name), load_named("method", name))
    known = _registered if name in _registered else methods()  # looking through entry points takes its time
    if name in known:
        return known[name]
    if is_outside(name):
        return _adopt(name, load_named("method", name))
    raise unknown("method", name, list(known))


def built_in_modules() -> tuple[str, ...]:
    """The modules of this folder that hold the methods built in, without their suffix."""
    return _BUILT_IN


def make_method(name: str, options: dict[str, Any] | None = None) -> Method[Any] | Ranker:
    """A method with its options. BenchError names an unknown method or option."""
    return find_method(name)(options)


def _adopt(name: str, found: object) -> Entry:
    """A class from outside, registered unless it already did so itself."""
    kind = Ranker if isinstance(found, type) and issubclass(found, Ranker) else Method
    method = cast("Entry", subclass_of(kind, "method", name, found))
    if "name" not in vars(method):  # a name that is inherited is the parent's
        register(name, method.family or ("embedded" if method.kind == "method" else "reference"))(method)
    return method
