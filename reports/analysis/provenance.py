"""Where a comparison comes from: data, towers, seeds, machine, days, code, and what its numbers rest on."""

from dataclasses import dataclass

from .comparison import Comparison, shared
from .conditions import trains_nothing
from .convergence import endings
from .machine import MACHINE


@dataclass(frozen=True)
class Provenance:
    """`improving` of `ended` cells of methods were best at their last epoch. `pictures`: of so many `items` those that
    have one, None where pictures are not read or the records do not say. `days`: the first and the last.
    """

    dataset: str
    towers: str
    random_towers: bool
    seeds: tuple[int, ...]
    machine: str
    days: tuple[str, str]
    commits: tuple[str, ...]
    uncommitted: bool
    improving: int
    ended: int
    items: int | None
    pictures: int | None


def provenance(comparison: Comparison) -> Provenance:
    """That of all cells that count."""
    conditions, records = comparison.conditions, [result.record for result in comparison.results]
    trained = [record for record in records if not trains_nothing(record)] or records
    days = sorted(record.started[:10] for record in records)
    adapting = comparison.methods.index[comparison.methods["family"] != "reference"]
    cells = [ending for label, of_row in endings(comparison).items() if label in adapting for ending in of_row]
    items = _most(comparison, "items")
    missing = _most(comparison, "missing images")
    without = conditions["modalities"] == "text" or items is None or missing is None
    commits = shared(comparison, lambda record: record.environment.commit)
    return Provenance(
        dataset=conditions["dataset"],
        towers=comparison.towers,
        random_towers=comparison.random_towers,
        seeds=tuple(sorted({record.cell.seed for record in trained})),
        machine=_machine(conditions),
        days=(days[0], days[-1]),
        commits=tuple(commit[:12] for commit in commits if commit),
        uncommitted=any(record.environment.dirty for record in records),
        improving=sum(ending.at_the_last for ending in cells),
        ended=len(cells),
        items=items,
        pictures=None if without else int(items or 0) - int(missing or 0),
    )


def _machine(conditions: dict[str, str]) -> str:
    known = {name: conditions[name] for name in MACHINE if conditions.get(name)}
    counts = [
        f"{known[name]} {name[:-1] if known[name] == '1' else name}" for name in ("cores", "threads") if name in known
    ]
    return ", ".join(filter(None, [known.get("GPU", ""), known.get("CPU", ""), *counts]))


def _most(comparison: Comparison, fact: str) -> int | None:
    values = [value for value in shared(comparison, lambda record: record.dataset.get(fact)) if isinstance(value, int)]
    return max(values, default=None)
