"""The check of convergence, worked by hand: what half the patience would have chosen, and which rows are bounds."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tpmebench.cell import Training
from tpmebench.metrics import Metric
from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.convergence import (
    CONVERGED,
    LOWER,
    bounds,
    chosen,
    convergence,
    doubts,
    half_width,
    unchecked,
)
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.records import Record, Slice
from tpmebench.reports.tables.convergence import convergence_table
from tpmebench.reports.tables.main import main_table

Make = Callable[..., Record]


def run(
    make: Make, method: str, valid: Sequence[float], patience: int | str = 4, limit: int = 30, seed: int = 0
) -> Record:
    """A record whose training had this curve, in epochs of 10 steps, over 400 valid users."""
    training = Training(patience=patience, epochs=limit)
    record = make(method, seed=seed, epochs=len(valid), training=training).model_copy(deep=True)
    for epoch, reached in zip(record.time.epochs, valid, strict=True):
        epoch.valid, epoch.steps = dict.fromkeys(epoch.valid, reached), 10
    assert record.accuracy is not None
    record.accuracy.best_epoch = list(valid).index(max(valid)) + 1
    record.accuracy.valid = Slice(users=400, metrics=dict.fromkeys(record.accuracy.valid.metrics, max(valid)))
    return record


def comparison(*records: Record) -> Comparison:
    [found] = compare([Result(record) for record in records])
    return found


def row_of(one: Comparison) -> dict[str, Any]:
    """That of lora."""
    return {str(key): value for key, value in convergence(one).loc["lora"].items()}


CURVE = [0.10, 0.12, 0.11, 0.11, 0.11, 0.13, 0.12, 0.12, 0.12, 0.12, 0.12]


@pytest.mark.parametrize(
    ("patience", "best"),
    [
        (1, 2),  # ends after epoch 4: 3 and 4 brought nothing better than 2
        (2, 2),  # ends after epoch 5
        (3, 6),  # 6 comes just in time: 3, 4 and 5 are not more than 3
        (30, 6),
        ("20 steps", 2),
        ("30 steps", 6),
        ("29 steps", 2),
    ],
)
def test_what_a_patience_would_have_chosen_is_read_off_the_curve(patience: int | str, best: int) -> None:
    assert chosen(CURVE, [10] * len(CURVE), patience, "more") == best


def test_less_may_be_better() -> None:
    assert chosen([0.3, 0.2, 0.4, 0.1], [10] * 4, 5, "less") == 4


def test_an_interval_by_hand() -> None:
    """Wilson's, of 40 of 400 users: half-width 1.959964 · 0.0151988 / 1.0096036."""
    z = 1.959964
    expected = z * math.sqrt(0.1 * 0.9 / 400 + z * z / (4 * 400**2)) / (1 + z * z / 400)
    assert half_width(0.1, 400) == pytest.approx(expected) == pytest.approx(0.029506, abs=1e-6)
    assert half_width(0.0, 400) > 0
    assert math.isnan(half_width(0.1, 0))


def test_a_row_has_converged_when_the_second_half_of_its_patience_changed_little(make_record: Make) -> None:
    """Half of 4 epochs chooses epoch 2 (0.12), the whole epoch 6 (0.13): 0.01 is less than the interval, ± 0.033."""
    one = comparison(run(make_record, "lora", CURVE))
    row = row_of(one)
    assert (row["earlier"], row["valid"], row["verdict"]) == (0.12, 0.13, CONVERGED)
    assert row["change"] == pytest.approx(0.01) and row["width"] == pytest.approx(0.0329, abs=1e-4)
    assert (row["best_epoch"], row["epochs"], row["ended"]) == (6, 11, "by patience")
    assert bounds(one) == set()


def test_a_row_that_doubling_the_patience_still_changes_is_a_lower_bound(make_record: Make) -> None:
    late = [0.12 if value == 0.12 else value for value in CURVE]
    late[5] = 0.17  # 0.05 more than what half the patience chose
    one = comparison(run(make_record, "lora", late))
    assert row_of(one)["verdict"] == LOWER
    assert bounds(one) == {"lora"}


@pytest.mark.parametrize("patience", [4, "40 steps", "1900 steps"])
def test_a_run_that_its_limit_stopped_is_a_lower_bound_whatever_its_curve(
    make_record: Make, patience: int | str
) -> None:
    one = comparison(run(make_record, "lora", CURVE[:10], patience, limit=10))
    row = row_of(one)
    assert (row["verdict"], row["ended"]) == (LOWER, "by the limit of epochs")
    assert math.isnan(row["change"]), "nothing was checked"


def test_one_cell_that_its_limit_stopped_makes_its_row_a_bound(make_record: Make) -> None:
    whole, cut = (
        run(make_record, "lora", CURVE, limit=11),
        run(make_record, "lora", [*CURVE[:10], 0.2], limit=11, seed=1),
    )
    row = row_of(comparison(whole, cut))
    assert (row["verdict"], row["ended"]) == (LOWER, "by the limit of epochs in 1 of 2")


def test_an_old_record_without_a_curve_is_a_lower_bound(make_record: Make) -> None:
    record = run(make_record, "lora", CURVE)
    for epoch in record.time.epochs:
        epoch.valid = {}
    assert bounds(comparison(record)) == {"lora"}


