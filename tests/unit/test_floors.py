"""The floors of the package: each part imports only what lies below it, and no two modules import each other."""

import ast
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("bench", "methods", "datasets", "reports")
GROUND = {
    "arrays",
    "energy",
    "errors",
    "files",
    "metrics",
    "naming",
    "outside",
    "ownership",
    "patience",
    "ranges",
    "text",
    "values",
    "cell",
}
BELOW: dict[str, set[str]] = {
    "errors": {"text"},
    "text": set(),
    "files": {"errors"},
    "arrays": {"errors", "files"},
    "ownership": {"errors", "files"},
    "outside": {"errors", "files"},
    "values": {"errors", "files"},
    "metrics": set(),
    "naming": {"errors"},
    "patience": set(),
    "ranges": set(),
    "cell": {"errors", "files", "patience", "values"},
    "energy": {"cell", "values"},
    "datasets": GROUND,
    "methods": {"datasets", *GROUND},
    "reports": GROUND,
    "__main__": {"bench"},
    "bench": {"methods", "datasets", "reports", "__init__", *GROUND},
    "api": {"bench", "methods", "datasets", "reports", *GROUND},
    "testing": {"bench", "methods", "datasets", "reports", *GROUND},
}
"""The last two are what others use of it: nothing here imports them but the package's face, and that when asked."""
FACE = Path("__init__.py")


def modules() -> list[Path]:
    """Every module of the package, relative to its root."""
    nested = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    return sorted(path.relative_to(ROOT) for path in [*ROOT.glob("*.py"), *nested])


def resolve(parts: tuple[str, ...]) -> Path | None:
    """The file of a dotted name inside the package; None when it names something else, such as a function."""
    module = ROOT.joinpath(*parts)
    if parts and module.with_suffix(".py").is_file():
        return module.with_suffix(".py").relative_to(ROOT)
    package = module / "__init__.py"
    return package.relative_to(ROOT) if package.is_file() else None


def imports(module: Path, *, at_import: bool = False) -> set[Path]:
    """The package's modules that a module imports: anywhere, or only while it is itself being imported."""
    tree = ast.parse((ROOT / module).read_text(encoding="utf-8"), str(module))
    found: set[Path] = set()
    for node in _loaded(tree) if at_import else ast.walk(tree):
        if isinstance(node, ast.Import):
            names = {name.name.split(".")[0] for name in node.names}
            assert "tpmebench" not in names, f"{module}: import relatively"
        if not isinstance(node, ast.ImportFrom):
            continue
        assert (node.module or "").split(".")[0] != "tpmebench", f"{module}: import relatively"
        if node.level == 0:
            continue
        # level 1 is the module's own folder; a package's __init__ and its modules share that folder
        home = module.parent.parts[: len(module.parent.parts) - (node.level - 1)]
        base = home + tuple((node.module or "").split(".") if node.module else ())
        for name in node.names:
            target = resolve((*base, name.name)) or resolve(base)
            if target is not None:
                found.add(target)
    return found - {module}


def _loaded(tree: ast.Module) -> list[ast.stmt]:
    """Statements that run when the module is imported; a TYPE_CHECKING block and functions' bodies do not."""
    waiting, found = list(tree.body), []
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            waiting += node.orelse
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
    return found


def floor(module: Path) -> str:
    return module.parts[0] if len(module.parts) > 1 else module.stem


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_module_imports_only_from_its_own_floor_and_those_below(module: Path):
    if module == FACE:
        return  # it loads names from every floor, by string and when first used
    own = floor(module)
    upward = {str(target) for target in imports(module) if floor(target) not in BELOW[own] | {own}}
    assert not upward, f"{module} ({own}) may not import {sorted(upward)}"


def test_no_modules_import_each_other_in_a_circle():
    """A deferred import hides a circle from Python, not from a reader; `prepare` raises CycleError for one."""
    TopologicalSorter({module: imports(module, at_import=module == FACE) for module in modules()}).prepare()


