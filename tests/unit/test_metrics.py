"""The metrics: what each is of a user, which tables show, which can be tested, and which way is better."""

import numpy as np
import pytest

from tpmebench.metrics import (
    METRICS,
    PRIMARY,
    RANKING,
    Metric,
    axis_label,
    cutoff,
    headline,
    is_better,
    means,
    of_users,
    to_test,
)

RANKS = np.array([1.0, 3.0, 10.0, 11.0, np.inf])
OWN = (
    Metric(name="Accuracy", headline=True),
    Metric(name="Brier", better="less", headline=True),
    Metric(name="Recall"),
)


def test_what_each_metric_is_of_a_user() -> None:
    assert of_users("HR@10", RANKS).tolist() == [1, 1, 1, 0, 0]
    assert of_users("HR@1", RANKS).tolist() == [1, 0, 0, 0, 0]
    assert of_users("NDCG@10", RANKS).tolist() == pytest.approx([1, 0.5, 1 / np.log2(11), 0, 0])
    assert of_users("MRR", RANKS).tolist() == pytest.approx([1, 1 / 3, 1 / 10, 1 / 11, 0])
    assert of_users("Accuracy", np.array([1, 0])).tolist() == [1.0, 0.0]


def test_means_are_over_all_users_and_none_of_nobody() -> None:
    found = means(RANKING, RANKS)
    assert list(found) == list(METRICS)
    assert (found["HR@5"], found["HR@20"]) == (2 / 5, 4 / 5)
    assert means(OWN[:1], np.array([1.0, 0.0, 1.0, 1.0])) == {"Accuracy": 0.75}
    assert means(RANKING, np.array([])) == {}


def test_tables_show_the_primary_metric_first_and_tests_what_was_kept() -> None:
    assert [metric.name for metric in headline(RANKING, PRIMARY)] == ["HR@10", "NDCG@10"]
    assert [metric.name for metric in headline(RANKING, "MRR")] == ["MRR", "HR@10", "NDCG@10"]
    assert [metric.name for metric in headline(OWN, "Brier")] == ["Brier", "Accuracy"]
    assert [metric.name for metric in to_test(RANKING, "MRR")] == ["MRR", "HR@10", "NDCG@10"]
    assert [metric.name for metric in to_test(OWN, "Brier")] == ["Brier"]  # the kept numbers are Brier's alone


def test_better_is_more_or_less() -> None:
    assert is_better(0.2, 0.1, "more")
    assert is_better(0.1, 0.2, "less")
    assert not is_better(0.1, 0.1, "more")
    assert not is_better(0.1, 0.1, "less")


def test_names_say_their_cutoff_and_unit() -> None:
    assert [cutoff(name) for name in ("HR@10", "NDCG@5", "MRR", "Accuracy")] == [10, 5, float("inf"), float("inf")]
    assert axis_label("HR@10", "test users") == "HR@10 (share of test users)"
    assert axis_label("MRR", "users") == "MRR (mean over users)"


@pytest.mark.parametrize("name", ["hr", "time", "H R", "", "A" * 41, "A<b>", "A\n"])
def test_a_name_begins_with_a_capital_letter_and_holds_nothing_strange(name: str) -> None:
    with pytest.raises(ValueError, match="should"):
        Metric(name=name)
