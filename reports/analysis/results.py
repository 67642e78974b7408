"""The records of some studies, each with the directory it was read from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import BenchError
from ...naming import without_homes
from ..reading import load_records
from ..records import Record, log_path, ranks_path, record_path
from .ranks import kept_ranks


@dataclass(frozen=True)
class Result:
    """A record and the study's directory it was read from, None for one that was handed over in memory.

    `spoilt`: the ranks beside it are not its own, so that it counts as if it had kept none.
    """

    record: Record
    directory: Path | None = None
    spoilt: bool = False

    @property
    def ranks(self) -> Path | None:
        """Where the cell's ranks stand, None when they were not kept."""
        path = ranks_path(self.directory, self.record.cell_id) if self.directory and not self.spoilt else None
        return path if path and path.exists() else None

    @property
    def log(self) -> Path | None:
        """Where stands, within the study's directory, what the cell printed; None when that was not kept."""
        path = log_path(self.directory, self.record.cell_id) if self.directory else None
        return path.relative_to(self.directory) if path and self.directory and path.exists() else None

    @property
    def file(self) -> Path | None:
        """Where the record stands."""
        return record_path(self.directory, self.record.cell_id) if self.directory else None


def load(directories: Iterable[Path], damage: list[str] | None = None) -> list[Result]:
    """All records of some studies, without anybody's home directory; of a cell that stands in several, the latest.

    What was planned of a cell and what was measured of it are two.

    `damage` as in `load_records`: it takes a line for ranks that cannot be used, too.
    """
    latest: dict[tuple[str, bool], Result] = {}
    for directory in directories:
        for record in load_records(directory, damage):
            key = record.cell_id, record.plan is not None
            known = latest.get(key)
            if known is None or known.record.started <= record.started:
                latest[key] = Result(_without_homes(record), directory)
    if damage is not None:
        latest = {key: _with_usable_ranks(result, damage) for key, result in latest.items()}
    return sorted(latest.values(), key=lambda result: result.record.started)


def _without_homes(record: Record) -> Record:
    """The record as others may read it: errors, warnings and names may hold paths of who ran it."""
    text = record.model_dump_json()
    clean = without_homes(text)
    return record if clean == text else Record.model_validate_json(clean)


def _with_usable_ranks(result: Result, damage: list[str]) -> Result:
    try:
        if result.record.status == "ok" and result.ranks is not None:
            kept_ranks(result.ranks, result.record)
    except BenchError as error:
        damage.append(str(error).removeprefix(f"{result.directory}/"))
        return replace(result, spoilt=True)
    return result
