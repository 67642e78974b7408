"""Accuracy at equal time and the time to a target, worked by hand."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.equal_time import (
    Curve,
    Missing,
    at_equal_time,
    best_so_far,
    leaders,
    missing_curves,
    multiples,
    time_to_target,
)
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.records import Record
from tpmebench.reports.tables.equal_time import equal_time_table, leaders_table, target_table

Make = Callable[..., Record]
T_OF_TWO, T_OF_THREE = 12.706205, 4.302653
"""Student's t, two-sided at 95 %, of so many observations."""


def run(
    make: Make,
    method: str,
    seconds: float,
    valid: Sequence[float],
    test: Sequence[float],
    seed: int = 0,
    build: float = 0,
) -> Record:
    """A record of epochs of so many seconds, the first of which, a warm-up, takes ten times as long."""
    record = make(method, seed=seed, epochs=len(valid)).model_copy(deep=True)
    record.time.cache_build = build or None
    for number, epoch in enumerate(record.time.epochs):
        epoch.total = seconds if number else 10 * seconds
        epoch.valid = dict.fromkeys(epoch.valid, valid[number])
        epoch.test = dict.fromkeys(epoch.valid, test[number]) | {"NDCG@10": test[number] / 2}
    assert record.accuracy is not None
    record.accuracy.best_epoch = list(valid).index(max(valid)) + 1
    return record


def row_of(frame: pd.DataFrame, label: str) -> list[object]:
    return list(frame.T[label])


@pytest.fixture(name="one")
def example(make_record: Make) -> Comparison:
    """fft takes 10 s an epoch; iisan-cached 2 s after 7 s of building; two seeds of that."""
    records = [
        run(make_record, "fft", 10, [0.1, 0.2, 0.3, 0.2], [0.12, 0.20, 0.28, 0.40]),
        run(make_record, "iisan-cached", 2, [0.1, 0.2, 0.1], [0.10, 0.24, 0.9], seed=0, build=7),
        run(make_record, "iisan-cached", 2, [0.2, 0.1, 0.1, 0.1, 0.3], [0.20, 0.9, 0.9, 0.9, 0.30], seed=1, build=7),
    ]
    [found] = compare([Result(record) for record in records])
    return found


def test_the_best_epoch_so_far_is_chosen_on_valid_and_its_test_metric_counts() -> None:
    assert best_so_far([0.1, 0.3, 0.2, 0.3, 0.4], [1, 2, 3, 4, 5], "more") == [1, 2, 2, 2, 5]
    assert best_so_far([0.3, 0.4, 0.1], [1, 2, 3], "less") == [1, 1, 3]


def test_between_two_epochs_nothing_changes() -> None:
    curve = Curve(np.array([9.0, 11.0]), np.array([[0.1, 0.3], [0.2, 0.4]]), 11.0, (0, 1))
    assert curve.at(8.99) is None, "its first epoch is not over"
    for seconds, values in ((9, [0.1, 0.2]), (10.99, [0.1, 0.2]), (11, [0.3, 0.4]), (1000, [0.3, 0.4])):
        found = curve.at(seconds)
        assert found is not None and found.tolist() == values


def test_accuracy_at_equal_time_by_hand(one: Comparison) -> None:
    """At 10 s the cached one has ended one epoch (9 s), at 20 s all six that would fit, of which it ran 3 and 5."""
    frame = at_equal_time(one, "fft", "HR@10")
    names = [f"{name}{bound}" for name in ("1", "2", "end") for bound in ("", " low", " high")]
    assert list(frame.columns) == ["end_seconds", *names]
    fft, cached = frame.loc["fft"].to_dict(), frame.loc["iisan-cached"].to_dict()
    assert (fft["1"], fft["2"], fft["end"], fft["end_seconds"]) == (0.12, 0.20, 0.28, 40)
    assert math.isnan(fft["1 low"]) and math.isnan(fft["1 high"])
    assert cached["1"] == pytest.approx((0.10 + 0.20) / 2)
    width = T_OF_TWO * 0.1 / 2  # the deviation of two is their difference over √2, that of their mean its half
    assert (cached["1 low"], cached["1 high"]) == pytest.approx((0.15 - width, 0.15 + width), rel=1e-6)
    assert cached["2"] == cached["end"] == pytest.approx((0.24 + 0.30) / 2)
    assert cached["end_seconds"] == 7 + 2 * (3 + 5) / 2


