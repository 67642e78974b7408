"""Accuracy of one run, costs of another: what is put together, what is not, and where the report says each is from."""

import math
from collections.abc import Callable

import pytest

from tpmebench.cell import Head, Training
from tpmebench.metrics import METRICS
from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.joining import apart
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.analysis.uncertainty import peaks, times_by_run
from tpmebench.reports.figures.learning import mean_curve
from tpmebench.reports.records import Record, Slice

Make = Callable[..., Record]
LONG = Training(epochs=300, patience="1900 steps")


def costs(
    make: Make, method: str, seed: int = 0, cpu: str = "A quiet CPU", scale: float = 0.5, **cell: object
) -> Record:
    """What `bench run --costs` leaves: no accuracy, and half the time that a busy machine takes."""
    record = make(method, seed=seed, costs=True, epochs=4, **cell).model_copy(deep=True, update={"accuracy": None})
    record.environment.cpu, record.environment.threads = cpu, 2
    for epoch in record.time.epochs:
        epoch.valid, epoch.test, epoch.total = {}, {}, epoch.total * scale
    return record


def accuracy(make: Make, method: str, seed: int = 0, **cell: object) -> Record:
    """Of a long run on a busy machine."""
    record = make(method, seed=seed, **({"training": LONG} | cell)).model_copy(deep=True)
    record.environment.cpu, record.environment.threads = "A busy CPU", 1
    for epoch in record.time.epochs:
        epoch.waited = epoch.total / 2  # no time for T
    return record


def comparisons(*records: Record) -> list[Comparison]:
    return compare([Result(record) for record in records])


def mean_time(record: Record) -> float:
    return sum(epoch.total for epoch in record.time.epochs[1:]) / (len(record.time.epochs) - 1)


def test_a_row_has_its_accuracy_from_one_run_and_its_costs_from_another(make_record: Make) -> None:
    of_cost = costs(make_record, "lora")
    reached = [accuracy(make_record, "lora", seed=seed) for seed in range(3)]
    [one] = comparisons(of_cost, *reached, make_record("popularity"))
    row = one.methods.loc["lora"].to_dict()
    assert row["HR@10"] == pytest.approx(sum(r.accuracy.test.metrics["HR@10"] for r in reached if r.accuracy) / 3)
    assert row["time"] == pytest.approx(mean_time(of_cost))
    assert (row["seeds"], row["epochs"], row["left_out"]) == (3, 12, 0)
    assert one.conditions["CPU"] == "A quiet CPU"
    assert set(one.methods.index) == {"lora", "popularity"}
    assert times_by_run(one, "lora") == {(0, 0): [epoch.total for epoch in of_cost.time.epochs[1:]]}
    assert of_cost.memory is not None and peaks(one, "lora") == {(0, 0): [float(of_cost.memory.peak or 0)]}


def test_the_cache_is_spread_over_the_epochs_of_the_accuracy(make_record: Make) -> None:
    of_cost = costs(make_record, "iisan-cached")
    [one] = comparisons(of_cost, accuracy(make_record, "iisan-cached"))
    assert one.methods.loc["iisan-cached", "time_with_cache"] == pytest.approx(mean_time(of_cost) + 21.5 / 12)


def test_learning_curves_take_the_seconds_of_the_run_that_measured_them(make_record: Make) -> None:
    """Not of the busy machine, and with the cache, whose build the accuracy's run does not tell."""
    reached = accuracy(make_record, "iisan-cached")
    reached.time.cache_build = None
    of_cost = costs(make_record, "iisan-cached")
    [one] = comparisons(of_cost, reached)
    curve = mean_curve(one, "iisan-cached")
    assert curve is not None
    assert curve["seconds"].tolist() == pytest.approx([21.5 + epoch * mean_time(of_cost) for epoch in range(1, 13)])
    [alone] = comparisons(make_record("iisan-cached"))
    curve = mean_curve(alone, "iisan-cached")
    assert curve is not None
    assert curve["seconds"].iloc[1] == pytest.approx(
        21.5 + sum(epoch.total for epoch in alone.results[0].record.time.epochs[:2])
    )


