"""What several commands' options have in common."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ...files import is_possible
from . import completion

Form = Literal["table", "markdown", "json", "junit"]
"""How a verdict is printed."""


def examples(*lines: str) -> str:
    """What stands below a command's help: lines to copy."""
    return "\n\n".join(("For example:", *lines))


def path(text: str) -> Path:
    """A path of the command line; one that no file can have is refused together with its option."""
    if not (text and is_possible(Path(text))):
        raise typer.BadParameter("no file can have such a name" if text else "empty, where a path is needed")
    return Path(text)


TrainedCell = Annotated[
    str, typer.Argument(metavar="CELL", help="A cell's id or its beginning, its record's file, or an exported folder.")
]
Runs = Annotated[Path, typer.Option(parser=path, help="The directory in which studies are looked for.")]
DatasetNow = Annotated[str | None, typer.Option("--dataset", help="The cell's data, where they stand now.")]
TextNow = Annotated[str | None, typer.Option("--text-backbone", help="The cell's text tower, where it stands now.")]
ImageNow = Annotated[str | None, typer.Option("--image-backbone", help="The cell's image tower, where it stands now.")]
Study = Annotated[
    str | None,
    typer.Argument(help="A study file (.toml) or a shipped one; none: the demo.", autocompletion=completion.study),
]
Methods = Annotated[
    str | None,
    typer.Option(
        help="Methods, comma-separated, or 'all'; with settings: lora:r=16,lr=4e-4.", autocompletion=completion.methods
    ),
]
Dataset = Annotated[
    list[str] | None,
    typer.Option(
        help="bazaar[:items=…,users=…], a folder, or as bench list datasets says.", autocompletion=completion.dataset
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(help="micro, bert-base+vit-base, clip-b32 or TEXT+IMAGE.", autocompletion=completion.backbones),
]
TextBackbone = Annotated[str | None, typer.Option(help="A text backbone: name, folder or hub id.")]
ImageBackbone = Annotated[str | None, typer.Option(help="An image backbone: name, folder or hub id.")]
Seeds = Annotated[int | None, typer.Option(help="How many training seeds, from 0.")]
Modalities = Annotated[str | None, typer.Option(help="both, text or image.")]
Epochs = Annotated[int | None, typer.Option(help="Most epochs of each cell.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Any key of a study: --set training.batch=32.")]
Out = Annotated[Path | None, typer.Option(parser=path, help="The study's directory; default runs/NAME.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List the cells, what is done and what would run.")]
OnlyFailed = Annotated[
    bool, typer.Option("--only-failed", help="Run failed and interrupted cells again, and nothing else.")
]
KeepStale = Annotated[
    bool, typer.Option("--keep-stale", help="Count as done what code, data or towers that have changed left.")
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", min=1, help="How many cells run at a time; with more than one, times do not count."),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with status 1 when a cell failed.")]
Source = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="RECORD|DIR",
        parser=path,
        help="Run a record's cell again, or those of a study's or published report's folder, and compare.",
    ),
]
