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
    preset: Annotated[str | None, typer.Option(help="paper, equal, data-center, edge or mobile.")] = None,
    reference: Annotated[str, typer.Option(help="The method that ratios and tests refer to.")] = "fft",
    out: Annotated[Path | None, typer.Option(parser=path, help="Where to write; default the first directory.")] = None,
    pscp_constants: Annotated[
        str | None, typer.Option(help="PSCP's C of parameters, operations, bytes; default the reference's costs.")
    ] = None,
    pscp_betas: Annotated[str, typer.Option(help="PSCP's exponents of the three.")] = "1,1,1",
    tables: Annotated[
        str | None, typer.Option(help="LaTeX's tables, by name or section, comma-separated: main,accuracy.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Their columns, by key or heading, in this order: HR@10,T,memory.")
    ] = None,
    label_prefix: Annotated[str, typer.Option(help="What their labels begin with.")] = "tab:",
    disturbed: Annotated[
        bool, typer.Option("--disturbed", help="Count epochs for T that lost more than 20 % to other work.")
    ] = False,
) -> None:
    """Write the report of one or several studies from their records."""
    from ...reports.reading import record_paths

    for directory in directories:
        record_paths(directory)
    from ...reports.analysis import pscp, tpme  # which takes a second to import, as what draws does
    from ...reports.formats.latex import TexOptions
    from ...reports.report import ReportOptions, write_report

    if weights is not None and preset is not None:
        raise BenchError("--weights and --preset: give one of the two")
    chosen = tpme.preset("paper" if preset is None else preset) if weights is None else tpme.parse_weights(weights)
    constants = None if pscp_constants is None else pscp.parse_three("--pscp-constants", pscp_constants)
    penalties = pscp.Penalties(constants, pscp.parse_three("--pscp-betas", pscp_betas))
    tex = TexOptions(_split(tables), _split(columns), label_prefix)
    options = ReportOptions(_split(formats), chosen, reference, out, disturbed, tex, penalties)
    screen = Screen()
    for written in write_report(directories, options, screen.say):
        if written.parent.name != "pictures":
            screen.say(written)


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