def test_the_time_to_a_target_by_hand(one: Comparison, make_record: Make) -> None:
    """fft reaches 0.28: 0.252, 0.266 and 0.28. The means of the cached one: .15, .22, .22, .22, .27."""
    second = run(make_record, "fft", 10, [0.1, 0.2, 0.3, 0.2], [0.12, 0.20, 0.28, 0.40], seed=1)
    [one] = compare([*one.results, Result(second)])
    times = time_to_target(one, "fft")
    assert row_of(times, "fft") == [30, 30, 30, 40]
    assert row_of(times, "iisan-cached") == [17, 17, math.inf, 17]
    table = target_table(one, "fft")
    assert table is not None
    assert row_of(table.texts, "iisan-cached") == ["17.0 s", "17.0 s", "> 17.0 s"], "censored at its end"


def test_a_repeat_of_a_seed_is_no_further_seed(one: Comparison) -> None:
    again = [result.record.model_copy(deep=True) for result in one.results if result.record.cell.seed == 1]
    for record in again:
        record.cell.repeat, record.cell_id = 1, "f" * 16
    [both] = compare([*one.results, *map(Result, again)])
    assert len(both.results) == len(one.results) + 1
    pd.testing.assert_frame_equal(at_equal_time(both, "fft", "HR@10"), at_equal_time(one, "fft", "HR@10"))


def test_a_target_is_told_on_the_seeds_that_both_have(make_record: Make) -> None:
    """The second seed is hard for fft, and lora lacks it: on the first lora stays below."""
    hard = three(make_record, "fft", 10.0, [0.30, 0.10])[:2]
    one = compared(*hard, three(make_record, "lora", 5.0, [0.25])[0])
    assert row_of(time_to_target(one, "fft"), "lora")[:3] == [math.inf] * 3


def test_columns_name_what_the_reference_s_epochs_take(one: Comparison) -> None:
    table = equal_time_table(one, "fft", one.primary)
    assert table is not None
    assert list(table.texts.columns) == ["1 × (10.0 s)", "2 × (20.0 s)", "at its end", "its end (s)"]
    assert any("Not trained to convergence" in note for note in table.notes)


def test_intervals_stand_behind_what_has_several_seeds(one: Comparison) -> None:
    table = equal_time_table(one, "fft", one.primary)
    assert table is not None
    assert list(table.texts["1 × (10.0 s)"]) == ["0.1200", "0.1500 [-0.4853, 0.7853]"]
    assert any("over seeds alone" in note for note in table.notes)


def three(make: Make, method: str, seconds: float, reached: Sequence[float], build: float = 0) -> list[Record]:
    """Three seeds that reach this after their first epoch, and never more."""
    return [
        run(make, method, seconds, [0.3, 0.2, 0.2], [value, 0.9, 0.9], seed, build)
        for seed, value in enumerate(reached)
    ]


def compared(*records: Record) -> Comparison:
    [found] = compare([Result(record) for record in records])
    return found


def test_the_leader_after_each_time_by_hand(make_record: Make) -> None:
    """lora ends its first epoch after 15 s, later than fft's of 10 s; it leads iisan by .02, .03, .04 from then on."""
    one = compared(
        *three(make_record, "fft", 10, [0.10, 0.11, 0.12]),
        *three(make_record, "iisan-cached", 2, [0.13, 0.11, 0.12], build=7),
        *three(make_record, "lora", 15, [0.15, 0.14, 0.16]),
    )
    found = leaders(one, "fft", one.primary)
    first, second = found[1], found[2]
    assert (first.leader, first.second, first.value) == ("iisan-cached", "fft", pytest.approx(0.12))
    assert (first.apart, first.close, first.untold) == ((), ("fft",), ())
    assert (second.leader, second.second, second.value) == ("lora", "iisan-cached", pytest.approx(0.15))
    width = T_OF_THREE * 0.01 / math.sqrt(3)
    assert second.lead.value == pytest.approx(0.03)
    assert (second.lead.low, second.lead.high) == pytest.approx((0.03 - width, 0.03 + width), rel=1e-6)
    assert second.apart == ("iisan-cached", "fft") and not second.close
    table = leaders_table(one, "fft", one.primary)
    assert table is not None
    assert list(table.texts.index) == ["1 × (10.0 s)", "2 × (20.0 s)"]
    assert list(table.texts["verdict"]) == ["not told apart from fft", "leads"]
    assert list(table.texts["95 % interval"])[1] == "0.0052 to 0.0548"


