"""The report as one self-contained page: no network, sortable tables, weights to play with."""

import base64
import io
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from ...metrics import cutoff
from ...text import visible
from ..analysis.tpme import COSTS, PRESETS, CostWeights, tpme
from ..figures.drawing import Picture
from ..pages import Page
from ..quantities import missing
from ..tables.table import Column, Table
from .jinja import environment
from .published import linked

PAGE_BUDGET = 2_700_000
TABLES = 150_000
"""Bytes of a page, and of one comparison's tables; pictures that no longer fit are linked as files beside it."""


@dataclass(frozen=True)
class Shown:
    """A picture within the page, or None as data when it stands in a file beside it."""

    picture: Picture
    data: str | None


def compressed(png: bytes) -> bytes:
    """The same picture in at most 64 colours, which flat drawings hardly need more of."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(
        64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE
    ).save(buffer, "PNG")
    return buffer.getvalue()


def embedded(pages: list[Page]) -> dict[str, Shown]:
    """Pictures by name, as data URIs as long as the budget lasts."""
    shown = {}
    left = PAGE_BUDGET - TABLES * len(pages)
    for page in pages:
        for picture in page.pictures():
            data = base64.b64encode(compressed(picture.png)).decode() if left > 0 else ""
            left -= len(data)
            shown[picture.name] = Shown(picture, f"data:image/png;base64,{data}" if data and left >= 0 else None)
    return shown


def clean(value: Any) -> Any:
    """A number that JSON can hold; None for what is missing or infinite."""
    if missing(value):
        return None
    return value if isinstance(value, str | bool) else (float(value) if math.isfinite(value) else None)


def playground(page: Page, weights: CostWeights) -> dict[str, Any]:
    """What the sliders and the plot of a comparison work on, in raw units."""
    methods, metrics = page.comparison.methods, [metric.name for metric in page.comparison.metrics]
    scores = tpme(page.comparison.ranked, weights)["tpme"]
    rows = []
    for label, row in methods.iterrows():
        rows.append(
            {
                "label": visible(label),
                "family": row["family"],
                "ranked": label in scores.index,
                **{cost: clean(row[cost]) for cost in COSTS},
                **{metric: clean(row[metric]) for metric in metrics},
                **{f"{metric} sd": clean(row.get(f"{metric} sd")) for metric in metrics},
            }
        )
    return {"title": page.comparison.title, "methods": rows}


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
    """Cell id → its record's file, relative to the page, quoted so that no name of a folder is anything but a path."""
    found = {s.record.cell_id: s.file for s in page.comparison.results}
    return {cell: quote(Path(os.path.relpath(file, output)).as_posix()) for cell, file in found.items() if file}


def render(title: str, notes: list[str], pages: list[Page], weights: CostWeights, output: Path) -> str:
    """The whole page; `output` is the directory it will stand in, for the links to records."""
    jinja = environment(visible)
    jinja.filters["linked"] = lambda text: linked(text, output)
    data = {
        "weights": dict(zip(COSTS, weights.array().tolist(), strict=True)),
        "presets": {name: dict(zip(COSTS, choice.array().tolist(), strict=True)) for name, choice in PRESETS.items()},
        "comparisons": [playground(page, weights) for page in pages],
    }
    return jinja.get_template("report.html.jinja").render(
        title=title,
        notes=notes,
        pages=pages,
        pictures=embedded(pages),
        links=[links(page, output) for page in pages],
        plotted=[plotted(page) for page in pages],
        sort_value=sort_value,
        data=data,
        presets=PRESETS,
        costs=COSTS,
    )
