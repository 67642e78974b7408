"""How long it takes to get a batch: which items, and what is read of them."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from ...datasets.batches import TrainingBatches
from ...datasets.catalogue import Sequences
from ...methods.backbones.preprocessing import TokenTable
from ...methods.features.content import RawContent
from .calibration import Data
from .replay import Clock

_CATALOGUE, _USERS, _LENGTH, _TOKENS, _SIDE = 4000, 2048, 10, 20, 64
_FEW, _MANY, _ROUNDS = 8, 64, 15
_BETWEEN = 32 * 2**20


def data_rates(clock: Clock = time.perf_counter) -> Data:
    """Of batches of few users and of many, and of the titles and pictures of some items."""
    numbers = np.random.default_rng(0)
    chosen = numbers.integers(1, _CATALOGUE + 1, _USERS * (_LENGTH + 1))
    starts = np.arange(_USERS) * (_LENGTH + 1)
    sequences = Sequences(chosen, starts, starts + _LENGTH + 1)
    batches = TrainingBatches(sequences, _LENGTH, _MANY, "unique", seed=0)
    order = numbers.permutation(_USERS)
    few, many = (_usual(partial(batches.batch, order[:size]), clock) for size in (_FEW, _MANY))
    slot = max(0.0, (many - few) / ((_MANY - _FEW) * (_LENGTH + 1)))

    tokens = numbers.integers(1, 1000, _CATALOGUE * _TOKENS).astype(np.int32)
    table = TokenTable(tokens, np.r_[0, np.arange(_CATALOGUE + 1) * _TOKENS], 0, "")
    content = RawContent(_CATALOGUE, table, np.ones((_CATALOGUE + 1, 3, _SIDE, _SIDE), np.uint8), "")
    items = batches.batch(np.arange(_FEW)).items
    read = sum(tensor.nbytes for tensor in content.gather(items).tensors())
    return Data(
        batch=max(0.0, few - slot * _FEW * (_LENGTH + 1)),
        slot=slot,
        byte=_usual(lambda: content.gather(items), clock) / read,
    )


def _usual(run: Callable[[], object], clock: Clock) -> float:
    """The median of some runs, between which the caches are filled with something else, as a step fills them."""
    other, times = np.ones(_BETWEEN, np.uint8), list[float]()
    for _ in range(_ROUNDS):
        other += 1
        start = clock()
        run()
        times.append(clock() - start)
    return median(times)
