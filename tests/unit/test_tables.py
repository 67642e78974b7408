"""Numbers as text, records as frames, and what the tables say."""

import math

import numpy as np
import pandas as pd
import pytest
from cells import is_kind
from hypothesis import given
from hypothesis import strategies as st

from tpmebench.cell import BackboneChoice, Training
from tpmebench.methods.registry import methods
from tpmebench.metrics import Metric
from tpmebench.reports import quantities as formats
from tpmebench.reports.analysis import sensitivity
from tpmebench.reports.analysis.comparison import ORIGINS, Comparison, compare
from tpmebench.reports.analysis.mixtures import mixtures
from tpmebench.reports.analysis.paired import user_tests
from tpmebench.reports.analysis.results import Result, load
from tpmebench.reports.analysis.statistics import FLOOR
from tpmebench.reports.analysis.tpme import COSTS, CostWeights, tpme
from tpmebench.reports.analysis.uncertainty import cost_draws, time_ratios, tpme_intervals
from tpmebench.reports.figures import sensitivity as plot_sensitivity
from tpmebench.reports.figures.looks import looks
from tpmebench.reports.records import Code, Memory, PhaseMemory
from tpmebench.reports.report import notes
from tpmebench.reports.tables import anatomy, caching, headline, settings, significance
from tpmebench.reports.tables import table as tables
from tpmebench.reports.tables.main import main_table


def comparison(records: list) -> Comparison:
    found = compare([Result(record) for record in records])
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("value", "kind", "deviation", "text"),
    [
        (None, "seconds", None, "–"),
        (math.nan, "metric", 0.1, "–"),
        (0.0, "seconds", None, "0"),
        (0.5025, "seconds", 0.0023, "0.502 ± 0.002"),
        (1.0994, "seconds", 0.0041, "1.099 ± 0.004"),
        (12345.6, "seconds", None, "12,346"),
        (-0.00001, "metric", None, "0.0000"),
        (0.07, "metric", 0.0, "0.0700"),
        (math.inf, "integer", None, "never"),
        (0.0004, "p", None, "< 0.001"),
        (0.5, "share", None, "50.0"),
        ("", "text", None, ""),
    ],
)
def test_numbers_as_text(value: float | None, kind: formats.Kind, deviation: float | None, text: str) -> None:
    assert formats.show(value, kind, None, deviation) == text


def test_a_column_has_one_unit() -> None:
    assert formats.unit("bytes", [70e6, 2.4e9]).name == "MiB"
    assert formats.unit("bytes", [3.2e9, 5e10, None, math.nan]).name == "GiB"
    assert formats.unit("count", [0, 92_000, 1_524_000]).name == "K"
    assert formats.unit("count", []).name == ""
    assert formats.quantity(1_524_000, "count") == "1.52 M"


@given(st.floats(1e-6, 1e15), st.sampled_from(["seconds", "bytes", "count", "operations"]))
def test_shown_numbers_keep_three_digits(value: float, kind: formats.Kind) -> None:
    scale = formats.unit(kind, [value])
    shown = float(formats.show(value, kind, scale).replace(",", "")) * scale.scale
    assert shown == pytest.approx(value, rel=5.1e-3)


def test_time_leaves_out_the_first_epoch(make_record) -> None:
    record = make_record("fft", epochs=3)
    frame = comparison([record]).methods
    totals = [epoch.total for epoch in record.time.epochs]
    assert frame.loc["fft", "time"] == pytest.approx((totals[1] + totals[2]) / 2)
    assert not frame.loc["fft", "single_epoch"]
    single = comparison([make_record("fft", epochs=1)])
    assert single.methods.loc["fft", "time"] == pytest.approx(totals[0])
    assert any("One epoch only" in note for note in main_table(single, CostWeights()).notes)


def test_means_are_over_seeds_and_repeats_weigh_no_more(make_record) -> None:
    records = [make_record("fft", seed=0, repeat=repeat) for repeat in range(3)] + [make_record("fft", seed=1)]
    row = comparison(records).methods.loc["fft"].to_dict()
    first, second = (records[n].accuracy.test.metrics["HR@10"] for n in (0, 3))
    assert row["HR@10"] == pytest.approx((first + second) / 2)
    assert row["HR@10 sd"] == pytest.approx(abs(first - second) / math.sqrt(2))
    assert (row["cells"], row["seeds"]) == (4, 2)
    times = [np.mean([epoch.total for epoch in record.time.epochs[1:]]) for record in records]
    assert row["time"] == pytest.approx((np.mean(times[:3]) + times[3]) / 2)
    assert row["time sd"] == pytest.approx(np.std(times, ddof=1)), "a repeat times the same seed again"


