"""What a step asks of a machine: operators, bytes and operations against counts by hand, real or fake."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from tpmebench.bench.meters.shapes import without_memory
from tpmebench.bench.planning.work import Operator, StepWork, WorkMode, observe
from tpmebench.bench.worker.measuring import count_operations
from tpmebench.bench.worker.step import Trainer


def only(work: StepWork) -> Operator:
    """The one operator that ran, once."""
    ((operator, times),) = work.operators.items()
    assert times == 1
    return operator


def test_a_product_is_counted_by_its_shapes() -> None:
    a, b = torch.randn(4, 8), torch.randn(8, 2)
    operator = only(observe(lambda: a @ b))
    assert operator.key == "aten.mm.default float32[4,8] float32[8,2] -> float32[4,2]"
    assert operator.operations == 2 * 4 * 8 * 2
    assert operator.bytes == 4 * (4 * 8 + 8 * 2 + 4 * 2)


def test_views_and_memory_with_nothing_in_it_cost_nothing() -> None:
    a = torch.randn(4, 8)
    work = observe(lambda: (a.t(), a.view(2, 16)[0].expand(3, 16), a.unbind(), torch.empty_like(a), a.detach()))
    assert work.launches == work.bytes == 0
    assert work.views == 7


A = torch.randn(6, 8)
ROWS = torch.tensor([1, 4])
BYTES: dict[str, tuple[Callable[[], Any], int]] = {
    "an expanded tensor is read once": (lambda: A.mul(torch.ones(1, 1).expand(6, 8)), 4 + 4 * (48 + 1 + 48)),
    "a tensor given twice is read once": (lambda: A + A, 4 * (48 + 48)),
    "in place, read and written": (lambda: A.clone().add_(A), 4 * (48 + 48) + 4 * (48 + 48 + 48)),
    "overwritten, not read": (lambda: torch.empty(6, 8).copy_(A), 4 * (48 + 48)),
    "filled": (lambda: torch.empty(6, 8).fill_(1.0), 4 * 48),
    "rows of a table": (lambda: functional.embedding(ROWS, A), 4 * (16 + 16) + 2 * 8),
    "an index": (lambda: A[ROWS], 4 * (16 + 16) + 2 * 8),
    "put into rows": (lambda: A.clone().index_put_((ROWS,), A[:2]), 4 * (48 + 48) + 4 * (16 + 16) + 2 * 8),
}


@pytest.mark.parametrize("what", BYTES)
def test_bytes_are_those_that_have_to_be_moved(what: str) -> None:
    run, expected = BYTES[what]
    assert observe(run).bytes == expected


def test_the_optimiser_reads_gradients_and_changes_the_rest() -> None:
    parameter = nn.Parameter(torch.randn(10, 10))
    optimiser = torch.optim.Adam([parameter], fused=True)
    parameter.grad = torch.randn(10, 10)
    optimiser.step()
    work = observe(optimiser.step)
    (operator,) = [operator for operator in work.operators if "fused_adam" in operator.name]
    assert operator.bytes == 4 * (3 * 2 * 100 + 100) + 4  # the step is a scalar of its own
    assert work.operations == {}


def test_operations_go_by_the_dtype_that_is_computed_in() -> None:
    layer, batch = nn.Linear(8, 4), torch.randn(3, 8)
    with torch.autocast("cpu", torch.bfloat16):
        work = observe(lambda: (layer(batch), torch.mm(batch, batch.t())))
    assert work.operations == {"bfloat16": 2 * 3 * 8 * 4 + 2 * 3 * 8 * 3}


def test_launches_of_autograd_are_told_from_the_modules_own() -> None:
    layer, batch = nn.Linear(8, 4), torch.randn(3, 8)
    forward = observe(lambda: layer(batch).sum())
    both = observe(lambda: layer(batch).sum().backward())
    assert forward.backward == 0
    assert both.backward == both.launches - forward.launches - 1  # the gradient of one to begin with


def test_fake_tensors_ask_for_what_real_ones_do() -> None:
    network = nn.Sequential(nn.Embedding(9, 8), nn.LayerNorm(8), nn.Linear(8, 4), nn.GELU(), nn.Dropout(0.1))

    def step() -> object:
        return network(torch.zeros(3, 5, dtype=torch.long)).sum().backward()

    real = observe(step)
    network.zero_grad(set_to_none=True)
    mode = FakeTensorMode()
    without_memory(network, mode)
    with mode:
        assert observe(step) == real


@pytest.mark.parametrize("method", ["lora", "iisan-cached"])
def test_operations_of_a_real_step_are_those_of_the_meter(small_cell: Callable[..., Any], method: str) -> None:
    trainer = Trainer(small_cell(method))
    expected = count_operations(trainer)
    with WorkMode() as mode:
        trainer.step(*trainer.heaviest_batch())
    assert sum(mode.work.operations.values()) == expected.forward + expected.backward
    assert 0 < mode.work.backward < mode.work.launches
    assert mode.calls.keys() == mode.work.operators.keys()
