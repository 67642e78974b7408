"""The card of an exported cell: what it is, what it reached and cost, and how it is opened."""

from dataclasses import dataclass

from markupsafe import Markup

from ...metrics import headline
from ...naming import written_settings
from ...text import visible
from ..analysis.epochs import mean_epoch
from ..quantities import NONE, Kind, show, unit
from ..records import Record
from .jinja import environment
from .markdown import escape


@dataclass(frozen=True)
class Adapter:
    """A tower in peft's format: its folder, the tower's name, and the class of the model that it adapts."""

    folder: str
    tower: str
    model: str


@dataclass(frozen=True)
class CardFacts:
    """What a card tells. `towers`: names by modality; `numbers`: how many were trained, or kept with those."""

    record: Record
    epoch: int
    towers: dict[str, str]
    adapters: list[Adapter]
    numbers: int


def render_card(facts: CardFacts) -> str:
    """The card as Markdown."""
    jinja = environment(lambda value: Markup(escape(value)))
    jinja.filters["code"] = lambda value: Markup(visible(value).replace("`", "'"))
    cell = facts.record.cell
    return jinja.get_template("model_card.md.jinja").render(
        cell=cell,
        options=written_settings(cell.options),
        facts=facts,
        record=facts.record,
        figures=_figures(facts.record),
        costs=_costs(facts.record),
    )


def _figures(record: Record) -> list[tuple[str, str, str]]:
    """Of each headline metric what it is on valid and on test."""
    assert record.accuracy is not None, "a cell that was saved has been judged"
    names = [metric.name for metric in headline(record.metrics, record.primary_metric)]
    valid, test = record.accuracy.valid.metrics, record.accuracy.test.metrics
    return [(name, show(valid[name], "metric"), show(test[name], "metric")) for name in names]


def _costs(record: Record) -> list[tuple[str, str]]:
    peak = record.memory.peak if record.memory else None
    trainable = record.parameters.trainable if record.parameters else None
    mean = mean_epoch(record, lambda epoch: epoch.total)
    rows: list[tuple[str, float | None, Kind]] = [
        ("training epoch", mean, "duration"),
        ("peak memory of training", peak, "bytes"),
        ("trainable parameters, head included", trainable, "count"),
    ]
    return [(name, _quantity(value, kind)) for name, value, kind in rows]


def _quantity(value: float | None, kind: Kind) -> str:
    scale = unit(kind, [value])
    return NONE if value is None else f"{show(value, kind, scale)} {scale.name}".strip()
