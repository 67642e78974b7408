"""Reading records, of this schema or an older one: what stands in a file is a whole record or one BenchError."""

from pathlib import Path

from pydantic import ValidationError

from ..cell import upgrade
from ..errors import BenchError, first_fault, quoted
from ..files import read_json
from .records import SCHEMA_VERSION, Record

_UNCACHED = {"iisan-cached": "iisan", "frozen-cached": "frozen"}
"""What records said by their methods' names before they had the field."""


def read_record(path: Path) -> Record:
    """One record. BenchError names the file and the field at fault."""
    values = read_json(path)
    version = values.get("schema_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise BenchError(f"{path}: schema_version {quoted(version)} is of a newer version: read it with that")
    if isinstance(values, dict):
        values["cell"] = upgrade(values.get("cell"))
    try:
        record = Record.model_validate(values)
    except ValidationError as error:
        fault = first_fault(error, values)
        wrong = f"{fault.key or 'the record'}: {fault.message}"
        raise BenchError(f"{path}: {wrong}; remove the file and run its study again") from error
    if "uncached" not in record.model_fields_set:
        record.uncached = _UNCACHED.get(record.cell.method, "")
    wrong = _lacking(record)
    if wrong:
        raise BenchError(f"{path}: {wrong}; remove the file and run its study again")
    return record


def _lacking(record: Record) -> str | None:
    """What a record as written would hold and this one doesn't: some field that a hand has changed."""
    names = [metric.name for metric in record.metrics]
    if record.primary_metric not in names or len(set(names)) < len(names):
        return f"primary_metric: {record.primary_metric} should stand in metrics, each of which stands there once"
    accuracy, epochs = record.accuracy, record.time.epochs
    if accuracy is None:
        return None
    parts = {"valid": accuracy.valid, "test": accuracy.test} | accuracy.slices
    metrics = {f"accuracy.{name}.metrics": (part.metrics, part.users > 0) for name, part in parts.items()}
    for part in ("valid", "test"):
        curve = enumerate(getattr(epoch, part) for epoch in epochs)
        metrics |= {f"time.epochs.{number}.{part}": (found, bool(found)) for number, found in curve}
    for key, (found, needed) in metrics.items():
        missing = [name for name in names if name not in found]
        if needed and missing:
            return f"{key}: {missing[0]} is missing"
    if epochs and not 1 <= accuracy.best_epoch <= len(epochs):
        return f"accuracy.best_epoch: {accuracy.best_epoch} is none of the {len(epochs)} in time.epochs"
    return None


def record_paths(directory: Path) -> list[Path]:
    """The files of all records of a study's directory. BenchError when there are none."""
    paths = sorted((directory / "records").glob("*.json"))
    if not paths:
        raise BenchError(f"{directory}: no records here; run a study with --out {directory} first")
    return paths


def load_records(directory: Path | str, damage: list[str] | None = None) -> list[Record]:
    """All records of a study's directory, in the order in which they were written. BenchError when there are none.

    One that cannot be read is a BenchError too, unless there is a list to take a line on it: then it is left out.
    """
    directory = Path(directory)
    records = []
    for path in record_paths(directory):
        try:
            records.append(read_record(path))
        except BenchError as error:
            if damage is None:
                raise
            damage.append(str(error).removeprefix(f"{directory}/"))
    return sorted(records, key=lambda record: record.started)
