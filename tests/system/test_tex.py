"""The report's tables compiled by a real TeX, whatever the records hold; skipped where there is none."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import hostile_study
from matplotlib.figure import Figure

from tpmebench.bench.commands import citations
from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.figures.drawing import draw
from tpmebench.reports.formats import latex
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report

MakeRecord = Callable[..., Record]
WriteStudy = Callable[[Path, list[Record]], Path]
DOCUMENT = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{report}\n\\end{document}\n"

pytestmark = pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX is installed")


def compiled(folder: Path, scratch: Path, document: str = DOCUMENT) -> set[str]:
    """Compiles report.tex as part of a document, with all that a document may do; the files that were read or written.

    Those of TeX itself are left out. What is beyond ASCII needs fonts that few have, and is a question mark here.
    """
    for text in folder.rglob("*.tex"):
        text.write_text(re.sub(r"[^\x00-\x7f]", "?", text.read_text("utf-8")), "utf-8")
    (folder / "all.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "-recorder", "-shell-escape", "all.tex"],
        cwd=folder,
        env=os.environ | {"TEXMFVAR": str(scratch), "TEXMFCONFIG": str(scratch)},
        capture_output=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")[-2000:]
    lines = (folder / "all.fls").read_text().splitlines()
    used = {str(Path(line.partition(" ")[2])) for line in lines if line.startswith(("INPUT ", "OUTPUT "))}
    return {name for name in used if not name.startswith((str(scratch), "/usr/", "/var/lib/texmf/", "/etc/texmf/"))}


def test_text_of_any_kind_is_only_printed(tmp_path: Path, make_record: MakeRecord) -> None:
    hostile_study(tmp_path / "study", make_record)
    write_report([tmp_path / "study"], ReportOptions(("tex",), output=tmp_path / "tex"))
    ours = {"all.tex", "report.tex", "all.aux", "all.log", "all.pdf"}
    assert compiled(tmp_path / "tex", tmp_path / "var") == ours
    assert {path.name for path in (tmp_path / "tex").iterdir()} == ours | {
        "all.fls",
        ".tpmebench",
        "tables",
        "pictures",
    }


def test_tables_by_themselves_and_a_bibliography(
    undrawn: None, tmp_path: Path, make_record: MakeRecord, write_study: WriteStudy
) -> None:
    """As an author puts them into a paper, who cites all there is to cite."""
    records = [make_record(name, seed=seed) for name in ("fft", "lora", "iisan-cached") for seed in (0, 1)]
    write_study(tmp_path, records)
    tex = latex.TexOptions(("main", "accuracy"), ("HR@10", "T", "memory"), "tab:demo-")
    write_report([tmp_path], ReportOptions(("tex",), tex=tex))
    inputs = "\n".join(rf"\input{{tables/{path.stem}}}" for path in sorted((tmp_path / "tables").iterdir()))
    paper = DOCUMENT.replace(
        r"\input{report}", rf"See Table~\ref{{tab:demo-main}}. {inputs} \nocite{{*}}\bibliography{{all}}"
    )
    shutil.copy(citations.ENTRIES, tmp_path / "all.bib")
    paper = paper.replace("\\begin{document}", "\\bibliographystyle{plain}\\begin{document}")
    assert "tables/main.tex" in compiled(tmp_path, tmp_path / "var", paper)
    cited = subprocess.run(["bibtex", "all"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert cited.returncode == 0, cited.stdout
    assert "warning" not in cited.stdout.lower(), cited.stdout
    compiled(tmp_path, tmp_path / "var", paper)
    compiled(tmp_path, tmp_path / "var", paper)
    log = (tmp_path / "all.log").read_text("utf-8", errors="replace")
    assert "undefined" not in log
    assert "multiply defined" not in log


def test_a_picture_is_included(tmp_path: Path) -> None:
    def paint(figure: Figure) -> None:
        figure.add_subplot().plot([1, 2], label="ä_$")

    draw("one", "", "", 2.0, paint).save(tmp_path / "pictures", ["pdf"])
    (tmp_path / "report.tex").write_text("\\includegraphics[width=\\linewidth]{pictures/one}")
    paper = DOCUMENT.replace("{booktabs}", "{booktabs}\\usepackage{graphicx}")
    assert "pictures/one.pdf" in {name.removeprefix("./") for name in compiled(tmp_path, tmp_path / "var", paper)}


def test_a_report_of_many_tables_is_compiled(tmp_path: Path, make_record: MakeRecord) -> None:
    (one,) = compare([Result(make_record(method)) for method in ("fft", "lora", "iisan-cached")])
    page = pages.build(one, CostWeights(), "fft")
    text = str(latex.files("many", [], [page] * 12, latex.TexOptions())["report.tex"])
    assert text.count("begin{table}") > 52  # LaTeX lets no more of them wait
    (tmp_path / "report.tex").write_text(text, "utf-8")
    assert "all.pdf" in compiled(tmp_path, tmp_path / "var")
