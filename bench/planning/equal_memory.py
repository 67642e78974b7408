"""The planning process of a study of equal memory: for each of its rows the largest batch that fits.

Reads a job on standard input and tells on standard output, cell by cell, the batch and its planned peak, or why there
is none. It forecasts, and so needs the memory of no step.
"""

import traceback
from typing import TypeVar

from ...cell import Cell
from ...errors import BenchError
from ...values import size_in_bytes, written_size
from ..worker.job import CheckJob, Subject
from ..worker.lifeline import begin
from ..worker.preparation import prepare_process
from .advice import largest_that_fits, with_training
from .fake import Stock
from .forecast import Beside, NoForecast, forecast, training_peak_of
from .largest import LEAST, Fit

T = TypeVar("T")


def main() -> int:
    """Chooses the batch of each of a job's cells."""
    events, job = begin(CheckJob)
    prepare_process(job.subjects[0].cell)
    stock = Stock()
    for number, subject in enumerate(job.subjects):
        try:
            fit = chosen_batch(subject, stock)
            events.tell("batch", number=number, batch=fit.batch, peak=fit.peak)
        except BenchError as error:
            events.tell("batch", number=number, fault=str(error))
        except Exception as error:
            traceback.print_exc()
            events.tell("batch", number=number, fault=f"training.memory: no forecast: {type(error).__name__}: {error}")
    events.tell("done")
    return 0


def chosen_batch(subject: Subject, stock: Stock) -> Fit:
    """The largest batch of a cell whose planned peak fits in its memory. BenchError says why there is none.

    All seeds of a row have the batch of seed 0, so that a cell's batch hangs on nothing but the cell.
    """
    cell, memory = _without_memory(subject.cell), subject.cell.training.memory
    assert memory is not None
    found = _known(forecast(stock, cell, subject.places, Beside(epoch=False)), cell)

    def peak(batch: int) -> int:
        return _known(training_peak_of(stock, with_training(cell, batch=batch), subject.places), cell)

    fit = largest_that_fits(found, size_in_bytes(memory), peak)
    if not fit.batch:
        raise BenchError(
            f"training.memory: {memory} is too little for {cell.method}, which is planned to take "
            f"{written_size(-(-fit.peak // 2**20) * 2**20)} with batches of {LEAST} users, the smallest that have "
            "negatives; give it more"
        )
    return fit


def _known(found: T | NoForecast, cell: Cell) -> T:
    if isinstance(found, NoForecast):
        raise BenchError(f"training.memory: no forecast of {cell.method}, and so no batch: {found.reason}")
    return found


def _without_memory(cell: Cell) -> Cell:
    """The cell whose forecasts tell: with equal batches, and with towers of which only the shapes are asked."""
    towers = cell.backbones.model_copy(update={"weights": "random"})
    changes = {"seed": 0, "repeat": 0, "device": "cpu", "backbones": towers}
    return with_training(cell.model_copy(update=changes), memory=None)
