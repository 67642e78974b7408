"""What is left within a budget, and which method is the best of it: small cases worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from tpmebench.metrics import Metric
from tpmebench.reports.analysis.budget import Budget, best, candidates, within
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import load
from tpmebench.reports.analysis.tpme import CostWeights

EQUAL = CostWeights(0.25, 0.25, 0.5)
METHODS = pd.DataFrame(
    {
        "time": [10.0, 8.0, 2.0, 1.0],
        "parameters": [1e6, 1e4, 1e5, 1e5],
        "memory": [800.0, 400.0, 100.0, 100.0],
        "total": [100.0, 80.0, 20.0, np.nan],
        "gain": [0.060, 0.060, 0.045, 0.030],
        "loss": [0.0, 0.0, 0.25, 0.5],
    },
    index=["fft", "lora", "iisan", "frozen"],
)


@pytest.mark.parametrize(
    ("budget", "left", "chosen"),
    [
        (Budget(), ["fft", "lora", "iisan", "frozen"], "lora"),  # as accurate as fft, and cheaper
        (Budget(memory=400), ["lora", "iisan", "frozen"], "lora"),
        (Budget(memory=399), ["iisan", "frozen"], "iisan"),
        (Budget(loss=0.25), ["fft", "lora", "iisan"], "iisan"),  # the loss is accepted: the cheapest
        (Budget(loss=0.0), ["fft", "lora"], "lora"),
        (Budget(loss=-0.1), [], None),
        (Budget(total=1000), ["fft", "lora", "iisan"], "lora"),  # what was not measured keeps no bound
        (Budget(time=0.5), [], None),
    ],
)
def test_what_is_left_and_the_best_of_it(budget: Budget, left: list[str], chosen: str | None) -> None:
    assert list(within(METHODS, budget).index) == left
    assert best(METHODS, budget, EQUAL) == chosen


def test_weights_decide_which_is_cheapest() -> None:
    rivals = METHODS.loc[["lora", "iisan"]]
    assert best(rivals, Budget(loss=1), CostWeights(0, 1, 0)) == "lora"
    assert best(rivals, Budget(loss=1), CostWeights(1, 0, 0)) == "iisan"


def test_without_accuracies_the_cheapest_is_the_best_and_equals_keep_their_order() -> None:
    bare = METHODS.assign(gain=np.nan, loss=np.nan)
    assert best(bare, Budget(), EQUAL) == "frozen"
    assert best(METHODS.assign(gain=0.05), Budget(), CostWeights(0, 0, 1)) == "iisan"
    free = METHODS.assign(parameters=[0.0, 1.0, 0.0, 1.0])
    assert best(free, Budget(loss=1), EQUAL) == "fft"  # a cost of 0 has no logarithm, and no rival but its like


def test_candidates_are_ranked_rows_with_their_loss_and_time_in_all(tmp_path, make_record, write_study) -> None:
    records = [make_record(method) for method in ("fft", "lora", "iisan-cached", "popularity")]
    comparison = compare(load([write_study(tmp_path, [*records, make_record("bitfit", status="oom")])]))[0]
    found, methods = candidates(comparison, "fft"), comparison.methods
    assert set(found.index) == {"fft", "lora", "iisan-cached"}
    cached = methods.loc["iisan-cached"]
    in_all = cached["epochs"] * cached["time"] + cached["cache_build"]
    assert found.loc["iisan-cached", "total"] == pytest.approx(in_all)
    accuracy = methods["HR@10"]
    assert found.loc["lora", "loss"] == pytest.approx(1 - accuracy["lora"] / accuracy["fft"])
    assert found.loc["fft", "loss"] == 0
    assert candidates(comparison, "absent")["loss"].isna().all()


def test_of_an_error_less_is_better(tmp_path, make_record, write_study, monkeypatch) -> None:
    comparison = compare(load([write_study(tmp_path, [make_record("fft"), make_record("lora")])]))[0]
    error = Metric(name="HR@10", better="less")
    monkeypatch.setattr(Comparison, "primary", property(lambda _: error))
    found, accuracy = candidates(comparison, "fft"), comparison.methods["HR@10"]
    assert found.loc["lora", "loss"] == pytest.approx(accuracy["lora"] / accuracy["fft"] - 1)
    assert best(found, Budget(), EQUAL) == accuracy.idxmin()
