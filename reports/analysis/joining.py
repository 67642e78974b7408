"""Accuracy from one run of a cell and costs from another: which belong together.

They belong together when the cells differ in nothing but seed, length and where they ran: accuracy may come from a busy
cluster. Costs of several machines, or under settings that decide them, are never put together.
"""

from collections.abc import Iterable, Sequence

from ...files import canonical_json
from ..records import Record
from .conditions import OF_THE_DEVICE, conditions, trains_nothing
from .results import Result
from .search import settle

Question = dict[str, str]
"""What a cell was asked, in words, but for seed, length and where it ran."""

_WHERE = {*OF_THE_DEVICE, "deterministic"}


def question(record: Record) -> Question:
    """That of a record."""
    own = {"method": record.cell.method, "options": _text(record.cell.options), "rates": _text(record.cell.rates)}
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
    return {name: value for name, value in question(record).items() if name not in {"options", "rates"}}


def apart(results: Sequence[Result]) -> list[str]:
    """A line for each row of costs that no accuracy belongs to though its method has some, and why."""
    joined = {cost.record.cell_id for of_cell in partners(results).values() for cost in of_cell}
    lines: dict[str, None] = {}
    for result in results:
        record = result.record
        if not record.cell.costs or record.status != "ok" or record.cell_id in joined:
            continue
        others = [each.record for each in results if not each.record.cell.costs]
        differences = [_differing(record, other) for other in others if other.cell.method == record.cell.method]
        if differences:
            lines[
                f"The costs of {record.cell.method} are not joined to its accuracy: the runs differ in "
                f"{', '.join(min(differences, key=len))}."
            ] = None
    return list(lines)


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
