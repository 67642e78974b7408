"""Whether a step takes longer, from pairs of cells that took turns."""

import math

import pytest
from checked import disturb, record, times
from scipy.special import stdtrit

from tpmebench.bench.guard.step_ratio import StepPair, StepRatio
from tpmebench.reports.records import Record


def ratio(*ratios: float) -> StepRatio:
    return StepRatio([StepPair(2.0, 2.0 * each) for each in ratios])


def seconds(before: Record, now: Record) -> tuple[float, float]:
    pair = StepPair.of(before, now)
    assert pair is not None
    return pair.before, pair.now


def test_a_pair_is_of_the_blocks_that_both_have_without_the_warm_up_and_what_was_lost_to_waiting() -> None:
    before, now = record("lora"), record("lora")  # epochs of 9 steps: 21 s, and four of 7 s
    times(2.0)(now)
    disturb(0.25)(now)
    assert seconds(before, now) == pytest.approx((7 / 9, 2 * 7 / 9 * 0.75))
    before.time.epochs[2].total = 100.0
    now.time.epochs = now.time.epochs[:2]
    assert seconds(before, now) == pytest.approx((7 / 9, 2 * 7 / 9 * 0.75))
    now.time.epochs = now.time.epochs[:1]
    assert StepPair.of(before, now) is None


def test_on_a_card_waiting_for_a_core_stands_in_the_way_of_nothing() -> None:
    before, now = record("lora"), record("lora")
    before.time.clock = now.time.clock = "cuda-events"
    disturb(0.25)(now)
    assert seconds(before, now) == pytest.approx((7 / 9, 7 / 9))


def test_an_interval_by_hand() -> None:
    """Logarithms .09, .10, .10, .11: mean .1, deviation sqrt(2/3) · .01, t of 3 degrees at 99 % 5.8409."""
    found = ratio(*map(math.exp, (0.09, 0.10, 0.10, 0.11)))
    half = 5.840909 * math.sqrt(2 / 3) * 0.01 / 2
    assert math.log(found.interval.value) == pytest.approx(0.1)
    assert math.log(found.interval.low) == pytest.approx(0.1 - half, rel=1e-6)
    assert found.width == pytest.approx(math.exp(half) - 1, rel=1e-6)


def test_the_least_slow_down_is_the_one_that_four_of_five_would_show() -> None:
    """Its interval's lower end lies above the tolerance by what the mean falls short of it once in five times."""
    found = ratio(*map(math.exp, (-0.01, 0.0, 0.0, 0.01)))
    error = math.sqrt(2 / 3) * 0.01 / 2
    expected = 1.03 * math.exp(error * (5.840909 + stdtrit(3, 0.8))) - 1
    assert found.least(0.03) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((1.10, 1.11, 1.09, 1.10), "worse"),
        ((1.02, 1.02, 1.02, 1.02), "noise"),
        ((1.2, 0.9, 1.1, 1.0), "noise"),
        ((0.90, 0.91, 0.90, 0.89), "better"),
        ((1.5, 1.5), "not judged"),
        ((), "not judged"),
    ],
)
def test_it_is_worse_when_the_whole_interval_lies_beyond_the_tolerance(ratios: tuple[float, ...], verdict: str) -> None:
    found = ratio(*ratios).finding("lora", tolerance=0.03)
    assert found.verdict == verdict, found
    if ratios[2:]:
        assert found.before == pytest.approx(2.0) and f"of {len(ratios)} pairs" in found.why and found.least
