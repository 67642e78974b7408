"""The command line and the harness: studies, cells, training, evaluation, meters and checks."""

from importlib import import_module
from typing import Any

_FORMER = {"plan": ".study.grid", "session": ".running.session"}
"""Modules by the names that they had before the rooms, for scripts of others that import them."""


def __getattr__(name: str) -> Any:
    if name not in _FORMER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(_FORMER[name], __name__)
