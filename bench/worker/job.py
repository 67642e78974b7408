"""What a cell's process is given, what it tells while it works, and the ranks that it leaves."""

import json
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import BaseModel

from ...cell import Cell
from ...files import atomic_path
from ...reports.records import Record, ranks_path
from .places import Places


class MachineRates(BaseModel):
    """Operations a second of float32 products, bytes a second of copies."""

    matrix: float
    copied: float


class Job(BaseModel):
    """What a worker is given: the record to complete, where the study lives, and what of the study is not the cell's.

    `places`: where the cell's parts stand; None when what they are called says it. `checkpoint_seconds`: how often to
    write checkpoints. `repeat_disturbed`: how often to repeat a disturbed epoch. `test_every_epoch`: whether the test
    users are judged after each epoch. `save`: whether to keep what was trained. `costs_seconds`: how long the steps of
    a cell may take of which only costs are wanted. `batch`: users of a training step, where memory is equal.
    """

    record: Record
    directory: Path
    places: Places | None = None
    warnings: list[str] = []
    checkpoint_seconds: float = 60.0
    repeat_disturbed: int = 0
    test_every_epoch: bool = True
    save: bool = False
    costs_seconds: float = 300.0
    rates: MachineRates | None = None
    batch: int | None = None


class Subject(BaseModel):
    """A cell, and where its parts stand."""

    cell: Cell
    places: Places


class Order(Subject):
    """A feature cache to build for a cell: on which machine, in words, and beside how many others."""

    machine: str = ""
    beside: int = 0


class CheckJob(BaseModel):
    """What the self-check is given: cells of one dataset and one pair of towers, read alike, of different methods."""

    subjects: list[Subject]


class Events:
    """One JSON object a line, to the harness."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = 0.0

    def tell(self, event: str, **facts: Any) -> None:
        """Sends an event."""
        self._stream.write(json.dumps({"event": event, **facts}) + "\n")
        self._stream.flush()

    def phase(self, name: str, done: int, total: int) -> None:
        """Progress of a phase, at most ten times a second."""
        now = time.monotonic()
        if done in (0, total) or now - self._last > 0.1:
            self._last = now
            self.tell("phase", name=name, done=done, total=total)


def save_ranks(directory: Path, cell_id: str, ranks: np.ndarray) -> None:
    """Keeps the rank of each test user's target."""
    with atomic_path(ranks_path(directory, cell_id)) as temporary, temporary.open("wb") as file:
        np.save(file, ranks)
