"""What a search chose: by hand, on valid alone, ties to the cheaper setting; and what of it a report shows."""

from collections.abc import Callable
from typing import Any

import pytest

from tpmebench.bench.guard import pairing
from tpmebench.cell import Training
from tpmebench.metrics import METRICS
from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.search import searches, settle
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.records import Compute, Record, Slice
from tpmebench.reports.tables.main import main_table
from tpmebench.reports.tables.search import choices_table, points_table

Make = Callable[..., Record]
KEYS = ["learning_rate_scale", "r"]


@pytest.fixture
def cell_of(make_record: Make) -> Callable[..., Result]:
    """A cell of lora at a scale and a rank: a point of a search over both, or with `keys=[]` an ordinary one."""

    def make(r: int, scale: float | None, valid: float, test: float = 0.5, seed: int = 1000, **changes: Any) -> Result:
        rates = {} if scale is None else {"learning_rate_scale": scale}
        keys = changes.pop("keys", KEYS)
        epochs = changes.pop("epochs", 3)
        fields = {"options": {"r": r, "alpha": 8.0}, "rates": rates, "search": keys, "point": changes.pop("point", 0)}
        record = make_record(changes.pop("method", "lora"), seed=seed % 1000, epochs=epochs, **fields)
        record.cell = record.cell.model_copy(update={"seed": seed})
        record.cell_id = record.cell.id
        assert record.accuracy and record.parameters
        record.accuracy.valid = Slice(users=100, metrics=dict.fromkeys(METRICS, valid))
        record.accuracy.test = Slice(users=100, metrics=dict.fromkeys(METRICS, test))
        record.parameters.trainable = changes.pop("trainable", 1000 * r)
        record.compute = Compute(forward=changes.pop("operations", 10), backward=0, items=1, slots=1)
        for epoch in record.time.epochs:
            epoch.total = changes.get("seconds", 1.0)
        return Result(record)

    return make


def on(result: Result, place: dict[str, Any]) -> Result:
    """The same, run elsewhere."""
    result.record.cell = result.record.cell.model_copy(update=place)
    result.record.cell_id = result.record.cell.id
    return result


def row(comparison: Comparison) -> list[Record]:
    return [result.record for result in comparison.results if result.record.cell.method == "lora"]


def test_the_choice_is_by_valid_and_never_by_test(cell_of: Callable[..., Result]):
    tried = [cell_of(4, 1.0, 0.20, test=0.90), cell_of(8, 3.0, 0.25, test=0.10), cell_of(16, 9.0, 0.24, test=0.99)]
    [comparison] = compare(tried)
    assert [record.cell_id for record in row(comparison)] == [tried[1].record.cell_id]
    [search] = comparison.searches
    assert search.chosen is not None and search.chosen.valid == 0.25
    assert search.choice == "learning_rate_scale=3, r=8"


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ([{"trainable": 30}, {"trainable": 20}, {"trainable": 25}], 1),
        ([{"operations": 9}, {"operations": 9}, {"operations": 8}], 2),
        ([{"point": 2, "seconds": 3.0}, {"point": 1, "seconds": 2.0}, {"point": 3, "seconds": 1.0}], 1),
        ([{"point": 1}, {"point": 2, "operations": 8}, {"point": 3, "operations": 8}], 1),
        ([{"point": 1, "seconds": 1.0}, {"trainable": 10, "seconds": 9.0, "operations": 99, "point": 2}, {}], 1),
        ([{"seconds": 3.0}, {"seconds": 2.0}, {"seconds": 1.0}], 0),
    ],
)
def test_of_equal_settings_the_cheaper_is_chosen(
    cell_of: Callable[..., Result], changes: list[dict[str, Any]], chosen: int
):
    alike = {"trainable": 20}
    tried = [cell_of(4 * number, 1.0, 0.25, **alike | each) for number, each in enumerate(changes, 1)]
    tried.append(cell_of(1, 5.0, 0.2499, trainable=1, operations=1, seconds=0.1, point=1))
    [search] = searches(tried)
    assert search.chosen is not None and search.chosen.results == [tried[chosen]]


