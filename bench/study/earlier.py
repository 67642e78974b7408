"""What earlier runs left in a study's directory: which record belongs to which cell, and whether it still holds.

A cell's record is found by what the cell is, computed anew from the record, so that one that was written before the
recipe of the id changed is found too. It is stale when the code that made it has changed, or when the record differs
from the cell in nothing but the fingerprints of its data or towers. What an old record does not say is no difference.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ...cell import Cell
from ...datasets.sources.registry import open_source
from ...files import canonical_json
from ...reports.reading import load_records
from ...reports.records import Code, Record
from ..guard.pairing import portable


@dataclass(frozen=True)
class Found:
    """The record that belongs to a cell, and why it is stale; `same`: it is a record of this very cell."""

    record: Record
    stale: tuple[str, ...] = ()
    same: bool = True


class Earlier:
    """The records of a directory.

    For older records: `defaults` has the options of each method of the study, `data` the fingerprint of each dataset.
    """

    def __init__(self, directory: Path, defaults: Mapping[str, Mapping[str, Any]], data: Mapping[str, str]) -> None:
        # One that cannot be read counts as not done: the runner sets it aside, and says so.
        records = load_records(directory, []) if any((directory / "records").glob("*.json")) else []
        formers = _formers(records, data)
        self._records = [_completed(record, defaults, formers) for record in records if record.plan is None]

    def find(self, cell: Cell, code: Code, others: frozenset[str]) -> Found | None:
        """The record of a cell whose code is `code` today; those of `others`, the study's cells by id, are theirs."""
        record = self._by_id.get(cell.id)
        if record is not None:
            return Found(record, tuple(_changed_code(record.code, code)))
        for record in reversed(self._alike.get(_question(cell), [])):
            if record.cell.id in others:
                continue
            changes = tuple(_changed_inputs(record.cell, cell))
            if changes:
                return Found(record, changes, same=False)
            return Found(record, tuple(_changed_code(record.code, code)))
        return None

    @cached_property
    def _by_id(self) -> dict[str, Record]:
        return {record.cell.id: record for record in self._records}  # of two, the one that was written last

    @cached_property
    def _alike(self) -> dict[str, list[Record]]:
        alike: dict[str, list[Record]] = {}
        for record in self._records:
            alike.setdefault(_question(record.cell), []).append(record)
        return alike


def _formers(records: list[Record], data: Mapping[str, str]) -> dict[str, str]:
    """Today's fingerprints of data by their former ones; empty when every record has one of today's."""
    unknown = {record.cell.dataset_fingerprint for record in records} - {"", *data.values()}
    return {open_source(spec).former_fingerprint(): now for spec, now in data.items()} if unknown else {}


def _completed(record: Record, defaults: Mapping[str, Mapping[str, Any]], formers: Mapping[str, str]) -> Record:
    """The record with the options that its method has got since, at their defaults, and today's fingerprint of data."""
    cell = record.cell
    changes = {
        "options": {**defaults.get(cell.method, {}), **cell.options},
        "dataset_fingerprint": formers.get(cell.dataset_fingerprint, cell.dataset_fingerprint),
    }
    return record.model_copy(update={"cell": cell.model_copy(update=changes)})


def _question(cell: Cell) -> str:
    """What was asked, in names alone: the same for cells that differ in fingerprints, or in where a folder stands."""
    labels = {name: portable(getattr(cell.backbones, name)) for name in ("text", "image")}
    named = cell.model_copy(
        update={
            "dataset": portable(cell.dataset),
            "dataset_fingerprint": "",
            "backbones": cell.backbones.model_copy(update={**labels, "fingerprint": ""}),
        }
    )
    return canonical_json(named.identity())


def _changed_code(then: Code, now: Code) -> Iterator[str]:
    if then.method and now.method and then.method != now.method:
        yield "method changed"
    if then.training and now.training and then.training != now.training:
        yield "training code changed"


def _changed_inputs(then: Cell, now: Cell) -> Iterator[str]:
    if _differ(then.dataset_fingerprint, now.dataset_fingerprint):
        yield f"dataset changed (was {then.dataset_fingerprint[:8]})"
    before, after = then.backbones.fingerprints, now.backbones.fingerprints
    for name, fingerprint in before.items():
        if _differ(fingerprint, after.get(name, "")):
            yield f"{name} backbone changed (was {fingerprint[:8]})"


def _differ(then: str, now: str) -> bool:
    return bool(then and now and then != now)
