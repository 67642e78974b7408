"""What a tower computes, module by module: its operations (maps, convolutions, norms), and what follows its layers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm as BatchNorm
from torch.nn.modules.conv import _ConvNd as Convolution

from .flow import looking_for, run_tiny, seen_in_a_copy
from .projections import map_kinds
from .tower import Tower


@dataclass(frozen=True)
class Operation:
    """A module by name, the number of features that it gives, and the axis on which they stand in its output."""

    name: str
    width: int
    axis: int


@dataclass
class _Course:
    """What ran: the operations in order, by name, and the modules that began once the last layer had ended."""

    operations: dict[str, Operation] = field(default_factory=dict)
    after: list[str] = field(default_factory=list)


def operations(tower: Tower) -> list[Operation]:
    """Linear maps, convolutions and norms that an item goes through and on which the output depends, each once."""
    found = _course(tower).operations
    return [each for name, each in found.items() if _is_read(tower.model.get_submodule(name))]


def after_layers(tower: Tower) -> list[str]:
    """The modules, by name, that run after the last layer: a final norm, a pooling head."""
    return _course(tower).after


def _course(tower: Tower) -> _Course:
    with looking_for("what it computes", tower):
        return seen_in_a_copy(tower, _watched)


def _watched(tower: Tower) -> _Course:
    course, last = _Course(), tower.layers[-1]
    runs = sum(layer is last for layer in tower.layers)
    ended: list[bool] = []

    def enter(name: str) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            if len(ended) == runs:
                course.after.append(name)

        return hook

    def leave(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, _args: Any, output: Any) -> None:
            if isinstance(output, Tensor) and (width := _features(module)):
                axis = _axis(module, output, width)
                if output.dim() > 1 and output.shape[axis] == width:
                    course.operations.setdefault(name, Operation(name, width, axis))

        return hook

    for name, module in tower.model.named_modules():
        if name:
            module.register_forward_pre_hook(enter(name))
            module.register_forward_hook(leave(name))
    last.register_forward_hook(lambda *_: ended.append(True))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        run_tiny(tower)
    return course


def _features(module: nn.Module) -> int:
    """How many features an operation gives; 0 of a module that is none."""
    if isinstance(module, nn.Linear):
        return module.out_features
    if isinstance(module, map_kinds()):
        return module.get_parameter("weight").shape[1]  # Conv1D keeps its matrix the other way round
    if isinstance(module, Convolution):
        return module.out_channels
    weight = getattr(module, "weight", None)
    own = list(module.parameters())
    is_norm = isinstance(weight, Tensor) and not any(True for _ in module.children())
    return own[0].numel() if is_norm and own and all(each.dim() == 1 for each in own) else 0


def _axis(module: nn.Module, output: Tensor, width: int) -> int:
    before = isinstance(module, Convolution | BatchNorm) or output.shape[-1] != width
    return 1 if before else -1


def _is_read(module: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters(recurse=False))
