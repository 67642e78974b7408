"""Which code makes a result: digests of a method's sources, and of ours that read, train, measure and rank.

Sources are read, never imported. Comments, docstrings and layout do not count: two sources with the same syntax tree
have the same digest, on every version of Python.
"""

import ast
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ...datasets.sources.registry import built_in_modules as sources_built_in
from ...datasets.sources.source import Source
from ...files import canonical_json, digest
from ...methods.method import Registered
from ...methods.registry import built_in_modules as methods_built_in
from ...reports.records import Code

ROOT = Path(__file__).resolve().parents[2]
OURS = "tpmebench"
_FIRST = (ROOT / "bench" / "worker" / "phases.py", ROOT / "bench" / "tasks" / "sequential.py")
_UNDECIDING = (
    *("reports", "errors.py", "files.py", "outside.py", "ownership.py", "text.py", "cell.py", "values.py", "ranges.py"),
    "__init__.py",
)
"""What a result does not depend on: how it is written down, shown and told."""
_PROCESS = (
    *(f"bench/worker/{name}.py" for name in ("run_cell", "job", "failure", "lifeline", "places")),
    "bench/nursery.py",
    "bench/meters/environment.py",
    "bench/tasks/registry.py",
    "methods/__init__.py",
    "methods/registry.py",
    "datasets/sources/registry.py",
)
"""What starts a cell, finds its parts, gives them names and describes the machine."""


@dataclass(frozen=True)
class Home:
    """Where a method comes from: absolute imports are followed into `package`, or into any module of the directory."""

    directory: Path
    package: str | None


def code_of(method: type[Registered], source: type[Source], task: type | None = None) -> Code:
    """Today's digests of the code behind a method and what reads its data. `method` is "" when it cannot be read.

    A `task` from outside is a part of the training code.
    """
    return codes_of([(method, source)], task)[method, source]


def codes_of(
    pairs: Iterable[tuple[type[Registered], type[Source]]], task: type | None = None
) -> dict[tuple[type[Registered], type[Source]], Code]:
    """`code_of` for several pairs."""
    ours = training_sources() | (_code_behind(task) if task else set())
    return {(method, source): _code(method, ours | _code_behind(source)) for method, source in pairs}


def _code(method: type[Registered], training: set[Path]) -> Code:
    own = _code_behind(method)
    return Code(method=_combined(own - training), training=_combined(training))


def _code_behind(found: type) -> set[Path]:
    """The files that a class from here or from outside is made of; none when its source cannot be read."""
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    source = Path(file) if file else None
    if source is None or source.suffix != ".py" or not source.is_file():
        return set()
    return _reached([source.resolve()], _home(found.__module__, source.resolve()))


def training_sources() -> set[Path]:
    """Our own files that decide a result whatever the method: those that a cell's process reaches, without methods."""
    methods = {ROOT.joinpath("methods", *name.split(".")).with_suffix(".py") for name in methods_built_in()}
    readers = [ROOT.joinpath("datasets", "sources", f"{name}.py") for name in sources_built_in()]
    return _reached([*_FIRST, *readers], Home(ROOT, OURS), frozenset(methods))


def _home(module: str, source: Path) -> Home:
    parts = module.split(".")
    if parts[0] == OURS:
        return Home(ROOT, OURS)
    package = source.name == "__init__.py"
    if len(parts) > 1 or package:
        return Home(source.parents[len(parts) - (0 if package else 1)], parts[0])
    installed = {Path(place).resolve() for place in sysconfig.get_paths().values()}
    return Home(source.parent, parts[0] if source.parent in installed else None)


def _reached(first: Iterable[Path], home: Home, left_out: frozenset[Path] = frozenset()) -> set[Path]:
    """Files and whatever they import, directly or not, of their home and of ours; what decides nothing is left out."""
    waiting, found = list(first), set[Path]()
    while waiting:
        file = waiting.pop()
        if file in found or file in left_out or _is_undeciding(file):
            continue
        found.add(file)
        waiting += _imports(file, home)
    return found


def _is_undeciding(file: Path) -> bool:
    if not file.is_relative_to(ROOT):
        return False
    place = file.relative_to(ROOT)
    return place.parts[0] in _UNDECIDING or place.as_posix() in _PROCESS


