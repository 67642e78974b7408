"""Calls an operator again, on tensors of the same shapes whose values mean nothing, to time it by itself."""

import time
from collections import deque
from collections.abc import Callable
from functools import cache
from itertools import repeat
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from .work import Call, Operator, Shape

aten = torch.ops.aten

FEWEST, MOST, LONG = 4, 400, 20
"""How often an operator is called, at least and at most; but not again once that took so many budgets."""
_SETS, _SETS_BYTES = 8, 256 * 2**20
"""Calls take turns on so many tensors of each shape, as far as these take no more memory than that. In a step, too, an
operator seldom finds in the nearest cache what it reads, nor writes where the last one of its kind wrote."""

_INTO_ROWS = {aten.embedding, aten.index, aten.index_put_, aten._index_put_impl_}
_ALONG = {aten.gather, aten.index_add, aten.index_add_, aten.index_select, aten.scatter_, aten.scatter_add_}

Clock = Callable[[], float]


def operator_seconds(
    operator: Operator, call: Call, device: torch.device, budget: float, clock: Clock = time.perf_counter
) -> float | None:
    """Seconds of one call, the first quartile of as many as fit into a budget of seconds; None where it cannot be made.

    On CUDA it is a share of calls that follow one another without waiting: the longer of launching and computing.
    """
    sets = max(1, min(_SETS, _SETS_BYTES // max(operator.bytes, 1)))
    try:
        prepared = deque(arguments(call, device) for _ in range(sets))
        run = _runner(call, prepared)
        run()  # libraries load, memory is taken
        if device.type == "cuda":
            return _by_many(run, device, budget, clock)
        return _one_by_one(run, budget, clock)
    except (ArithmeticError, AssertionError, LookupError, NotImplementedError, RuntimeError, TypeError, ValueError):
        return None


def arguments(call: Call, device: torch.device) -> tuple[Any, Any]:
    """Arguments of the call's shapes and strides. Whole numbers are such as the operator takes for rows or classes."""
    rows = _rows(call)

    def value(given: Any) -> Any:
        if isinstance(given, Shape):
            return _tensor(given, rows, device)
        return device if isinstance(given, torch.device) else given

    return tree_map(value, (call.args, call.kwargs))


def _runner(call: Call, prepared: deque[tuple[Any, Any]]) -> Callable[[], None]:
    """Calls it on the next tensors; what the last calls gave stays alive, as in a step that has yet to go back."""
    kept = deque[Any](repeat(None, len(prepared)), maxlen=len(prepared))

    def run() -> None:
        args, kwargs = prepared[0]
        prepared.rotate(-1)
        kept.append(call.function(*args, **kwargs))

    return run


def _one_by_one(run: Callable[[], None], budget: float, clock: Clock) -> float:
    times, spent = list[float](), 0.0
    while spent <= LONG * budget and (len(times) < FEWEST or (spent < budget and len(times) < MOST)):
        start = clock()
        run()
        times.append(clock() - start)
        spent += times[-1]
    return sorted(times)[len(times) // 4]


def _by_many(run: Callable[[], None], device: torch.device, budget: float, clock: Clock) -> float:
    shares, spent, calls = list[float](), 0.0, FEWEST
    while len(shares) < 3 or (spent < budget and len(shares) < MOST):
        torch.cuda.synchronize(device)
        start = clock()
        for _ in range(calls):
            run()
        torch.cuda.synchronize(device)
        took = clock() - start
        shares.append(took / calls)
        spent += took
        calls = min(MOST, max(FEWEST, round(budget / 4 / max(shares[-1], 1e-7))))
    return min(shares)


def _tensor(shape: Shape, rows: int, device: torch.device) -> Tensor:
    dtype = getattr(torch, shape.dtype)
    if shape.stride:
        tensor = torch.empty_strided(shape.size, shape.stride, dtype=dtype, device=device)
    else:
        tensor = torch.empty(shape.size, dtype=dtype, device=device)
    whole = tensor.as_strided((tensor.untyped_storage().nbytes() // tensor.element_size(),), (1,))
    if dtype.is_floating_point:
        noise = _noise(device)
        for start in range(0, len(whole), len(noise)):
            part = whole[start : start + len(noise)]
            part.copy_(noise[: len(part)])
    elif dtype is torch.bool:
        whole.fill_(True)
    elif not dtype.is_complex:
        whole.random_(0, min(rows, torch.iinfo(dtype).max))
    return tensor


@cache
def _noise(device: torch.device) -> Tensor:
    """Numbers to fill tensors with, soon done; none falls among the smallest, with which a CPU is slow."""
    return torch.empty(1 << 20, device=device).uniform_(0.1, 1.0)


def _rows(call: Call) -> int:
    """Below what an index has to be: a wrong one would be an error, on a GPU of the whole process."""
    name, args = call.function.overloadpacket, call.args
    shapes = [leaf for leaf in tree_leaves((args, call.kwargs)) if isinstance(leaf, Shape)]
    if name in _INTO_ROWS:
        return _indexed(args)
    if name in _ALONG:
        return args[0].size[args[1]]
    if name is aten.embedding_dense_backward:
        return args[2]
    if name in {aten.nll_loss_forward, aten.nll_loss_backward}:
        return shapes[name is aten.nll_loss_backward].size[-1]
    return 1


def _indexed(args: Any) -> int:
    """The smallest of the dimensions that are indexed: valid for each of them."""
    indices = args[1] if isinstance(args[1], list | tuple) else [args[1]]
    sizes = [size for size, index in zip(args[0].size, indices, strict=False) if index is not None]
    return max(1, min(sizes, default=1))
