"""`bench cache`."""

import sys
from typing import Annotated

import typer

from ..console import Screen
from .arguments import examples

app = typer.Typer(no_args_is_help=True, help="The feature caches and image stores on this machine.")


@app.command(name="list", epilog=examples("bench cache list"))
def cache_list() -> None:
    """List the entries with sizes, ages and what each belongs to."""
    from .cache_entries import entries_table

    Screen().print(entries_table())


@app.command(name="verify", epilog=examples("bench cache verify"))
def cache_verify() -> None:
    """Check every feature cache against its checksums; status 1 when one has changed."""
    from .cache_entries import verify

    faults, screen = verify(), Screen()
    for fault in faults:
        screen.say(fault)
    screen.say("all entries are as they were written" if not faults else f"{len(faults)} damaged files")
    sys.exit(1 if faults else 0)


@app.command(name="clear", epilog=examples("bench cache clear", "bench cache clear 3f2a"))
def cache_clear(
    names: Annotated[list[str] | None, typer.Argument(help="Beginnings of entries' names; none: all entries.")] = None,
) -> None:
    """Remove entries; they are built again when needed."""
    from .cache_entries import clear

    screen, done = Screen(), clear(names or [])
    for word, chosen in (("removed", done.removed), ("left, as it is being built:", done.busy)):
        for entry in chosen:
            screen.say(f"{word} {entry.kind} {entry.folder.name[:16]}: {entry.description}")
