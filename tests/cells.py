"""What trains, of what a name or a cell may stand for."""

from collections.abc import Callable
from typing import Any

from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.cell import Cell
from tpmebench.methods.method import Method
from tpmebench.methods.registry import make_method


def trained(cell: Cell, tell: Callable[..., None] = lambda *_: None, apart: Any = None) -> TrainedCell:
    """The parts of a cell that trains."""
    parts = assemble(cell, tell, apart)
    assert isinstance(parts, TrainedCell)
    return parts


def method_of(name: str, options: dict[str, Any] | None = None) -> Method[Any]:
    """A method that trains."""
    method = make_method(name, options)
    assert method.kind == "method"
    return method
