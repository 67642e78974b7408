"""`bench recommend`."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import Screen, wrapping_table
from . import arguments


def recommend(
    cell: arguments.TrainedCell,
    history: Annotated[str, typer.Option(help="Ids of items, oldest first, comma-separated: a,b,c.")],
    top: Annotated[int, typer.Option(min=1, max=100, help="How many items.")] = 10,
    out: Annotated[Path, typer.Option(parser=arguments.path, help="Where OUT.html and OUT.png are written.")] = Path(
        "recommendations"
    ),
    runs: arguments.Runs = Path("runs"),
    dataset: arguments.DatasetNow = None,
    text_backbone: arguments.TextNow = None,
    image_backbone: arguments.ImageNow = None,
) -> None:
    """Show the items of a history, and what a trained cell (run with --save) recommends after it."""
    from ...files import write_atomic
    from ...naming import split_list
    from ...ownership import check_place
    from ..saved.found import find_trained

    check_place(out, "--out")
    trained = find_trained(cell, runs)
    from ...reports.figures.recommendations import recommendations  # which take seconds to import
    from ...reports.formats.recommendations import render_page
    from ..saved.rebuilt import Instead, rebuild
    from ..saved.recommend import recommend as recommended

    console = Screen()
    rebuilt = rebuild(trained, Instead(dataset, text_backbone, image_backbone), console)
    result = recommended(rebuilt, split_list(history), top)
    name = f"{trained.cell.method} on {trained.cell.dataset}"
    notes = [f"Cell {trained.cell.id}, epoch {trained.epoch}."]
    if result.left_out:
        notes.append(f"The model sees the last {trained.cell.head.max_length} items; {result.left_out} older are not.")
    table = wrapping_table("", "item", "title", "score")
    for number, item in enumerate(result.found, 1):
        table.add_row(str(number), item.id, item.title, f"{item.score:.3f}")
    console.print(table)
    for note in notes[1:]:
        console.say(note)
    page, picture = out.with_name(f"{out.name}.html"), out.with_name(f"{out.name}.png")
    write_atomic(page, render_page(name, notes, result.history, result.found))
    write_atomic(picture, recommendations(name, result.history, result.found).png)
    console.say(f"written: {page}, {picture}")
