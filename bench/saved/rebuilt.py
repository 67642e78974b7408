"""A trained cell put together again: its data, towers and method as they were, and what it trained put back."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ...cell import Cell
from ...datasets.sources.registry import open_source
from ...errors import BenchError
from ...files import file_digest
from ..console import Screen
from ..worker.build import TrainedCell, assemble
from ..worker.cache_build import build_apart
from ..worker.evaluation import Evaluator
from ..worker.places import Places
from ..worker.preparation import prepare_process
from ..worker.saving import put_back, read_state
from ..worker.step import Trainer
from .found import TrainedState


@dataclass(frozen=True)
class Instead:
    """Where the data and towers of a cell stand now, where that is not where it was trained."""

    dataset: str | None = None
    text: str | None = None
    image: str | None = None

    def of(self, places: Places) -> Places:
        """The places with these in place of theirs."""
        given = {"dataset": self.dataset, "text": self.text, "image": self.image}
        return places.model_copy(update={name: place for name, place in given.items() if place})


@dataclass(frozen=True)
class Rebuilt:
    """A cell as it stood after its best epoch, and the embeddings of its catalogue, `[n_items + 1, width]`."""

    parts: TrainedCell
    evaluator: Evaluator
    state: dict[str, Tensor]

    def embeddings(self) -> Tensor:
        """Of every item; row 0 is padding's."""
        return self.evaluator.embeddings()


def rebuild(trained: TrainedState, instead: Instead, console: Screen) -> Rebuilt:
    """Builds a cell anew and puts its parameters back; on the CPU where its device is not here.

    BenchError where its towers are not those it was trained on, or its parameters do not fit. It says when data have
    changed: items are embedded by what they show now.
    """
    cell, places = _here(trained.cell), instead.of(trained.places)
    prepare_process(cell)
    if trained.sha256 and file_digest(trained.state) != trained.sha256:
        raise BenchError(f"{trained.state}: is not as it was exported; export the cell again")
    state = read_state(trained.state)
    _check_data(cell, places, console)
    parts = assemble(cell, lambda *_: None, build_apart, places)
    if not isinstance(parts, TrainedCell):
        raise BenchError(f"{trained.origin}: {cell.method} trains nothing")
    _check_towers(parts, trained.origin)
    put_back(parts.recommender, state, trained.origin)
    judge, autocast = parts.task.judge(), Trainer(parts).autocast
    evaluator = Evaluator(parts.recommender, parts.content, parts.dataset, judge, parts.device, autocast)
    parts.recommender.eval()
    return Rebuilt(parts, evaluator, state)


def _here(cell: Cell) -> Cell:
    here = cell.device == "cpu" or torch.cuda.is_available()
    changes: dict[str, Any] = {} if here else {"device": "cpu"}
    if cell.training.compile:
        changes["training"] = cell.training.model_copy(update={"compile": False})
    return cell.model_copy(update=changes)


def _check_data(cell: Cell, places: Places, console: Screen) -> None:
    try:
        now = open_source(places.dataset).fingerprint()
    except BenchError as error:
        raise BenchError(f"{error} (the cell's data; --dataset says where they are)") from error
    if cell.dataset_fingerprint and now != cell.dataset_fingerprint:
        console.say(f"note: dataset '{cell.dataset}' has changed since; items are embedded as they are now")


def _check_towers(parts: TrainedCell, origin: str) -> None:
    """BenchError for a tower that is not the one that the method was trained on."""
    for name, source in parts.sources.items():
        known, now = parts.cell.backbones.fingerprints.get(name), source.fingerprint()
        if known and not now.startswith(known):
            raise BenchError(
                f"{origin}: the {name} tower '{source.label}' is not the one that it was trained on ({now[:16]}, not "
                f"{known}); give that by --{name}-backbone"
            )
