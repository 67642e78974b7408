"""`bench run --from`: what is said of cells that ran again, when the status is 1, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tpmebench.bench.cli import main
from tpmebench.bench.guard.findings import Outcome
from tpmebench.bench.guard.repetition import judge
from tpmebench.bench.running import repeat
from tpmebench.bench.running.repeat import Again, run_again
from tpmebench.errors import BenchError
from tpmebench.reports.records import Code, Record, ranks_path

Make = Callable[..., Record]
Write = Callable[[Path, list[Record]], Path]
Pair = tuple[Path, list[Record], Path, list[Record]]


@pytest.fixture
def again(tmp_path: Path, make_record: Make, write_study: Write) -> Pair:
    """Three cells and the same run again, with other times."""
    sides: list[Any] = []
    for name in ("before", "now"):
        records = [make_record(method) for method in ("lora", "iisan-cached", "popularity")]
        for record in records:
            record.code = Code(method="m", training="t")
            for epoch in record.time.epochs if name == "now" else ():
                epoch.total *= 2
        sides += [write_study(tmp_path / name, records), records]
    return tuple(sides)


def outcome(pair: Pair, strict: bool = False) -> Outcome:
    first, before, second, now = pair
    return judge(list(zip(before, now, strict=True)), first, second, strict)


def said(found: Outcome) -> str:
    return "\n".join([found.title, *found.notes])


def test_equal_is_said_and_times_fail_nothing(again: Pair):
    found = outcome(again, strict=True)
    assert not found.failed
    assert "ranks, parameters, operations and bytes are equal" in found.title
    assert "Whatever must repeat exactly is equal." in said(found)
    assert "The environment is the same" in said(found)
    ranks = [finding for finding in found.findings if finding.number == "ranks"]
    assert next((one.case, one.verdict, one.why) for one in ranks) == ("lora", "same", "of 800 users in 1 cells")
    assert {one.case for one in found.findings if one.number == "epoch"} == {"lora", "iisan-cached"}


def other_ranks(pair: Pair) -> None:
    path = ranks_path(pair[2], pair[3][0].cell_id)
    ranks = np.load(path)
    places = np.flatnonzero((ranks[:-1] != ranks[1:]) & np.isfinite(ranks[:-1]) & np.isfinite(ranks[1:]))
    ranks[places[0]], ranks[places[0] + 1] = ranks[places[0] + 1], ranks[places[0]]
    np.save(path, ranks)


def other_memory(pair: Pair) -> None:
    memory = pair[3][0].memory
    assert memory and memory.training and memory.training.tensors
    memory.training.tensors -= 1


@pytest.mark.parametrize(("change", "number"), [(other_ranks, "ranks"), (other_memory, "training memory")])
def test_what_must_be_equal_fails_unless_something_else_explains_it(
    again: Pair, change: Callable[[Pair], None], number: str
):
    change(again)
    found = outcome(again)
    assert [(one.case, one.number) for one in found.failed] == [("lora", number)]
    assert f"Not equal: lora: {number}, though code, data, towers" in said(found)
    for record in again[3]:
        record.environment = record.environment.model_copy(
            update={"versions": {**record.environment.versions, "torch": "9.9"}, "threads": 1, "commit": "f" * 40}
        )
    found = outcome(again)
    assert not found.failed
    assert "may be why: threads 2 → 1; torch 2.13.0 → 9.9." in said(found)
    assert "commit 0123456789 → ffffffffff" in said(found)
    assert outcome(again, strict=True).failed


def test_changed_code_or_data_explain_and_a_commit_alone_does_not(again: Pair):
    other_memory(again)
    for record in again[3]:
        record.environment = record.environment.model_copy(update={"commit": "f" * 40})
    assert outcome(again).failed
    again[3][0].code = Code(method="other", training="t")
    assert not outcome(again).failed and "the method's code" in said(outcome(again))
    again[1][0].code = again[3][0].code = Code()
    assert "of which the earlier record kept no digest" in said(outcome(again))


def test_a_cell_that_no_longer_ends_well_fails(again: Pair, make_record: Make):
    again[3][0] = make_record("lora", status="oom")
    found = outcome(again)
    assert [(one.case, one.number) for one in found.failed] == [("lora", "status")]


def test_other_losses_are_told_beside(again: Pair):
    again[3][0].time.epochs[2].loss += 1
    assert "In the records differ: time.epochs.2.loss" in said(outcome(again))


@pytest.fixture
def leaves(monkeypatch: pytest.MonkeyPatch, write_study: Write) -> list[Any]:
    """Instead of running cells, records of them are left; gives what would have run."""
    seen: list[Any] = []

    def run(_console: object, _study: object, request: Any, cells: list[Any], _again: object) -> int:
        seen.extend(cells)
        if not request.dry_run:
            for each in cells:
                record = next(r for r in SOURCE if (r.cell.method, r.cell.seed) == (each.cell.method, each.cell.seed))
                new = record.model_copy(update={"cell": each.cell, "cell_id": each.id})
                write_study(request.directory, [new])
        return 0

    monkeypatch.setattr(repeat, "run_cells", run)
    return seen


SOURCE: list[Record] = []


@pytest.fixture
def source(tmp_path: Path, make_record: Make, write_study: Write) -> Path:
    small = {"dataset": "bazaar:items=60,users=20"}
    SOURCE[:] = [make_record(method, seed=seed, **small) for method in ("lora", "popularity") for seed in range(2)]
    return write_study(tmp_path / "published", SOURCE)


def test_cells_of_a_folder_or_of_a_record_are_run_as_they_were(source: Path, leaves: list[Any], tmp_path: Path):
    told: list[Outcome] = []
    assert run_again(Again(source, tmp_path / "new", methods="lora", seeds=1), told.append) == 0
    [one] = leaves
    assert (one.cell.method, one.cell.seed, one.cell.threads) == ("lora", 0, min(2, one.cell.threads))
    assert one.cell.training == SOURCE[0].cell.training and one.cell.dataset_fingerprint
    assert "are equal" in told[0].title
    leaves.clear()
    record = source / "records" / f"{SOURCE[3].cell_id}.json"
    assert run_again(Again(record, tmp_path / "one"), told.append) == 0
    assert [(each.cell.method, each.cell.seed) for each in leaves] == [("popularity", 1)]


def test_what_cannot_be_repeated_so_is_refused(
    source: Path, leaves: list[Any], tmp_path: Path, make_record: Make, write_study: Write
):
    def refused(**asked: Any) -> str:
        with pytest.raises(BenchError) as found:
            run_again(Again(**{"source": source, "directory": tmp_path / "new", **asked}), lambda _: None)
        return str(found.value)

    assert "is where the records stand that are repeated" in refused(directory=source)
    assert "has no cell of 'lorra': there are " in refused(methods="lorra")
    assert "no cell of such a seed" in refused(seeds=0)
    assert "no records here" in refused(source=tmp_path / "nowhere")
    faults = (
        ({"method": "antigravity:Mine"}, "name it with --methods"),
        ({"dataset": "antigravity:Mine"}, "name it with --dataset"),
        ({"task": "antigravity:Mine"}, "run its study again"),
        ({"dataset": "shop"}, "--dataset says where they are"),
    )
    for number, (changes, option) in enumerate(faults):
        record = make_record("lora", status="oom")
        record.cell = record.cell.model_copy(update=changes)
        strange = write_study(tmp_path / f"strange-{number}", [record])
        assert option in refused(source=strange)
    assert leaves == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--epochs", "3"], "--epochs and --from: a cell that is repeated is as its record says"),
        (["--set", "training.batch=3"], "--set and --from"),
        (["demo"], "STUDY and --from"),
        (["--dataset", "a", "--dataset", "b"], "give one dataset"),
    ],
)
def test_a_repeated_cell_takes_no_other_settings(
    options: list[str], expected: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("sys.argv", ["bench", "run", "--from", "somewhere", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert expected in capsys.readouterr().err