def test_a_whole_run_is_not_averaged_with_the_one_that_measured_costs(make_record: Make) -> None:
    """Which validates nothing and takes seconds; where nothing else was run, what it took is told."""
    of_cost, alone = costs(make_record, "lora"), costs(make_record, "fft")
    reached = make_record("lora", training=LONG).model_copy(deep=True)
    reached.environment, reached.energy = of_cost.environment, 7.0
    of_cost.time.total, of_cost.time.test, of_cost.energy = 1.0, None, None
    for epoch in of_cost.time.epochs:
        epoch.evaluation = 0.0
    [one] = comparisons(of_cost, alone, reached)
    row = one.methods.loc["lora"].to_dict()
    told = {name: row[name] for name in ("validation", "test_time", "total_time", "energy", "epochs")}
    own = {"test_time": reached.time.test, "total_time": reached.time.total, "energy": 7.0, "epochs": 12}
    assert told == pytest.approx({"validation": 0.3, **own})
    assert one.cells.set_index("cell_id").loc[of_cost.cell_id, "total_time"] == 1.0, "as every cell's own"
    assert one.methods.loc["fft", "total_time"] == alone.time.total
    assert math.isnan(float(one.methods.loc["fft", "validation"]))  # type: ignore[arg-type]


def test_a_cell_s_own_costs_hold_where_nothing_else_measured_them(make_record: Make) -> None:
    fft, lora = (make_record(method, training=LONG) for method in ("fft", "lora"))
    quiet = costs(make_record, "lora", cpu=fft.environment.cpu)
    [one] = comparisons(quiet, fft, lora)
    assert one.methods.loc["fft", "time"] == pytest.approx(mean_time(fft))
    assert one.methods.loc["lora", "time"] == pytest.approx(mean_time(quiet))


@pytest.mark.parametrize(
    ("cell", "named"),
    [
        ({"training": Training(batch=32)}, "batch"),
        ({"training": Training(precision="bf16")}, "precision"),
        ({"training": Training(learning_rate_scale=3.0)}, "learning rate scale"),
        ({"head": Head(width=32)}, "width"),
        ({"options": {"r": 4}}, "options"),
        ({"rates": {"lr": 1e-3}}, "rates"),
        ({"dataset": "bazaar:items=3"}, "dataset"),
    ],
)
def test_settings_that_differ_are_not_joined_and_named(make_record: Make, cell: dict, named: str) -> None:
    other, reached = costs(make_record, "lora", **cell), accuracy(make_record, "lora")
    found = comparisons(other, reached)
    rows = {source.record.cell_id: one for one in found for source in one.results}
    assert rows[other.cell_id] is not rows[reached.cell_id]
    assert rows[reached.cell_id].methods["time"].isna().all(), "T was not borrowed"
    [line] = apart([Result(other), Result(reached)])
    assert line.startswith("The costs of lora are not joined to its accuracy: the runs differ in ") and named in line


@pytest.mark.parametrize("cpu", ["A quiet CPU", "A busy CPU"])
def test_of_equal_memory_costs_of_another_batch_are_not_joined(make_record: Make, cpu: str) -> None:
    """Neither from elsewhere nor on the machine where the accuracy was reached, where both have a row."""
    memory = Training(memory="2GiB", epochs=300)
    reached, other = (
        accuracy(make_record, "lora", training=memory),
        costs(make_record, "lora", cpu=cpu, training=memory),
    )
    reached.batch, other.batch, other.environment.threads = 512, 128, 1
    for one in comparisons(reached, other):
        assert not (one.methods["time"].notna() & one.methods["HR@10"].notna()).any()
    [line] = apart([Result(reached), Result(other)])
    assert line.endswith("the runs differ in batch in effect.")
    other.batch = 512
    [one] = comparisons(reached, other)
    assert list(one.methods.index) == ["lora"] and one.methods["time"].to_dict() == {"lora": mean_time(other)}


def test_costs_that_failed_are_said_to_have_failed_and_not_to_differ(make_record: Make) -> None:
    none = costs(make_record, "lora").model_copy(update={"status": "oom", "error": "out of memory"})
    assert apart([Result(none), Result(accuracy(make_record, "lora"))]) == []


