"""Whole reports: every format, and the records that a report may have to make do with."""

import csv
import io
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from tpmebench.bench import cli
from tpmebench.bench.guard.compare import run_compare
from tpmebench.cell import Training
from tpmebench.errors import BenchError
from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.paired import user_tests
from tpmebench.reports.analysis.results import Result, load
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.formats import html
from tpmebench.reports.formats.terminal import summary_table
from tpmebench.reports.pages import build
from tpmebench.reports.reading import load_records, read_record
from tpmebench.reports.records import ranks_path
from tpmebench.reports.report import FORMATS, ReportOptions, write_report

PICTURES = re.compile(r"!\[[^\]]+\]\((pictures/[\w-]+\.png)\)")


@pytest.fixture(scope="module")
def study(tmp_path_factory, make_record, write_study):
    directory = tmp_path_factory.mktemp("study")
    methods = ("fft", "adapter", "iisan", "iisan-cached", "popularity", "sasrec-id")
    found = [make_record(method, seed=seed) for method in methods for seed in range(2)]
    write_study(directory, [*found, make_record("lora", status="timeout")])
    write_report([directory], ReportOptions(FORMATS))
    return directory


def test_markdown_is_whole(study) -> None:
    text = (study / "report.md").read_text()
    for words in ("| TPME |", "timeout", "What caching saves", "Learning rates", "Rank", "±", "commit"):
        assert words in text
    pictures = PICTURES.findall(text)
    assert len(pictures) == len(set(pictures)) >= 8
    for picture in pictures:
        assert (study / picture).stat().st_size > 1000
        assert (study / picture).with_suffix(".svg").exists()
    for line in text.splitlines():
        if line.startswith("|"):
            assert not re.search(r"\|\s*\|", line), line
    assert "nan" not in text.lower().replace("finance", "")


def test_markdown_tables_are_well_formed(study) -> None:
    width = None
    for line in (study / "report.md").read_text().splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else None
        assert width is None or cells is None or cells == width
        width = cells


def test_tex_is_booktabs_with_best_and_second(study) -> None:
    text = (study / "report.tex").read_text()
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == text.count(r"\begin{table}") >= 6
    assert r"\textbf{" in text
    assert r"\underline{" in text
    assert text.isascii()
    assert not re.search(r"(?<!\\)[&%#_](?=[^\n]*\\caption)", text)
    assert len(set(re.findall(r"\\label\{(.*?)\}", text))) == text.count(r"\label{")


def test_exports_hold_what_is_shown(study) -> None:
    frame = pd.read_parquet(study / "report.parquet")
    with (study / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(frame)
    assert {"main", "failures", "weights", "cache", "break-even", "tests", "savings", "cells", "settings"} <= set(
        frame["table"]
    )
    main = frame[(frame["table"] == "main") & (frame["row"] == "fft")].set_index("column")
    seeds = [read_record(path) for path in (study / "records").glob("*.json")]
    peaks = [record.memory.peak or 0 for record in seeds if record.cell.method == "fft" and record.memory]
    assert main["value"]["memory"] == np.mean(peaks)
    assert main["text"]["status"] == "ok"
    assert (frame["text"] != "").all()


def test_several_studies_are_told_apart(tmp_path, make_record, write_study) -> None:
    one = write_study(tmp_path / "one", [make_record("fft"), make_record("iisan")])
    two = write_study(tmp_path / "two", [make_record("lora"), make_record("iisan", dataset="folder")])
    written = write_report([one, two], ReportOptions(("md",), output=tmp_path / "both"))
    text = written[0].read_text()
    assert written[0] == tmp_path / "both" / "report.md"
    assert "2 comparisons" in text
    assert "## folder" in text
    assert "lora" in text
    assert len(set(PICTURES.findall(text))) == len(PICTURES.findall(text))


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([("fft", {"status": "oom"}), ("lora", {"status": "crashed"})], "nothing to rank"),
        ([("fft", {}), ("lora", {"status": "oom"})], "Only fft has all three costs"),
        ([("popularity", {}), ("random", {})], "No method was trained to its end"),
        ([(m, {"epochs": 1}) for m in ("fft", "lora", "iisan")], "One seed and one epoch"),
        ([("iisan-cached", {}), ("frozen-cached", {})], "fft was not run"),
    ],
)
def test_what_a_report_makes_do_with(tmp_path, make_record, write_study, cells, words) -> None:
    write_study(tmp_path, [make_record(method, **options) for method, options in cells])
    write_report([tmp_path], ReportOptions(FORMATS))
    text = (tmp_path / "report.md").read_text()
    assert words in text
    assert not re.search(r"\bnan\b|\binf\b|\bNone\b(?! dominates| leaves)", text.split("Settings")[0])
    assert all((tmp_path / picture).exists() for picture in PICTURES.findall(text))


