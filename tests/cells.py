"""What trains, of what a name or a cell may stand for."""

import copy
import os
from collections.abc import Callable
from typing import Any, cast

from torch import nn

from tpmebench.bench.worker.build import TrainedCell, assemble
from tpmebench.cell import Cell
from tpmebench.methods.backbones.inspection import inspect
from tpmebench.methods.backbones.tower import Tower, TowerShape
from tpmebench.methods.backbones.trial import Frame, Items
from tpmebench.methods.embedded.peft.method import PeftMethod
from tpmebench.methods.method import Method
from tpmebench.methods.registry import make_method, methods

TRIED_ON_ALL = ("ia3", "vblora", "pissa")
"""Of the kinds of peft those that are tried in every way on every pair of towers, as all other methods are. The others,
which differ in nothing of ours, train a step on one pair here, and the rest in `tests/soak/every_pair.py`.
"""
EVERY_PAIR = "TPMEBENCH_EVERY_PAIR" in os.environ

MAPS = {
    "v": {"text": "value", "image": "v_proj"},
    "qv": {"text": "query|value", "image": "q_proj|v_proj"},
    "kv-down": {"text": r"key|value|\d\.output\.dense", "image": "k_proj|v_proj|mlp.fc2"},
    "norms": {"text": "LayerNorm", "image": "layernorm(_before|_after)?"},
    "all-linear": {"text": "query|key|value|dense", "image": "[qkvo]_proj|mlp.fc[12]"},
}
"""What BERT and ViT call the modules of each of peft's targets: patterns of the ends of their names."""


def is_kind(name: str) -> bool:
    """Whether a method is one of peft's kinds or presets, which are many and built alike."""
    method = methods()[name]
    return issubclass(method, PeftMethod) and name != "lora"


def tried_on_all(name: str) -> bool:
    """Whether a method is tried on every pair of towers and whatever else there is."""
    return EVERY_PAIR or not is_kind(name) or name in TRIED_ON_ALL


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


def tower_of(model: nn.Module, pooling: Any = "auto", modality: str = "text") -> Tower:
    """A model as a tower; of texts, with a class token of 1."""
    if modality == "text":
        items = Items.titles(Frame([1], [], [9, 4, 12, 7, 3, 11, 6, 14], 0, "cls"))
    else:
        side = getattr(cast("Any", model).config, "image_size", 64)
        items = Items.pictures(max(side) if isinstance(side, list | tuple) else side)
    found = inspect(copy.deepcopy(model), items)
    shape = TowerShape.of(found, modality, found.pooling(modality, pooling))
    return Tower(model, shape, ([0.5] * 3, [0.5] * 3), found)