def test_the_cache_is_spread_over_the_epochs(make_record) -> None:
    frame = comparison([make_record("iisan-cached", seed=seed) for seed in range(2)]).cells
    assert frame["cache_build"].tolist() == [21.5, 21.5]
    assert (frame["time_with_cache"] - frame["time"]).tolist() == pytest.approx([21.5 / 12] * 2)


OTHER_MACHINES = ({"cpu": "Another CPU"}, {"cores": 4}, {"threads": 1}, {"gpu": "A card"})


@pytest.mark.parametrize(
    "other",
    [
        {"dataset": "folder"},
        {"dataset": "bazaar:items=3"},
        {"modalities": "text"},
        {"backbones": BackboneChoice(text="micro", image=None)},
        {"backbones": BackboneChoice(text="micro", image="micro", weights="random")},
        {"training": Training(precision="bf16")},
        {"training": Training(encode="every-slot")},
        {"device": "cuda"},
    ],
)
def test_what_differs_is_not_ranked_together(make_record, other: dict) -> None:
    found = compare([Result(make_record("fft")), Result(make_record("lora", **other))])
    assert len(found) == 2
    assert found[0].title != found[1].title
    assert {one.name for one in found} == {"1", "2"}


def test_other_machines_and_meters_are_not_ranked_together(make_record) -> None:
    record = make_record("lora")
    changes = [{"environment": record.environment.model_copy(update=update)} for update in OTHER_MACHINES]
    changes.append({"memory": record.memory.model_copy(update={"origin": "cuda-allocated"})})
    for change in changes:
        found = compare([Result(make_record("fft")), Result(record.model_copy(update=change))])
        assert len(found) == 2, change


def test_accuracy_over_random_towers_is_warned_about(make_record) -> None:
    towers = BackboneChoice(text="micro", image="micro", weights="random")
    warned, plain = ([*settings.warnings(comparison([make_record("fft", **c)]))] for c in ({"backbones": towers}, {}))
    assert [line for line in warned if line not in plain] == [line for line in warned if "weights are random" in line]
    assert len(warned) == len(plain) + 1


def test_a_ranking_that_trains_nothing_stands_beside_what_a_card_trained(make_record) -> None:
    """It ran on the CPU, and gives the same on every device."""
    trained = make_record("fft", device="cuda")
    trained.environment.gpu = "A card"
    trained.memory = Memory(origin="cuda-allocated", training=PhaseMemory(allocated=3_000, reserved=4_000))
    counted = make_record("popularity").model_copy(update={"started": "2025-01-01"})
    one = comparison([counted, trained])
    assert (one.conditions["device"], one.conditions["GPU"], one.meter) == ("cuda", "A card", ORIGINS["cuda-allocated"])
    assert one.methods["status"].to_dict() == {"popularity": "ok", "fft": "ok"}
    assert len(compare([Result(make_record("popularity", dataset="folder")), Result(trained)])) == 2
    other = make_record("lora")
    every = compare([Result(record) for record in (counted, other, trained)])
    assert [set(each.methods.index) for each in every] == [{"popularity", "lora"}, {"popularity", "fft"}]
    failed = make_record("lora", status="oom").model_copy(deep=True, update={"cell_id": "e" * 16})
    failed.environment.cpu = "Another"
    alone = compare([Result(record) for record in (counted, other, failed)])[-1]
    assert set(alone.methods.index) == {"lora"}, "beside failures it says nothing"
    again = counted.model_copy(update={"started": "2025-01-02", "cell_id": "f" * 16}, deep=True)
    again.environment, again.cell.device = trained.environment, "cuda"
    for each in compare([Result(record) for record in (counted, other, again, trained)]):
        [own] = [r.record for r in each.results if r.record.cell.method == "popularity"]
        assert (own.cell.device, each.replaced) == (each.conditions["device"], []), (
            "where it ran itself that run stands"
        )


