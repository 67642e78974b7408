"""The list of methods: names, options, methods from outside, and the reference rows that train nothing."""

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tpmebench.errors import BenchError
from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.embedded.lora import LoRA
from tpmebench.methods.references.ranker import Shelf
from tpmebench.methods.registry import ENTRY_POINTS, find_method, make_method, methods
from tpmebench.outside import canonical_name

ALL = methods()


@pytest.mark.parametrize("name", ALL)
def test_every_method_says_what_it_is(name: str) -> None:
    method = ALL[name]
    assert method.name == name
    assert method.family in {"full", "embedded", "hybrid", "decoupled", "reference"}
    assert method.summary.endswith((".", ")", "peft."))
    with pytest.raises(BenchError, match=f"option of method '{name}' 'rank_'"):
        make_method(name, {"rank_": 1})


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("lora", {"r": 0}, "method 'lora': option 'r': input should be greater than or equal to 1"),
        ("adapter", {"bottlenek": 8}, "did you mean 'bottleneck'"),
        ("iisan", {"networks": "neither"}, "option 'networks'"),
    ],
)
def test_bad_options_are_errors(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        make_method(name, options)


def test_popularity_ranks_by_training_counts() -> None:
    method = make_method("popularity")
    assert method.kind == "ranker"
    scores = method.scorer(Shelf(np.array([0, 3, 1, 0])), np.random.default_rng(0))(np.zeros((2, 3), int))
    assert scores.tolist() == [[0.0, 3.0, 1.0, 0.0]]


def test_random_gives_each_user_an_order_of_its_own() -> None:
    method = make_method("random")
    assert method.kind == "ranker"
    histories, shelf = np.zeros((3, 4), int), Shelf(np.zeros(50))
    first, second = (method.scorer(shelf, np.random.default_rng(seed))(histories) for seed in (0, 0))
    assert first.shape == (3, 50)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


def test_content_knn_ranks_by_the_cosine_to_the_mean_of_the_last_items() -> None:
    """Items 1 to 4 lie at 0, 90, 45 and 180 degrees in the text tower, and far apart in length; pictures are alike."""
    text = np.array([[9, 9], [2, 0], [0, 30], [1, 1], [-5, 0]], np.float32)
    shelf = Shelf(np.zeros(5), {"text": [text], "image": [np.ones((5, 1), np.float32)]})

    def order(last: int, *history: int) -> list[int]:
        method = make_method("content-knn", {"last": last})
        assert method.kind == "ranker"
        scores = method.scorer(shelf, np.random.default_rng(0))(np.array([history]))
        assert scores.shape == (1, 5) and scores.dtype == np.float32
        return [int(item) for item in np.argsort(-scores[0, 1:]) + 1]

    assert order(10, 0, 0, 1) == [1, 3, 2, 4]
    assert order(10, 0, 1, 2)[0] == 3, "half-way between the two, whatever their lengths; padding counts for nothing"
    assert order(1, 1, 1, 2) == order(10, 0, 0, 2), "of the last item alone"


def test_content_knn_without_a_tower_is_refused() -> None:
    method = make_method("content-knn")
    assert method.kind == "ranker"
    with pytest.raises(BenchError, match="no tower"):
        method.reads(Backbones({}, lambda _: pytest.fail("loads a tower"), 3))


def test_what_needs_to_be_known_of_a_row_is_said_by_its_class() -> None:
    assert {name for name, method in ALL.items() if method.kind == "ranker"} == {
        "popularity",
        "random",
        "content-knn",
    }
    assert {name for name, method in ALL.items() if not method.stochastic} == {"popularity", "content-knn"}
    assert {name: ALL[name].uncached for name in ALL if ALL[name].uncached} == {
        name: name.removesuffix("-cached") for name in ALL if name.endswith("-cached")
    }


@pytest.fixture
def user_module(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The importable module `users_methods`."""

    class Outside(LoRA):
        """Made by a user."""

    module = SimpleNamespace(Outside=Outside, Stranger=dict)
    monkeypatch.setitem(sys.modules, "users_methods", module)  # type: ignore[arg-type]
    monkeypatch.setattr("tpmebench.methods.registry._registry._classes", dict(ALL))
    return module


@pytest.mark.usefixtures("user_module")
def test_a_method_from_outside_has_its_own_name_and_its_parents_family() -> None:
    method = make_method("users_methods:Outside", {"r": 2})
    assert (method.name, method.family, method.summary) == ("users_methods:Outside", "embedded", "Made by a user.")
    assert find_method("lora") is LoRA


@pytest.mark.usefixtures("user_module")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("iisan-cahced", "did you mean 'iisan-cached'"),
        ("users_methods:Missing", "importable package.module:Class"),
        ("no_such_package:Method", "importable package.module:Class"),
        ("users_methods:Stranger", "is no subclass of"),
    ],
)
def test_unknown_methods_are_errors(name: str, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        find_method(name)


MINE = """
from tpmebench.methods.embedded.lora import LoRA

class Mine(LoRA):
    \"\"\"Of a file.\"\"\"
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, whose modules are forgotten afterwards."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place not in {"", str(tmp_path)}])
    monkeypatch.setattr("tpmebench.methods.registry._registry._classes", dict(ALL))
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_file_and_the_module_in_it_are_the_same_method(home: Path) -> None:
    (home / "own").mkdir()
    (home / "own" / "mine_in_file.py").write_text(MINE)
    found = find_method("./own/mine_in_file.py:Mine")
    assert (found.name, found.family, found.summary) == ("mine_in_file:Mine", "embedded", "Of a file.")
    spellings = ("own/mine_in_file.py:Mine", str(home / "own/mine_in_file.py:Mine"), "mine_in_file:Mine")
    assert {find_method(spelling) for spelling in spellings} == {found}
    assert {canonical_name(spelling) for spelling in spellings} == {"mine_in_file:Mine"}


def test_the_working_directory_is_importable_and_shadows_nothing(home: Path) -> None:
    (home / "mine_in_cwd.py").write_text("import colorsys\n" + MINE)
    (home / "colorsys.py").write_text("raise RuntimeError('the library was shadowed')")
    assert find_method("mine_in_cwd:Mine").name == "mine_in_cwd:Mine"
    assert sys.path[-1] == str(home)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("./missing.py:Mine", "", "missing.py: there is no such file"),
        ("./colorsys.py:Mine", MINE, "name 'colorsys' belongs to another module"),
        ("./two.parts.py:Mine", MINE, "name 'two.parts' is none that can be imported"),
        ("./mine_bad.py:Mine", "def (", "'mine_bad:Mine': SyntaxError"),
        ("./mine_raises.py:Mine", "1 / 0", "'mine_raises:Mine': ZeroDivisionError"),
        ("./mine_exits.py:Mine", "raise SystemExit(0)", "'mine_exits:Mine': SystemExit: 0"),
        ("./mine_lines.py:Mine", "raise ValueError('one\\ntwo')", "'mine_lines:Mine': ValueError: one; give"),
        ("./mine_empty.py:Mine", "", "'mine_empty:Mine': AttributeError"),
        (
            "./mine_family.py:Mine",
            "from tpmebench.methods.registry import register\nregister('x', family='embeded')(dict)",
            "unknown family of method 'x' 'embeded': did you mean 'embedded'",
        ),
    ],
)
def test_a_file_that_gives_no_method_is_one_line(home: Path, name: str, text: str, message: str) -> None:
    if text or "empty" in name:
        (home / name.rpartition(":")[0]).write_text(text)
    with pytest.raises(BenchError, match=message) as caught:
        find_method(name)
    assert "\n" not in str(caught.value)


