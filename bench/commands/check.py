"""`bench check`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from .arguments import Form, path
from .verdict import print_outcome


def check(
    directory: Annotated[
        Path, typer.Argument(parser=path, help="A study's directory, or a JSON file of pytest-benchmark.")
    ],
    baseline: Annotated[Path, typer.Option(parser=path, help="The baseline file.")],
    update: Annotated[
        bool, typer.Option("--update", help="Make this run the baseline; other machines' times stay in it.")
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = "table",
    markdown: Annotated[bool, typer.Option("--markdown", hidden=True)] = False,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Judge by epochs that lost time to other work as well.")
    ] = False,
) -> None:
    """Check a run against a baseline: status 1, with a table of what got worse and by how much."""
    from ...reports.reading import record_paths
    from ..guard.baseline import read

    if not update:
        read(baseline)
    if not directory.is_file():
        record_paths(directory)
    from ..guard.check import CheckOptions, run_check  # which takes a second to import

    status, outcome = run_check(directory, baseline, CheckOptions(update, disturbed))
    print_outcome(outcome, "markdown" if markdown else form)
    sys.exit(status)
