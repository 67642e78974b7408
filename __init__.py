"""TPME-Bench: what it costs to adapt pretrained encoders to sequential recommendation, and what that buys.

Each public name is imported when first used, so that `bench --version` need not wait for torch.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "BenchError": ".errors",
    "Dataset": ".datasets.catalogue",
    "load_dataset": ".datasets.sources.loading",
    "Method": ".methods.method",
    "register": ".methods.registry",
    "Record": ".reports.records",
    "load_records": ".reports.reading",
    "tpme": ".reports.analysis.tpme",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
