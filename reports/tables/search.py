"""What a search tried, what it chose and what that cost."""

import pandas as pd

from ...naming import written
from ..analysis.comparison import Comparison
from ..analysis.search import AS_IT_IS, Point, Search
from ..quantities import NONE, missing
from .table import Column, Table, present

HOW = (
    "Chosen by {metric} on valid, never by test; of equal settings the one with fewer trainable parameters, then fewer "
    "operations a step, then the one that stands first in the search. One with a run that failed is not chosen."
)


def choices_table(comparison: Comparison) -> Table | None:
    """A row a search: how many settings were tried, which was chosen, what it reached on valid, and what that took."""
    if not comparison.searches:
        return None
    metric = comparison.primary
    frame = pd.DataFrame([_choice(comparison, search) for search in comparison.searches], index=rows(comparison))
    columns = (
        Column("tried", "settings tried", "integer"),
        Column("chosen", "chosen"),
        Column("valid", f"valid {metric.name}, chosen", "metric"),
        Column("own", f"valid {metric.name}, {AS_IT_IS}", "metric"),
        Column("runs", "row comes from"),
        Column("cells", "cells of the search", "integer"),
        Column("search_time", "search, in all", "duration"),
        Column("training_time", "a run of the row", "duration"),
    )
    notes = (
        HOW.format(metric=metric.name),
        f"{AS_IT_IS.capitalize()}: at the method's own rates. Row comes from: runs afresh, on seeds without part in "
        f"the choice, or the search's own runs, whose {metric.name} on valid is then the best of all tried.",
        "The time of a search is no part of T.",
    )
    return Table("searches", "What was tried and chosen", frame, present(frame, columns), notes=notes)


def points_table(comparison: Comparison, search: Search, label: str, number: int) -> Table:
    """Every setting that a search, the report's `number`th, tried: the best first, with what decides between equal ones
    and what became of those that failed.
    """
    metric, more = comparison.primary, comparison.primary.better == "more"
    chosen = search.chosen
    names = [f"{number}, chosen" if point is chosen else str(number) for number, point in enumerate(search.points, 1)]
    frame = pd.DataFrame([_tried(search, point) for point in search.points], index=names)
    frame = frame.sort_values("valid", ascending=not more, kind="stable")
    columns = (
        *(Column(key, key) for key in search.keys),
        Column("valid", f"valid {metric.name}", "metric", metric.better),
        Column("parameters", "P", "count", "less"),
        Column("operations", "operations a step", "operations", "less"),
        Column("time", "T", "seconds", "less"),
        Column("seeds", "runs", "integer"),
        Column("status", "status"),
        Column("cause", "cause"),
        Column("cell", "cell"),
    )
    return Table(f"search-{number}", f"Settings tried of {label}", frame, present(frame, columns), index="setting")


def rows(comparison: Comparison) -> list[str]:
    """The row of each search."""
    return [comparison.labels[search.rows[0].record.cell_id] for search in comparison.searches]


def _choice(comparison: Comparison, search: Search) -> dict[str, object]:
    label = comparison.labels[search.rows[0].record.cell_id]
    count = len(search.fresh)
    return {
        "tried": len(search.points),
        "chosen": search.choice,
        "valid": search.chosen.valid if search.chosen else None,
        "own": search.own.valid if search.own else None,
        "runs": f"{count} run{'s' * (count > 1)} afresh" if count else "the search's own",
        "cells": sum(len(point.results) for point in search.points),
        "search_time": sum(point.seconds for point in search.points) or None,
        "training_time": comparison.methods.loc[label].get("total_time"),
    }


def _tried(search: Search, point: Point) -> dict[str, object]:
    used = point.used
    told = next((result for result in point.results if result.record.status != "ok"), None)
    parameters, operations = (None if cost == float("inf") else cost for cost in point.costs)
    return {
        **{key: written(used[key]) if not missing(used.get(key)) else NONE for key in search.keys},
        "valid": point.valid,
        "parameters": parameters,
        "operations": operations,
        "time": point.time,
        "seeds": len(point.results),
        "status": point.status,
        "cause": None if told is None else (told.record.error or "not recorded").split("\n")[0],
        "cell": (told or point.results[0]).record.cell_id,
    }
