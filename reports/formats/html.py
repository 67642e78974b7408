"""The report as one self-contained page: no network, sortable tables, weights to play with."""

import math
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from ...metrics import cutoff
from ...naming import without_homes
from ...text import visible
from ..analysis.budget import BOUNDS, candidates
from ..analysis.tpme import COSTS, LEAST_RANKED, PRESETS, CostWeights
from ..figures.looks import INK, Look, looks
from ..pages import Page
from ..quantities import Kind, Unit, missing, unit
from ..tables.table import Column, Table, condensed
from .drawn import inline
from .jinja import environment
from .published import linked

PAGE_BUDGET = 2_700_000
TABLES = 150_000
"""Bytes of a page, and of one comparison's tables; pictures that no longer fit are linked as files beside it."""
KINDS: dict[str, Kind] = {
    "time": "seconds", "total": "duration", "parameters": "count", "memory": "bytes", "loss": "share",
}  # fmt: skip


def embedded(pages: list[Page]) -> dict[str, Markup | None]:
    """Pictures by name, drawn in the page as long as the budget lasts; None of one that is linked instead."""
    shown: dict[str, Markup | None] = {}
    left = PAGE_BUDGET - TABLES * len(pages)
    for page in pages:
        for picture in page.pictures():
            drawn = inline(picture)
            left -= len(drawn.encode())
            shown[picture.name] = drawn if left >= 0 else None
    return shown


def clean(value: Any) -> Any:
    """A number that JSON can hold; None for what is missing or infinite."""
    if missing(value):
        return None
    return value if isinstance(value, str | bool) else (float(value) if math.isfinite(value) else None)


def playground(page: Page) -> dict[str, Any]:
    """What the sliders, the budget and the plot of a comparison work on, in raw units."""
    comparison = page.comparison
    methods, metrics = comparison.methods, [metric.name for metric in comparison.metrics]
    choices = candidates(comparison, page.reference)
    of_candidates, drawn_as = choices.to_dict("index"), looks(methods)
    rows = []
    for label, row in methods.iterrows():
        choice = of_candidates.get(label, {})
        rows.append(
            {
                "label": visible(label),
                "family": row["family"],
                "colour": _colour(drawn_as[str(label)]),
                "ranked": label in comparison.ranked.index,
                **{cost: clean(row[cost]) for cost in COSTS},
                **{name: clean(choice.get(name)) for name in ("total", "loss", "gain")},
                **{metric: clean(row[metric]) for metric in metrics},
                **{f"{metric} sd": clean(row.get(f"{metric} sd")) for metric in metrics},
            }
        )
    primary = comparison.primary.name
    return {
        "methods": rows,
        "metrics": plotted(page),
        "units": {name: (scale.name, scale.scale) for name, scale in units(choices).items()},
        "primary": primary,
        "reference": clean(methods[primary].get(page.reference)),
        "referenceName": visible(page.reference),
    }


def _colour(look: Look) -> str:
    """A method's own, as in the pictures; none for ink, which on a dark page is the text's."""
    return "" if look.colour == INK else look.colour


def units(choices: pd.DataFrame) -> dict[str, Unit]:
    """The unit of each cost and bound, in which fields and axes of a comparison give it."""
    return {name: unit(kind, choices[name], lowest=1) for name, kind in KINDS.items()}


def bounds(page: Page) -> list[str]:
    """The bounds that a reader may set: of what is known, where there are several methods to choose among."""
    choices = candidates(page.comparison, page.reference)
    return [name for name in BOUNDS if choices[name].notna().any()] if len(choices) > 1 else []


def plotted(page: Page) -> list[str]:
    """The metrics that the plot offers, the primary one first. Up is better in it, so none of which less is."""
    comparison = page.comparison
    shown = [metric.name for metric in comparison.headline]
    others = sorted((m.name for m in comparison.metrics if m.name not in shown), key=cutoff)
    falling = {metric.name for metric in comparison.metrics if metric.better == "less"}
    return [name for name in [*shown, *others] if name not in falling]


def sort_value(table: Table, column: Column, place: int) -> str:
    """What a cell is sorted by: the raw number in full precision, the text, or nothing."""
    raw = table.frame[column.key].iloc[place]
    if column.kind == "text" or missing(raw):
        return "" if missing(raw) else str(raw)
    return "1e999" if math.isinf(raw) else repr(float(raw))


def links(page: Page, output: Path) -> dict[str, str]:
    """Cell id → its record's file, relative to the page, quoted so that no name of a folder is anything but a path.

    A page that stands outside the home directory that holds the records has no links, as they would name it.
    """
    found = {s.record.cell_id: s.file for s in page.comparison.results}
    kept = {cell: file for cell, file in found.items() if file and not _names_a_home(file, output)}
    return {cell: quote(Path(os.path.relpath(file, output)).as_posix()) for cell, file in kept.items()}


def _names_a_home(file: Path, output: Path) -> bool:
    """Whether the way from a directory to a file goes into somebody's home directory, which it would name."""
    whole = str(file.absolute())
    short = without_homes(whole)
    return short != whole and not output.absolute().is_relative_to(whole.removesuffix(short.removeprefix("~")))


def render(title: str, notes: list[str], pages: list[Page], weights: CostWeights, output: Path) -> str:
    """The whole page; `output` is the directory it will stand in, for the links to records."""
    jinja = environment(visible)
    jinja.filters["linked"] = lambda text: linked(text, output)
    data = {
        "weights": dict(zip(COSTS, weights.array().tolist(), strict=True)),
        "presets": {name: dict(zip(COSTS, choice.array().tolist(), strict=True)) for name, choice in PRESETS.items()},
        "leastRanked": LEAST_RANKED,
        "comparisons": [playground(page) for page in pages],
    }
    return jinja.get_template("report.html.jinja").render(
        title=title,
        notes=notes,
        pages=pages,
        pictures=embedded(pages),
        condensed=condensed,
        links=[links(page, output) for page in pages],
        bounds=[bounds(page) for page in pages],
        sort_value=sort_value,
        data=data,
        presets=PRESETS,
        costs=COSTS,
    )
