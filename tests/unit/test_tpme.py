"""TPME by hand and by its properties."""

from dataclasses import astuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.errors import BenchError
from tpmebench.reports.analysis.tpme import (
    COSTS,
    EARLIER,
    PRESETS,
    CostWeights,
    cost_ratio,
    pareto,
    parse_weights,
    preset,
    tpme,
)

POSITIVE = st.floats(1e-3, 1e12)


def table_of(rows: dict[str, tuple[float, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, index=list(COSTS)).T


@st.composite
def weighted(draw: st.DrawFn) -> CostWeights:
    cuts = sorted(draw(st.lists(st.floats(0, 1), min_size=2, max_size=2)))
    return CostWeights(cuts[0], cuts[1] - cuts[0], 1 - cuts[1])


@st.composite
def costs(draw: st.DrawFn, least: int = 1) -> pd.DataFrame:
    rows = draw(st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE), min_size=least, max_size=8))
    return table_of({f"m{number}": row for number, row in enumerate(rows)})


def test_worked_by_hand() -> None:
    scored = tpme(table_of({"a": (10, 100, 4), "b": (20, 300, 8), "c": (15, 150, 5)}), CostWeights())
    assert scored.loc["a", "tpme"] == 0
    assert scored.loc["b", "tpme"] == pytest.approx(1)
    parts = [scored[cost]["c"] for cost in COSTS]
    assert parts == pytest.approx([0.45 * 0.5, 0.10 * 0.25, 0.45 * 0.25])
    assert scored.loc["c", "tpme"] == pytest.approx(0.3625)


def test_one_method_or_equal_values_give_zero() -> None:
    assert tpme(table_of({"a": (5, 6, 7)}), CostWeights())["tpme"].tolist() == [0]
    equal_time = tpme(table_of({"a": (5, 1, 1), "b": (5, 2, 3)}), CostWeights())
    assert equal_time["time"].tolist() == [0, 0]
    assert equal_time.loc["b", "tpme"] == pytest.approx(0.55)
    assert tpme(table_of({}).reindex(columns=list(COSTS)), CostWeights()).empty


@given(costs(), weighted())
def test_bounds(table: pd.DataFrame, weights: CostWeights) -> None:
    scored = tpme(table, weights)["tpme"]
    assert ((scored >= 0) & (scored <= 1 + 1e-12)).all()


@given(costs(least=2), weighted(), st.tuples(POSITIVE, POSITIVE, POSITIVE))
def test_units_do_not_matter(table: pd.DataFrame, weights: CostWeights, factors: tuple[float, float, float]) -> None:
    other = tpme(table * np.array(factors), weights)["tpme"]
    assert np.allclose(tpme(table, weights)["tpme"], other, atol=1e-6)
    ratio, scaled = (cost_ratio(t, weights, "m0") for t in (table, table * np.array(factors)))
    assert np.allclose(ratio, scaled, rtol=1e-6)


@given(costs(least=3), weighted())
def test_cost_ratio_ignores_the_other_methods(table: pd.DataFrame, weights: CostWeights) -> None:
    fewer = table.drop(index=table.index[-1])
    assert np.allclose(cost_ratio(table, weights, "m0")[:-1], cost_ratio(fewer, weights, "m0"), rtol=1e-12)


def test_cost_ratio_by_hand_and_without_its_reference() -> None:
    table = table_of({"fft": (100, 1000, 10), "a": (25, 1000, 2.5), "zero": (0, 1, 1)})
    ratio = cost_ratio(table, CostWeights(0.5, 0.0, 0.5), "fft")
    assert ratio["fft"] == pytest.approx(1)
    assert ratio["a"] == pytest.approx(0.25)
    assert np.isnan(ratio["zero"])
    assert cost_ratio(table, CostWeights(), "lora").isna().all()


@given(weighted())
@settings(max_examples=20)
def test_written_weights_are_read_back(weights: CostWeights) -> None:
    text = f"time={weights.time!r},memory={weights.memory!r},parameters={weights.parameters!r}"
    assert parse_weights(text) == weights


def test_weights_are_read() -> None:
    assert parse_weights("0.2, 0.3,0.5") == CostWeights(0.2, 0.3, 0.5)
    assert preset("paper") == CostWeights(0.45, 0.10, 0.45)
    assert all(w.time + w.parameters + w.memory == pytest.approx(1) for w in PRESETS.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.5,0.5,0.5", "did you mean 0.3333,0.3333,0.3333"),
        ("9,2,9", "0.45,0.1,0.45"),
        ("-0.1,0.6,0.5", "at least 0"),
        ("nan,0.5,0.5", "at least 0"),
        ("0,0,0", "sum to 0"),
        ("0.5,0.5", "three numbers"),
        ("a,b,c", "three numbers"),
        ("time=1,time=0,memory=0", "once"),
        ("time=0.5,memory=0.5", "once"),
        ("time=0.5,0.2,0.3", "once"),
    ],
)
def test_bad_weights_are_refused(text: str, words: str) -> None:
    with pytest.raises(BenchError, match=words) as caught:
        parse_weights(text)
    assert "\n" not in str(caught.value)


def test_unknown_preset_is_refused() -> None:
    with pytest.raises(BenchError, match="did you mean 'mobile'"):
        preset("mobil")


def test_presets_of_before_have_the_weights_that_they_had() -> None:
    earlier = {
        "time-bound": (0.70, 0.10, 0.20),
        "memory-bound": (0.20, 0.10, 0.70),
        "storage-bound": (0.20, 0.60, 0.20),
    }
    assert {name: astuple(preset(name)) for name in earlier} == earlier
    assert set(earlier) == set(EARLIER) and set(EARLIER.values()) < set(PRESETS)
    assert astuple(preset("equal")) == (1 / 3, 1 / 3, 1 / 3)


def test_pareto_front() -> None:
    cost = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 3.0, "e": np.nan, "twin": 1.0})
    gain = pd.Series({"a": 0.1, "b": 0.3, "c": 0.3, "d": 0.4, "e": 0.9, "twin": 0.1})
    assert pareto(cost, gain).to_dict() == {"a": True, "b": True, "c": False, "d": True, "e": False, "twin": True}
