"""`bench compare`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from .arguments import Form, path
from .verdict import print_outcome


def compare(
    first: Annotated[Path, typer.Argument(parser=path, help="A study's directory.")],
    second: Annotated[Path, typer.Argument(parser=path, help="Another study's directory.")],
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    fail_on: Annotated[
        Literal["worse"] | None, typer.Option(help="Status 1 when a number got worse, or a cell failed or is gone.")
    ] = None,
) -> None:
    """Compare two studies cell by cell: what changed, and whether it is more than noise."""
    from ...reports.reading import record_paths

    for directory in (first, second):
        record_paths(directory)
    from ..guard.compare import run_compare  # which takes a second to import

    outcome = run_compare(first, second, fail_on)
    print_outcome(outcome, "markdown" if markdown else form)
    sys.exit(1 if outcome.failed else 0)
