"""`import tpmebench as tb`: what a script gets of records that studies left."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import tpmebench as tb
from tpmebench.reports.analysis.tpme import PRESETS, pareto
from tpmebench.reports.records import Record

METHODS = ("fft", "lora", "iisan-cached", "popularity", "sasrec-id")
Make = Callable[..., Record]
Write = Callable[[Path, list[Record]], Path]


@pytest.fixture
def study(tmp_path: Path, make_record: Make, write_study: Write) -> Path:
    """Five methods with two seeds, and one that failed."""
    records = [make_record(method, seed=seed) for seed in range(2) for method in METHODS]
    return write_study(tmp_path / "study", [*records, make_record("adapter", status="oom")])


def test_a_row_a_cell_and_a_row_a_method(study: Path):
    results = tb.load(study)
    assert len(results) == len(results.frame) == 11
    assert results.frame["label"].tolist().count("lora") == 2
    assert results.frame.set_index("label").loc["adapter", "status"] == "oom"
    lora = results.frame[results.frame["label"] == "lora"]
    methods = results.methods
    assert set(methods.index) == {*METHODS, "adapter"}
    for column in ("HR@10", "time", "memory"):
        assert methods.loc["lora", column] == pytest.approx(lora[column].mean())
        assert methods.loc["lora", f"{column} sd"] == pytest.approx(lora[column].std())
    assert methods.loc["adapter", "status"] == "oom" and list(methods.index[methods["HR@10"].isna()]) == ["adapter"]
    assert repr(results).startswith("<Results: 11 cells, 6 rows; bazaar:items=2000,users=2500")


def test_a_path_may_be_text_and_several_are_one_result(study: Path, tmp_path: Path, make_record: Make, write_study):
    other = write_study(tmp_path / "other", [make_record("bitfit"), make_record("lora", dataset="shop")])
    results = tb.load([str(study), other])
    assert len(results) == 13
    assert results.methods.index.names == ["comparison", "label"]
    titles = [comparison.title for comparison in results.comparisons]
    assert list(dict.fromkeys(results.methods.index.get_level_values(0))) == titles
    assert set(results.methods.loc[titles[0]].index) == {*METHODS, "adapter", "bitfit"}
    assert list(results.pareto().loc[titles[1]].index) == ["lora"]


def test_tpme_takes_weights_in_every_form(study: Path):
    results = tb.load(study)
    paper = results.tpme()
    assert list(paper.index) == ["iisan-cached", "lora", "fft"] and paper["tpme"].is_monotonic_increasing
    for weights in ("paper", "0.45,0.10,0.45", [0.45, 0.10, 0.45], tb.CostWeights()):
        pd.testing.assert_frame_equal(results.tpme(weights), paper)
    name = next(name for name in PRESETS if name != "paper")
    pd.testing.assert_frame_equal(results.tpme(name), results.tpme(PRESETS[name]))


def test_a_front_is_the_pictures(study: Path):
    results = tb.load(study)
    methods = results.methods.dropna(subset=["HR@10", "memory"])
    flags = pareto(methods["memory"], methods["HR@10"])
    front = results.pareto("HR@10", "memory")
    assert set(front.index) == set(methods.index[flags])
    assert front["memory"].is_monotonic_increasing and front["HR@10"].is_monotonic_increasing
    assert list(front.columns) == ["HR@10", "memory"]
    assert list(results.pareto("HR@10", "tpme").columns) == ["HR@10", "tpme"]
    assert list(results.pareto("HR@10 cold", "parameters").columns) == ["HR@10 cold", "parameters"]
    pd.testing.assert_frame_equal(results.pareto("memory", "HR@10").loc[front.index], front[["memory", "HR@10"]])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda results: results.pareto("HR10"), "unknown column 'HR10': did you mean 'HR@10'"),
        (lambda results: results.pareto("HR@10", "status"), "unknown column 'status'"),
        (lambda results: results.tpme("papr"), "unknown preset 'papr': did you mean 'paper'"),
        (lambda results: results.tpme([1, 1, 1]), "they sum to 3, not to 1"),
        (lambda results: results.report(formats="pdf"), "unknown report format 'pdf'"),
        (lambda results: results.report(reference="lorra"), "unknown reference method 'lorra'"),
        (lambda _: tb.load("nowhere"), "nowhere: no records here"),
        (lambda _: tb.load([]), "no directory"),
        (lambda _: tb.load(__file__), "is a file; give the study's directory"),
        (lambda _: tb.run("dmo"), "unknown study 'dmo': did you mean 'demo'"),
        (lambda _: tb.run({"seeds": "x"}), "the study: 'seeds': input should be a valid integer"),
        (lambda _: tb.run({"training": {"batc": 3}}), "the study: unknown key 'training.batc'"),
        (lambda _: tb.run(settings={"training.batc": 3}), "unknown key 'training.batc'"),
        (lambda _: tb.run(methods=["lorra"], quiet=True), "unknown method 'lorra': did you mean 'lora'"),
    ],
)
def test_a_mistake_is_one_line(study: Path, ask: Callable[[tb.Results], object], said: str):
    with pytest.raises(tb.BenchError, match=said) as found:
        ask(tb.load(study))
    assert "\n" not in str(found.value)


def test_a_record_that_cannot_be_read_is_left_out_with_a_warning(study: Path):
    (study / "records" / "0123456789abcdef.json").write_text("{")
    with pytest.warns(UserWarning, match="left out: records/0123456789abcdef.json"):
        assert len(tb.load(study)) == 11
    for path in (study / "records").glob("*.json"):
        path.write_text("{")
    with pytest.raises(tb.BenchError, match="no record can be read"), pytest.warns(UserWarning):
        tb.load(study)


def test_a_notebook_shows_a_table_in_which_nothing_is_markup(
    tmp_path: Path, make_record: Make, write_study: Write, undrawn: None
):
    strange = "<b>shop</b>"
    results = tb.load(write_study(tmp_path / "study", [make_record(m, dataset=strange) for m in METHODS]))
    page = results._repr_html_()
    assert page.count("<table>") == 1 and "&lt;b&gt;shop" in page and strange not in page
    assert "<th>lora</th>" in page and "HR@10" in str(results)
    written = results.report(tmp_path / "report", "csv")
    assert [path.name for path in written] == ["report.csv", "records.csv"]
    assert tb.load(str(tmp_path / "study")).report(str(tmp_path / "report"), ["md"])[0].is_file()


def test_one_method_one_seed_and_no_reference_are_results_too(tmp_path: Path, make_record: Make, write_study: Write):
    results = tb.load(write_study(tmp_path / "one", [make_record("lora")]))
    assert results.methods["HR@10 sd"].isna().all()
    assert list(results.pareto().index) == ["lora"]
    assert list(results.tpme().index) == ["lora"] and results.tpme()["tpme"].isna().all()
    failed = tb.load(write_study(tmp_path / "none", [make_record("fft", status="oom")]))
    assert failed.tpme().empty and len(failed.frame) == 1 and "oom" in str(failed)
    assert failed.pareto().empty


def test_times_that_were_disturbed_count_when_asked(tmp_path: Path, make_record: Make, write_study: Write):
    record = make_record("lora")
    for epoch in record.time.epochs:
        epoch.waited = 0.5 * epoch.total
    place = str(write_study(tmp_path / "busy", [record]))
    quiet, all_of_it = tb.load(place), tb.load(place, disturbed=True)
    assert quiet.tpme().empty and quiet.frame["time"].isna().all()
    assert list(all_of_it.tpme().index) == ["lora"] and all_of_it.frame["time"].notna().all()
    assert tb.load_records(place)[0].cell.method == "lora"
