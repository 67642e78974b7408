"""Modules without memory: the same shapes on fake tensors, to predict what a step would need before it is run."""

from typing import Any, cast

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


def without_memory(module: nn.Module, mode: FakeTensorMode) -> nn.Module:
    """Replaces a module's parameters and buffers, in place, by fake ones on the CPU; shared ones stay shared.

    Build the module on real or meta tensors first: not every initialiser runs on fake ones. Then run its step, and the
    meters, inside `mode`. One that allows inputs that are not fake need not be entered, and integers stay as they are
    then: their values decide what is run.
    """
    mixed = mode.allow_non_fake_inputs
    replaced: dict[int, torch.Tensor] = {}

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        if mixed and not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        if id(tensor) not in replaced:
            with mode:
                empty = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
                is_parameter = isinstance(tensor, nn.Parameter)
                replaced[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_parameter else empty
            for hook in list((tensor._backward_hooks or {}).values()):  # what a method does to a gradient
                replaced[id(tensor)].register_hook(hook)
        return replaced[id(tensor)]

    originals = [*module.parameters(), *module.buffers()]  # kept alive: `replaced` goes by identity
    for part in module.modules():
        for tensors in cast("tuple[dict[str, Any], ...]", (part._parameters, part._buffers)):
            for name in [name for name, tensor in tensors.items() if tensor is not None]:
                tensors[name] = fake(tensors[name])
    del originals
    return module
