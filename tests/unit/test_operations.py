"""Operations of a step against counts by hand: a multiply-add is two."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from tpmebench.bench.meters.operations import count_step
from tpmebench.bench.meters.shapes import without_memory


def test_a_linear_layer_whose_input_needs_no_gradient() -> None:
    layer, batch = nn.Linear(5, 7), torch.randn(3, 5)
    product = 2 * 3 * 5 * 7
    assert count_step(lambda: layer(batch).sum()) == (product, product)


def test_two_layers_pass_a_gradient_through_the_second() -> None:
    network, batch = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)), torch.randn(3, 5)
    first, second = 2 * 3 * 5 * 7, 2 * 3 * 7 * 2
    assert count_step(lambda: network(batch).sum()) == (first + second, first + 2 * second)


def test_a_frozen_tower_costs_nothing_backward() -> None:
    tower, head, batch = nn.Linear(5, 7).requires_grad_(False), nn.Linear(7, 2), torch.randn(3, 5)
    first, second = 2 * 3 * 5 * 7, 2 * 3 * 7 * 2
    assert count_step(lambda: head(tower(batch)).sum()) == (first + second, second)


def test_batched_products_and_convolutions() -> None:
    a, b = torch.randn(4, 3, 5, requires_grad=True), torch.randn(4, 5, 7, requires_grad=True)
    product = 2 * 4 * 3 * 5 * 7
    assert count_step(lambda: torch.bmm(a, b).sum()) == (product, 2 * product)
    patches, images = nn.Conv2d(3, 8, 4, stride=4), torch.randn(2, 3, 16, 16)
    convolution = 2 * 2 * 8 * (16 // 4) ** 2 * 3 * 4 * 4
    assert count_step(lambda: patches(images).sum()) == (convolution, convolution)


def test_attention_on_a_cpu_costs_two_products_forward_and_five_backward() -> None:
    """Backward computes the scores again and passes gradients through both products."""
    query = torch.randn(2, 4, 6, 8, requires_grad=True)
    product = 2 * 2 * 4 * 6 * 6 * 8
    assert count_step(lambda: functional.scaled_dot_product_attention(query, query, query).sum()) == (
        2 * product,
        5 * product,
    )


@pytest.mark.filterwarnings("ignore:Using `torch.compile")  # of torch's own hooks in its counter
def test_the_count_does_not_depend_on_compilation_nor_on_memory() -> None:
    layer, batch = nn.Linear(8, 8), torch.randn(4, 8)
    expected = count_step(lambda: layer(batch).sum())
    compiled = torch.compile(layer, backend="aot_eager")
    assert count_step(lambda: compiled(batch).sum()) == expected
    mode = FakeTensorMode()
    without_memory(layer, mode)
    with mode:
        assert count_step(lambda: layer(torch.randn(4, 8)).sum()) == expected


def test_gradients_stay_as_a_plain_step_leaves_them() -> None:
    layer, batch = nn.Linear(3, 3), torch.randn(2, 3)
    count_step(lambda: layer(batch).sum())
    assert layer.bias.grad is not None
    assert torch.equal(layer.bias.grad, torch.full((3,), 2.0))