def _imports(file: Path, home: Home) -> Iterator[Path]:
    """The files behind a module's imports, deferred ones included."""
    for level, module, names in _named(file, _stamp(file)):
        parts = module.split(".") if module else []
        if level:
            base = file.parents[level - 1]
        elif parts[0] == OURS:
            base, parts = ROOT, parts[1:]
        elif home.package in (None, parts[0]):
            base = home.directory
        else:
            continue
        for depth in range(1, len(parts) + 1):
            yield from _file_of(base.joinpath(*parts[:depth]))
        for name in names:
            yield from _file_of(base.joinpath(*parts, name))
            yield from _behind_face(base.joinpath(*parts, "__init__.py"), name)


def _file_of(module: Path) -> Iterator[Path]:
    for file in (module.with_name(f"{module.name}.py"), module / "__init__.py"):
        if file.is_file():
            yield file.resolve()
            return


def _behind_face(package: Path, name: str) -> Iterator[Path]:
    """The file of a name that a package of ours imports when it is first used, as it tells type checkers."""
    if package.is_relative_to(ROOT) and package.is_file():
        for level, module in _shown(package, _stamp(package)).get(name, ()):
            yield from _file_of(package.parents[level - 1].joinpath(*module.split(".")))


@lru_cache(maxsize=1024)
def _shown(package: Path, stamp: tuple[int, int]) -> dict[str, list[tuple[int, str]]]:
    """By name whence a type checker has it: dots before a module, and the module."""
    del stamp
    tree = _tree(package)
    checked = [node for node in tree.body if isinstance(node, ast.If) and _is_for_checkers(node)] if tree else []
    found: dict[str, list[tuple[int, str]]] = {}
    for node in (each for block in checked for each in block.body):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            for name in node.names:
                found.setdefault(name.asname or name.name, []).append((node.level, node.module))
    return found


def _is_for_checkers(node: ast.If) -> bool:
    return "TYPE_CHECKING" in ast.unparse(node.test)


@lru_cache(maxsize=1024)
def _named(file: Path, stamp: tuple[int, int]) -> list[tuple[int, str, tuple[str, ...]]]:
    """What a source imports: dots before the name, the module, and the names taken from it."""
    del stamp
    tree = _tree(file)
    found: list[tuple[int, str, tuple[str, ...]]] = []
    for node in _executed(tree) if tree else ():
        if isinstance(node, ast.Import):
            found += [(0, name.name, ()) for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(name.name for name in node.names)))
    return found


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that only a type checker reads."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and _is_for_checkers(node):
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _combined(files: set[Path]) -> str:
    """One digest of some sources, whatever they are called and wherever they stand."""
    return digest(*sorted(_source_digest(file, _stamp(file)) for file in files)) if files else ""


def _stamp(file: Path) -> tuple[int, int]:
    facts = file.stat()
    return facts.st_mtime_ns, facts.st_size


@lru_cache(maxsize=1024)
def _source_digest(file: Path, stamp: tuple[int, int]) -> str:
    del stamp
    tree = _tree(file)
    return digest(file.read_bytes()) if tree is None else digest(canonical_json(_shape(tree)))


def _tree(file: Path) -> ast.Module | None:
    """The syntax tree of a source; None when it has none."""
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return None


def _shape(node: Any) -> Any:
    """A syntax tree as plain lists and dictionaries, without texts that stand alone, without what may be tried of a
    method, and without empty fields.
    """
    if isinstance(node, ast.Constant):
        return [type(node.value).__name__, repr(node.value)]
    if isinstance(node, ast.AST):
        parts = dict(ast.iter_fields(node))
        if isinstance(node, ast.ClassDef):
            parts["body"] = [item for item in node.body if not _is_search(item)]
        fields = {name: _shape(value) for name, value in parts.items() if value is not None and value != []}
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_shape(item) for item in node if not _is_text(item)]
    return node


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_search(node: Any) -> bool:
    """`search = …`, which decides nothing of a cell: its own settings stand in it."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [getattr(target, "id", None) for target in targets] == ["search"]