@pytest.mark.parametrize(
    ("patience", "waits", "verdict"),
    [
        ("9 steps", 1, LOWER),  # more than 9, and more than 4, are over with the first epoch of 10
        ("19 steps", 2, CONVERGED),  # more than 9 are over an epoch earlier
        (2, 3, CONVERGED),
        (1, 2, LOWER),  # there is no half of it
    ],
)
def test_half_a_patience_that_ends_no_earlier_checks_nothing(
    make_record: Make, patience: int | str, waits: int, verdict: str
) -> None:
    one = comparison(run(make_record, "lora", [0.10, 0.12, *[0.11] * waits], patience))
    row, checked = row_of(one), verdict == CONVERGED
    assert (row["ended"], row["verdict"]) == ("by patience", verdict)
    assert math.isnan(row["change"]) != checked
    assert unchecked(one) == ([] if checked else ["lora"])
    table = convergence_table(one)
    assert table is not None
    assert any("nothing was checked: lora" in note for note in table.notes) != checked
    assert any("checks nothing" in note for note in main_table(one, CostWeights()).notes) != checked


def test_the_change_of_a_row_is_the_mean_over_its_seeds(make_record: Make) -> None:
    still = [0.12, 0.10, 0.10, 0.10, 0.10, 0.10]
    row = row_of(comparison(run(make_record, "lora", CURVE), run(make_record, "lora", still, seed=1)))
    assert row["change"] == pytest.approx((0.01 + 0.0) / 2)
    assert row["best_epoch"] == 3.5


def test_bounds_are_marked_in_the_main_table_and_explained(make_record: Make) -> None:
    one = comparison(
        run(make_record, "fft", CURVE, limit=30),
        run(make_record, "lora", CURVE[:6], limit=30),
        make_record("popularity"),
    )
    main = main_table(one, CostWeights())
    texts = main.texts["HR@10"].to_dict()
    marked = {str(label): str(text).endswith("‡") for label, text in texts.items()}
    assert marked == {"fft": False, "lora": True, "popularity": False}
    assert any(note.startswith("‡:") for note in main.notes)
    ended = main_table(comparison(run(make_record, "fft", CURVE)), CostWeights())
    assert "‡" not in " ".join(ended.notes)


def test_the_head_counts_the_cells_that_were_best_at_their_last_epoch(make_record: Make) -> None:
    rising, falling = [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]
    records = [run(make_record, "fft", rising, seed=seed) for seed in range(2)] + [run(make_record, "lora", falling)]
    records.append(run(make_record, "sasrec-id", [0.2, 0.3, 0.1]))
    page = pages.build(comparison(*records), CostWeights(), "fft")
    assert page.failures() == []
    assert "2 of 3 cells were best at their last epoch: accuracies are lower bounds." in page.warnings
    assert (
        "Best at its first epoch, so that its learning rate may be too high: lora (in 1 of 1 cells)." in page.warnings
    )
    assert [table.name for table in page.tables()].count("convergence") == 1


def test_nothing_is_doubted_of_what_ended_well(make_record: Make) -> None:
    assert doubts(comparison(run(make_record, "fft", CURVE), make_record("popularity"))) == []


def test_nothing_is_doubted_of_accuracies_that_say_nothing(make_record: Make) -> None:
    record = run(make_record, "lora", [0.3, 0.2, 0.1])
    assert len(doubts(comparison(record))) == 1
    record.cell.backbones = record.cell.backbones.model_copy(update={"weights": "random"})
    assert doubts(comparison(record)) == []


def test_of_a_single_epoch_no_rate_is_suspected(make_record: Make) -> None:
    [line] = doubts(comparison(run(make_record, "fft", [0.1])))
    assert "1 of 1 cells was best at its last epoch" in line


def test_a_trained_row_below_popularity_is_named(make_record: Make) -> None:
    """`sasrec-id` ends at 0.04 and popularity at 0.015; with 0.06 for popularity it is worse, lora's 0.078 is not."""
    rows = [run(make_record, "sasrec-id", CURVE), run(make_record, "lora", CURVE)]
    counted = make_record("popularity").model_copy(deep=True)
    assert doubts(comparison(*rows, counted)) == []
    assert counted.accuracy is not None
    counted.accuracy.test.metrics["HR@10"] = 0.06
    [line] = doubts(comparison(*rows, counted))
    assert line == f"Trained, and yet worse than popularity (HR@10 0.0600): sasrec-id {hr(rows[0]):.4f}."


def test_a_metric_of_which_less_is_better_gives_upper_bounds(make_record: Make) -> None:
    record = run(make_record, "lora", [0.3, 0.2, 0.1]).model_copy(update={"primary_metric": "MRR"})
    assert record.accuracy is not None
    record.metrics, record.accuracy.best_epoch = [Metric(name="MRR", better="less", headline=True)], 3
    assert "accuracies are upper bounds" in doubts(comparison(record))[0]


def hr(record: Record) -> float:
    assert record.accuracy is not None
    return record.accuracy.test.metrics["HR@10"]
