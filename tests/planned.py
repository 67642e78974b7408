"""What a cell was forecast to cost, held against what it is measured to."""

from collections.abc import Iterator

import torch

from tpmebench.bench.planning.fake import Stock
from tpmebench.bench.planning.forecast import Beside, Forecast, NoForecast, forecast
from tpmebench.bench.worker.build import TrainedCell, assemble, build_features
from tpmebench.bench.worker.cache_build import CacheMeter
from tpmebench.bench.worker.evaluation import Evaluator
from tpmebench.bench.worker.job import Order
from tpmebench.bench.worker.measuring import count_operations, count_parameters, tensor_memory
from tpmebench.bench.worker.places import Places
from tpmebench.bench.worker.step import Trainer
from tpmebench.bench.worker.use import count_use
from tpmebench.cell import Cell
from tpmebench.methods.registry import make_method

WITHIN = 0.01
"""Of tensor bytes; all else is the same number."""
MODALITIES = {"both": ("text", "image"), "text": ("text",), "image": ("image",)}


def planned(stock: Stock, cell: Cell, places: Places | None = None) -> Forecast | NoForecast:
    """The forecast of a cell, with towers of random weights."""
    towers = cell.backbones.model_copy(update={"weights": "random", "fingerprint": ""})
    return forecast(stock, cell.model_copy(update={"backbones": towers}), places or Places.of(cell), Beside())


def assembled(cell: Cell, places: Places | None = None) -> TrainedCell:
    """The cell itself, its feature cache built as a run builds it, under its meter."""
    places = places or Places.of(cell)
    method = make_method(places.method, cell.options)
    for modality in MODALITIES[cell.modalities] if method.uncached else ():
        build_features(cell, places, modality, lambda *_: None, CacheMeter(Order(cell=cell, places=places)))
    parts = assemble(cell, lambda *_: None, places=places)
    assert isinstance(parts, TrainedCell)
    return parts


def differences(found: Forecast, parts: TrainedCell) -> Iterator[str]:
    """A line for each figure of a forecast that is another in the cell itself."""
    trainer = Trainer(parts)
    evaluator = Evaluator(
        trainer.recommender, trainer.content, parts.dataset, parts.task.judge(), parts.device, trainer.autocast
    )
    with torch.random.fork_rng(devices=[]):
        measured = tensor_memory(trainer, evaluator)
    cache, built = parts.cache, found.memory.cache_build
    exact = {
        "parameters": (found.parameters, count_parameters(trainer)),
        "operations": (found.compute, count_operations(trainer)),
        "cache bytes": (found.memory.feature_cache, cache.bytes if cache else None),
        "use": (found.use, count_use(parts, evaluator)),
    }
    for name, (forecast_, real) in exact.items():
        if forecast_ != real:
            yield f"{name}: {forecast_}, measured {real}"
    peaks = {
        "training": (found.memory.peak, measured.peak),
        "evaluation": (found.memory.peak_of("evaluation"), measured.peak_of("evaluation")),
        "cache build": (built.tensors if built else None, cache.memory.tensors if cache and cache.memory else None),
        **{kind: (found.memory.kinds[kind], size) for kind, size in measured.kinds.items()},
    }
    for name, (forecast_, real) in peaks.items():
        if (forecast_ is None) != (real is None) or abs((forecast_ or 0) - (real or 0)) > WITHIN * (real or 0):
            yield f"{name}: {forecast_} bytes, measured {real}"
