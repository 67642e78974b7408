"""How many bytes a trained encoder takes where it is used, after what can be merged into its towers has been."""

import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn


def size(module: nn.Module) -> int:
    """Bytes of the parameters and buffers that a module's state holds, one that several parts share counted once."""
    return sum(tensor.nbytes for tensor in _held(module).values())


def merged_size(module: nn.Module) -> int:
    """The same once peft's layers, of a kind that can be, are merged into the maps that they change."""
    held, merges = _held(module), dict[type, bool]()
    for layer in _layers_of_peft(module):
        kind = type(layer)
        if kind not in merges:
            merges[kind] = _merges(layer)
        if merges[kind]:
            kept = _held(layer.get_base_layer())
            for key in _held(layer).keys() - kept.keys():
                held.pop(key, None)
    return sum(tensor.nbytes for tensor in held.values())


def _held(module: nn.Module) -> dict[int, Tensor]:
    buffers = dict(module.named_buffers())
    kept = [buffers[name] for name in module.state_dict() if name in buffers]
    return {id(tensor): tensor for tensor in (*module.parameters(), *kept)}


def _layers_of_peft(module: nn.Module) -> Iterator[Any]:
    tuners = sys.modules.get("peft.tuners.tuners_utils")  # which takes seconds to import
    if tuners is not None:
        yield from (inner for inner in module.modules() if isinstance(inner, tuners.BaseTunerLayer))


def _merges(layer: Any) -> bool:
    """Whether peft merges it, tried with a copy: what a kind computes from each input cannot be."""
    try:
        with torch.random.fork_rng(devices=[]):
            deepcopy(layer).merge()
    except Exception:  # whatever peft says
        return False
    return True
