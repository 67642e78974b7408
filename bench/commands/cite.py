"""`bench cite`."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Screen
from .arguments import path


def cite(
    directories: Annotated[
        list[Path] | None, typer.Argument(parser=path, help="Directories of studies, for their methods' papers, too.")
    ] = None,
) -> None:
    """Print whom to cite as BibTeX: the suite, TPME's paper and those of every method in a report."""
    from ...reports.analysis.results import load
    from . import citations

    damage = list[str]()
    used = [result.record.cell.method for result in load(directories, damage)] if directories else None
    for line in damage:
        Screen(stderr=True).say(f"left out: {line}")
    screen = Screen()
    for line in citations.cite(used).lines():
        screen.say(line)
