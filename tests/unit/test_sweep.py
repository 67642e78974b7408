"""Sweeps: how they are written, which cells they make, and what of them becomes a row."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.bench.study.asked import read_sweeps
from tpmebench.bench.study.grid import Planned, plan
from tpmebench.bench.study.study import Study, read_study
from tpmebench.cell import Cell
from tpmebench.errors import BenchError

NOWHERE = Path("nowhere")


def cells(*methods: str, **study: Any) -> list[Planned]:
    values = {"methods": list(methods), "device": "cpu", "references": False, **study}
    return plan(Study.model_validate(values), NOWHERE, "0.1.0")


def settings(planned: list[Planned], *keys: str) -> list[tuple[Any, ...]]:
    return [tuple((each.cell.options | dict(each.cell.rates)).get(key) for key in keys) for each in planned]


def test_every_combination_is_a_cell():
    sweep = {"lora": {"r": [4, 8, 16]}, "*": {"learning_rate_scale": [1, 3, 10]}}
    planned = cells("lora", "fft", sweep=sweep)
    lora = [each for each in planned if each.cell.method == "lora"]
    assert settings(lora, "r", "learning_rate_scale") == [(r, s) for s in (None, 3.0, 10.0) for r in (4, 8, 16)]
    fft = [each for each in planned if each.cell.method == "fft"]
    assert settings(fft, "learning_rate_scale") == [(None,), (3.0,), (10.0,)]
    assert len({each.cell.id for each in planned}) == 12
    assert {tuple(each.cell.search) for each in lora} == {("learning_rate_scale", "r")}
    assert {tuple(each.cell.search) for each in fft} == {("learning_rate_scale",)}


def test_values_that_come_to_the_same_are_one_cell():
    assert len(cells("lora", sweep={"lora": {"alpha": [8, 8.0], "r": [4, 4]}})) == 1
    assert len(cells("lora:lr=1e-3,head=1e-3", sweep={"*": {"learning_rate_scale": [1, 3]}})) == 1, "it scales nothing"


def test_what_a_variant_says_is_not_swept_and_what_the_method_says_stands_before_what_is_said_of_all():
    sweep = {"lora": {"head": [0.1, 0.2]}, "*": {"head_lr": [0.3], "r": [2, 4]}}
    planned = cells("lora", "lora:r=16", "fft", sweep=sweep)
    assert settings(planned, "r", "head_lr") == [
        *[(r, rate) for rate in (0.1, 0.2) for r in (2, 4)],
        *[(16, 0.1), (16, 0.2)],
        (None, 0.3),
    ]


def test_a_cell_that_is_no_point_is_what_it_was_before_there_were_any():
    (plain, *_) = cells("lora")
    (point, *_) = cells("lora", sweep={"lora": {"r": [8]}})
    assert "search" not in plain.cell.identity()
    assert point.cell.identity()["search"] == ["r"] and point.cell.id != plain.cell.id
    assert Cell.model_validate(plain.cell.model_dump(exclude={"search"})).id == plain.cell.id


def test_a_ranking_that_trains_nothing_is_swept_where_it_has_the_option():
    planned = cells("content-knn", "popularity", sweep={"*": {"last": [1, 5]}})
    assert settings(planned, "last") == [(1,), (5,), (None,)]


@pytest.mark.parametrize(
    ("texts", "swept"),
    [
        (["lora.r=4,8,16"], {"lora": {"r": [4, 8, 16]}}),
        (
            ["lora.r = 4, 8", "*.learning_rate_scale=1,3e0"],
            {"lora": {"r": [4, 8]}, "*": {"learning_rate_scale": [1, 3.0]}},
        ),
        (["iisan.layers=all,[1, 2],every-second"], {"iisan": {"layers": ["all", [1, 2], "every-second"]}}),
        (["./my.py:Class.r=1", "./my.py:Class.x=true"], {"./my.py:Class": {"r": [1], "x": [True]}}),
    ],
)
def test_a_sweep_on_the_command_line(texts: list[str], swept: dict[str, Any]):
    assert read_sweeps(texts) == swept
    assert read_study(None, {"sweep": read_sweeps(texts)}, []).sweep == swept


@given(st.text(alphabet="lora.*=,[]{}r1 ", max_size=20))
def test_whatever_is_written_is_read_or_refused_in_one_line(text: str):
    try:
        read_sweeps([text])
    except BenchError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("texts", "parts"),
    [
        (["lora=4"], ["--sweep 'lora=4'", "METHOD.KEY=values"]),
        (["lora.r"], ["METHOD.KEY=values"]),
        (["lora.r="], ["METHOD.KEY=values"]),
        (["lora.r=4", "lora.r=8"], ["'lora.r' stands there twice"]),
        (["lroa.r=4"], ["did you mean 'lora'"]),
        (["lora.rank_=4"], ["setting of method 'lora'", "'rank_'"]),
        (["*.bottleneck=4"], ["setting of any method of this study", "'bottleneck'"]),
        (["lora.r=4,0"], ["'lora'", "'r'", "greater than or equal to 1"]),
        (["lora.learning_rate_scale=fast"], ["'lora'", "'learning_rate_scale'", "got 'fast'"]),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_write(texts: list[str], parts: list[str]):
    with pytest.raises(BenchError) as caught:
        cells("lora", "fft", sweep=read_sweeps(texts))
    assert all(part in str(caught.value) for part in parts), caught.value
    assert "\n" not in str(caught.value)


def test_a_sweep_has_bounds():
    with pytest.raises(ValueError, match="sweeps and names make 1000000 cells"):
        Study.model_validate({"methods": ["lora"], "sweep": {"*": {"lr": [0.1] * 1000}, "lora": {"r": [1] * 1000}}})
