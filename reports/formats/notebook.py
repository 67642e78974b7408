"""The tables that end a run, for a notebook, and as plain text for an interpreter."""

import io

from rich.console import Console

from ...text import visible
from ..analysis.comparison import Comparison
from ..analysis.results import Result
from ..analysis.tpme import CostWeights
from ..tables.main import main_table
from .jinja import environment
from .terminal import summary_table

WIDTH = 160
"""Columns of the plain text."""


def html(comparisons: list[Comparison]) -> str:
    """One table a comparison, as part of a page: everything in it is quoted."""
    weights = CostWeights()
    tables = [(comparison, main_table(comparison, weights)) for comparison in comparisons]
    return environment(visible).get_template("notebook.html.jinja").render(tables=tables)


def plain(results: list[Result]) -> str:
    """The same in characters, as a run shows them in the end."""
    file = io.StringIO()
    Console(file=file, width=WIDTH).print(summary_table(results))
    return file.getvalue().rstrip()
