"""The record that a cell completes, before anything is known of it."""

from datetime import UTC, datetime

from ...datasets.sources.registry import source_class
from ...reports.records import Record
from .digests import code_of
from .grid import Planned
from .schema import Study


def blank_record(study: Study, planned: Planned) -> Record:
    """Of a planned cell; as it is, it says that the cell crashed."""
    return Record(
        study=study.name,
        note=study.note,
        cell=planned.cell,
        cell_id=planned.id,
        # as it is when the cell's process starts
        code=code_of(planned.method, source_class(planned.places.dataset), planned.task),
        family=planned.method.family,  # type: ignore[arg-type]
        summary=planned.method.summary,
        uncached=planned.method.uncached,
        primary_metric=planned.task.primary,
        metrics=list(planned.task.metrics),
        slices=planned.task.slices_are,
        status="crashed",
        started=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
