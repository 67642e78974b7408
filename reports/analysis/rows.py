"""Which cells make up a row of a ranking: what the row is called, and which of several cells of one run counts."""

from collections.abc import Iterable, Mapping
from typing import Any

from ...files import canonical_json
from ...naming import written_settings
from ...text import visible
from ..records import Record

LOOSE = ("epochs", "patience")
"""Settings of training that change no cost of an epoch, so that cells which differ in them stand in one ranking."""


def label_cells(records: list[Record]) -> dict[str, str]:
    """Cell id → method's name, followed by the options, rates and LOOSE settings in which its cells differ.

    A cell that measured costs alone has no length: it belongs to the longest of those that it could be the costs of.
    """
    labels = {}
    for name in {record.cell.method for record in records}:
        mine = [record for record in records if record.cell.method == name]
        trains = any(one.time.epochs for one in mine)
        facts = {record.cell_id: distinctions(record, trains) | _in_effect(record, mine) for record in mine}
        keys = sorted({key for own in facts.values() for key in own}, key=lambda key: (key in LOOSE, key))
        shown = [key for key in keys if _differ(key, facts.values())]
        for cell_id, own in facts.items():
            given = written_settings({key: own[key] for key in shown if key in own})
            labels[cell_id] = f"{name} ({given})" if given else name
        labels |= {record.cell_id: labels[_longest(record, mine).cell_id] for record in mine if record.cell.costs}
    return labels


def _differ(key: str, facts: Iterable[Mapping[str, Any]]) -> bool:
    return len({str(own.get(key)) for own in facts if key in own or key not in LOOSE}) > 1


def _longest(costs: Record, records: list[Record]) -> Record:
    """Of the cells that differ from one of costs in seed and length at most, the one of most epochs; else itself."""

    def asked(record: Record) -> str:
        return canonical_json([_setting(record), _in_effect(record, records)])

    alike = [each for each in records if not each.cell.costs and asked(each) == asked(costs)]
    return max(alike, key=lambda each: each.cell.training.epochs, default=costs)


def _in_effect(record: Record, records: Iterable[Record]) -> dict[str, Any]:
    """Its batch, where cells of one setting were given one memory and took several."""
    if not record.cell.training.memory or not record.batch:
        return {}
    batches = {each.batch for each in records if each.batch and _setting(each) == _setting(record)}
    return {"batch": record.batch} if len(batches) > 1 else {}


def _setting(record: Record) -> str:
    return canonical_json([record.cell.options, record.cell.rates])


def told_apart(names: Iterable[str]) -> dict[str, str]:
    """Names as they are shown, in a line; one that would look like another before it is numbered."""
    shown: dict[str, str] = {}
    for name in names:
        line, number = visible(name), 1
        while line in shown.values():
            number += 1
            line = f"{visible(name)} [{number}]"
        shown[name] = line
    return shown


def distinctions(record: Record, trains: bool) -> dict[str, Any]:
    """In what a cell may differ from others of its method. A ranking that trains nothing has no epochs."""
    timed = trains and not record.cell.costs
    loose = {name: getattr(record.cell.training, name) for name in LOOSE} if timed else {}
    return loose | record.cell.options | record.cell.rates


def older(records: list[Record], labels: dict[str, str]) -> set[str]:
    """Ids of the cells of which a newer one has the same row, seed and repeat: they are no further repeats of it."""
    newest: dict[tuple[str, bool, int, int], Record] = {}
    for record in records:
        run = (labels[record.cell_id], record.cell.costs, record.cell.seed, record.cell.repeat)
        if run not in newest or newest[run].started <= record.started:
            newest[run] = record
    return {record.cell_id for record in records} - {record.cell_id for record in newest.values()}
