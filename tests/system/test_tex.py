"""The report's tables compiled by a real TeX, whatever the records hold; skipped where there is none."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import hostile_study

from tpmebench.reports import pages
from tpmebench.reports.analysis.comparison import compare
from tpmebench.reports.analysis.results import Result
from tpmebench.reports.analysis.tpme import CostWeights
from tpmebench.reports.formats import latex
from tpmebench.reports.records import Record
from tpmebench.reports.report import ReportOptions, write_report

MakeRecord = Callable[..., Record]
DOCUMENT = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{report}\n\\end{document}\n"

pytestmark = pytest.mark.skipif(not shutil.which("pdflatex"), reason="no TeX is installed")


def compiled(folder: Path, scratch: Path) -> set[str]:
    """Compiles report.tex as part of a document, with all that a document may do; the files that were read or written.

    Those of TeX itself are left out. What is beyond ASCII needs fonts that few have, and is a question mark here.
    """
    report = folder / "report.tex"
    report.write_text(re.sub(r"[^\x00-\x7f]", "?", report.read_text("utf-8")), "utf-8")
    (folder / "all.tex").write_text(DOCUMENT)
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
    assert {path.name for path in (tmp_path / "tex").iterdir()} == ours | {"all.fls", ".tpmebench"}


def test_a_report_of_many_tables_is_compiled(tmp_path: Path, make_record: MakeRecord) -> None:
    (one,) = compare([Result(make_record(method)) for method in ("fft", "lora", "iisan-cached")])
    page = pages.build(one, CostWeights(), "fft")
    text = latex.render("many", [], [page] * 12)
    assert text.count("begin{table}") > 52  # LaTeX lets no more of them wait
    (tmp_path / "report.tex").write_text(text, "utf-8")
    assert "all.pdf" in compiled(tmp_path, tmp_path / "var")
