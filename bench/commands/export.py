"""`bench export`."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Screen
from . import arguments


def export(
    cell: arguments.TrainedCell,
    folder: Annotated[Path, typer.Argument(metavar="DIR", parser=arguments.path, help="A new or empty directory.")],
    runs: arguments.Runs = Path("runs"),
    dataset: arguments.DatasetNow = None,
    text_backbone: arguments.TextNow = None,
    image_backbone: arguments.ImageNow = None,
) -> None:
    """Write what a cell trained (run with --save) as a folder that opens without this suite's records."""
    from ..saved.found import find_trained

    trained = find_trained(cell, runs)
    from ..saved.export import export_cell  # which takes seconds to import
    from ..saved.rebuilt import Instead

    console = Screen()
    export_cell(trained, folder, Instead(dataset, text_backbone, image_backbone), console)
    console.say(f"exported: {folder}")