def test_of_data_and_towers_that_changed_the_newest_stand_first(make_record) -> None:
    """Each stays where the first of its name stood."""
    runs = [("a", "1"), ("b", "5"), ("a", "2"), ("c", "7"), ("a", "1")]  # the first data again in the end, with lora
    results = [
        Result(
            make_record("lora" if number == 4 else "fft", dataset=name, dataset_fingerprint=fingerprint).model_copy(
                update={"started": f"2026-01-0{number + 1}"}
            )
        )
        for number, (name, fingerprint) in enumerate(runs)
    ]
    for chosen, expected in ((results[:4], "a2 a1 b5 c7"), (results, "a1 a2 b5 c7"), (results[::-1], "a1 a2 b5 c7")):
        found = compare(chosen)
        assert [one.conditions["dataset"] + one.conditions["dataset fingerprint"] for one in found] == expected.split()
        assert [one.name for one in found] == ["1", "2", "3", "4"]
        assert "the newest stand first" in " ".join(notes(found))
    assert "newest" not in " ".join(notes(compare(results[1:4])))


def test_of_a_cell_in_several_studies_the_latest_counts(make_record, tmp_path) -> None:
    early, late = make_record("fft"), make_record("fft").model_copy(update={"started": "2026-02-01", "study": "late"})
    for name, record in (("a", early), ("b", late), ("c", early)):
        record.save(tmp_path / name)
    for order in ("abc", "cba", "bac"):
        [result] = load([tmp_path / name for name in order])
        assert (result.record.study, result.directory) == ("late", tmp_path / "b")


def test_memory_on_a_card_is_what_was_allocated(make_record) -> None:
    record = make_record("fft", device="cuda")
    record.memory = Memory(
        origin="cuda-allocated", training=PhaseMemory(allocated=3_000, reserved=4_000, tensors=5_000)
    )
    row = comparison([record]).methods.loc["fft"]
    assert (row["memory"], row["memory_reserved"]) == (3_000, 4_000)


def test_epochs_may_differ_but_are_named(make_record) -> None:
    one = comparison([make_record("fft"), make_record("lora", training=Training(epochs=3))])
    assert any("Epochs allowed differ" in line and "lora: 3" in line for line in settings.warnings(one))


def test_a_cell_that_failed_before_naming_its_machine_stays_with_the_others(make_record) -> None:
    lost = make_record("lora", status="crashed")
    lost = lost.model_copy(update={"environment": type(lost.environment)(), "started": "2025"})
    one = comparison([lost, make_record("fft")])
    assert one.methods["status"].to_dict() == {"fft": "ok", "lora": "crashed"}
    main = main_table(one, CostWeights())
    assert [*main.texts.T["lora"]] == ["embedded", *["–"] * (len(main.columns) - 2), "crashed"]


def test_what_a_reader_must_know_of_a_cell_is_said_with_its_name(make_record) -> None:
    odd = make_record("lora").model_copy(update={"warnings": ["the checkpoint cannot be read"]})
    one = comparison([make_record("fft"), odd])
    assert "the checkpoint cannot be read (lora)" in settings.warnings(one)


def test_cells_of_one_row_by_different_code_are_warned_about(make_record) -> None:
    """Records without digests and cells that failed are of no other code, and methods are of course of different."""
    ran = [
        ("lora", "ok", Code(method="old", training="t")),
        ("lora", "ok", Code(method="new", training="t")),
        ("lora", "ok", Code()),
        ("fft", "ok", Code(method="fft", training="t")),
        ("fft", "oom", Code(method="other", training="u")),
    ]
    records = [
        make_record(method, seed=seed, status=status).model_copy(update={"code": code})
        for seed, (method, status, code) in enumerate(ran)
    ]
    of_method = "The code of the method changed between the cells of a row: lora."
    assert settings.mixed_code(comparison(records)) == [of_method]
    records[1].code.training = "u"
    of_training = "The code of training and evaluation changed between the cells of a row: lora."
    assert [line for line in settings.warnings(comparison(records)) if "code of" in line] == [of_method, of_training]


def test_failures_keep_their_cause_and_leave_the_scale_alone(make_record) -> None:
    whole = [make_record(method) for method in ("lora", "iisan")]
    one = comparison([*whole, make_record("fft", status="oom")])
    assert set(one.ranked.index) == {"lora", "iisan"}
    failures = tables.failures_table(one)
    assert failures is not None
    assert failures.texts["cause"].tolist() == ["out of memory: 2.1 GiB asked for, 1.4 GiB left"]
    assert (
        comparison([make_record("fft", seed=s, status="ok" if s else "oom") for s in range(3)]).methods.loc[
            "fft", "status"
        ]
        == "2 of 3 ok, 1 oom"
    )


