"""`bench report`."""

from pathlib import Path
from typing import Annotated

import typer

from ...errors import BenchError
from ..console import Screen
from .arguments import path


def report(
    directories: Annotated[
        list[Path], typer.Argument(parser=path, help="Directories of studies, as --out named them.")
    ],
    formats: Annotated[str, typer.Option("--format", help="md, html, tex, csv, parquet, comma-separated.")] = "md,html",
    weights: Annotated[
        str | None, typer.Option(help="TPME's weights of time, parameters, memory: 0.45,0.10,0.45.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="paper, memory-bound, time-bound or storage-bound.")] = None,
    reference: Annotated[str, typer.Option(help="The method that ratios and tests refer to.")] = "fft",
    out: Annotated[Path | None, typer.Option(parser=path, help="Where to write; default the first directory.")] = None,
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Count epochs for T that lost more than 20 % to other work.")
    ] = False,
) -> None:
    """Write the report of one or several studies from their records."""
    from ...reports.reading import record_paths

    for directory in directories:
        record_paths(directory)
    from ...reports.analysis import tpme  # which takes a second to import, as what draws does
    from ...reports.report import ReportOptions, write_report

    if weights is not None and preset is not None:
        raise BenchError("--weights and --preset: give one of the two")
    chosen = tpme.preset("paper" if preset is None else preset) if weights is None else tpme.parse_weights(weights)
    names = tuple(part.strip() for part in formats.split(","))
    options = ReportOptions(formats=names, weights=chosen, reference=reference, output=out, disturbed=disturbed)
    screen = Screen()
    for written in write_report(directories, options, screen.say):
        if written.parent.name != "pictures":
            screen.say(written)
