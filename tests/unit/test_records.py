"""Records: what is saved is what is read, and a record that a hand has changed is refused by its field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bounds import bounded
from hypothesis import given
from schemas import mutated, put

from tpmebench.errors import BenchError
from tpmebench.reports.reading import load_records, read_record
from tpmebench.reports.records import SCHEMA_VERSION, Record

MakeRecord = Callable[..., Record]
PUBLISHED = Path(__file__).parents[2] / "reports" / "published"


@pytest.fixture(scope="module")
def valid(make_record: MakeRecord) -> dict[str, Any]:
    """What stands in the file of a finished cell that used the feature cache."""
    return json.loads(make_record("iisan-cached", seed=1, options={"layers": [1, 2]}).model_dump_json())


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records") / "record.json"


@pytest.mark.parametrize("status", ["ok", "oom", "crashed"])
def test_a_record_that_is_saved_is_read_as_it_was(tmp_path: Path, make_record: MakeRecord, all_methods, status) -> None:
    records = [make_record(method, status=status) for method in all_methods]
    assert [read_record(record.save(tmp_path)) for record in records] == records
    assert load_records(tmp_path) == sorted(records, key=lambda record: record.started)


@pytest.mark.parametrize("study", sorted(PUBLISHED.glob("*/records")), ids=lambda path: path.parent.name)
def test_published_records_stay_readable_and_are_written_as_they_were(study: Path) -> None:
    for path in sorted(study.glob("*.json")):
        record, written = read_record(path), json.loads(path.read_text())
        again = json.loads(record.model_dump_json())
        assert record.cell_id == path.stem
        for key, value in written.items():
            if key not in ("cell", "environment", "time", "memory", "plan"):  # which may have gained fields since
                assert again[key] == value


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("time.epochs.0.total", 0, ["time.epochs.0.total", "greater than 0", "got 0"]),
        ("time.epochs.1.forward", -1, ["time.epochs.1.forward", "greater than or equal to 0"]),
        ("time.epochs.1.total", 1e300, ["time.epochs.1.total", "less than or equal to"]),
        ("time.epochs.1.loss", float("nan"), ["time.epochs.1.loss", "finite"]),
        ("time.steps.p50", "soon", ["time.steps.p50", "valid number", "'soon'"]),
        ("memory.training.tensors", -5, ["memory.training.tensors", "got -5"]),
        ("memory.kinds.weights", 10**30, ["memory.kinds.weights"]),
        ("parameters.trainable", 10**4000, ["parameters.trainable", "bits"]),
        ("parameters.parts.head", [1], ["parameters.parts.head", "required"]),
        ("accuracy.test.metrics.HR@10", 1.5, ["accuracy.test.metrics.HR@10", "less than or equal to 1"]),
        ("accuracy.test.metrics", {"HR@10": 0.5}, ["accuracy.test.metrics", "HR@5 is missing"]),
        ("accuracy.best_epoch", 40, ["accuracy.best_epoch", "40 is none of the 12"]),
        ("time.epochs.2.valid", {"MRR": 0.5}, ["time.epochs.2.valid", "HR@5 is missing"]),
        ("cell.head.width", 0, ["cell.head.width", "got 0"]),
        ("cell.seed", -1, ["cell.seed"]),
        ("cell.options", {"r": float("inf")}, ["cell.options", "finite numbers"]),
        ("cell_id", "../../x", ["cell_id", "'../../x'"]),
        ("started", "yesterday", ["started", "isoformat"]),
        ("status", "fine", ["status", "'ok'", "got 'fine'"]),
        ("colour", "red", ["colour", "not permitted"]),
        ("schema_version", SCHEMA_VERSION + 1, ["schema_version", "newer version"]),
    ],
)
def test_a_hand_that_changed_a_record_is_told_the_field(valid, file: Path, key: str, value: Any, words) -> None:
    file.write_text(json.dumps(put(valid, tuple(key.split(".")), value)), "utf-8")
    with pytest.raises(BenchError) as caught:
        read_record(file)
    message = str(caught.value)
    assert message.isprintable()
    for word in (str(file), *words):
        assert word in message


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"3", b"\xff", b"[" * 100_000, b'{"schema_version": 1}']
)
def test_a_file_that_is_no_record_is_named(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(BenchError, match=str(file)):
        read_record(file)


def test_a_record_is_read_or_refused_whatever_its_fields_hold(valid, file: Path) -> None:
    @given(mutated(Record, valid))
    def holds(values: dict[str, Any]) -> None:
        file.write_text(json.dumps(values, default=str), "utf-8")
        with bounded(str(file)):
            record = read_record(file)
            assert read_record(record.save(file.parent)) == record
            assert len(record.cell.id) == 16

    holds()


def test_a_record_of_version_1_is_read_as_one_of_today(valid, file: Path) -> None:
    """Head and evaluation stood under `training`. What the file called its version stays, for a report to say."""
    old = json.loads(json.dumps(valid))
    old["schema_version"] = 1
    for section in ("head", "evaluation"):
        old["cell"]["training"] |= old["cell"].pop(section)
    file.write_text(json.dumps(old), "utf-8")
    record = read_record(file)
    assert record.schema_version == 1
    assert record.cell == Record.model_validate(valid).cell
    assert record.cell.id == Record.model_validate(valid).cell.id


def test_published_records_of_every_version_are_read() -> None:
    published = Path(__file__).parents[2] / "reports" / "published"
    for folder in {path.parent.parent for path in published.glob("*/records/*.json")}:
        assert load_records(folder)
