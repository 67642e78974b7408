"""The one list of methods: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

from collections.abc import Callable
from typing import Any, TypeVar, cast, get_args

from ..cell import Family
from ..errors import unknown
from ..outside import Registry, subclass_of
from .method import Method, Registered
from .references.ranker import Ranker

ENTRY_POINTS = "tpmebench.methods"
FAMILIES: tuple[Family, ...] = get_args(Family)
_BUILT_IN = (
    "embedded.fft",
    "decoupled.frozen",
    "embedded.bitfit",
    "embedded.adapter",
    "embedded.lora",
    "embedded.pfeiffer",
    "embedded.parallel",
    "embedded.compacter",
    "embedded.ssf",
    "embedded.vpt",
    "embedded.partial",
    "decoupled.iisan",
    "decoupled.versa",
    "decoupled.lst",
    "decoupled.frozen_mix",
    "embedded.hybrid",
    "references.popularity",
    "references.random",
    "references.content_knn",
    "references.sasrec_id",
    "embedded.peft.presets",
    "embedded.peft.kinds",
    "embedded.peft.adalora",
)
Entry = type[Method[Any]] | type[Ranker]

M = TypeVar("M", bound=type[Registered])


def register(name: str, family: str, uncached: str = "") -> Callable[[M], M]:
    """Class decorator: makes a method, or a ranking that trains nothing, known under a name.

    `family` is `full`, `embedded` (gradients cross the backbone), `hybrid` (its top alone), `decoupled` (they don't) or
    `reference`. `uncached`
    names the method that does the same without the feature cache. The first line of the class's docstring becomes its
    summary. BenchError for another family.
    """
    if family not in FAMILIES:
        raise unknown(f"family of method '{name}'", family, list(FAMILIES))

    def add(method: M) -> M:
        _registry.add(name, cast("Entry", method))
        method.family, method.uncached = family, uncached
        return method

    return add


def refuse(name: str, reason: str) -> None:
    """Makes a name one of which everybody is told why it is no method here."""
    _registry.refuse(name, reason)


def methods() -> dict[str, Entry]:
    """Every registered method by name: the built-in ones in their order, then those from entry points."""

    def place(entry: tuple[str, Entry]) -> int:  # whichever was imported first
        return _MODULES.index(entry[1].__module__) if entry[1].__module__ in _MODULES else len(_MODULES)

    return dict(sorted(_registry.all().items(), key=place))


def find_method(name: str) -> Entry:
    """The class behind a name; BenchError as `Registry.find` says."""
    return _registry.find(name)


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


_MODULES = [f"{__package__}.{module}" for module in _BUILT_IN]
_registry = Registry[Entry]("method", ENTRY_POINTS, _MODULES, _adopt)