def test_a_setting_counts_by_the_mean_of_its_seeds_and_only_if_all_ended_well(cell_of: Callable[..., Result]):
    tried = [cell_of(4, 1.0, 0.9, seed=0), cell_of(4, 1.0, 0.1, seed=1)]
    tried += [cell_of(8, 1.0, 0.6, seed=0), cell_of(8, 1.0, 0.7, seed=1)]
    tried += [cell_of(16, 1.0, 0.99, seed=0), cell_of(16, 1.0, 0.99, seed=1)]
    tried[-1].record.status, tried[-1].record.error = "diverged", "loss is nan"
    [comparison] = compare(tried)
    assert [record.cell.options["r"] for record in row(comparison)] == [8, 8]
    every = points_table(comparison, comparison.searches[0], "lora", 1)
    assert list(every.texts["status"]) == ["ok", "ok", "diverged"]
    assert list(every.texts["cause"]) == ["–", "–", "loss is nan"]
    assert every.texts["cell"].iloc[-1] == tried[-1].record.cell_id
    assert list(comparison.methods.index) == ["lora"]


def test_a_search_of_which_nothing_ended_well_keeps_a_row_that_says_why(cell_of: Callable[..., Result]):
    tried = [cell_of(4, 1.0, 0.9), cell_of(8, 1.0, 0.8)]
    for each in tried:
        each.record.status, each.record.error, each.record.accuracy = "oom", "no memory left", None
    [comparison] = compare(tried)
    assert comparison.methods["status"].to_dict() == {"lora": "oom"}
    assert comparison.searches[0].choice == "none, as no setting ended well"
    assert pages.build(comparison, CostWeights(), "lora").failures() == []


def test_runs_of_the_choice_are_the_row_and_those_of_what_was_passed_over_are_none(cell_of: Callable[..., Result]):
    tried = [cell_of(4, None, 0.20), cell_of(8, 3.0, 0.25)]
    runs = [cell_of(8, 3.0, 0.22, seed=seed, keys=[]) for seed in (0, 1)]
    before = cell_of(4, None, 0.21, seed=0, keys=[])
    unlike = cell_of(32, None, 0.21, seed=0, keys=[])
    [comparison] = compare([*tried, *runs, before, unlike])
    assert {record.cell_id for record in row(comparison)} == {r.record.cell_id for r in (*runs, unlike)}
    assert set(comparison.methods.index) == {"lora (learning_rate_scale=3, r=8)", "lora (r=32)"}
    [search] = comparison.searches
    assert [r.record.cell_id for r in search.fresh] == [r.record.cell_id for r in runs]
    assert [r.record.cell_id for r in search.passed_over] == [before.record.cell_id]


def test_what_was_passed_over_is_named_and_only_runs_of_the_search_s_own_length_are(cell_of: Callable[..., Result]):
    tried = [cell_of(4, None, 0.20), cell_of(8, 3.0, 0.25)]
    alike = [cell_of(4, None, 0.21, seed=seed, keys=[]) for seed in (0, 1)]
    longer = [on(cell_of(4, None, 0.21, seed=seed, keys=[]), {"training": Training(epochs=300)}) for seed in (0, 1)]
    [comparison] = compare([*tried, *alike, *longer])
    assert {r.cell_id for r in row(comparison)} == {r.record.cell_id for r in (tried[1], *longer)}
    [line] = [line for line in pages.build(comparison, CostWeights(), "lora").warnings if "only the chosen one" in line]
    assert line.endswith("is a row. Left out: 2 runs of lora (r=4).")


def test_a_choice_may_be_trained_longer_than_it_was_searched(cell_of: Callable[..., Result]):
    tried = [cell_of(4, None, 0.20), cell_of(8, 3.0, 0.25)]
    runs = [on(cell_of(8, 3.0, 0.22, seed=seed, keys=[]), {"training": Training(epochs=300)}) for seed in (0, 1)]
    rows, [search] = settle([*tried, *runs])
    assert rows == search.fresh == runs


def test_a_search_without_a_choice_passes_nothing_over(cell_of: Callable[..., Result]):
    tried, run = cell_of(4, None, 0.20), cell_of(4, None, 0.21, seed=0, keys=[])
    tried.record.status, tried.record.error, tried.record.accuracy = "oom", "no memory left", None
    rows, [search] = settle([tried, run])
    assert run in rows and search.passed_over == []


def test_an_interrupted_search_chooses_among_settings_of_the_most_seeds_and_says_what_lacks_some(
    cell_of: Callable[..., Result],
):
    tried = [cell_of(4, None, valid, seed=seed) for seed, valid in enumerate((0.30, 0.20, 0.20))]
    tried.append(cell_of(8, None, 0.29, seed=0))
    [comparison] = compare(tried)
    [search] = comparison.searches
    assert search.choice == "r=4", "seed 0 is an easy one"
    [line] = [line for line in pages.build(comparison, CostWeights(), "lora").warnings if "unfinished" in line]
    assert line.startswith("The search of lora is unfinished: r=8 lacks seeds 1, 2.")
    tried += [cell_of(8, None, 0.29, seed=seed) for seed in (1, 2)]
    [search] = searches(tried)
    assert (search.choice, search.unfinished) == ("r=8", {})


