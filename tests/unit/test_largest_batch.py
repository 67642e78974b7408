"""The largest batch that fits: by few forecasts, and the right one."""

from collections.abc import Callable
from itertools import accumulate
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.bench.planning.largest import LEAST, Fit, largest_batch


class Forecasts:
    """Counts what is asked of a peak."""

    def __init__(self, peak: Callable[[int], int]) -> None:
        self.peak, self.asked = peak, list[int]()

    def __call__(self, batch: int) -> int:
        self.asked.append(batch)
        return self.peak(batch)


def test_a_peak_in_proportion_is_found_by_few_forecasts():
    peak = Forecasts(lambda batch: 400_000_000 + 7_000_001 * batch)
    assert largest_batch(peak, 2 * 2**30, first=32, most=100_000) == Fit(249, peak.peak(249))
    assert len(peak.asked) <= 5


def test_the_squares_of_in_batch_scores_take_some_more():
    peak = Forecasts(lambda batch: 10**6 + 30_000 * batch + 400 * batch**2)
    found = largest_batch(peak, 2**30, first=32, most=100_000)
    assert peak.peak(found.batch) <= 2**30 < peak.peak(found.batch + 1)
    assert len(peak.asked) <= 7


@pytest.mark.parametrize("most", [1, 2, 500])
def test_all_users_are_the_most(most: int):
    peak = Forecasts(lambda batch: batch)
    assert largest_batch(peak, 10**9, first=32, most=most).batch == max(most, LEAST)
    assert len(peak.asked) <= 2


def test_where_not_even_the_least_fits_there_is_none_and_its_peak_is_told():
    assert largest_batch(lambda batch: 100 + batch, 50, first=32, most=1000) == Fit(0, 102)


@given(
    seed=st.integers(0, 10**6),
    limit=st.integers(1, 10**8),
    first=st.integers(1, 1000),
    most=st.integers(1, 400),
)
def test_whatever_grows_with_the_batch_gives_the_largest_that_fits(seed: int, limit: int, first: int, most: int):
    drawn = Random(seed)
    peaks = list(accumulate(drawn.choice((0, drawn.randint(0, 10**6))) for _ in range(402)))
    peak = Forecasts(lambda batch: peaks[batch])
    found = largest_batch(peak, limit, first, most)
    fitting = [batch for batch in range(LEAST, max(most, LEAST) + 1) if peaks[batch] <= limit]
    assert found.batch == max(fitting, default=0)
    assert found.peak == peaks[found.batch or LEAST]
    assert len(set(peak.asked)) == len(peak.asked) <= 3 * most.bit_length() + 4