def test_entry_points_add_methods_and_name_the_one_that_fails(
    user_module: SimpleNamespace, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = EntryPoint("outside", "users_methods:Outside", ENTRY_POINTS)
    bad = EntryPoint("broken", "users_methods:Missing", ENTRY_POINTS)
    points = [good]
    (home / "exits_when_loaded.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(home)
    monkeypatch.setattr("tpmebench.outside.entry_points", lambda group: points)
    assert methods()["outside"] is user_module.Outside
    points.append(bad)
    with pytest.raises(BenchError, match="'broken' \\(users_methods:Missing\\)"):
        methods()
    points[-1] = EntryPoint("broken", "exits_when_loaded:Missing", ENTRY_POINTS)
    with pytest.raises(BenchError, match=r"'broken' .*SystemExit"):
        methods()


def test_built_in_methods_come_in_their_order() -> None:
    first = ["fft", "frozen", "frozen-cached", "bitfit", "adapter", "lora", "iisan", "iisan-cached"]
    mixes, references = ["frozen-mix", "frozen-mix-cached"], ["popularity", "random", "content-knn", "sasrec-id"]
    some = [*first, *mixes, *references]
    assert [name for name in ALL if name in some] == some


@pytest.mark.parametrize(
    ("name", "line"), [("raises", "raise SystemExit(0)"), ("exits", "import sys; sys.exit()"), ("broken", "def f(:")]
)
def test_a_module_that_does_not_load_does_not_end_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: str
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / f"module_that_{name}.py").write_text(line)
    with pytest.raises(BenchError, match=f"method 'module_that_{name}:Method': "):
        find_method(f"{tmp_path / f'module_that_{name}.py'}:Method")
