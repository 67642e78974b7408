"""Intervals and tests against distributions and values that are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tpmebench.errors import BenchError
from tpmebench.reports.analysis import statistics


def test_ratio_is_exact_when_a_drift_meets_both() -> None:
    """Pairs of runs that differ by a common factor leave no doubt about the ratio."""
    base = {(0, repeat): [speed, speed] for repeat, speed in enumerate((1.0, 3.0, 2.0, 8.0))}
    twice = {key: [2 * value for value in run] for key, run in base.items()}
    found = statistics.ratio_interval(twice, base)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    apart = {(1, repeat): run for (_, repeat), run in twice.items()}
    unpaired = statistics.ratio_interval(apart, base)
    assert unpaired.value == pytest.approx(2.0)
    assert unpaired.high - unpaired.low > 1


def test_ratio_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        ours = {(0, repeat): rng.normal(2.0, 0.2, 4) for repeat in range(8)}
        theirs = {(0, repeat): rng.normal(1.0, 0.1, 4) for repeat in range(8)}
        found = statistics.ratio_interval(ours, theirs, statistics.Resampling([ours, theirs], 400, trial))
        covered += not found.excludes(2.0)
    assert 85 <= covered <= 100


def test_ratio_without_spread_or_data() -> None:
    lone = statistics.ratio_interval({(0, 0): [2.0]}, {(0, 0): [4.0]})
    assert lone.value == 0.5
    assert np.isnan(lone.low)
    assert not lone.excludes(100.0)
    with pytest.raises(BenchError, match="has none"):
        statistics.ratio_interval({}, {(0, 0): [4.0]})
    assert statistics.mean_draws({(0, 0): [1.0]}).size == 0
    assert statistics.mean_draws({(0, 0): [1.0, 2.0]}).size == 2000


def test_what_all_methods_share_cancels_in_their_ratio() -> None:
    """Seeds differ in speed, repeats in the machine's mood, epochs in their batches; b takes 1.1 of a in each."""
    keys = [(seed, repeat) for seed in range(3) for repeat in range(2)]
    a = {(seed, repeat): [(1 + seed) * (2 + repeat) * (5 + epoch) for epoch in range(4)] for seed, repeat in keys}
    b = {key: [1.1 * time for time in times] for key, times in a.items()}
    shared = statistics.Resampling([a, b])
    assert np.allclose(shared.means(b) / shared.means(a), 1.1)
    alone = [statistics.mean_draws(runs, seed=seed) for seed, runs in enumerate((a, b))]
    assert np.quantile(alone[1] / alone[0], 0.025) < 1


def test_seeds_repeats_and_epochs_are_all_resampled() -> None:
    """Each level's share of the variance, by hand: of n values of variance v (over n), v / n; of the draws alike."""
    levels = {
        "seeds": ({(0, 0): [1.0, 1.0], (1, 0): [3.0, 3.0]}, 1 / 2),
        "repeats": ({(0, 0): [1.0, 1.0], (0, 1): [3.0, 3.0]}, 1 / 2),
        "epochs": ({(0, 0): [1.0, 3.0, 1.0, 3.0]}, 1 / 4),
    }
    for level, (runs, variance) in levels.items():
        drawn = statistics.Resampling([runs], 20000).means(runs)
        assert drawn.mean() == pytest.approx(2, abs=0.03), level
        assert drawn.var() == pytest.approx(variance, rel=0.05), level


def test_means_weigh_seeds_alike_however_often_each_was_repeated() -> None:
    runs = {(0, 0): [1.0], (0, 1): [3.0], (1, 0): [10.0, 20.0]}
    assert statistics.mean(runs) == pytest.approx((2 + 15) / 2)
    assert statistics.Resampling([runs], 20000).means(runs).mean() == pytest.approx(8.5, abs=0.1)


def test_a_method_with_fewer_runs_or_epochs_takes_what_it_has() -> None:
    whole = {(seed, 0): [1.0, 2.0, 3.0] for seed in range(3)}
    part = {(1, 0): [4.0, 6.0]}
    draws = statistics.Resampling([whole, part], 5000).means(part)
    assert set(np.round(draws, 6)) == {4.0, 4.666667, 5.0, 5.333333, 6.0}
    assert draws.mean() == pytest.approx(5, abs=0.05)


def test_the_draws_do_not_depend_on_the_order_of_methods() -> None:
    a, b = {(0, 0): [1.0, 2.0], (1, 0): [3.0]}, {(1, 0): [5.0, 6.0]}
    one, other = (statistics.Resampling(order, 50).means(a) for order in ([a, b], [b, a]))
    assert one.tolist() == other.tolist()