def test_accuracy_or_memory_may_be_missing(tmp_path, make_record, write_study) -> None:
    bare = [make_record(m).model_copy(update={"accuracy": None}) for m in ("fft", "lora", "iisan-cached")]
    light = [make_record("bitfit").model_copy(update={"memory": None, "compute": None})]
    for record in (*bare, *light):
        record.save(tmp_path)
    write_report([tmp_path], ReportOptions(FORMATS))
    text = (tmp_path / "report.md").read_text()
    assert "No paired tests: ranks of fft and of another method are needed." in text
    assert "over 3 rows" in text


@pytest.mark.parametrize("broken", ["plot_costs.epoch_time", "cells_table", "user_tests", "overview", "warnings"])
def test_what_cannot_be_made_is_named_and_loses_nothing_else(
    tmp_path, make_record, write_study, monkeypatch, broken
) -> None:
    def fails(*_, **__):
        raise ValueError("<odd> number")

    fails.__name__ = broken.rpartition(".")[2]
    monkeypatch.setattr(f"tpmebench.reports.pages.{broken}", fails)
    monkeypatch.setattr("tpmebench.reports.figures.drawing.painted", lambda *_: Figure())
    write_study(tmp_path, [make_record("fft"), make_record("iisan-cached")])
    write_report([tmp_path], ReportOptions(FORMATS))
    said = f"'{fails.__name__.replace('_', ' ')}', could not be made (ValueError: "
    text = (tmp_path / "report.md").read_text()
    assert said.replace("_", r"\_") in text
    assert "| iisan-cached |" in text
    assert "Trainable parameters by part" in text
    assert "Every cell" in text
    assert said.replace("'", "&#39;") in (tmp_path / "report.html").read_text()


def test_a_format_that_fails_does_not_take_the_others_with_it(tmp_path, make_record, write_study, monkeypatch) -> None:
    def fails(*_):
        raise KeyError("x")

    monkeypatch.setattr(html, "render", fails)
    write_study(tmp_path, [make_record("fft"), make_record("lora")])
    with pytest.raises(
        BenchError, match=r"report\.html could not be made \(KeyError: 'x'\); written: report\.md, report\.csv"
    ):
        write_report([tmp_path], ReportOptions(("html", "csv", "md")))
    assert "| lora |" in (tmp_path / "report.md").read_text()
    assert len(list((tmp_path / "pictures").glob("*.png"))) >= 5


def test_two_parts_of_one_name_are_two_columns(tmp_path, make_record, write_study, undrawn) -> None:
    record = make_record("fft")
    record.parameters.parts = {"total": (1_300_000, 1_500_000)}
    write_study(tmp_path, [record, make_record("lora")])
    write_report([tmp_path], ReportOptions(("tex", "csv")))
    heading = next(line for line in (tmp_path / "report.tex").read_text().splitlines() if "saved state" in line)
    assert "total (M) & " in heading
    assert "total (M) {[}2{]}" in heading
    frame = pd.read_csv(tmp_path / "report.csv")
    part = frame[(frame["row"] == "fft") & (frame["column"] == "part total")]
    assert part["value"].tolist() == [1_300_000]


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_times_that_cannot_be_are_none(make_record, seconds) -> None:
    """Records that somebody edited, or that a broken clock wrote, end no report, by themselves or beside sound ones."""
    broken = [make_record(method) for method in ("fft", "lora", "iisan-cached")]
    for record in broken:
        record.time.epochs = [epoch.model_copy(update={"total": seconds}) for epoch in record.time.epochs]
        record.time.cache_build = record.time.cache_build and seconds
    for name, records in (("alone", broken), ("beside", [*broken, make_record("iisan"), make_record("bitfit")])):
        found = [Result(record) for record in records]
        pages = [build(comparison, CostWeights(), "fft") for comparison in compare(found)]
        assert [page.failures() for page in pages] == [[]], name
        assert [set(page.comparison.ranked.index) for page in pages] == [{r.cell.method for r in records[3:]}]


