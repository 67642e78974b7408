"""The command `bench`. Options are read here; the work is done elsewhere, imported when it is needed."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from .. import __version__
from ..errors import BenchError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Measures what it costs to adapt pretrained encoders to sequential recommendation, and what that buys.",
)


def main() -> None:
    """Runs the command. A mistake of the user's is one line on standard error and status 2; Ctrl-C is status 130."""
    try:
        app()
    except BenchError as error:
        Console(stderr=True).print(f"bench: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tpme-bench {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


@app.command()
def run(
    study: Annotated[str | None, typer.Argument(help="A study file (.toml) or a shipped study; none: the demo.")] = None,
    methods: Annotated[str | None, typer.Option(help="Methods, comma-separated, or 'all'.")] = None,
    dataset: Annotated[list[str] | None, typer.Option(help="bazaar[:items=…,users=…], a dataset folder, iisan-release:DIR.")] = None,
    backbones: Annotated[list[str] | None, typer.Option(help="micro, bert-base+vit-base, clip-b32 or TEXT+IMAGE.")] = None,
    text_backbone: Annotated[str | None, typer.Option(help="A text backbone: name, folder or hub id.")] = None,
    image_backbone: Annotated[str | None, typer.Option(help="An image backbone: name, folder or hub id.")] = None,
    weights: Annotated[str | None, typer.Option(help="pretrained or random (to measure cost without weights).")] = None,
    modalities: Annotated[str | None, typer.Option(help="both, text or image.")] = None,
    seeds: Annotated[int | None, typer.Option(help="How many training seeds, from 0.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Timing repeats of each seed, methods taking turns.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most epochs of each cell.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Any key of a study: --set training.batch=32.")] = None,
    out: Annotated[Path | None, typer.Option(help="The study's directory; default runs/NAME.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the cells and what is done already.")] = False,
    only_failed: Annotated[bool, typer.Option("--only-failed", help="Run failed cells again, and nothing else.")] = False,
) -> None:
    """Run a study and write its report. What is done already is not done again."""
    from .session import Request, run_study
    from .study import read_study

    overrides: dict[str, Any] = {
        "methods": methods,
        "datasets": dataset,
        "backbones": backbones,
        "text_backbone": text_backbone,
        "image_backbone": image_backbone,
        "weights": weights,
        "modalities": modalities,
        "seeds": seeds,
        "repeats": repeats,
        "training.epochs": epochs,
        "device": device,
    }
    if epochs is not None:
        overrides["epochs"] = {}  # the flag speaks for every method
    chosen = read_study(study, overrides, settings or [])
    sys.exit(run_study(chosen, Request(out or Path("runs") / chosen.name, dry_run, only_failed)))


@app.command()
def report(
    directories: Annotated[list[Path], typer.Argument(help="Directories of studies, as --out named them.")],
    formats: Annotated[str, typer.Option("--format", help="md, html, tex, csv, parquet, comma-separated.")] = "md",
    out: Annotated[Path | None, typer.Option(help="Where to write; default the first directory.")] = None,
) -> None:
    """Write the report of one or several studies from their records."""
    from ..reports.report import ReportOptions, write_report

    options = ReportOptions(formats=tuple(part.strip() for part in formats.split(",")), output=out)
    for path in write_report(directories, options):
        if path.name.startswith("report."):
            typer.echo(path)


@app.command(name="list")
def list_(
    kind: Annotated[Literal["methods", "datasets", "backbones"], typer.Argument(help="What to list.")],
) -> None:
    """List the methods, datasets or backbones that can be named."""
    from . import listing

    Console().print(listing.tables[kind]())


if __name__ == "__main__":
    main()