def test_what_a_start_from_the_weights_took_stands_beside_t(make_record) -> None:
    records = [make_record("fft"), make_record("lora"), make_record("lora", seed=1)]
    assert caching.start_table(comparison(records)) is None
    for record, seconds in zip(records[1:], (1.0, 2.0), strict=True):
        record.time.start = seconds
    table = caching.start_table(comparison(records))
    assert table is not None
    assert table.frame["start"].to_dict() == {"lora": 1.5}


def test_reference_rows_are_shown_but_not_ranked(make_record, all_methods) -> None:
    one = comparison([make_record(method) for method in all_methods])
    main = main_table(one, CostWeights())
    assert set(main.frame.index) == set(all_methods)
    assert main.texts.loc["sasrec-id", "TPME"] == "–"
    assert main.texts.loc["fft", "TPME"] == "1.000"
    assert main.frame.index[0] == "frozen-cached"
    assert (main.texts != "").all(axis=None)
    assert main.marks.loc["sasrec-id", "T (s)"] == ""


def test_the_records_of_these_tests_are_of_all_methods_there_are(make_record, all_methods) -> None:
    ours = {name: method for name, method in methods().items() if method.__module__.startswith("tpmebench.")}
    known = {name: method.family for name, method in ours.items() if not is_kind(name)}
    assert {name: make_record(name).family for name in all_methods} == known


def test_best_and_second(make_record) -> None:
    main = main_table(comparison([make_record(m) for m in ("fft", "lora", "iisan", "iisan-cached")]), CostWeights())
    marks = main.marks
    assert marks["T (s)"].to_dict() == {"iisan-cached": "best", "iisan": "second", "lora": "", "fft": ""}
    assert marks["M (GiB)"].to_dict() == {"iisan-cached": "best", "iisan": "second", "lora": "", "fft": ""}
    assert marks["HR@10"].to_dict() == {"iisan-cached": "", "iisan": "second", "lora": "", "fft": "best"}
    assert marks["P (M)"].to_dict() == {"lora": "best", "iisan-cached": "second", "iisan": "second", "fft": ""}


def test_what_all_rows_share_is_told_once() -> None:
    frame = pd.DataFrame(
        {"a": [7, 7], "b": [0.5, 0.5], "c": ["worse", "worse"], "d": [1.0, 2.0], "e": [2.0**20] * 2}, index=["x", "y"]
    )
    columns = (
        tables.Column("a", "epochs", "integer"),
        tables.Column("b", "HR@10", "metric", "more"),  # what rows are compared in stays
        tables.Column("c", "verdict", stays=True),
        tables.Column("d", "T", "seconds"),
        tables.Column("e", "cache", "bytes"),
    )
    shown = tables.condensed(tables.Table("t", "Caption", frame, columns))
    assert [column.key for column in shown.columns] == ["b", "c", "d"]
    assert shown.common == "In every row: epochs 7, cache 1.00 MiB."
    alone = tables.Table("t", "Caption", frame.iloc[:1], columns)
    assert tables.condensed(alone) is alone, "of a single row everything is alike"
    nothing_else = tables.Table("t", "Caption", frame, columns[:1])
    assert tables.condensed(nothing_else) is nothing_else


def test_options_name_a_row_when_they_differ(make_record) -> None:
    records = [make_record("lora", options={"r": 8, "alpha": 16}), make_record("lora", options={"r": 4, "alpha": 16})]
    assert set(comparison(records).methods.index) == {"lora (r=8)", "lora (r=4)"}
    assert set(comparison(records[:1]).methods.index) == {"lora"}


def test_epochs_and_patience_name_a_row_when_they_differ_within_a_method(make_record) -> None:
    records = [
        make_record("lora", options={"r": r}, training=Training(epochs=epochs))
        for r, epochs in ((8, 3), (8, 30), (4, 30))
    ]
    records += [make_record("iisan", training=Training(patience=5)), make_record("fft", training=Training(epochs=3))]
    records += [make_record("popularity", training=Training(epochs=epochs)) for epochs in (3, 30)]
    one = comparison(records)
    labels = {"lora (r=8, epochs=3)", "lora (r=8, epochs=30)", "lora (r=4, epochs=30)", "iisan", "fft", "popularity"}
    assert set(one.methods.index) == labels
    assert one.row("fft") == "fft"
    assert one.row("lora (r=8, epochs=3)") == "lora (r=8, epochs=3)"
    assert one.row("bitfit") == "bitfit"
    more = comparison([*records, make_record("lora", seed=1, options={"r": 8}, training=Training(epochs=3))])
    assert more.row("lora") == "lora (r=8, epochs=3)"