def test_bad_requests_are_refused(tmp_path, make_record, write_study) -> None:
    with pytest.raises(BenchError, match="did you mean 'html'"):
        ReportOptions(("htm",))
    with pytest.raises(BenchError, match="no records"):
        write_report([tmp_path])
    write_study(tmp_path, [make_record("fft"), make_record("lora")])
    with pytest.raises(BenchError, match="did you mean 'lora'"):
        write_report([tmp_path], ReportOptions(reference="lorra"))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: path.write_bytes(b"not an array"), "not a whole .npy array"),
        (lambda path: np.save(path, np.load(path)[:-1]), "not the ranks that the record's accuracy is of"),
        (lambda path: flip(path, -6), "not the ranks that the record's accuracy is of"),
        (lambda path: np.save(path, np.zeros(800)), "not the ranks that the record's accuracy is of"),
    ],
    ids=["no array", "too few", "a flipped byte", "no ranks"],
)
def test_ranks_that_are_not_the_cells_own_are_named_and_take_part_in_no_test(
    tmp_path, make_record, write_study, undrawn, harm: Callable[[Path], object], said: str
) -> None:
    records = [make_record("fft"), make_record("lora"), make_record("bitfit")]
    write_study(tmp_path, records)
    harm(ranks_path(tmp_path, records[1].cell_id))
    told: list[str] = []
    write_report([tmp_path], say=told.append)
    assert len(told) == 1 and f"left out: ranks/{records[1].cell_id}.npy" in told[0] and said in told[0]
    results = load([tmp_path], [])
    assert [result.ranks is None for result in results] == [False, False, True]
    assert list(user_tests(compare(results)[0], "fft").index) == ["bitfit"]
    with pytest.raises(BenchError, match="ranks"):
        run_compare(tmp_path, tmp_path)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def test_the_terminals_table(make_record) -> None:
    records = [make_record(method) for method in ("fft", "bitfit", "iisan-cached", "popularity")] + [
        make_record("lora", status="oom")
    ]
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(summary_table([Result(record) for record in records], CostWeights()))
    text = console.export_text()
    for words in ("iisan-cached", "popularity", "oom", "TPME", "0.45,0.1,0.45"):
        assert words in text


def test_a_short_run_before_the_whole_one_is_a_row_of_its_own(tmp_path, make_record, write_study, undrawn) -> None:
    """The mean would be the accuracy of neither. The terminal's table shows the numbers of the report."""
    one, whole = Training(epochs=1), Training()
    short, early = make_record("fft", training=one, epochs=1), make_record("popularity", training=one)
    short.accuracy.test.metrics["HR@10"] = 0.0101
    early = early.model_copy(update={"started": "2025-12-31T00:00:00+00:00"})
    rest = [make_record(method, training=whole) for method in ("fft", "lora", "popularity")]
    write_study(tmp_path, [short, early, *rest])
    text = write_report([tmp_path])[0].read_text()
    assert "> **Note.** Of cells that have the same row, seed and repeat only the newest counts. Left out: " in text
    assert "Left out: popularity seed 0 of 2025-12-31T00:00:00." in text
    assert "Accuracy against fft (epochs=30), tested" in text
    lines = text[text.index("| method |") : text.index("T: mean seconds")].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    place = rows[0].index("HR@10")
    accuracies = {row[0]: row[place].strip("*<u>/ ‡") for row in rows[2:]}
    assert accuracies["fft (epochs=1)"] == "0.0101"
    assert set(accuracies) == {"fft (epochs=1)", "fft (epochs=30)", "lora", "popularity"}
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(summary_table(load([tmp_path], []), CostWeights()))
    shown = console.export_text().splitlines()
    for row, accuracy in accuracies.items():
        assert [line for line in shown if line.strip().startswith(f"{row}  ") and accuracy in line], (row, accuracy)


def test_schema_loads_without_the_heavy_libraries() -> None:
    """`bench run` writes records in every cell; pictures and statistics are only for reports."""
    heavy = "('matplotlib', 'scipy', 'pandas', 'torch')"
    code = f"import sys, tpmebench.reports.records; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_record_that_cannot_be_read_is_left_out_and_named(tmp_path, write_study, make_record, undrawn) -> None:
    write_study(tmp_path, [make_record("fft"), make_record("lora")])
    whole = list((tmp_path / "records").iterdir())
    names = [f"{number:016x}" for number in range(5)]
    for name, content in zip(names, (b"", b"no JSON", b'{"a": "\xff"}', b'{"schema_version": 99}'), strict=False):
        (tmp_path / "records" / f"{name}.json").write_bytes(content)
    (tmp_path / "records" / f"{names[-1]}.json").mkdir()
    said: list[str] = []
    text = write_report([tmp_path], say=said.append)[0].read_text()
    for name in names:
        assert sum(f"records/{name}.json" in line for line in said) == 1
        assert f"Left out: records/{name}.json" in text
    assert str(tmp_path) not in text
    with pytest.raises(BenchError, match="records/"):  # a comparison or a check of half a study would mislead
        load_records(tmp_path)
    for path in whole:
        path.unlink()
    with pytest.raises(BenchError, match="no record can be read"):
        write_report([tmp_path])


def test_an_empty_choice_of_weights_is_not_the_default(tmp_path, make_record, write_study) -> None:
    write_study(tmp_path, [make_record("fft")])
    with pytest.raises(BenchError, match="--weights"):
        cli.report([tmp_path], weights="")
    with pytest.raises(BenchError, match="preset"):
        cli.report([tmp_path], preset="")
