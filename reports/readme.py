"""Keeps the tables shown in a README equal to the records that they come from.

    python -m tpmebench.reports.readme README.md

What stands between `<!-- generated: DIRECTORY -->` and `<!-- end -->` becomes the main table of the study in that
directory, which is relative to the README.
"""

import re
import sys
from pathlib import Path

from ..files import write_atomic
from . import frame, pages, report
from .markdown import render

_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def refresh(text: str, root: Path) -> str:
    """The text with every generated block made anew. BenchError when a directory has no records."""
    return _BLOCK.sub(lambda block: f"{block[1]}{main_table(root / block[2])}\n{block[3]}", text)


def main_table(directory: Path) -> str:
    """The first table of a study's report, in markdown."""
    comparisons = frame.compare(frame.load([directory]))
    options = report.ReportOptions()
    page = pages.build(comparisons[0], options.weights, options.reference)
    lines = render("", [], [page]).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    stop = next(number for number, line in enumerate(lines[start:], start) if not line.startswith("|"))
    return "\n".join(lines[start:stop])


def main(path: Path) -> None:
    """Brings a README up to date."""
    write_atomic(path, refresh(path.read_text(encoding="utf-8"), path.parent))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