def test_paired_bootstrap_is_the_plain_bootstrap() -> None:
    rng = np.random.default_rng(3)
    differences = rng.choice([-1.0, 0.0, 1.0], p=[0.2, 0.5, 0.3], size=300)
    found = statistics.paired_test(differences)
    plain = stats.bootstrap((differences,), np.mean, method="percentile", n_resamples=4000, rng=rng)
    assert found.difference.low == pytest.approx(plain.confidence_interval.low, abs=0.01)
    assert found.difference.high == pytest.approx(plain.confidence_interval.high, abs=0.01)
    assert found.sign_p == pytest.approx(
        stats.binomtest(int((differences > 0).sum()), int((differences != 0).sum())).pvalue
    )


def test_rounding_many_distinct_values_changes_nothing_that_matters() -> None:
    differences = np.random.default_rng(4).normal(0.02, 0.3, size=5000)
    found = statistics.paired_test(differences)
    error = differences.std() / np.sqrt(differences.size)
    assert found.difference.low == pytest.approx(differences.mean() - 1.96 * error, abs=0.1 * error)
    assert found.difference.high == pytest.approx(differences.mean() + 1.96 * error, abs=0.1 * error)
    assert found.flip_p == pytest.approx(2 * stats.norm.sf(differences.mean() / error), rel=0.02)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng = np.random.default_rng(5)
    tests = [statistics.paired_test(rng.choice([-1.0, 0.0, 1.0], size=400), 1000, seed) for seed in range(200)]
    assert sum(test.flip_p < 0.05 for test in tests) <= 20
    assert sum(test.sign_p < 0.05 for test in tests) <= 18


def test_clear_and_absent_differences() -> None:
    clear = statistics.paired_test(np.r_[np.ones(60), np.zeros(40)])
    assert max(clear.flip_p, clear.sign_p) < 0.001
    assert clear.difference.excludes(0.0)
    none = statistics.paired_test(np.zeros(50))
    assert (none.flip_p, none.sign_p) == (1.0, 1.0)
    with pytest.raises(BenchError, match="one per user"):
        statistics.paired_test(np.empty(0))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_the_flip_test_counts_all_ways_to_set_the_signs(differences: list[int]) -> None:
    sums = np.array(list(itertools.product((-1, 1), repeat=len(differences)))) @ np.abs(differences)
    expected = (np.abs(sums) >= abs(sum(differences))).mean()
    assert statistics.flip_p(np.array(differences) / 5) == pytest.approx(expected)


def test_the_flip_test_of_equal_sizes_is_the_sign_test_far_into_its_tail() -> None:
    for better, worse in ((60, 40), (300, 210), (400, 180), (3000, 2600)):
        found = statistics.paired_test(np.repeat([1.0, -1.0, 0.0], [better, worse, 5000]))
        assert found.flip_p == pytest.approx(stats.binomtest(better, better + worse).pvalue, rel=1e-3, abs=1e-12)
        assert found.flip_p == pytest.approx(found.sign_p, rel=1e-3, abs=1e-12)
    assert statistics.flip_p(np.ones(5000)) == statistics.FLOOR == 1e-12


def test_the_flip_test_is_the_normal_one_of_many_users() -> None:
    differences = np.random.default_rng(4).normal(0.006, 0.3, size=20_000) * (np.arange(20_000) % 3 == 0)
    expected = 2 * stats.norm.sf(differences.sum() / np.sqrt((differences**2).sum()))
    assert 1e-9 < expected < 1e-3
    assert statistics.flip_p(differences) == pytest.approx(expected, rel=0.1)


def test_holm_by_hand() -> None:
    assert statistics.holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert statistics.holm([]).size == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
@settings(max_examples=50)
def test_holm_lies_between_raw_and_bonferroni(p_values: list[float]) -> None:
    adjusted = statistics.holm(p_values)
    assert (adjusted >= np.array(p_values) - 1e-15).all()
    assert (adjusted <= np.minimum(np.array(p_values) * len(p_values), 1) + 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


@pytest.mark.parametrize(
    ("apart", "expected"),
    [
        ([], []),
        ([[0]], ["a"]),
        ([[0, 1, 1], [1, 0, 1], [1, 1, 0]], ["a", "b", "c"]),
        ([[0, 0, 1], [0, 0, 0], [1, 0, 0]], ["a", "ab", "b"]),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], ["a", "a", "a"]),
    ],
)
def test_letters(apart: list[list[int]], expected: list[str]) -> None:
    assert statistics.letters(np.array(apart, dtype=bool).reshape(len(apart), len(apart))) == expected


def test_letters_beyond_the_alphabet() -> None:
    assert statistics.letters(~np.eye(27, dtype=bool))[-2:] == ["z", "a2"]
