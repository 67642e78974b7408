"""The one list of methods: built in, from entry points, or named as `package.module:Class` or `./file.py:Class`."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from inspect import getdoc, isabstract
from pathlib import Path
from typing import Any, TypeVar

from ..errors import BenchError, unknown
from ..files import reason
from .method import Method

ENTRY_POINTS = "tpmebench.methods"
FAMILIES = ("full", "embedded", "decoupled", "reference")
_BUILT_IN = (
    "embedded.fft",
    "decoupled.frozen",
    "embedded.bitfit",
    "embedded.adapter",
    "embedded.lora",
    "decoupled.iisan",
    "references.scoring",
)
_registered: dict[str, type[Method]] = {}

M = TypeVar("M", bound=type[Method])


def register(name: str, family: str) -> Callable[[M], M]:
    """Class decorator: makes a method known under a name.

    `family` is `full`, `embedded` (gradients cross the backbone), `decoupled` (they don't) or `reference`. The first
    line of the class's docstring becomes its summary. BenchError for another family.
    """
    if family not in FAMILIES:
        raise unknown(f"family of method '{name}'", family, list(FAMILIES))

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
            except (Exception, SystemExit) as error:  # whatever a package may raise while it loads
                raise BenchError(
                    f"method '{point.name}' ({point.value}): {_cause(error)}; mend or remove its package"
                ) from error
            _adopt(point.name, found)
    order = [f"{__package__}.{module}" for module in _BUILT_IN]  # whichever was imported first

    def place(entry: tuple[str, type[Method]]) -> int:
        return order.index(entry[1].__module__) if entry[1].__module__ in order else len(order)

    return dict(sorted(_registered.items(), key=place))


def find_method(name: str) -> type[Method]:
    """The class behind a registered name, `package.module:Class` or `./file.py:Class`.

    BenchError with a suggestion for a name that is nothing of these, and for code that does not load.
    """
    name, file = _split(name)
    if file is not None:
        return _adopt(name, _load(name, file))
    known = _registered if name in _registered else methods()  # looking through entry points takes its time
    if name in known:
        return known[name]
    if is_outside(name):
        return _adopt(name, _load(name, None))
    raise unknown("method", name, list(known))


def built_in_modules() -> tuple[str, ...]:
    """The modules of this folder that hold the methods built in, without their suffix."""
    return _BUILT_IN


def make_method(name: str, options: dict[str, Any] | None = None) -> Method:
    """A method with its options. BenchError names an unknown method or option."""
    return find_method(name)(options)


def is_outside(name: str) -> bool:
    """Whether a name stands for code that is imported because somebody named it."""
    return ":" in name


def canonical_name(name: str) -> str:
    """The name under which a method goes wherever its code stands: `./mine/file.py:Class` is `file:Class`."""
    return _split(name)[0]


def import_last(directory: Path) -> None:
    """Makes a directory's modules importable, after everything installed: none of them can shadow a library."""
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.append(place)


def _split(name: str) -> tuple[str, Path | None]:
    """A method's canonical name, and the file that it was named by."""
    code, colon, attribute = name.rpartition(":")
    file = Path(code).expanduser()
    return (f"{file.stem}:{attribute}", file) if colon and file.suffix == ".py" else (name, None)


def _load(name: str, file: Path | None) -> object:
    """What `module:Class` names, the module being looked for in the file's folder, or else in the working directory."""
    module, _, attribute = name.partition(":")
    import_last(file.parent if file else Path.cwd())
    if file is not None:
        _check_file(file, module)
    try:
        return getattr(import_module(module), attribute)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's module may raise while it loads
        raise BenchError(
            f"method '{name}': {_cause(error)}; give an importable package.module:Class, ./file.py:Class, or settings "
            "as NAME:option=value"
        ) from error


def _cause(error: BaseException) -> str:
    """What a module raised, in one line."""
    return f"{type(error).__name__}: {reason(error)}"


def _check_file(file: Path, module: str) -> None:
    """BenchError when the file is not there, or another module has its name."""
    if not file.is_file():
        raise BenchError(f"method file {file}: there is no such file; give ./file.py:Class")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    place = Path(spec.origin) if spec and spec.origin else None
    if place is None or not (place.exists() and place.samefile(file)):
        reason = f"belongs to another module ({place})" if spec else "is none that can be imported"
        raise BenchError(f"method file {file}: the name '{module}' {reason}; rename the file")


def _adopt(name: str, found: object) -> type[Method]:
    """A class from outside, registered unless it already did so itself."""
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise BenchError(f"method '{name}' is no subclass of tpmebench.methods.method.Method")
    if isabstract(found):
        raise BenchError(
            f"method '{name}' is abstract: {', '.join(sorted(found.__abstractmethods__))} are missing in it"
        )
    if "name" not in vars(found):  # a name that is inherited is the parent's
        register(name, found.family or "embedded")(found)
    return found
