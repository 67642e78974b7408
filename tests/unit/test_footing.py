"""Rows with unlike seeds on an equal footing, worked by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.reports.analysis.footing import first, level, pair

FFT = {0: 0.10, 1: 0.08, 2: 0.03}
LORA = {0: 0.08, 1: 0.08}
MANY = {0: 0.06, 1: 0.06, 2: 0.06, 3: 0.90}
LONE = {9: 0.05}


def test_two_rows_meet_on_the_seeds_that_both_have() -> None:
    assert pair(LORA, FFT) == (pytest.approx(0.08), pytest.approx(0.09))
    assert pair(LONE, FFT) == (0.05, pytest.approx(0.07)), "none in common"


def test_rows_as_they_would_stand_on_the_seeds_of_the_reference() -> None:
    found = level({"fft": FFT, "lora": LORA, "many": MANY, "lone": LONE}, "fft")
    assert found == {"fft": pytest.approx(0.07), "lora": pytest.approx(0.06), "many": 0.06, "lone": 0.05}
    assert level({"lora": LORA, "many": MANY}, "fft")["many"] == pytest.approx(0.27), "which has most seeds"
    assert level({}, "fft") == {}


def test_the_first_is_ahead_on_common_seeds_and_the_second_is_next_to_it() -> None:
    rows = {"lora": LORA, "fft": FFT, "lone": LONE}
    assert first(rows, "more") == ("fft", "lora"), "though lora's own mean is higher"
    assert first({"a": {0: 1.0}, "b": {0: 1.0}}, "less") == ("a", "b"), "equal ones in their order"


@given(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=5))
def test_with_the_same_seeds_the_first_has_the_highest_mean(rows: list[list[int]]) -> None:
    values = {str(number): dict(enumerate(map(float, row))) for number, row in enumerate(rows)}
    leader, second = first(values, "more")
    ordered = sorted(values, key=lambda label: -sum(values[label].values()))
    assert (leader, second) == (ordered[0], ordered[1])
