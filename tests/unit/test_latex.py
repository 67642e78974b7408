"""Tables for a paper: which are written, with which columns, labels and captions."""

import re

import pytest

from tpmebench.errors import BenchError
from tpmebench.reports.formats.latex import TexOptions
from tpmebench.reports.report import ReportOptions, picture_formats, write_report


@pytest.fixture
def study(tmp_path, make_record, write_study, undrawn):
    records = [make_record(name, seed=seed) for name in ("fft", "lora", "iisan-cached") for seed in (0, 1)]
    return write_study(tmp_path, records)


def written(study, *tables, columns=(), prefix="tab:") -> dict[str, str]:
    """The files of LaTeX by name."""
    write_report([study], ReportOptions(("tex",), tex=TexOptions(tables, columns, prefix)))
    found = [study / "report.tex", *sorted((study / "tables").iterdir())]
    return {path.name: path.read_text("utf-8") for path in found}


def test_chosen_tables_stand_together_and_by_themselves(study) -> None:
    found = written(study, "main", "accuracy", columns=("TPME", "HR@10", "memory"), prefix="tab:demo-")
    assert {"report.tex", "main.tex", "tests.tex", "targets.tex"} <= set(found)
    assert not {"cells.tex", "savings.tex", "cache.tex"} & set(found)
    main = found["main.tex"]
    assert r"method & TPME & HR@10 & M (" in main
    assert r"\label{tab:demo-main}" in main
    caption = r"Accuracy, costs and TPME. Dataset bazaar:items={}2000,users={}2500, towers micro, 2 seeds, Example CPU"
    assert caption.replace("{}", "") in main
    assert "2 cores, 2 threads." in main
    assert re.search(r"^% \$\\pm\$: standard deviation over seeds", main, re.MULTILINE)
    for name, text in found.items():
        if name != "report.tex":
            body = text.partition(r"\begin{table}")[2]
            assert text.count(r"\begin{table}") == 1
            assert text.startswith("% needs \\usepackage{booktabs}")
            assert body in found["report.tex"]
    assert found["report.tex"].count(r"\begin{table}") == len(found) - 1
    labels = re.findall(r"\\label\{(.*?)\}", found["report.tex"])
    assert len(set(labels)) == len(labels) == len(found) - 1
    assert all(label.startswith("tab:demo-") for label in labels)


def test_without_a_choice_all_that_a_paper_may_want_are_written(study) -> None:
    found = written(study)
    assert {"main.tex", "savings.tex", "tests.tex"} <= set(found)
    assert not {"cells.tex", "settings.tex"} & set(found)
    assert {"cells.tex", "settings.tex"} <= set(written(study, "cells", "settings"))


def test_a_table_without_the_columns_keeps_its_own(study) -> None:
    found = written(study, "main", "settings", columns=("HR@10",))
    assert "setting & value" in found["settings.tex"]
    assert r"method & HR@10 \\" in found["main.tex"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tables": ("mian",)}, r"table or section \(--tables\) 'mian': did you mean 'main'"),
        ({"tables": ("main",), "columns": ("HR@11",)}, r"column of these tables \(--columns\) 'HR@11': did you mean"),
        ({"prefix": "a}b"}, r"--label-prefix 'a}b'"),
    ],
)
def test_a_mistake_is_a_line_before_anything_is_written(study, options, words) -> None:
    with pytest.raises(BenchError, match=words):
        write_report([study], ReportOptions(("md", "tex"), tex=TexOptions(**options)))
    assert not (study / "report.md").exists()


def test_a_choice_of_tables_without_latex_is_a_mistake() -> None:
    with pytest.raises(BenchError, match="add tex to --format"):
        ReportOptions(("md",), tex=TexOptions(("main",)))


def test_comparisons_have_files_of_their_own(tmp_path, make_record, write_study, undrawn) -> None:
    one = write_study(tmp_path / "one", [make_record("fft"), make_record("iisan")])
    two = write_study(tmp_path / "two", [make_record("fft"), make_record("iisan", dataset="folder")])
    write_report([one, two], ReportOptions(("tex",), output=tmp_path / "both", tex=TexOptions(("main",))))
    names = sorted(path.name for path in (tmp_path / "both" / "tables").iterdir())
    assert names == ["main-1.tex", "main-2.tex"]
    assert "Dataset folder" in "".join(path.read_text() for path in (tmp_path / "both" / "tables").iterdir())


@pytest.mark.parametrize(
    ("formats", "kinds"),
    [(("md",), ["png", "svg"]), (("tex", "csv"), ["pdf"]), (("html", "tex"), ["png", "svg", "pdf"]), (("csv",), [])],
)
def test_pictures_are_of_the_kinds_that_the_formats_need(formats, kinds) -> None:
    assert picture_formats(formats) == kinds