def test_of_a_row_seed_and_repeat_that_occur_twice_the_newest_stays(make_record) -> None:
    """A version that made ids by another recipe left another file of what is the same run."""
    old = [make_record("fft", seed=seed, version="0.0.9") for seed in range(2)]
    old = [record.model_copy(update={"cell_id": f"{record.cell.seed:016x}"}) for record in old]
    new = [make_record("fft", seed=0), make_record("fft", seed=0, repeat=1), make_record("lora")]
    new[0] = new[0].model_copy(update={"started": "2026-02-01", "study": "again"})
    new[0].accuracy.test.metrics["HR@10"] = 0.5
    for records in ([*old, *new], [*new, *old]):
        one = comparison(records)
        assert [result.record.cell_id for result in one.replaced] == [old[0].cell_id]
        fft = one.cells[one.cells["label"] == "fft"]
        assert set(zip(fft["seed"], fft["repeat"], strict=True)) == {(0, 0), (0, 1), (1, 0)}
        assert set(fft["HR@10"]) == {0.5, *(r.accuracy.test.metrics["HR@10"] for r in (new[1], old[1]))}
        lines = mixtures(one)
        assert "several versions of the suite" in lines[0]
        assert "fft: 0.0.9" in lines[0]
        assert lines[1] == "Cells of several studies are put together: fft, lora: demo; fft: again."
        assert lines[2].endswith("Left out: fft seed 0 of 2026-01-01T00:00:03.")
    assert mixtures(comparison([make_record("fft"), make_record("lora")])) == []


def test_memory_of_a_build_is_that_of_the_cells_that_built(make_record) -> None:
    """Opening a cache takes memory too, and is no build; newer records tell what was kept with the cache."""
    records = [make_record("iisan-cached", seed=seed) for seed in range(3)]
    for record, took, reused in zip(records, (3_000, 600, 600), (False, True, True), strict=True):
        record.memory.cache_build = PhaseMemory(tensors=took)
        record.time.cache_reused = reused
    assert comparison(records).methods.loc["iisan-cached", "memory_cache_build"] == 3000
    records[1].memory.cache_build = None
    assert comparison(records).methods.loc["iisan-cached", "memory_cache_build"] == 3000
    records[0].time.cache_reused = True
    assert comparison(records).methods["memory_cache_build"].isna().all()
    for record in records:
        record.memory.cache_build, record.time.cache_built_by = PhaseMemory(tensors=2_000), "a cell of another study"
    assert comparison(records).methods.loc["iisan-cached", "memory_cache_build"] == 2000


def test_settings_say_everything(make_record) -> None:
    records = [make_record("fft"), make_record("lora", options={"r": 4})]
    noisy = records[1].environment.model_copy(update={"warnings": ["load 3.1 at the start"], "dirty": True})
    one = comparison([records[0], records[1].model_copy(update={"environment": noisy})])
    values = settings.settings_table(one).frame["value"]
    for name in (
        "batch",
        "encode",
        "precision",
        "epochs, at most",
        "patience",
        "learning rate scale",
        "CPU",
        "torch",
    ):
        assert values[name]
    assert values["options"] == "lora: r=4"
    assert "0123456789ab with uncommitted changes" in values["commit"]
    lines = " ".join(settings.warnings(one))
    assert "load 3.1 at the start (lora)" in lines
    assert "uncommitted changes" in lines


def test_break_even_by_hand() -> None:
    assert caching.break_even(20, 1, 5) == 5
    assert caching.break_even(21, 1, 5) == 6
    assert caching.break_even(1, 1, 50) == 1
    assert caching.break_even(0, 5, 5) == 1
    assert math.isinf(caching.break_even(1, 5, 5))


@given(st.floats(0.1, 1e4), st.floats(0.01, 1e3), st.floats(0.01, 1e3))
def test_break_even_is_the_first_epoch_that_pays(build: float, cached: float, other: float) -> None:
    epoch = caching.break_even(build, cached, other)
    if math.isinf(epoch):
        assert other <= cached
    elif epoch < 1e9:
        assert build + epoch * cached <= epoch * other * (1 + 1e-9)
        assert epoch == 1 or build + (epoch - 1) * cached > (epoch - 1) * other * (1 - 1e-9)