def test_a_lead_is_told_within_seeds_and_in_the_direction_of_the_metric(make_record: Make) -> None:
    """Seeds are far apart, the two rows are not: within each the one is .02, .03, .02 lower."""
    one = compared(*three(make_record, "fft", 10, [0.1, 0.5, 0.9]), *three(make_record, "lora", 10, [0.08, 0.47, 0.88]))
    assert leaders(one, "fft", one.primary)[1].apart == ("lora",)
    less = leaders(one, "fft", one.primary.model_copy(update={"better": "less"}))[1]
    assert (less.leader, less.lead.value, less.apart) == ("lora", pytest.approx(0.07 / 3), ("fft",))


def test_one_seed_gives_a_lead_and_no_interval(make_record: Make) -> None:
    one = compared(run(make_record, "fft", 10, [0.1], [0.1]), run(make_record, "lora", 10, [0.2], [0.3]))
    found = leaders(one, "fft", one.primary)[1]
    assert (found.leader, found.lead.value, found.untold) == ("lora", pytest.approx(0.2), ("fft",))
    assert math.isnan(found.lead.low) and not found.apart
    table, values = leaders_table(one, "fft", one.primary), equal_time_table(one, "fft", one.primary)
    assert table is not None and values is not None
    assert list(table.texts["95 % interval"]) == ["–"] and next(iter(table.texts["verdict"])).startswith(
        "too few seeds"
    )
    assert all(any(note.endswith("no interval over seeds can be given.") for note in t.notes) for t in (table, values))


def test_equal_rows_are_not_told_apart(make_record: Make) -> None:
    same = [0.1, 0.2, 0.3]
    one = compared(*three(make_record, "fft", 10, same), *three(make_record, "lora", 10, same))
    assert leaders(one, "fft", one.primary)[1].close == ("lora",)


def test_what_was_trained_and_is_left_out_is_named(make_record: Make) -> None:
    """lora ran beside others and has no T, of bitfit no epoch was tested, and of iisan-cached one of three seeds."""
    untold = run(make_record, "bitfit", 10, [0.1], [0.1])
    some = three(make_record, "iisan-cached", 2, [0.1, 0.2, 0.3])
    for record in (untold, *some[1:]):
        for epoch in record.time.epochs:
            epoch.test = {}
    beside = [record.model_copy(update={"beside": 7}) for record in three(make_record, "lora", 10, [0.7, 0.8, 0.9])]
    fft, counted = run(make_record, "fft", 10, [0.1], [0.1]), make_record("popularity")
    one = compared(fft, untold, *some, *beside, counted)
    tables = [
        equal_time_table(one, "fft", one.primary),
        leaders_table(one, "fft", one.primary),
        target_table(one, "fft"),
    ]
    for table in tables:
        assert table is not None
        assert "Trained and left out, because T is not known: lora." in table.notes
        assert "Trained and left out, because test metrics of each epoch were not recorded: bitfit." in table.notes
        assert table.notes[-1].endswith("not the main table's: iisan-cached (1 of 3).")


def test_nothing_is_named_where_nothing_is_left_out(one: Comparison) -> None:
    assert missing_curves(one, "HR@10") == Missing((), (), {})


def test_multiples_go_as_far_as_the_longest() -> None:
    assert multiples(0.3) == [1]
    assert multiples(20.0) == [1, 2, 5, 10, 20]


def test_without_the_reference_or_without_curves_there_is_nothing(one: Comparison, make_record: Make) -> None:
    assert at_equal_time(one, "lora", "HR@10").empty and time_to_target(one, "lora").empty
    assert leaders(one, "lora", one.primary) == {}
    [old] = compare([Result(make_record("fft"))])
    assert equal_time_table(old, "fft", old.primary) is None and target_table(old, "fft") is None


def test_the_page_has_a_table_a_metric_and_a_picture(one: Comparison) -> None:
    page = pages.build(one, CostWeights(), "fft")
    assert page.failures() == []
    names = [table.name for table in page.tables()]
    assert [name for name in names if name.startswith(("equal", "leaders", "time-to"))] == [
        "equal-time-hr-10",
        "leaders-hr-10",
        "equal-time-ndcg-10",
        "leaders-ndcg-10",
        "time-to-target",
    ]
    assert "equal-time-hr-10" in [picture.name for picture in page.pictures()]
