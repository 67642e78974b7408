"""What is compared: the repository of the methods that are named, or else the suite's own, and how its code is found.

Where a method from outside is named, the repository under test is the one that holds its file, and the suite is the
same on both sides unless that repository is the suite's. Where none is, it is the suite's. Code of the repository comes
from its side's tree: files by their path in it, packages by a link on the side's path, which stands before all that is
installed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from ....errors import BenchError, quoted
from ....methods.registry import ENTRY_POINTS
from ....outside import is_outside
from ...study.variants import Variant
from .repository import Repository, normal

SUITE = Path(__file__).resolve().parents[3]
PACKAGE = "tpmebench"


@dataclass(frozen=True)
class Own:
    """A method of the repository under test. `by_file`: it was named by its file instead of as a module's class."""

    file: Path
    by_file: bool


@dataclass(frozen=True)
class Subject:
    """The repository under test. `own`: its methods by the name that finds them. `suite`: whether it is the suite's."""

    repository: Repository
    own: Mapping[str, Own]
    suite: bool

    def named(self, method: str, tree: Path) -> str:
        """A method, perhaps with settings, as a side whose files stand in `tree` is to call it."""
        name = Variant.read(method).name
        own = self.own.get(name)
        if own is None or not own.by_file:
            return method
        return f"{self._in(own.file, tree)}:{name.rpartition(':')[2]}{method.strip()[len(name) :]}"

    def lacks(self, method: str, tree: Path) -> bool:
        """Whether a tree has no file for a method of the repository."""
        own = self.own.get(Variant.read(method).name)
        return own is not None and not self._in(own.file, tree).is_file()

    def links(self, tree: Path) -> dict[str, Path]:
        """What a side must import from its tree: names of modules and packages, and where they stand in it."""
        if self.suite:
            return {PACKAGE: self._in(SUITE, tree)}
        roots = [self.repository.root, self.repository.root / "src"]
        roots += [_import_root(name, own.file) for name, own in self.own.items() if not own.by_file]
        return {
            place.stem if place.suffix == ".py" else place.name: place
            for root in dict.fromkeys(roots)
            for place in _modules(self._in(root, tree))
            if place.stem in self._named or not self._is_elsewhere(place.stem)
        }

    @property
    def _named(self) -> set[str]:
        """Top-level modules of the methods that were named as a module's class."""
        modules = [
            own.file.relative_to(_import_root(name, own.file)) for name, own in self.own.items() if not own.by_file
        ]
        return {Path(module.parts[0]).stem for module in modules}

    def _in(self, path: Path, tree: Path) -> Path:
        return tree / path.relative_to(self.repository.root)

    def _is_elsewhere(self, name: str) -> bool:
        """Whether a top-level name is a library's: the repository's file of that name is not meant by it.

        A copy of the repository's own project, which an install leaves, is none.
        """
        found = _origin(name)
        if found is None or Repository.around(found) == self.repository:
            return False
        project = self.repository.project
        return project is None or project not in map(normal, packages_distributions().get(name, ()))


def find_subject(methods: Sequence[str]) -> Subject:
    """Of a study's methods, as they are written. BenchError where their code is in no repository, or in several."""
    names = [Variant.read(method).name for method in methods]
    own = {name: method for name in names if (method := _own(name))}
    if not own:
        repository = Repository.around(SUITE / "__init__.py")
        if repository is None:
            raise BenchError(
                "--against: no method of a repository is named, and the suite that runs is no checkout of git; name "
                "your own with --methods ./file.py:Class"
            )
        return Subject(repository, {}, suite=True)
    found: dict[Path, Repository] = {}
    for name, method in own.items():
        repository = Repository.around(method.file)
        if repository is None:
            raise BenchError(
                f"--against: {method.file}, which has {quoted(name)}, is in no git repository; {_remedy(method)}"
            )
        found[repository.root] = repository
    if len(found) > 1:
        places = ", ".join(map(str, found))
        raise BenchError(f"--against: the methods come from several repositories ({places}); compare one at a time")
    (repository,) = found.values()
    return Subject(
        repository, own, suite=SUITE.is_relative_to(repository.root) and repository == Repository.around(SUITE)
    )


def _remedy(method: Own) -> str:
    return "make it part of one" if method.by_file else "run this in its checkout, or install that with pip install -e"


def _own(name: str) -> Own | None:
    """The file of a method from outside; none for the suite's own. Nothing is imported."""
    if not is_outside(name):
        point = next((each for each in entry_points(group=ENTRY_POINTS) if each.name == name), None)
        if point is None:
            return None
        name = point.value
    code = name.rpartition(":")[0]
    file = Path(code).expanduser()
    if file.suffix == ".py":
        if not file.is_file():
            raise BenchError(f"method file {file}: there is no such file; give ./file.py:Class")
        return Own(file.resolve(), by_file=True)
    return Own(_module_file(name, code), by_file=False)


def _module_file(name: str, module: str) -> Path:
    """Where a module's file stands: in the working directory, its checkout, or where it is installed."""
    parts = Path(*module.split("."))
    around = Repository.around(Path.cwd())
    roots = [Path.cwd(), *([around.root, around.root / "src"] if around else [])]
    installed = _origin(parts.parts[0])
    if installed is not None:
        roots.append(installed.parent.parent if installed.name == "__init__.py" else installed.parent)
    for root in roots:
        for file in ((root / parts).with_suffix(".py"), root / parts / "__init__.py"):
            if file.is_file():
                return file.resolve()
    raise BenchError(
        f"--against: no file of {quoted(name)} is found here; run this in its checkout, or give ./file.py:Class"
    )


def _origin(name: str) -> Path | None:
    """The file that a top-level name stands for in this environment; none for none. Nothing is imported."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None


def _import_root(name: str, file: Path) -> Path:
    """The folder from which `package.module` is imported."""
    depth = len(name.rpartition(":")[0].split(".")) if is_outside(name) else 1
    return file.parents[depth if file.name == "__init__.py" else depth - 1]


def _modules(folder: Path) -> Iterator[Path]:
    """Modules and packages that can be imported from a folder."""
    entries: Iterable[Path] = sorted(folder.iterdir()) if folder.is_dir() else ()
    for entry in entries:
        is_module = entry.suffix == ".py" and entry.stem.isidentifier()
        if is_module or (entry.name.isidentifier() and (entry / "__init__.py").is_file()):
            yield entry
