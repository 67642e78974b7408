"""A cell from end to end within this process: what it sets, what it records, and how it goes on."""

import errno
import io
import os
import random
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tpmebench.bench import execution, worker
from tpmebench.bench.execution import execute, prepare_process
from tpmebench.bench.ranking import Diverged
from tpmebench.bench.worker import Events, Job
from tpmebench.errors import BenchError
from tpmebench.reports.records import BackboneChoice, Cell, Record, Training

CELL = Cell(
    method="sasrec-id",
    dataset="bazaar:items=60,users=40",
    modalities="text",
    backbones=BackboneChoice(text="micro", image=None),
    training=Training(epochs=3, batch=16, width=8, learning_rate_scale=0.5),
    seed=5,
)


class Listener(Events):
    """Keeps what a cell tells, and ends it at an epoch, as a kill would."""

    def __init__(self, until: int | None = None) -> None:
        super().__init__(io.StringIO())
        self.told: list[dict[str, Any]] = []
        self._until = until

    def tell(self, event: str, **facts: Any) -> None:
        self.told.append({"event": event, **facts})
        if event == "epoch" and facts["number"] == self._until:
            raise KeyboardInterrupt


def blank() -> Record:
    return Record(
        study="s", cell=CELL, cell_id=CELL.id, family="reference", status="crashed", started="2026-01-01T00:00:00+00:00"
    )


@pytest.fixture(autouse=True)
def meters(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rates of the machine take seconds to measure and matter to nobody here; every look at the card costs a joule."""
    monkeypatch.setattr(execution, "matrix_rate", lambda device: 1.0)
    monkeypatch.setattr(execution, "copy_rate", lambda device: 1.0)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)


def run(directory: Path, listener: Listener) -> Record:
    record = blank()
    execute(record, Job(record=record, directory=directory, checkpoint_seconds=0), listener)
    return record


def test_recorded_rates_are_those_that_are_trained_with(tmp_path: Path) -> None:
    from tpmebench.methods.registry import make_method

    record = run(tmp_path, Listener())
    rates = make_method("sasrec-id").learning_rates(torch.nn.Linear(1, 1))  # type: ignore[arg-type]
    assert record.rates["head"] == 0.5 * rates.head
    assert record.warnings == []


class Card:
    """The energy counter of a card: a joule for each time it is read."""

    counts = count()

    def __init__(self, device: torch.device) -> None:
        self.began = 0

    def start(self) -> None:
        self.began = next(Card.counts)

    def joules(self) -> float | None:
        return float(next(Card.counts) - self.began)


def test_a_continued_cell_has_the_energy_of_all_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CudaEnergy", Card)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=3))
    record = run(tmp_path, Listener())
    assert [epoch.resumed for epoch in record.time.epochs] == [False, False, True]
    assert record.energy == 2 + 1  # two epochs with a checkpoint each, then the last epoch's reading
    monkeypatch.setattr(Card, "joules", lambda self: None)
    assert run(tmp_path, Listener()).energy is None


def test_energy_is_unknown_when_that_of_an_earlier_run_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=3))  # without a counter
    monkeypatch.setattr(execution, "CudaEnergy", Card)
    assert run(tmp_path, Listener()).energy is None


def test_a_checkpoint_that_cannot_be_used_is_told_of_and_recorded(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Listener(until=2))
    (path,) = (tmp_path / "checkpoints").glob("*.safetensors")
    path.write_text("no checkpoint")
    listener = Listener()
    record = run(tmp_path, listener)
    (warning,) = record.warnings
    assert "started anew" in warning
    assert {"event": "warning", "message": warning} in listener.told
    assert not any(epoch.resumed for epoch in record.time.epochs)


def test_a_process_is_prepared_as_its_cell_says() -> None:
    prepare_process(CELL.model_copy(update={"threads": 1, "deterministic": True}))
    drawn = random.random(), np.random.rand(), torch.rand(())  # noqa: NPY002
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (1, True)
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert drawn == (random.random(), np.random.rand(), torch.rand(()))  # noqa: NPY002


@pytest.mark.parametrize(
    ("error", "status", "cause"),
    [
        (BenchError("lora: no such map; choose others"), "refused", "lora: no such map; choose others"),
        (Diverged("the loss is nan"), "diverged", "Diverged: the loss is nan"),
        (MemoryError(), "oom", "MemoryError"),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), "oom", "OSError: [Errno 12] Cannot allocate memory"),
        (OSError(errno.ENOENT, "gone"), "crashed", "FileNotFoundError: [Errno 2] gone"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory\nmore"), "oom", "RuntimeError: Default"),
        (torch.OutOfMemoryError("CUDA"), "oom", "OutOfMemoryError: CUDA"),
        (RuntimeError("another"), "crashed", "RuntimeError: another"),
        (SystemExit(0), "crashed", "SystemExit: 0"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_every_error_has_its_status_and_a_cause_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, status: str, cause: str
) -> None:
    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(execution, "execute", fails)
    record = worker._run(Job(record=blank(), directory=tmp_path), Listener())
    assert record.status == status
    assert record.error is not None and record.error.startswith(cause) and "\n" not in record.error
