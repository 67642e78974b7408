"""Accuracy from one run of a cell and costs from another: which belong together.

They belong together when the cells differ in nothing but seed, length and where they ran: accuracy may come from a busy
cluster. Costs of several machines, or under settings that decide them, are never put together.
"""

from collections.abc import Iterable, Sequence

from ...files import canonical_json
from ...naming import short_name
from ...text import visible
from ..records import Record
from .conditions import OF_THE_DEVICE, conditions, trains_nothing
from .machine import machine
from .results import Result
from .rows import label_cells
from .search import settle

Question = dict[str, str]
"""What a cell was asked, in words, but for seed, length and where it ran."""

IN_EFFECT = "batch in effect"

_WHERE = {*OF_THE_DEVICE, "deterministic"}


def question(record: Record) -> Question:
    """That of a record. Where memory is equal batches need not be: what ran with another batch has other costs."""
    own = {"method": record.cell.method, "options": _text(record.cell.options), "rates": _text(record.cell.rates)}
    own |= {IN_EFFECT: str(record.batch)} if record.cell.training.memory else {}
    return own | {name: value for name, value in conditions(record).items() if name not in _WHERE}


def partners(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Id of each accuracy cell → the cells that measured its costs alone, where there are any.

    The points of a search and the runs of what they tried stay together: where the costs of one setting of the method
    are, all of them go.
    """
    costs: dict[str, list[Result]] = {}
    for result in results:
        if result.record.cell.costs and result.record.status == "ok":
            for name in (_text(question(result.record)), _text(_of_method(result.record))):
                costs.setdefault(name, []).append(result)
    if not costs:
        return {}
    together = _of_searches(results)
    found = {
        record.cell_id: costs.get(_text(_of_method(record) if record.cell_id in together else question(record)), [])
        for record in (result.record for result in results)
        if not record.cell.costs and not trains_nothing(record)
    }
    return {cell_id: of_cell for cell_id, of_cell in found.items() if of_cell}


def _of_searches(results: Sequence[Result]) -> set[str]:
    """Ids of the points of all searches, and of other runs of what they tried: apart they would be another search."""
    _, found = settle(results)
    tried = (result for search in found for point in search.points for result in point.results)
    runs = (result for search in found for result in (*search.fresh, *search.passed_over))
    return {result.record.cell_id for result in (*tried, *runs)}


def _of_method(record: Record) -> Question:
    return {name: value for name, value in question(record).items() if name not in {"options", "rates", IN_EFFECT}}


def apart(results: Sequence[Result]) -> list[str]:
    """What a reader may miss in one row: a line for costs that no accuracy belongs to though their method has some, and
    why; and for accuracies that are left behind where those of other methods went to their costs.
    """
    measured = partners(results)
    joined = {cost.record.cell_id for of_cell in measured.values() for cost in of_cell}
    costs = [result.record for result in results if result.record.cell.costs and result.record.status == "ok"]
    others = [result.record for result in results if not result.record.cell.costs]
    alone = [record for record in costs if record.cell_id not in joined]
    lines: dict[str, None] = {}
    for record in alone:
        differences = [_differing(record, other) for other in others if other.cell.method == record.cell.method]
        if differences:
            lines[
                f"The costs of {record.cell.method} are not joined to its accuracy: the runs differ in "
                f"{', '.join(min(differences, key=len))}."
            ] = None
    told = {record.cell.method for record in alone}
    left = {record.cell_id for record in others if record.cell_id not in measured and record.cell.method not in told}
    return [*lines, *_left_behind(left, others, [record for record in costs if record.cell_id in joined])]


def _left_behind(left: set[str], others: Iterable[Record], costs: Sequence[Record]) -> Iterable[str]:
    """A line for each protocol with accuracies among those `left` that stand elsewhere than the joined `costs`."""
    reached: dict[str, list[Record]] = {}
    for record in others if costs else ():
        if record.accuracy and not trains_nothing(record):
            reached.setdefault(_protocol(record), []).append(record)
    for protocol, records in reached.items():
        places = {_place(cost) for cost in costs if _protocol(cost) == protocol}
        labels = label_cells(records)
        rows = {labels[each.cell_id] for each in records if each.cell_id in left and _place(each) not in places}
        if places and rows:
            yield visible(
                f"The accuracies of {', '.join(sorted(rows))} on {short_name(records[0].cell.dataset)} stand in a "
                "comparison of their own: their costs were not measured where those of others were."
            )


def _protocol(record: Record) -> str:
    """What must be equal in a comparison, wherever it ran."""
    return _text({name: value for name, value in conditions(record).items() if name not in _WHERE})


def _place(record: Record) -> str:
    """Where it ran."""
    return _text(machine(record) | {name: value for name, value in conditions(record).items() if name in _WHERE})


def origins(results: Iterable[Result], labels: dict[str, str]) -> list[str]:
    """Where the costs and the accuracies of a comparison come from, in a line, where they are of different runs."""
    results = list(results)
    costs = [result.record for result in results if result.record.cell.costs]
    rows = {labels[record.cell_id] for record in costs}
    accuracies = [r.record for r in results if labels[r.record.cell_id] in rows and not r.record.cell.costs]
    if not accuracies:
        return []
    return [
        f"Of {', '.join(sorted(rows & {labels[record.cell_id] for record in accuracies}))} the costs are of runs that "
        f"measured nothing else ({_places(costs)}), the accuracies of others ({_places(accuracies)})."
    ]


def _places(records: Sequence[Record]) -> str:
    places = []
    for record in records:
        where = record.environment
        machine = where.gpu or where.cpu or "an unknown machine"
        places.append(f"{record.study}, {machine}, {where.threads} thread{'s' * (where.threads != 1)}")
    return "; ".join(dict.fromkeys(places))


def _differing(one: Record, other: Record) -> list[str]:
    ours, theirs = question(one), question(other)
    return [name for name in ours | theirs if ours.get(name) != theirs.get(name)]


def _text(values: object) -> str:
    return canonical_json(values)
