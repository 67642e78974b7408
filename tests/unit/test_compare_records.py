"""The script that compares what two runs of one study left: equal but for ids, times and machine, or the field."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from schemas import put
from soak.compare_records import compare

from tpmebench.cell import SECTIONS
from tpmebench.reports.records import Record

Pair = tuple[Path, Path]


@pytest.fixture
def pair(tmp_path: Path, make_record: Callable[..., Record], write_study: Callable[..., Path]) -> Pair:
    """A study as version 1 wrote it, and as it is written today with other ids, times and machine."""
    before, after = tmp_path / "before", tmp_path / "after"
    records = [make_record(method, epochs=4) for method in ("popularity", "lora", "iisan-cached")]
    write_study(before, records)
    for path in (before / "records").glob("*.json"):
        path.write_text(json.dumps(older(json.loads(path.read_text()))))
    for record in records:
        record.cell.dataset_fingerprint = "ab" * 32
        record.cell_id, record.started = record.cell.id, "2026-02-02T00:00:00+00:00"
        record.environment.cpu = "Another CPU"
        if record.memory and record.memory.training:
            record.memory.training.rss = 5
        for epoch in record.time.epochs:
            epoch.total, epoch.forward = 2 * epoch.total, 2 * epoch.forward
    return before, write_study(after, records)


def older(content: dict[str, Any]) -> dict[str, Any]:
    """A record of version 1: one section of settings, and without the fields that came later."""
    cell = content["cell"]
    cell["training"] = {key: value for name in SECTIONS for key, value in cell.pop(name).items()}
    del content["primary_metric"], content["metrics"], content["warnings"]
    return content | {"schema_version": 1, "cell": cell}


def test_records_that_differ_in_ids_times_and_machine_are_equal(pair: Pair):
    assert compare(*pair) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (("time", "epochs", "2", "loss"), 0.5),
        (("memory", "training", "tensors"), 7),
        (("memory", "kinds"), {}),
        (("parameters", "parts", "adapter"), [1, 2]),
        (("compute", "backward"), 9),
        (("accuracy", "cold", "users"), 3),
        (("accuracy", "test", "metrics", "HR@10"), 0.25),
        (("dataset", "items"), 8),
        (("rates", "head"), 0.5),
        (("status",), "oom"),
    ],
    ids=str,
)
def test_what_differs_is_named(pair: Pair, key: tuple, value: Any):
    path = next(path for path in (pair[1] / "records").glob("*.json") if '"lora"' in path.read_text())
    path.write_text(json.dumps(put(json.loads(path.read_text()), key, value)))
    found = compare(*pair)
    assert found
    for line in found:
        assert line.startswith(f"lora on bazaar:items=2000,users=2500, seed 0, repeat 0: {'.'.join(map(str, key))}")


def test_a_missing_epoch_a_missing_cell_and_other_ranks_are_differences(pair: Pair):
    path = next(path for path in (pair[1] / "records").glob("*.json") if '"lora"' in path.read_text())
    content = json.loads(path.read_text())
    content["time"]["epochs"].pop()
    path.write_text(json.dumps(content))
    assert "time.epochs.3" in "".join(compare(*pair))
    path.unlink()
    assert [line.rpartition(": ")[2] for line in compare(*pair)] == [f"only in {pair[0]}"]
    assert [line.rpartition(": ")[2] for line in compare(*reversed(pair))] == [f"only in {pair[0]}"]
    ranks = next((pair[1] / "ranks").glob("*.npy"))
    np.save(ranks, np.load(ranks) + 1)
    assert any(line.endswith("other ranks") for line in compare(*pair))