@pytest.mark.parametrize("package", ["tpmebench", "tpmebench.methods"])
def test_every_public_name_is_one_that_a_type_checker_finds_in_the_same_place(package: str):
    found = import_module(package)
    folder = ROOT.joinpath(*package.split(".")[1:])
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    shown = [node for block in tree.body if isinstance(block, ast.If) for node in block.body]
    homes = {
        name.name: f"{package}.{node.module}"
        for node in shown
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert sorted({*homes, *({"__version__"} & vars(found).keys())}) == sorted(found.__all__)
    for name, home in homes.items():
        assert getattr(found, name) is getattr(import_module(home), name)
    assert set(found.__all__) <= set(dir(found))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = found.nothing


def test_importing_the_faces_loads_nothing_heavy():
    """A script pays for torch and pandas when it uses them."""
    code = "import sys, tpmebench.methods; print([m for m in ('torch', 'pandas', 'pydantic') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_and_the_command_loads_nothing_heavy():
    """`bench --version` must not wait for torch: what cli imports at once, and what that imports, has none of these."""
    heavy = {"torch", "transformers", "peft", "pandas", "matplotlib", "scipy", "numpy", "pyarrow", "pydantic"}
    waiting, seen = [Path("bench/cli.py"), Path("__init__.py")], set()
    while waiting:
        module = waiting.pop()
        seen.add(module)
        for node in _loaded(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
            assert not heavy & {name.split(".")[0] for name in names}, f"{module} imports {names} at once"
        waiting += imports(module, at_import=True) - seen


def test_datasets_is_no_package_of_its_own():
    """Standing in the checkout, `import datasets` must still find Hugging Face's library, not this folder."""
    assert not (ROOT / "datasets" / "__init__.py").exists()


def test_every_folder_with_modules_is_installed():
    """An editable install hides what the built wheel would lack."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"]
    folders = {module.parent for module in [*modules(), Path("studies/__init__.py")]}
    assert sorted(listed) == sorted(".".join(("tpmebench", *folder.parts)) for folder in folders)


def test_no_room_is_crowded():
    """A newcomer finds a file by its name: few rooms and modules stand at the top of each floor."""
    for part, most in (("bench", 13), ("methods", 12), ("reports", 12), ("datasets", 13)):
        here = [path for path in (ROOT / part).iterdir() if path.is_dir() or path.suffix == ".py"]
        names = {path.stem for path in here} - {"__init__", "__main__", "__pycache__", "published"}
        assert len(names) <= most, f"{part}/: {sorted(names)}"
    rooms = {module.parts[1] for module in modules() if module.parts[0] == "bench" and len(module.parts) > 2}
    assert len(rooms) <= 9, f"bench/: {sorted(rooms)}"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_a_file_is_read_in_one_sitting_and_a_function_on_one_screen(module: Path):
    """At most 300 lines a file and 60 a function, its decorators, signature and docstring among them."""
    text = (ROOT / module).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300, f"{module}: split it where it does two things"
    lengths = {
        f"{module}:{node.lineno} {node.name}": 1
        + (node.end_lineno or 0)
        - min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert not {name: length for name, length in lengths.items() if length > 60}


def test_the_map_names_every_room_and_fits_on_a_screen():
    """Where is a cell trained, where is TPME computed, where would my dataset go: `CONTRIBUTING.md` says by names."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Layout")[2]
    lines = [line for line in page.partition("Whatever a user")[0].splitlines() if line.startswith("    ")]
    assert 20 < len(lines) <= 40
    rooms = {module.parent.name for module in modules() if len(module.parts) > 1}
    assert not {room for room in rooms if f"{room}/" not in "\n".join(lines)}
    for words in (("worker/", "loop", "step"), ("analysis/", "tpme"), ("sources/", "one file a source")):
        assert any(all(word in line for word in words) for line in lines), words


def test_modules_that_moved_are_found_by_their_former_names():
    from tpmebench.bench import plan, session
    from tpmebench.bench.running import session as now

    assert callable(plan.plan)
    assert session is now
    assert find_spec("tpmebench.datasets.folder")
