"""`bench data`."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..console import Screen, wrapping_table
from . import completion
from .arguments import examples, path

app = typer.Typer(no_args_is_help=True, help="Prepare datasets: filtered, split, in one folder; and look at them.")

Source = Annotated[
    str,
    typer.Argument(help="A dataset, as --dataset names one: a source or a folder.", autocompletion=completion.dataset),
]
Folder = Annotated[Path, typer.Argument(parser=path, metavar="DIR", help="A prepared folder.")]
Split = Literal["leave-one-out", "global-time", "ready"]

_EXAMPLES = examples(
    "bench data prepare ./shop --out shop-5core --k-core 5",
    "bench data prepare iisan-release ./Scientific --out scientific",
    "bench data prepare ./ratings --out sample --min-rating 4 --users 10000 --split global-time",
)


@app.command(epilog=_EXAMPLES)
def prepare(
    source: Source,
    place: Annotated[str | None, typer.Argument(metavar="[PATH]", help="Where its files lie.")] = None,
    *,
    out: Annotated[Path, typer.Option(parser=path, help="The folder to write: a new one, or one begun before.")],
    min_rating: Annotated[float | None, typer.Option(help="The lowest rating that counts.")] = None,
    duplicates: Annotated[
        Literal["all", "first", "last"], typer.Option(help="Which are kept of a user with the same item.")
    ] = "all",
    max_length: Annotated[int | None, typer.Option(help="Drop users with more interactions.")] = None,
    last: Annotated[int | None, typer.Option(help="Keep each user's latest ones alone.")] = None,
    min_length: Annotated[
        int | None, typer.Option(help="Drop users with fewer interactions; 5 with leave-one-out.")
    ] = None,
    k_core: Annotated[
        int | None, typer.Option(help="Drop users and items with fewer interactions until none has.")
    ] = None,
    users: Annotated[int | None, typer.Option(help="Draw so many users.")] = None,
    items: Annotated[int | None, typer.Option(help="Draw so many items.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the draw; 0 without it.")] = None,
    window: Annotated[int | None, typer.Option(help="Cut histories of training into windows of this length.")] = None,
    stride: Annotated[int | None, typer.Option(help="From one window to the next; as long as one without it.")] = None,
    split: Annotated[
        Split | None,
        typer.Option(help="Each user's last two, two periods of time, or as it comes, which is the default."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(parser=path, help="A folder or zip with a picture an item, named by its id.")
    ] = None,
) -> None:
    """Filter and split a dataset, and write it as one folder that any study can name."""
    from ...datasets.preparation.options import chosen
    from ...datasets.preparation.prepare import Request, prepare_dataset
    from ..running.steps import Steps

    options = chosen(
        min_rating=min_rating,
        duplicates=duplicates,
        max_length=max_length,
        last=last,
        min_length=min_length,
        k_core=k_core,
        users=users,
        items=items,
        seed=seed,
        window=window,
        stride=stride,
        split=split,
    )
    screen = Screen()
    spec = source if place is None else f"{source}:{place}"
    with Steps(screen) as steps:
        card, is_new = prepare_dataset(Request(spec, images, options), out, steps.tell)
    for line in card.lines():
        screen.say(line)
    screen.say(f"{'written' if is_new else 'as it was'}: {out}; go on with: bench run --dataset {out}")


@app.command(epilog=examples("bench data info shop-5core", "bench data info ./shop --sheet items.png"))
def info(
    source: Source,
    sheet: Annotated[
        Path | None, typer.Option(parser=path, help="Draw some items with their pictures into this PNG.")
    ] = None,
) -> None:
    """Show what a dataset holds: counts, lengths, sparsity, targets, what is missing."""
    from ...datasets.preparation.sheet import draw_sheet
    from ...datasets.preparation.summary import summary
    from ...datasets.sources.registry import open_source

    raw = open_source(source).read()
    table = wrapping_table("what", "value")
    for name, value in summary(raw).items():
        table.add_row(name, value)
    screen = Screen()
    screen.print(table)
    if sheet is not None:
        draw_sheet(raw, sheet)
        screen.say(f"written: {sheet}")


@app.command(epilog=examples("bench data verify shop-5core"))
def verify(folder: Folder) -> None:
    """Check a prepared folder: every checksum, code, picture and the order; status 1 when something is wrong."""
    from ...datasets.preparation.verifying import faults

    found, screen = faults(folder), Screen()
    for fault in found:
        screen.say(fault)
    screen.say("all is as it was written" if not found else f"{len(found)} faults")
    sys.exit(1 if found else 0)
