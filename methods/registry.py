"""The one list of methods: built in, from entry points, or named as `package.module:Class`."""

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from inspect import getdoc
from typing import Any, TypeVar

from ..errors import BenchError, unknown
from .method import Method

ENTRY_POINTS = "tpmebench.methods"
_BUILT_IN = ("fft", "frozen", "bitfit", "adapter", "lora", "iisan", "references")
_registered: dict[str, type[Method]] = {}

M = TypeVar("M", bound=type[Method])


def register(name: str, family: str) -> Callable[[M], M]:
    """Class decorator: makes a method known under a name.

    `family` is `full`, `embedded` (gradients cross the backbone), `decoupled` (they don't) or `reference`. The first
    line of the class's docstring becomes its summary.
    """

    def add(method: M) -> M:
        if name in _registered and _registered[name].__qualname__ != method.__qualname__:
            raise BenchError(f"two methods are called '{name}': {_registered[name].__module__}, {method.__module__}")
        method.name, method.family = name, family
        method.summary = (getdoc(method) or "").split("\n", 1)[0]
        _registered[name] = method
        return method

    return add


def methods() -> dict[str, type[Method]]:
    """Every registered method by name: the built-in ones in their order, then those from entry points."""
    for module in _BUILT_IN:
        import_module(f".{module}", __package__)
    for point in entry_points(group=ENTRY_POINTS):
        if point.name not in _registered:
            try:
                found = point.load()
            except (ImportError, AttributeError) as error:
                raise BenchError(
                    f"method '{point.name}' ({point.value}): {error}; mend or remove its package"
                ) from error
            _adopt(point.name, found)
    order = [f"{__package__}.{module}" for module in _BUILT_IN]  # whichever was imported first

    def place(entry: tuple[str, type[Method]]) -> int:
        return order.index(entry[1].__module__) if entry[1].__module__ in order else len(order)

    return dict(sorted(_registered.items(), key=place))


def find_method(name: str) -> type[Method]:
    """The class behind a registered name or behind `package.module:Class`. BenchError with a suggestion otherwise."""
    known = _registered if name in _registered else methods()  # looking through entry points takes its time
    if name in known:
        return known[name]
    if ":" in name:
        return _outside(name)
    raise unknown("method", name, list(known))


def make_method(name: str, options: dict[str, Any] | None = None) -> Method:
    """A method with its options. BenchError names an unknown method or option."""
    return find_method(name)(options)


def _outside(name: str) -> type[Method]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BenchError(f"method '{name}': {error}; give an importable package.module:Class") from error
    return _adopt(name, found)


def _adopt(name: str, found: object) -> type[Method]:
    """A class from outside, registered unless it already did so itself."""
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise BenchError(f"method '{name}' is no subclass of tpmebench.methods.method.Method")
    if "name" not in vars(found):  # a name that is inherited is the parent's
        register(name, found.family or "embedded")(found)
    return found
