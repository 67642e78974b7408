"""What a cell keeps of each test user, ranks for one, and whether it is still what its accuracy is of."""

from functools import lru_cache
from math import isclose
from pathlib import Path

import numpy as np

from ...arrays import read_array
from ...errors import BenchError
from ...metrics import means, told
from ..records import Record

_SAME = 1e-12
"""How far sums of the same floats may differ between machines; a rank that changed moves the MRR further."""


def kept_ranks(path: Path, record: Record) -> np.ndarray:
    """Ranks `[test users]` of a cell. BenchError when they are not those whose accuracy is in the record."""
    ranks = _read(path)
    if record.accuracy is not None and not _are_of(ranks, record):
        raise BenchError(f"{path}: not the ranks that the record's accuracy is of; run the cell again")
    return ranks


def _are_of(ranks: np.ndarray, record: Record) -> bool:
    assert record.accuracy is not None
    said = record.accuracy.test
    with np.errstate(divide="ignore", invalid="ignore"):  # of what is no rank
        found = means(told(record.metrics, record.primary_metric), ranks)
    return len(ranks) == said.users and all(
        isclose(value, said.metrics[name], rel_tol=_SAME) for name, value in found.items()
    )


@lru_cache(maxsize=512)
def _read(path: Path) -> np.ndarray:
    ranks = read_array(path)
    if ranks.ndim != 1 or ranks.dtype.kind not in "fiu":
        raise BenchError(
            f"{path}: {ranks.dtype} of shape {ranks.shape}, one rank per user expected; run the cell again"
        )
    return ranks