def test_cached_methods_are_held_against_twin_embedded_and_full(make_record, all_methods) -> None:
    one = comparison([make_record(method) for method in all_methods])
    table = caching.break_even_table(one)
    assert table is not None
    against = {row.removeprefix("iisan-cached against ") for row in table.frame.index if row.startswith("iisan-cached")}
    embedded = {method for method in all_methods if make_record(method).family == "embedded"}
    assert against == {"iisan", "fft", "hybrid", *embedded} and {"lora", "adapter", "bitfit"} <= embedded
    epochs, times = table.frame["break_even"].to_dict(), one.methods["time"].to_dict()
    expected = caching.break_even(21.5, times["iisan-cached"], times["iisan"])
    assert epochs["iisan-cached against iisan"] == expected
    row = table.frame.loc["iisan-cached against iisan"].to_dict()
    whole = 21.5 + 12 * times["iisan-cached"]
    assert (row["cached"], row["other"]) == pytest.approx((whole, 12 * times["iisan"]))
    assert row["speedup"] == pytest.approx(times["iisan"] / times["iisan-cached"])
    assert row["speedup_with_cache"] == pytest.approx(12 * times["iisan"] / whole)


def test_regions_by_hand() -> None:
    table = pd.DataFrame({"a": (0, 1, 1), "b": (1, 0, 1), "c": (1, 1, 0), "d": (2, 2, 2)}, index=list(COSTS)).T
    found = {region.labels: region.share for region in sensitivity.regions(table)}
    assert found == pytest.approx({("a",): 1 / 3, ("b",): 1 / 3, ("c",): 1 / 3})
    only = sensitivity.regions(table, pd.Index(["a", "d"]))
    assert [(region.labels, region.share) for region in only] == [(("a",), pytest.approx(1.0))]
    twins = sensitivity.regions(pd.DataFrame({"a": (1, 2, 3), "b": (1, 2, 3)}, index=list(COSTS)).T)
    assert [(region.labels, region.share) for region in twins] == [(("a", "b"), pytest.approx(1.0))]


@given(
    st.lists(st.tuples(*[st.floats(1, 1e6)] * 3), min_size=2, max_size=7), st.floats(0.01, 0.9), st.floats(0.01, 0.9)
)
def test_regions_tile_the_triangle(rows: list, u: float, v: float) -> None:
    table = pd.DataFrame(rows, columns=list(COSTS), index=[f"m{n}" for n in range(len(rows))])
    found = sensitivity.regions(table)
    assert sum(region.share for region in found) == pytest.approx(1, abs=1e-6)
    for region in found:
        middle = region.corners.mean(axis=0)
        scores = tpme(table, CostWeights(*(middle / middle.sum())))["tpme"]
        assert scores[region.labels[0]] <= scores.min() + 1e-9


def test_a_name_with_a_comma_wins_what_it_wins(make_record) -> None:
    """Rows that differ in two options have a comma in their names; methods equal in every cost win together."""
    options = ({"alpha": 4, "r": 4}, {"alpha": 8, "r": 8})
    small, large = (make_record("lora", options=chosen) for chosen in options)
    twin = make_record("bitfit").model_copy(update={part: getattr(small, part) for part in ("parameters", "memory")})
    for record, seconds in ((small, 1.0), (twin, 1.0), (large, 2.0)):
        record.time.epochs = [epoch.model_copy(update={"total": seconds}) for epoch in record.time.epochs]
    one = comparison([small, twin, large])
    table = sensitivity.weights_table(one, CostWeights(), "fft")
    assert table is not None
    assert table.frame["wins"].to_dict() == {"lora (alpha=4, r=4)": 1.0, "bitfit": 1.0, "lora (alpha=8, r=8)": 0.0}
    assert table.frame["rank paper"].to_dict() == {"lora (alpha=4, r=4)": 1, "bitfit": 1, "lora (alpha=8, r=8)": 3}
    everything = plot_sensitivity.Map("all", "all methods", sensitivity.regions(one.ranked))
    drawn = plot_sensitivity.ternary([everything], looks(one.methods))
    assert "Of all methods, the lowest TPME has bitfit = lora (alpha=4, r=4) under all weights." in drawn.caption


