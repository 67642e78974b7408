"""Times what grows with the data and with the search: ranking over many items, starting cells, a study of many cells.

`extra_info` says what was done and the floor that it is held against, in seconds, for the speed page. Without
`--benchmark-enable` everything is small.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
import torch
from many_items import operations, ranking

from tpmebench.bench.meters.rates import matrix_rate
from tpmebench.bench.nursery import AVAILABLE, LIBRARIES, OURS, Program
from tpmebench.bench.running.cell_process import WORKER, Start
from tpmebench.reports.reading import load_records
from tpmebench.reports.records import Record

ITEMS = (20_000, 200_000, 1_000_000)
USERS = 1_000
STUDY = """
name = "cells"
methods = ["iisan-cached"]
datasets = ["bazaar"]
threads = 1
references = false
seeds = {cells}

[training]
epochs = {epochs}
"""


@pytest.fixture
def timed(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("items", ITEMS)
def test_ranking_over_many_items(benchmark, timed: bool, one_thread: None, items: int) -> None:
    users, count = (USERS, items) if timed else (10, items // 100)
    rate = matrix_rate(torch.device("cpu")) if timed else 1.0
    ranks = benchmark.pedantic(ranking(users, count), rounds=3, warmup_rounds=1)
    assert len(ranks) == users and ranks.min() >= 1
    benchmark.extra_info.update(
        what=f"ranking {users:,} users over {count:,} items of width 64, one thread",
        floor="the products alone, at the rate of products of 2048³",
        floor_seconds=operations(users, count) / rate,
    )


@pytest.mark.skipif(not AVAILABLE, reason="needs Linux's fork")
def test_start_of_a_cell(benchmark) -> None:
    """From asking for a cell's process until it has ended for want of a job."""
    with closing(Start((*LIBRARIES, *OURS))) as start, Path(os.devnull).open("r+b") as nothing:
        stream = nothing.fileno()
        program = Program(WORKER, (), (stream, stream, stream))
        status = benchmark.pedantic(lambda: start(program, dict(os.environ)).wait(60), rounds=5, warmup_rounds=1)
    assert status == 1
    benchmark.extra_info.update(what="the process of a cell, from its fork to its end")


def test_a_study_of_cached_cells(benchmark, timed: bool, tmp_path: Path) -> None:
    """The command, from its first line to the report. Its floor is what cells train and rank for."""
    cells, epochs = (50, 7) if timed else (2, 1)
    (tmp_path / "cells.toml").write_text(STUDY.format(cells=cells, epochs=epochs))
    environment = os.environ | {"TPMEBENCH_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "tpmebench.bench", "run", "cells.toml", "--out", "out"]

    def run() -> None:
        subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)

    benchmark.pedantic(run, rounds=1)
    records = load_records(tmp_path / "out")
    assert [record.status for record in records] == ["ok"] * cells
    benchmark.extra_info.update(
        what=f"a study of {cells} cells of iisan-cached, {epochs} epochs each",
        floor="their epochs, and both rankings after each",
        floor_seconds=sum(map(_busy, records)),
        cells=cells,
        between=median(_between(records)),
        between_what="of these cells, from one to the next what is no epoch and no ranking: the median",
    )


def _busy(record: Record) -> float:
    """Seconds of a cell's epochs and rankings: after each epoch of the test users, too, which takes what ranking the
    valid users does.
    """
    epochs = sum(epoch.total + epoch.evaluation for epoch in record.time.epochs)
    return epochs + sum(each.ranking for each in (record.use.passes if record.use else []))


def _between(records: list[Record]) -> Iterator[float]:
    """Seconds from the start of each cell to that of the next, without its epochs and rankings."""
    cells = sorted(records, key=lambda record: record.started)
    for one, after in pairwise(cells):
        whole = datetime.fromisoformat(after.started) - datetime.fromisoformat(one.started)
        yield whole.total_seconds() - _busy(one)
