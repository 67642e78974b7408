"""Floating-point operations, of a training step or without gradients, counted by torch from the shapes of what runs."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode, flop_registry, sdpa_backward_flop_count, sdpa_flop_count

aten = torch.ops.aten


def count_step(forward: Callable[[], torch.Tensor]) -> tuple[int, int]:
    """Operations of `forward()`, which returns the loss, and of its backward pass.

    Products, convolutions and attention count, a multiply-add as two; element-wise work does not (as in
    torch.utils.flop_counter). Attention's backward includes the scores that its kernel computes again. Compiled
    modules run eagerly meanwhile, so that the count does not depend on how they were fused. Gradients stay in place.
    """
    with _eager(), FlopCounterMode(display=False, custom_mapping=_MISSING_FROM_TORCH) as counter:
        loss = forward()
        forward_operations = counter.get_total_flops()
        loss.backward()
        return forward_operations, counter.get_total_flops() - forward_operations


def count(run: Callable[[], object]) -> int:
    """Operations of `run()`, which builds no graph."""
    with torch.no_grad(), _eager(), FlopCounterMode(display=False, custom_mapping=_MISSING_FROM_TORCH) as counter:
        run()
        return counter.get_total_flops()


def operations_of(operator: Any, args: Any, kwargs: Any, output: Any) -> int:
    """Operations of one call of a torch operator by the same formulas; 0 for one that has none."""
    name = operator.overloadpacket
    if name in _MISSING_FROM_TORCH:
        return _MISSING_FROM_TORCH[name](*tree_map(_shape, args), **tree_map(_shape, kwargs))
    formula = flop_registry.get(name)
    return int(formula(*args, **kwargs, out_val=output)) if formula else 0


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, torch.Tensor) else value


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


# The counter knows the attention kernels of CUDA, but not the one of the CPU.
_MISSING_FROM_TORCH = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


def _eager() -> AbstractContextManager[Any]:
    """Switches compilation off; without asking, when the compiler was never imported (it is slow to)."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