def test_reversal_by_hand() -> None:
    """b is dear in time; without it, the difference in time between a and c weighs more."""
    table = pd.DataFrame({"a": (2, 1, 1), "c": (1, 1, 2), "b": (11, 1, 2.5)}, index=list(COSTS)).T
    weights = CostWeights(0.5, 0.0, 0.5)
    whole = tpme(table, weights)["tpme"]
    assert whole["a"] < whole["c"]
    heavier = CostWeights(0.55, 0.0, 0.45)
    assert sensitivity.reversals(table, heavier) == {"b": [("a", "c")]}
    assert sensitivity.reversals(table.drop(index="b"), heavier) == {}


def test_ranks_along_an_edge() -> None:
    table = pd.DataFrame({"a": (1, 1, 9), "b": (2, 1, 3)}, index=list(COSTS)).T
    ranks = sensitivity.ranks_along(table, ("time", "memory"), 11)
    assert ranks.loc[0.0].to_dict() == {"a": 1, "b": 2}
    assert ranks.loc[1.0].to_dict() == {"a": 2, "b": 1}


def test_savings_against_the_reference(make_record) -> None:
    one = comparison([make_record(method) for method in ("fft", "lora", "iisan-cached")])
    table = anatomy.savings_table(one, "fft")
    assert table is not None
    assert table.frame["saves"].to_dict() == {"lora": "parameters", "iisan-cached": "time, parameters, memory"}
    assert anatomy.savings_table(one, "bitfit") is None


def test_paired_tests_over_users(make_record, write_study, tmp_path) -> None:
    records = [make_record(m, seed=s) for m in ("fft", "iisan", "frozen") for s in range(3)] + [
        make_record("popularity")
    ]
    write_study(tmp_path, records)
    one = compare([Result(record, tmp_path) for record in records])[0]
    tests = user_tests(one, "fft")
    assert set(tests.index) == {"iisan", "frozen", "popularity"}
    table = significance.tests_table(one, tests, "fft")
    assert table is not None
    verdicts = table.frame["verdict"]
    assert verdicts["frozen"] == verdicts["popularity"] == "worse"
    assert verdicts["iisan"] == "not told apart"
    assert set(significance.not_worse(one, tests)) == {"fft", "iisan"}
    means, differences = one.methods["HR@10"].to_dict(), tests["HR@10 difference"].to_dict()
    assert differences["frozen"] == pytest.approx(means["frozen"] - means["fft"])
    assert user_tests(one, "lora").empty
    assert len(set(table.texts.columns)) == len(table.columns)


def test_a_user_s_difference_is_the_mean_over_the_seeds_of_both(make_record, keep_ranks, tmp_path) -> None:
    """A method with one seed, such as popularity, meets every seed of the reference."""
    hits = {("fft", 0): 400, ("fft", 1): 200, ("lora", 0): 440, ("lora", 1): 80, ("lora", 2): 800}
    hits |= {("popularity", 0): 100}
    records = [make_record(method, seed=seed) for method, seed in hits]
    for record, ranked_first in zip(records, hits.values(), strict=True):
        keep_ranks(tmp_path, record, np.where(np.arange(800) < ranked_first, 1.0, 50.0))
    tests = user_tests(compare([Result(record, tmp_path) for record in records])[0], "fft")
    assert tests["seeds"].to_dict() == {"lora": 2, "popularity": 2}
    expected = {"lora": ((440 - 400) + (80 - 200)) / 1600, "popularity": (2 * 100 - 400 - 200) / 1600}
    for metric in ("HR@10", "NDCG@10"):
        assert tests[f"{metric} difference"].to_dict() == pytest.approx(expected)


def test_a_clear_difference_is_found_among_many_methods(make_record, keep_ranks, tmp_path) -> None:
    """Holm multiplies the least p by all 63 · 2 tests; 60 of 800 users clearly lose."""
    records = [make_record("fft"), *(make_record("lora", options={"r": r}) for r in range(1, 64))]
    base = np.where(np.arange(800) < 80, 1.0, 50.0)
    worse = np.where(np.arange(800) < 20, 1.0, 50.0)
    for record in records:
        keep_ranks(tmp_path, record, worse if record.cell.options.get("r") == 7 else base)
    one = compare([Result(record, tmp_path) for record in records])[0]
    tests = user_tests(one, "fft")
    for metric in ("HR@10", "NDCG@10"):
        assert tests.loc["lora (r=7)", f"{metric} flip p"] == pytest.approx(126 * FLOOR)
    table = significance.tests_table(one, tests, "fft")
    assert table is not None
    assert table.texts.loc["lora (r=7)", "p, sign-flip, HR@10"] == "< 0.001"
    verdicts = table.frame["verdict"].to_dict()
    assert verdicts.pop("lora (r=7)") == "worse"
    assert set(verdicts.values()) == {"not told apart"}