def test_a_setting_that_ended_badly_keeps_no_other_from_being_chosen(cell_of: Callable[..., Result]):
    tried = [cell_of(4, None, 0.3, seed=seed) for seed in (0, 1)] + [cell_of(8, None, 0.2, seed=0)]
    tried[1].record.status, tried[1].record.error = "diverged", "loss is nan"
    [search] = searches(tried)
    assert (search.choice, search.unfinished) == ("r=8", {"r=8": [1]})


def test_a_choice_made_on_a_card_has_its_runs_on_a_cpu(cell_of: Callable[..., Result]):
    card = {"device": "cuda", "threads": 0, "deterministic": True}
    tried = [on(cell_of(4, None, 0.20), card), on(cell_of(8, 3.0, 0.25), card)]
    runs = [cell_of(8, 3.0, 0.22, seed=seed, keys=[]) for seed in (0, 1)]
    rows, [search] = settle([*tried, *runs])
    assert [r.record.cell_id for r in rows] == [r.record.cell_id for r in runs]
    assert search.fresh == runs


def test_searches_of_other_length_or_of_what_stands_fixed_are_searches_of_their_own(cell_of: Callable[..., Result]):
    tried = [cell_of(4, 1.0, 0.2, keys=["learning_rate_scale"]), cell_of(8, 1.0, 0.2, keys=["learning_rate_scale"])]
    longer = [cell_of(4, 1.0, 0.2), cell_of(8, 3.0, 0.3)]
    for each in longer:
        training = each.record.cell.training.model_copy(update={"epochs": 99})
        each.record.cell = each.record.cell.model_copy(update={"training": training})
    assert [len(search.points) for search in searches([*tried, *longer])] == [1, 1, 2]


def test_a_report_shows_one_row_a_method_with_the_choice_named_and_all_that_was_tried(
    cell_of: Callable[..., Result], make_record: Make
):
    tried = [cell_of(8, None, 0.20), cell_of(4, 3.0, 0.25), cell_of(16, 9.0, 0.24)]
    runs = [cell_of(4, 3.0, 0.22, seed=seed, keys=[]) for seed in (0, 1)]
    [comparison] = compare([*tried, *runs, Result(make_record("fft"))])
    assert sorted(comparison.methods.index) == ["fft", "lora"]
    assert any("lora: learning_rate_scale=3, r=4" in note for note in main_table(comparison, CostWeights()).notes)
    choices = choices_table(comparison)
    assert choices is not None
    [texts] = choices.texts.to_dict("records")
    assert (texts["settings tried"], texts["chosen"], texts["row comes from"]) == (
        "3",
        "learning_rate_scale=3, r=4",
        "2 runs afresh",
    )
    assert (texts["valid HR@10, chosen"], texts["valid HR@10, as it is"]) == ("0.2500", "0.2000")
    assert choices.frame["search_time"].iloc[0] == sum(each.record.time.total or 0 for each in tried)
    every = points_table(comparison, comparison.searches[0], "lora", 1)
    assert list(every.texts.index) == ["2, chosen", "3", "1"]
    assert list(every.texts["learning_rate_scale"]) == ["3", "9", "1"]
    page = pages.build(comparison, CostWeights(), "fft")
    assert page.failures() == []
    names = {section.name: section for section in page.sections}
    [picture] = names["search"].pictures
    assert "lora 0.2500" in picture.alt
    assert names["tried"].aside and len(names["tried"].tables) == 1
    assert (comparison.methods.loc["lora", "time"], comparison.methods.loc["lora", "seeds"]) == (1.0, 2)


def test_a_point_of_a_search_is_the_same_experiment_as_any_run_of_its_setting(cell_of: Callable[..., Result]):
    point, run = cell_of(8, 3.0, 0.2).record.cell, cell_of(8, 3.0, 0.2, seed=0, keys=[]).record.cell
    assert point.id != run.id
    placed = cell_of(8, 3.0, 0.2, point=7).record.cell
    assert placed.id == point.id, "its place in the search decides no result"
    assert pairing.settings(point) == pairing.settings(run) == pairing.settings(placed)


def test_a_report_without_a_search_has_nothing_of_it(make_record: Make):
    [comparison] = compare([Result(make_record("fft")), Result(make_record("lora"))])
    assert comparison.searches == [] and choices_table(comparison) is None
    names = {section.name for section in pages.build(comparison, CostWeights(), "fft").sections}
    assert not names & {"search", "tried"}
