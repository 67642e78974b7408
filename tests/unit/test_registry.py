"""The list of methods: names, options, methods from outside, and the reference rows that train nothing."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from tpmebench.errors import BenchError
from tpmebench.methods.backbones import Backbones
from tpmebench.methods.lora import LoRA
from tpmebench.methods.references import ScoringReference
from tpmebench.methods.registry import ENTRY_POINTS, find_method, make_method, methods

ALL = methods()


@pytest.mark.parametrize("name", ALL)
def test_every_method_says_what_it_is(name: str) -> None:
    method = ALL[name]
    assert method.name == name
    assert method.family in {"full", "embedded", "decoupled", "reference"}
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
    assert isinstance(method, ScoringReference)
    scores = method.scores(np.array([0, 3, 1, 0]), 2, np.random.default_rng(0))
    assert scores.tolist() == [[0.0, 3.0, 1.0, 0.0]]


def test_random_gives_each_user_an_order_of_its_own() -> None:
    method = make_method("random")
    assert isinstance(method, ScoringReference)
    first, second = (method.scores(np.zeros(50), 3, np.random.default_rng(seed)) for seed in (0, 0))
    assert first.shape == (3, 50)
    assert first.dtype == np.float32
    assert np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("name", ["popularity", "random"])
def test_a_ranking_without_training_builds_nothing(name: str, tiny_backbones: Callable[..., Backbones]) -> None:
    method = make_method(name)
    with pytest.raises(TypeError, match="encodes no items"):
        method.item_encoder(tiny_backbones("bert+vit"), 8)
    with pytest.raises(TypeError, match="trains nothing"):
        method.learning_rates(nn.Identity())


@pytest.fixture
def user_module(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The importable module `users_methods`."""

    class Outside(LoRA):
        """Made by a user."""

    module = SimpleNamespace(Outside=Outside, Stranger=dict)
    monkeypatch.setitem(sys.modules, "users_methods", module)  # type: ignore[arg-type]
    monkeypatch.setattr("tpmebench.methods.registry._registered", dict(ALL))
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


def test_entry_points_add_methods_and_name_the_one_that_fails(
    user_module: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = EntryPoint("outside", "users_methods:Outside", ENTRY_POINTS)
    bad = EntryPoint("broken", "users_methods:Missing", ENTRY_POINTS)
    points = [good]
    monkeypatch.setattr("tpmebench.methods.registry.entry_points", lambda group: points)
    assert methods()["outside"] is user_module.Outside
    points.append(bad)
    with pytest.raises(BenchError, match="'broken' \\(users_methods:Missing\\)"):
        methods()


def test_built_in_methods_come_in_their_order() -> None:
    first = ["fft", "frozen", "frozen-cached", "bitfit", "adapter", "lora", "iisan", "iisan-cached"]
    assert list(ALL)[:11] == [*first, "popularity", "random", "sasrec-id"]