@pytest.mark.parametrize(
    ("difference", "flip", "sign", "width", "expected"),
    [
        (-0.02, 0.007, 0.095, 0.019, "worse"),
        (0.02, 0.007, 0.095, 0.019, "better"),
        (-0.02, 0.05, 0.001, 0.019, "not told apart"),
        (-0.02, 0.007, 0.001, 0.021, "not told apart"),
        (0.02, 0.007, 0.001, 0.02, "not told apart"),
    ],
)
def test_the_verdict_on_a_mean_is_the_flip_test_s_where_seeds_and_users_agree(
    difference: float, flip: float, sign: float, width: float, expected: str
) -> None:
    bounds = {"HR@10 low": difference - width, "HR@10 high": difference + width}
    row = pd.Series({"HR@10 difference": difference, "HR@10 flip p": flip, "HR@10 sign p": sign} | bounds)
    assert significance.verdict(row, Metric(name="HR@10")) == expected


def test_intervals_hold_tpme_and_group_what_is_close(make_record) -> None:
    one = comparison([make_record(m, seed=s) for m in ("fft", "adapter", "lora", "iisan-cached") for s in range(4)])
    intervals = tpme_intervals(one, CostWeights())
    scores = tpme(one.ranked, CostWeights())["tpme"].loc[intervals.index]
    assert ((intervals["low"] <= scores + 1e-9) & (scores - 1e-9 <= intervals["high"])).all()
    groups = intervals["group"].to_dict()
    assert groups["iisan-cached"] != groups["fft"]
    costs = cost_draws(one)
    assert costs is not None
    scaled = (costs - costs.min(axis=0)) / np.ptp(costs, axis=0)
    drawn = scaled[one.ranked.index.get_loc("lora")].T @ (0.45, 0.10, 0.45)
    for bound, share in (("low", 0.025), ("high", 0.975)):
        assert intervals.loc["lora", bound] == pytest.approx(np.quantile(drawn, share))
    single = comparison([make_record(m, epochs=1) for m in ("fft", "lora")])
    assert tpme_intervals(single, CostWeights())["low"].isna().all()


def test_methods_in_the_same_order_in_every_seed_are_told_apart(make_record) -> None:
    """The machine took half, once and twice as long; what a method costs beside the others never changed."""
    records = []
    for name, seconds in (("fft", 14.0), ("adapter", 11.9), ("lora", 12.2)):
        for seed, speed in enumerate((0.5, 1.0, 2.0)):
            record = make_record(name, seed=seed)
            record.time.epochs = [
                epoch.model_copy(update={"total": seconds * speed * (1 + 0.1 * (number % 3))})
                for number, epoch in enumerate(record.time.epochs)
            ]
            records.append(record)
    one = comparison(records)
    only_time = CostWeights(1.0, 0.0, 0.0)
    intervals = tpme_intervals(one, only_time)
    assert intervals["group"].to_dict() == {"adapter": "a", "lora": "b", "fft": "c"}
    scores = tpme(one.ranked, only_time)["tpme"].loc[intervals.index]
    for bound in ("low", "high"):
        assert intervals[bound].tolist() == pytest.approx(scores.tolist())
    ratios = time_ratios(one, "fft")
    assert list(ratios.loc["lora"]) == pytest.approx([12.2 / 14.0] * 3)


def test_the_papers_figures_only_beside_a_comparable_study(make_record) -> None:
    towers = BackboneChoice(text="google-bert/bert-base-uncased", image="google/vit-base-patch16-224")
    cell = {"backbones": towers, "dataset": "iisan-release:amazon-scientific"}
    table = headline.headline_table(comparison([make_record("fft", device="cuda", **cell)]))
    assert table is not None
    assert table.texts.loc["fft", "T, theirs (s)"] == "443"
    assert headline.headline_table(comparison([make_record("fft", **cell)])) is None
    assert headline.headline_table(comparison([make_record("fft", device="cuda")])) is None
