"""Verdicts on records worked by hand, and that none recommends what another row dominates."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tpmebench.cell import BackboneChoice
from tpmebench.metrics import METRICS
from tpmebench.reports.analysis.comparison import Comparison, compare
from tpmebench.reports.analysis.footing import by_seed, level
from tpmebench.reports.analysis.paired import user_tests
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.analysis.verdicts import Verdicts, dominating, points, verdicts
from tpmebench.reports.formats.sentences import verdict_sentences
from tpmebench.reports.records import Record

Make = Callable[..., Record]
Row = tuple[float, float, int, int]
"""HR@10, seconds an epoch, parameters, bytes."""


def record(make_record: Make, method: str, row: Row, **fields: object) -> Record:
    """A record with these numbers and no others that count."""
    accuracy, seconds, parameters, memory = row
    made = make_record(method, epochs=3, **fields)
    made.time.epochs = [epoch.model_copy(update={"total": seconds}) for epoch in made.time.epochs]
    made.time.cache_build = None
    if made.accuracy:
        for name in METRICS:
            made.accuracy.test.metrics[name] = accuracy
    if made.parameters and made.memory and made.memory.training:
        made.parameters.trainable = parameters
        made.memory.training.tensors = memory
    return made


def of(records: list[Record], directory: Path | None = None) -> Comparison:
    [found] = compare([Result(each, directory) for each in records])
    return found


def decide(records: list[Record], directory: Path | None = None, reference: str = "fft") -> Verdicts:
    one = of(records, directory)
    return verdicts(one, CostWeights(), reference, user_tests(one, reference))


ROWS: dict[str, Row] = {
    "fft": (0.08, 10.0, 1000, 1000),
    "lora": (0.08, 8.0, 100, 800),
    "adapter": (0.07, 9.0, 200, 900),  # worse than lora in all
    "bitfit": (0.06, 4.0, 90, 700),
    "frozen": (0.03, 1.0, 80, 100),
}


def test_worked_by_hand(make_record: Make) -> None:
    found = decide([record(make_record, method, row) for method, row in ROWS.items()])
    assert found.front == ("frozen", "bitfit", "lora")
    assert found.equal and found.equal.row == "lora" and found.best and found.best.row == "lora"
    assert found.equal.ratios == {"time": 0.8, "parameters": 0.1, "memory": 0.8}
    assert found.equal.cost_ratio == pytest.approx(0.8**0.45 * 0.1**0.1 * 0.8**0.45)
    chosen = {(each.cost, each.share): each.choice and each.choice.row for each in found.savings}
    assert chosen == {
        ("time", 0.5): "bitfit", ("parameters", 0.5): "lora", ("memory", 0.5): "frozen",
        ("time", 0.1): "frozen", ("parameters", 0.1): "lora", ("memory", 0.1): "frozen",
    }  # fmt: skip
    by = {each.row: (each.by, each.ratios) for each in found.dominated}
    assert by["fft"] == ("lora", {"time": 0.8, "parameters": 0.1, "memory": 0.8})
    assert by["adapter"][0] == "lora" and len(by) == 2
    assert found.recommended == ("lora", "bitfit", "frozen")


def test_a_row_without_the_hard_seed_is_not_the_better_for_it(make_record: Make) -> None:
    """lora is quicker and, on average of what it has, more accurate; on the seeds that both have it is behind."""
    reached = {"fft": (0.10, 0.09, 0.02), "lora": (0.08, 0.09), "frozen": (0.01, 0.01, 0.01)}
    costs = {"fft": (10.0, 1000, 1000), "lora": (8.0, 100, 800), "frozen": (1.0, 80, 100)}
    records = [
        record(make_record, method, (accuracy, *costs[method]), seed=seed)
        for method, values in reached.items()
        for seed, accuracy in enumerate(values)
    ]
    found = decide(records)
    assert not found.dominated
    assert found.best and found.best.row == "fft"
    half = next(each.choice for each in found.savings if (each.cost, each.share) == ("parameters", 0.5))
    assert half and half.row == "lora" and half.against
    assert (half.against.value, half.against.other) == (pytest.approx(0.085), pytest.approx(0.095))
    text = " ".join(verdict_sentences(found))
    assert "lora (HR@10 0.0850 ‡ against 0.0950 ‡: −0.0100" in text
    assert "on the seeds that both have; the table has all of each" in text


def test_the_sentences_have_the_numbers(make_record: Make) -> None:
    lines = verdict_sentences(decide([record(make_record, method, row) for method, row in ROWS.items()]))
    assert lines[0] == (
        "On average at least as accurate as fft, and cheapest: lora (HR@10 0.0800 ‡ against 0.0800 ‡: +0.0000, +0 %), "
        "at 0.65 of fft's costs: 0.80 of its time an epoch, 0.10 of its parameters and 0.80 of its memory. It is also "
        "the most accurate at half of fft's parameters or less."
    )
    assert lines[1].startswith("Most accurate at half of fft's time an epoch or less: bitfit (HR@10 0.0600 ‡ against ")
    assert "−0.0200, −25 %), at 0.44 of fft's costs" in lines[1]
    assert "lora dominates adapter (HR@10 0.0800 ‡ against 0.0700 ‡), at 0.89 of its time an epoch" in " ".join(lines)
    assert lines[-2].startswith("The accuracies are untested, as no ranks")
    assert lines[-1].startswith("‡: lower bounds")


def test_tested_verdicts_say_how_sure_they_are(make_record: Make, keep_ranks, tmp_path: Path) -> None:
    """Of 800 users fft serves 80, lora 78 of them, bitfit 20; adapter is cheaper than lora but clearly worse."""
    hits = {"fft": 80, "lora": 78, "bitfit": 20}
    for seeds, said in ((1, "one seed"), (3, "3 seeds")):
        records = [record(make_record, m, ROWS[m], seed=seed) for m in hits for seed in range(seeds)]
        for each in records:
            keep_ranks(tmp_path, each, np.where(np.arange(800) < hits[each.cell.method], 1.0, 50.0))
        found = decide(records, tmp_path)
        assert found.equal and found.equal.row == "lora" and found.equal.against
        assert found.equal.against.told == "not told apart" and found.equal.against.seeds == seeds
        lines = verdict_sentences(found)
        assert lines[0].startswith(
            f"As accurate as fft, as far as 800 users and {said} can tell, and cheapest: lora (HR@"
        )
        assert "−0.0025, −2 %, 95 % −0.0063 to +0.0000, not told apart, p = 1.000)" in lines[0]
        assert "less accurate, p < 0.001" in next(line for line in lines if "bitfit" in line)
        [sure] = [line for line in lines if line.startswith("How sure")]
        assert ("one seed says nothing of another training" in sure) is (seeds == 1)


def test_a_row_behind_by_itself_is_not_as_accurate_for_being_one_of_many(
    make_record: Make, keep_ranks, tmp_path: Path
) -> None:
    """lora misses 6 of the 80 users that fft serves: p .03 alone, twice that beside another row."""
    hits = {"fft": 80, "lora": 74, "bitfit": 79}
    rows = {"fft": (0.1, 10.0, 1000, 1000), "lora": (0.0925, 8.0, 100, 800), "bitfit": (0.09875, 9.0, 200, 900)}
    records = [record(make_record, method, row) for method, row in rows.items()]
    for each in records:
        keep_ranks(tmp_path, each, np.where(np.arange(800) < hits[each.cell.method], 1.0, 50.0))
    found = decide(records, tmp_path)
    lora = next(saving.choice for saving in found.savings if (saving.cost, saving.share) == ("parameters", 0.1))
    assert lora and lora.row == "lora" and lora.against
    assert lora.against.told == "not told apart" and lora.against.p > 0.05 and lora.against.interval.high < 0
    assert lora.against.behind and found.equal and found.equal.row == "bitfit"


def test_where_every_cheaper_row_loses_the_reference_stays(make_record: Make, keep_ranks, tmp_path: Path) -> None:
    records = [record(make_record, method, ROWS[method]) for method in ("fft", "bitfit", "frozen")]
    for each, hits in zip(records, (80, 20, 10), strict=True):
        keep_ranks(tmp_path, each, np.where(np.arange(800) < hits, 1.0, 50.0))
    found = decide(records, tmp_path)
    assert found.equal and found.equal.row == "fft" and found.dominated == ()
    lines = verdict_sentences(found)
    assert lines[0] == "No row that costs less keeps the HR@10 of fft (0.1000 ‡)."
    assert any(line.startswith("No row is dominated") for line in lines)


def test_ties(make_record: Make) -> None:
    """Rows that are equal in everything dominate nobody and are named together; of equal costs the better one is."""
    twins = {"fft": ROWS["fft"], "lora": ROWS["lora"], "pfeiffer": ROWS["lora"]}
    found = decide([record(make_record, method, row) for method, row in twins.items()])
    assert found.equal and found.equal.row == "lora" and found.equal.tied == ("pfeiffer",)
    assert [each.row for each in found.dominated] == ["fft"]
    assert "lora, to which pfeiffer is equal" in verdict_sentences(found)[0]
    better = {**twins, "pfeiffer": (0.081, *ROWS["lora"][1:])}
    found = decide([record(make_record, method, row) for method, row in better.items()])
    assert found.equal and found.equal.row == "pfeiffer" and found.equal.tied == ()
    assert {each.row: each.by for each in found.dominated} == {"fft": "pfeiffer", "lora": "pfeiffer"}


def test_failures_have_no_verdict_and_a_failed_reference_is_named(make_record: Make) -> None:
    rest = [record(make_record, method, ROWS[method]) for method in ("lora", "bitfit", "frozen")]
    found = decide([*rest, make_record("adapter", status="oom"), make_record("fft", status="oom")])
    assert not found.held and found.equal is None and found.savings == ()
    assert found.cheapest and found.cheapest.row == "frozen" and found.best and found.best.row == "lora"
    lines = verdict_sentences(found)
    assert lines[0] == "fft has no result (oom), so nothing is held against it."
    assert "adapter" not in " ".join(lines)
    assert verdict_sentences(decide(rest))[0].startswith("fft was not run")


def test_two_rows_and_one(make_record: Make) -> None:
    two = decide([record(make_record, method, ROWS[method]) for method in ("fft", "bitfit")])
    assert two.equal and two.equal.row == "fft" and two.recommended == ("fft", "bitfit")
    lone = verdict_sentences(decide([record(make_record, "fft", ROWS["fft"])]))
    assert lone[0] == "Only fft has all three costs, so there is nothing to choose."
    assert not [line for line in lone if "No row leaves" in line or "dominate" in line]


def test_what_popularity_beats_is_not_recommended(make_record: Make) -> None:
    """Popularity costs nothing, sasrec-id what it took."""
    rows = [record(make_record, method, row) for method, row in ROWS.items()]
    counted = record(make_record, "popularity", (0.05, 0, 0, 0))
    counted.time.epochs = []
    found = decide([*rows, counted])
    assert "frozen" not in found.recommended and found.front == ("bitfit", "lora")
    [frozen] = [line for line in verdict_sentences(found) if "frozen" in line]
    assert frozen == "popularity, which trains nothing, dominates frozen (HR@10 0.0500 against 0.0300 ‡)."
    best = record(make_record, "popularity", (0.09, 0, 0, 0))
    best.time.epochs = []
    found = decide([*rows, best])
    assert found.recommended == () and found.equal is None
    assert verdict_sentences(found)[0] == "No row keeps the HR@10 of fft (0.0800 ‡) without being dominated."


def test_of_random_towers_costs_alone_are_judged(make_record: Make) -> None:
    towers = BackboneChoice(text="bert-base", image="vit-base", weights="random")
    found = decide([record(make_record, method, row, backbones=towers) for method, row in ROWS.items()])
    assert not found.judged and found.recommended == ("frozen",)
    [line] = verdict_sentences(found)
    assert line.startswith(
        "By costs alone, as the towers' weights are random, so accuracies say nothing: frozen is chea"
    )
    bare = [record(make_record, m, row).model_copy(update={"accuracy": None}) for m, row in ROWS.items()]
    assert verdict_sentences(decide(bare))[0].startswith(
        "By costs alone, as no accuracy was measured: frozen is cheapest"
    )


def test_costs_alone_spread_a_cache_over_no_epochs(make_record: Make) -> None:
    """What `bench run --costs` leaves: no accuracy, and epochs that are no training's length."""
    records = [record(make_record, m, ROWS[m], costs=True) for m in ("fft", "lora")]
    records.append(record(make_record, "iisan-cached", ROWS["frozen"], costs=True))
    records[-1].time.cache_build = 3.0
    found = decide([each.model_copy(update={"accuracy": None}) for each in records])
    [line] = verdict_sentences(found)
    assert "iisan-cached is cheapest, at 0.098 of fft's costs: 0.10 of its time an epoch, 0.080 of its" in line


