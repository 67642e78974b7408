"""Keeps the tables shown in a page equal to the records that they come from.

    python -m tpmebench.reports.readme PAGE…

What stands between `<!-- generated: TABLE DIRECTORY -->` and `<!-- end -->` becomes a table of the study in that
directory, which is relative to the page: `main`, the first of its report, `speed`, `scale`, of a file of benchmarks,
`kept`, of what a script of tests/soak left, `planned`, of the study beside its plan in DIRECTORY-planned, or
`beside-paper`, of plans.
"""

import re
import sys
from pathlib import Path

from ..files import write_atomic
from . import pages, report, speed
from .analysis.comparison import compare
from .analysis.planned import set_apart
from .analysis.results import load
from .formats.markdown import render
from .reading import load_records
from .tables import beside_paper

_BLOCK = re.compile(
    r"(<!-- generated: (main|speed|scale|kept|planned|beside-paper) (\S+) -->\n).*?(<!-- end -->)", re.DOTALL
)


def refresh(text: str, root: Path) -> str:
    """The text with every generated block made anew. BenchError when a directory has no records."""
    tables = {
        "main": main_table,
        "speed": lambda directory: speed.markdown(load_records(directory)),
        "scale": speed.scale_markdown,
        "kept": speed.kept_markdown,
        "planned": planned_table,
        "beside-paper": beside_paper.markdown,
    }
    return _BLOCK.sub(lambda block: f"{block[1]}{tables[block[2]](root / block[3])}\n{block[4]}", text)


def main_table(directory: Path) -> str:
    """The first table of a study's report, in markdown."""
    comparisons = compare(load([directory]))
    options = report.ReportOptions()
    page = pages.build(comparisons[0], options.weights, options.reference)
    return _first_table(render("", [], [page]))


def planned_table(directory: Path) -> str:
    """What was planned of a study beside what was measured, in markdown."""
    results, planned = set_apart(load([directory, directory.with_name(f"{directory.name}-planned")]))
    options = report.ReportOptions()
    page = pages.build(compare(results)[0], options.weights, options.reference, planned=planned)
    return _first_table(render("", [], [page]).partition("**Planned and measured**")[2])


def _first_table(text: str) -> str:
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    stop = next(number for number, line in enumerate(lines[start:], start) if not line.startswith("|"))
    return "\n".join(lines[start:stop])


def main(paths: list[Path]) -> None:
    """Brings pages up to date."""
    for path in paths:
        write_atomic(path, refresh(path.read_text(encoding="utf-8"), path.parent))


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:]])
