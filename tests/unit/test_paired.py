"""Rows held against each other: which pairs, and intervals over seeds and users together."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from tpmebench.reports.analysis import paired
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.records import Record
from tpmebench.reports.tables.significance import families_table

USERS = 400
Hits = Mapping[tuple[str, int], np.ndarray]
"""By method and seed which users are served."""


@pytest.fixture(name="held")
def _held(make_record: Callable[..., Record], keep_ranks: Callable[..., None], tmp_path: Path):
    """A comparison of runs that serve these users, all others far off."""

    def build(hits: Hits, **changes: dict) -> Comparison:
        records = []
        for (method, seed), served in hits.items():
            record = make_record(method, seed=seed, **changes.get(method, {}))
            keep_ranks(tmp_path, record, np.where(served, 1.0, 50.0))
            records.append(record)
        [found] = compare([Result(record, tmp_path) for record in records])
        return found

    return build


def first(count: int) -> np.ndarray:
    return np.arange(USERS) < count


def of_lora(comparison: Comparison) -> dict[str, float]:
    """Its tests against fft."""
    [row] = paired.user_tests(comparison, "fft").loc[["lora"]].to_dict("records")
    return {str(name): float(value) for name, value in row.items()}


def test_an_interval_is_of_seeds_and_users_together(held) -> None:
    """Over users alone the 30 of 400 are certain; the seeds, of which one gives the whole lead, leave it open."""
    hits = {("fft", seed): first(40) for seed in range(4)}
    hits |= {("lora", seed): first(40 + 120 * (seed == 0)) for seed in range(4)}
    tests = of_lora(held(hits))
    assert tests["HR@10 difference"] == pytest.approx(30 / 400)
    assert tests["HR@10 flip p"] < 1e-6
    assert tests["HR@10 low"] == 0, "no draw of these seeds has a lower mean, and a third has none of the lead"
    assert tests["HR@10 high"] > 120 * 2 / 4 / 400


def test_one_trained_seed_is_one_seed_and_what_trains_nothing_meets_them_all(held) -> None:
    hits = {("fft", seed): first(40 + seed) for seed in range(4)} | {
        ("lora", 0): first(60),
        ("popularity", 0): first(9),
    }
    one = held(hits, popularity={"epochs": 0})
    assert of_lora(one)["seeds"] == 1
    assert paired.user_tests(one, "fft")["seeds"].to_dict()["popularity"] == 4
    apart = held({("fft", 5): first(40), ("fft", 6): first(41), ("lora", 9): first(60)})
    assert paired.user_tests(apart, "fft").empty, "no seed in common"


def test_with_one_seed_the_interval_is_the_plain_bootstrap_over_users(held) -> None:
    served = first(90)
    tests = of_lora(held({("fft", 0): first(0), ("lora", 0): served}))
    error = served.std() / np.sqrt(USERS)
    for bound, side in (("low", -1), ("high", 1)):
        assert tests[f"HR@10 {bound}"] == pytest.approx(served.mean() + side * 1.96 * error, abs=0.15 * error)


def test_what_all_rows_share_of_the_users_cancels(held) -> None:
    """Both serve half of the users, of the other seed the other half; the one serves two users more in every seed."""
    half, more = np.arange(USERS) % 2 == 0, first(4)
    hits = {("fft", 0): half, ("fft", 1): ~half, ("lora", 0): half | more, ("lora", 1): ~half | more}
    tests = of_lora(held(hits))
    assert 0 <= tests["HR@10 low"] <= tests["HR@10 high"] < 0.02, "what one row alone has is known within 0.05"


def test_the_interval_covers_what_it_should_of_other_users_and_seeds() -> None:
    """Effects of users, of seeds and of both: at least 90 of 100 intervals hold the truth, a tenth."""
    rng = np.random.default_rng(7)
    held = 0
    for trial in range(100):
        values = 0.1 + rng.normal(0, 0.2, (1, 150)) + rng.normal(0, 0.01, (8, 1)) + rng.normal(0, 0.4, (8, 150))
        drawn = paired.resampled_means(values, 300, trial)
        counts = paired.statistics.times_drawn(np.random.default_rng(trial + 1), 8, 300)
        low, high = np.quantile(paired.statistics.weighted_mean(counts, drawn), [0.025, 0.975])
        held += low <= 0.1 <= high
    assert held >= 90


def test_many_users_are_drawn_in_groups_to_the_same_end(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).random((2, 1003))
    whole = paired.resampled_means(values)
    monkeypatch.setattr(paired, "MOST_GROUPS", 250)
    grouped = paired.resampled_means(values)
    assert grouped.mean(axis=0) == pytest.approx(values.mean(axis=1), abs=0.002)
    assert grouped.std(axis=0) == pytest.approx(whole.std(axis=0), rel=0.15)


def test_the_rows_of_a_family_are_held_against_each_other_twins_left_out(held) -> None:
    """In order of their accuracy; what iisan gives, iisan-cached gives with the cache."""
    served = {"fft": 100, "lora": 60, "iisan": 55, "iisan-cached": 50, "frozen-cached": 80, "popularity": 20}
    one = held({(method, 0): first(count) for method, count in served.items()}, **{"iisan-cached": {}})
    for result in one.results:
        result.record.uncached = "iisan" if result.record.cell.method == "iisan-cached" else ""
    assert paired.within_families(one) == {"frozen-cached – iisan-cached": ("frozen-cached", "iisan-cached")}
    table = families_table(one)
    assert table is not None
    [row] = table.texts.to_dict("records")
    assert (row["Δ HR@10"], row["verdict"]) == ("0.0750", "better")
    assert any("of users alone" in note or "over users alone" in note for note in table.notes)


def test_of_a_large_family_the_best_are_compared(held) -> None:
    hits = {("lora", 0): first(1)}
    one = held(hits)
    rows = {f"lora (r={r})": r / 100 for r in range(1, 13)}
    frame = one.methods.loc[["lora"] * 12].assign(**{"HR@10": list(rows.values())})
    frame.index = list(rows)
    one.__dict__["methods"] = frame
    pairs = paired.within_families(one)
    assert len(pairs) == paired.MOST_ROWS * (paired.MOST_ROWS - 1) / 2
    assert next(iter(pairs)) == "lora (r=12) – lora (r=11)"


def test_rows_without_ranks_or_alone_in_their_family_make_no_table(make_record) -> None:
    [one] = compare([Result(make_record("fft")), Result(make_record("lora")), Result(make_record("bitfit"))])
    assert list(paired.within_families(one)) and families_table(one) is None
    [alone] = compare([Result(make_record("fft"))])
    assert paired.within_families(alone) == {} and families_table(alone) is None