def test_costs_of_two_machines_are_never_put_together(make_record: Make) -> None:
    """Each machine's comparison has the accuracy, which is the same everywhere, and its own costs alone."""
    one, other = costs(make_record, "lora", cpu="One"), costs(make_record, "lora", cpu="Other", scale=3.0)
    other.cell_id = "f" * 16
    found = comparisons(one, other, accuracy(make_record, "lora"))
    assert {each.conditions["CPU"]: each.methods.loc["lora", "time"] for each in found} == {
        "One": pytest.approx(mean_time(one)),
        "Other": pytest.approx(mean_time(other)),
    }
    assert all(len(each.methods) == 1 and each.methods["HR@10"].notna().all() for each in found)


@pytest.mark.parametrize("measured", [8, 16])
def test_a_search_and_the_runs_of_its_choice_go_together_where_costs_of_any_of_its_settings_are(
    make_record: Make, measured: int
) -> None:
    tried = [accuracy(make_record, "lora", 9, options={"r": r}, search=["r"], point=r) for r in (8, 16)]
    for record, valid in zip(tried, (0.2, 0.25), strict=True):
        assert record.accuracy
        record.accuracy.valid = Slice(users=100, metrics=dict.fromkeys(METRICS, valid))
    runs = [accuracy(make_record, "lora", seed, options={"r": 16}) for seed in range(3)]
    others = [accuracy(make_record, "fft"), costs(make_record, "fft")]
    [one] = comparisons(*tried, *runs, *others, costs(make_record, "lora", options={"r": measured}))
    assert one.conditions["CPU"] == "A quiet CPU"
    assert [result.record for result in one.searches[0].fresh] == runs
    row = next(label for label in one.methods.index if label in {"lora", "lora (r=16)"})
    assert one.methods["seeds"].to_dict()[row] == 3, "the fresh runs, not the search's own"


def test_who_was_left_without_costs_is_named_and_what_trains_nothing_stands_on_both_sides(make_record: Make) -> None:
    behind, popular = accuracy(make_record, "fft"), accuracy(make_record, "popularity")
    low = accuracy(make_record, "sasrec-id")
    assert low.accuracy
    low.accuracy.test.metrics["HR@10"] = 0.001
    rows = [behind, popular, low, accuracy(make_record, "lora", options={"r": 16})]
    rows += [accuracy(make_record, name) for name in ("lora", "iisan-cached")]
    rows += [costs(make_record, name) for name in ("lora", "iisan-cached", "sasrec-id")]
    found = {one.conditions["CPU"]: one for one in comparisons(*rows)}
    quiet = pages.build(found["A quiet CPU"], CostWeights(), "fft")
    assert quiet.findings[0] == (
        "fft stands in another comparison, as its costs were not measured here, so nothing is held against it."
    )
    assert any("worse than popularity" in line and "sasrec-id" in line for line in quiet.warnings)
    assert set(found["A busy CPU"].methods.index) == {"fft", "lora", "popularity"}
    [line] = apart([Result(record) for record in rows])
    assert line == (
        "The accuracies of fft, lora (r=16) on bazaar:items=2000,users=2500 stand in a comparison of their own: their "
        "costs were not measured where those of others were."
    )


def test_costs_belong_to_the_longest_of_several_lengths(make_record: Make) -> None:
    short, long = (accuracy(make_record, "lora", training=Training(epochs=epochs)) for epochs in (3, 30))
    [joined] = comparisons(costs(make_record, "lora"), short, long)
    assert joined.methods["time"].notna().to_dict() == {"lora (epochs=3)": False, "lora (epochs=30)": True}


def test_the_report_says_where_each_comes_from(make_record: Make) -> None:
    rows = [make(make_record, name) for name in ("fft", "lora") for make in (costs, accuracy)]
    [one] = comparisons(*rows)
    page = pages.build(one, CostWeights(), "fft")
    assert page.failures() == []
    [line] = [line for line in page.warnings if "measured nothing else" in line]
    assert line.startswith("Of fft, lora the costs are of runs") and "A quiet CPU, 2 threads" in line
    assert "A busy CPU, 1 thread)" in line
    assert not [line for line in page.warnings if "Epochs allowed differ" in line]
    assert apart(one.results) == []


def test_costs_alone_make_a_report(make_record: Make) -> None:
    [one] = comparisons(*(costs(make_record, method) for method in ("fft", "lora", "iisan-cached")))
    page = pages.build(one, CostWeights(), "fft")
    assert page.failures() == []
    assert one.ranked["time"].notna().all() and len(one.ranked) == 3
