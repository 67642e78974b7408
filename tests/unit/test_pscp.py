"""PSCP by hand and by its properties."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.errors import BenchError
from tpmebench.metrics import Metric
from tpmebench.reports.analysis.pscp import PENALISED, Penalties, parse_three, pscp

HR = Metric(name="HR@10")
POSITIVE = st.floats(1e-3, 1e12)


def table_of(rows: dict[str, tuple[float, ...]]) -> pd.DataFrame:
    """HR@10, parameters, operations and bytes."""
    return pd.DataFrame(rows, index=["HR@10", *PENALISED]).T


def test_worked_by_hand() -> None:
    table = table_of({"fft": (0.8, 100, 1000, 10), "a": (0.6, 0, 500, 30), "none": (0.6, 1, np.nan, 1)})
    scores = pscp(table, HR, Penalties(), "fft")
    assert scores["fft"] == pytest.approx(0.8 / 8)
    assert scores["a"] == pytest.approx(0.6 / (1 * 1.5 * 4))
    assert np.isnan(scores["none"])
    given_ = pscp(table, HR, Penalties((100, 500, 10), (1, 2, 0)), "lora")
    assert given_["a"] == pytest.approx(0.6 / 2**2) and given_["fft"] == pytest.approx(0.8 / 2 / 9)


def test_there_is_none_without_a_reference_or_for_a_metric_that_falls() -> None:
    table = table_of({"a": (0.6, 1, 2, 3)})
    assert pscp(table, HR, Penalties(), "fft").isna().all()
    assert pscp(table, Metric(name="HR@10", better="less"), Penalties((1, 1, 1)), "a").isna().all()
    assert pscp(table.drop(columns="memory"), HR, Penalties(), "a").isna().all()


@given(st.lists(st.tuples(st.floats(0, 1), POSITIVE, POSITIVE, POSITIVE), min_size=2, max_size=6))
def test_it_is_less_than_the_accuracy_falls_with_costs_and_ignores_others(rows: list) -> None:
    table = table_of({f"m{number}": row for number, row in enumerate(rows)})
    scores = pscp(table, HR, Penalties(), "m0")
    assert (scores <= table["HR@10"]).all() and (scores >= 0).all()
    assert np.allclose(scores[:-1], pscp(table[:-1], HR, Penalties(), "m0"), rtol=1e-12)
    dearer = table.copy()
    dearer.loc[dearer.index[1:], list(PENALISED)] *= 2
    assert (pscp(dearer, HR, Penalties(), "m0") <= scores + 1e-15).all()


def test_bad_constants_are_refused() -> None:
    assert parse_three("--pscp-constants", "5e8, 1e13,8e10") == (5e8, 1e13, 8e10)
    for text in ("1,2", "a,b,c", ""):
        with pytest.raises(BenchError, match="three numbers"):
            parse_three("--pscp-betas", text)
    with pytest.raises(BenchError, match="above 0"):
        Penalties((1, 0, 1))
    with pytest.raises(BenchError, match="at least 0"):
        Penalties(None, (1, -1, 1))
