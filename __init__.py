"""TPME-Bench: what it costs to adapt pretrained encoders to sequential recommendation, and what that buys.

Each public name is imported when first used, so that `bench --version` need not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Results, load, run
    from .bench.study.study import Study
    from .datasets.catalogue import Dataset
    from .datasets.sources.loading import load_dataset
    from .errors import BenchError
    from .methods.method import Method
    from .methods.registry import register
    from .reports.analysis.tpme import CostWeights, tpme
    from .reports.reading import load_records
    from .reports.records import Record

__version__ = "0.1.0"
__all__ = [
    "BenchError",
    "CostWeights",
    "Dataset",
    "Method",
    "Record",
    "Results",
    "Study",
    "__version__",
    "load",
    "load_dataset",
    "load_records",
    "register",
    "run",
    "tpme",
]

_HOME = {
    "run": ".api",
    "load": ".api",
    "Results": ".api",
    "Study": ".bench.study.study",
    "BenchError": ".errors",
    "Dataset": ".datasets.catalogue",
    "load_dataset": ".datasets.sources.loading",
    "Method": ".methods.method",
    "register": ".methods.registry",
    "Record": ".reports.records",
    "load_records": ".reports.reading",
    "CostWeights": ".reports.analysis.tpme",
    "tpme": ".reports.analysis.tpme",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
