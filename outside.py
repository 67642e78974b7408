"""Code from outside: a class named as `package.module:Class` or `./file.py:Class`, or that a package offers."""

import sys
from collections.abc import Callable, Container, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from inspect import getdoc, isabstract
from pathlib import Path
from typing import Any, Generic, TypeVar

from .errors import BenchError, unknown

T = TypeVar("T")
C = TypeVar("C", bound=type[Any])


def is_outside(name: str) -> bool:
    """Whether a name stands for code that is imported because somebody named it."""
    return ":" in name


def canonical_name(name: str) -> str:
    """The name under which a class goes wherever its code stands: `./mine/file.py:Class` is `file:Class`."""
    return _split(name)[0]


def load_named(kind: str, name: str) -> object:
    """What a name such as `package.module:Class` or `./file.py:Class` stands for.

    Its module is looked for in the file's folder, or else in the working directory. BenchError, about a `kind` of that
    name, for code that does not load.
    """
    name, file = _split(name)
    module, _, attribute = name.partition(":")
    _import_last(file.parent if file else Path.cwd())
    if file is not None:
        _check_file(kind, file, module)
    try:
        return getattr(import_module(module), attribute)
    except BenchError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's module may raise while it loads
        raise BenchError(
            f"{kind} '{name}': {_cause(error)}; give an importable package.module:Class, ./file.py:Class, or settings "
            "as NAME:option=value"
        ) from error


def offered(kind: str, group: str, known: Container[str]) -> Iterator[tuple[str, object]]:
    """What packages offer in a group of entry points, but for `known` names; BenchError for one that does not load."""
    for point in entry_points(group=group):
        if point.name not in known:
            try:
                found = point.load()
            except (Exception, SystemExit) as error:  # whatever a package may raise while it loads
                raise BenchError(
                    f"{kind} '{point.name}' ({point.value}): {_cause(error)}; mend or remove its package"
                ) from error
            yield point.name, found


class Registry(Generic[C]):
    """The one list of classes of a kind: built in, offered by packages in a group of entry points, or named as code.

    `built_in`: the names of ours, each with the module whose class `add`s itself when it is imported, which a name
    that is asked for is. `adopt` adds a class from outside under a name, unless it did so itself, and refuses with
    BenchError what is no such class. `refused`: names that somebody may look for, and why there is no class of theirs.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        built_in: Mapping[str, str],
        adopt: Callable[[str, object], C],
        refused: Mapping[str, str] | None = None,
    ) -> None:
        self._kind, self._group, self._built_in, self._adopt = kind, group, built_in, adopt
        self._classes: dict[str, C] = {}
        self._refused = refused or {}

    def add(self, name: str, found: C) -> None:
        """Makes a class known, its docstring's first line as summary. BenchError when another class has the name."""
        known = self._classes.setdefault(name, found)
        home = known.__module__ if known is not found else self._built_in.get(name, found.__module__)
        if known.__qualname__ != found.__qualname__ or home != found.__module__:
            raise BenchError(f"two {self._kind}s are called '{name}': {home}, {found.__module__}")
        found.name, found.summary = name, (getdoc(found) or "").split("\n", 1)[0]
        self._classes[name] = found

    def all(self) -> dict[str, C]:
        """Every class by name: those built in, in their order, then those from entry points."""
        for module in dict.fromkeys(self._built_in.values()):
            import_module(module)
        for name, found in offered(self._kind, self._group, self._classes):
            self._adopt(name, found)
        return {name: self._classes[name] for name in dict.fromkeys((*self._built_in, *self._classes))}

    def names(self) -> list[str]:
        """Every name: those built in, then others that are known or that packages offer. Nothing is imported."""
        points = (point.name for point in entry_points(group=self._group))
        return list(dict.fromkeys((*self._built_in, *self._classes, *points)))

    def check(self, name: str) -> None:
        """BenchError with a suggestion for a name that is nothing; code from outside is not looked for.

        Nothing is imported: a name that is misspelt need not wait for the libraries that classes bring.
        """
        if is_outside(name) or name in self._built_in or name in self._classes or name in self.names():
            return
        if name in self._refused:
            raise BenchError(f"{self._kind} '{name}' is none of the suite's: {self._refused[name]}")
        raise unknown(self._kind, name, self.names())

    def find(self, name: str) -> C:
        """The class behind a registered name, `package.module:Class` or `./file.py:Class`.

        BenchError as `check` says, and for code that does not load.
        """
        self.check(name)
        if name in self._built_in:
            import_module(self._built_in[name])
        if canonical_name(name) == name:
            known = self._classes if name in self._classes else self.all()  # entry points take their time
            if name in known:
                return known[name]
        return self._adopt(canonical_name(name), load_named(self._kind, name))


def subclass_of(base: type[T], kind: str, name: str, found: object) -> type[T]:
    """The class that was found. BenchError when it is none of `base`, or leaves something of it out."""
    if not (isinstance(found, type) and issubclass(found, base)):
        raise BenchError(f"{kind} '{name}' is no subclass of {base.__module__}.{base.__qualname__}")
    if isabstract(found):
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        raise BenchError(f"{kind} '{name}' is abstract: {', '.join(missing)} are missing in it")
    return found


def _import_last(directory: Path) -> None:
    """Makes a directory's modules importable, after everything installed: none of them can shadow a library."""
    place = str(directory.resolve())
    if place not in sys.path:
        sys.path.append(place)


def _split(name: str) -> tuple[str, Path | None]:
    """A class's canonical name, and the file that it was named by."""
    code, colon, attribute = name.rpartition(":")
    file = Path(code).expanduser()
    return (f"{file.stem}:{attribute}", file) if colon and file.suffix == ".py" else (name, None)


def _cause(error: BaseException) -> str:
    """What a module raised, in one line."""
    text = next(iter(str(error).splitlines()), "")[:200]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _check_file(kind: str, file: Path, module: str) -> None:
    """BenchError when the file is not there, or another module has its name."""
    if not file.is_file():
        raise BenchError(f"{kind} file {file}: there is no such file; give ./file.py:Class")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    place = Path(spec.origin) if spec and spec.origin else None
    if place is None or not (place.exists() and place.samefile(file)):
        fault = f"belongs to another module ({place})" if spec else "is none that can be imported"
        raise BenchError(f"{kind} file {file}: the name '{module}' {fault}; rename the file")
