"""`bench list`."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..console import Screen, wrapping_table

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.table import Table


def list_methods() -> "Table":
    """Every registered method with its family and options."""
    from ...methods.registry import methods
    from ...ranges import RATES

    table = wrapping_table("method", "family", "what it is", "options (default)", "searched by bench tune")
    for name, method in methods().items():
        own = [f"{key} ({over})" for key, over in method.search.items() if over is not RATES.get(key)]
        searched = ", ".join((["rates"] if method.search.keys() & RATES.keys() else []) + own)
        table.add_row(
            name, method.family, method.summary, method.options_said or _options(method.options), searched or "–"
        )
    return table


def list_tasks() -> "Table":
    """Every registered task with what it is judged by, the metric that chooses the best epoch first."""
    from ...metrics import headline
    from ..tasks.registry import tasks

    table = wrapping_table("task", "what it is", "judged by")
    for name, task in tasks().items():
        table.add_row(name, task.summary, ", ".join(metric.name for metric in headline(task.metrics, task.primary)))
    return table


def list_datasets() -> "Table":
    """Every dataset source, and how to name one."""
    from ...datasets.sources.registry import sources

    table = wrapping_table("dataset", "how to name it", "what it is", "options (default)")
    for name, source in sources().items():
        table.add_row(name, source.usage, source.summary, _options(source.options))
    return table


def list_backbones() -> "Table":
    """The named pairs and towers; folders and hub ids are named by themselves."""
    from ...methods.backbones.names import FEATURES, IMAGE, PAIRS, TEXT

    table = wrapping_table("backbone", "text tower", "image tower")
    for name, (text, image) in PAIRS.items():
        if name == FEATURES:
            table.add_row(name, *["what the dataset brings"] * 2)
            continue
        table.add_row(name, _where(TEXT[text].source, text), _where(IMAGE[image].source, image))
    table.add_row("TEXT+IMAGE", "a name above, a folder in Hugging Face layout, or a hub id", "the same")
    return table


def list_trackers() -> "Table":
    """Every registered tracker."""
    from ..running.trackers import trackers

    table = wrapping_table("tracker", "what it is")
    for name, tracker in trackers().items():
        table.add_row(name, tracker.summary)
    return table


def _options(model: "type[BaseModel]") -> str:
    """A method's or source's options with their defaults, where they have one."""
    shown = (key if field.default is None else f"{key} ({field.default})" for key, field in model.model_fields.items())
    return ", ".join(shown) or "–"


def _where(source: str, name: str) -> str:
    return "built in" if name == "micro" else source


def list_studies() -> "Table":
    """Every study that ships, with what it asks and on what it is meant to run."""
    from ..study.shipped import shipped

    table = wrapping_table("study", "what it asks", "meant for")
    for each in shipped():
        table.add_row(each.name, each.question, each.meant or "–")
    return table


tables: "dict[str, Callable[[], Table]]" = {
    "methods": list_methods,
    "datasets": list_datasets,
    "backbones": list_backbones,
    "tasks": list_tasks,
    "trackers": list_trackers,
    "studies": list_studies,
}


def list_(
    kind: Annotated[
        Literal["methods", "datasets", "backbones", "tasks", "trackers", "studies"],
        typer.Argument(help="What to list."),
    ],
) -> None:
    """List the methods, datasets, backbones, tasks, trackers or studies that can be named."""
    Screen().print(tables[kind]())