def test_many_dominated_rows_are_told_in_a_sentence(make_record: Make) -> None:
    worse = [record(make_record, "lora", (0.01, 9.0, 900 + r, 900), options={"r": r}) for r in range(1, 20)]
    lines = verdict_sentences(
        decide([record(make_record, "fft", ROWS["fft"]), record(make_record, "bitfit", ROWS["bitfit"]), *worse])
    )
    assert sum(" dominates " in line for line in lines) == 6
    [rest] = [line for line in lines if line.startswith("Dominated on average, too: ")]
    assert rest.count("by bitfit") == 13


NAMES = ("fft", "lora", "adapter", "bitfit", "iisan", "frozen", "popularity")
FEW = st.integers(1, 4)


@given(
    st.lists(st.tuples(st.integers(0, 4), FEW, FEW, FEW), min_size=1, max_size=len(NAMES)),
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)),
    st.integers(0, 2),
)
@settings(max_examples=40)
def test_no_verdict_recommends_a_dominated_row(make_record: Make, rows: list, weights: tuple, offset: int) -> None:
    """Few values, so that ties are many; with and without the reference and popularity."""
    names = NAMES[offset:] + NAMES[:offset]
    whole: dict[str, Row] = {
        name: (accuracy / 50, float(seconds), parameters, memory)
        for name, (accuracy, seconds, parameters, memory) in zip(names, rows, strict=False)
    }
    records = [record(make_record, name, row) for name, row in whole.items()]
    for each in records:
        if each.cell.method == "popularity":
            each.time.epochs = []
    one = of(records)
    shares = np.array(weights) / sum(weights)
    found = verdicts(one, CostWeights(*shares.tolist()), "fft", pd.DataFrame())
    free = {name: (*((0.0,) * 3 if name == "popularity" else row[1:]), -row[0]) for name, row in whole.items()}
    known = points(one, level(by_seed(one), "fft"))
    assert known == free
    for name, other in itertools.permutations(free, 2):
        beats = all(a <= b for a, b in zip(free[other], free[name], strict=True)) and free[other] != free[name]
        assert not beats or name not in found.recommended
    assert {each.row for each in found.dominated} | set(found.front) == {name for name in whole if name != "popularity"}
    for each in found.dominated:
        assert each.by in dominating(known, each.row) and not dominating(known, each.by)
    text = " ".join(verdict_sentences(found))
    assert "nan" not in text and "  " not in text and ", ." not in text and "inf" not in text
    assert set(found.recommended) <= {str(row) for row in one.ranked.index}
