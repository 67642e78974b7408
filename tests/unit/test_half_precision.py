"""Cached methods in half precision: states are read as they are kept, and the loss is that of full precision."""

from collections.abc import Callable

import pytest
import torch

from tpmebench.bench.worker.build import TrainedCell
from tpmebench.bench.worker.step import Trainer
from tpmebench.methods.features.readers import CacheReader
from tpmebench.methods.inputs import ItemInputs
from tpmebench.methods.registry import methods

CACHED = [name for name, method in methods().items() if method.kind == "method" and method.uncached]


@pytest.mark.parametrize("name", CACHED)
def test_a_step_over_a_half_precision_cache_is_near_that_of_full_precision(
    small_cell: Callable[..., TrainedCell], name: str
) -> None:
    losses = []
    for precision, dtype in (("fp32", "float32"), ("bf16", "bfloat16")):
        trainer = Trainer(small_cell(name, precision=precision, cache_dtype=dtype, dropout=0.0))
        batch, inputs = trainer.heaviest_batch()
        loss = trainer.forward(batch, inputs)
        loss.backward()
        trained = [each for group in trainer.optimiser.param_groups for each in group["params"]]
        assert all(each.grad is None or torch.isfinite(each.grad).all() for each in trained)
        losses.append(float(loss.detach()))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize(
    ("computing", "kept", "read"),
    [
        (None, torch.bfloat16, torch.float32),
        (torch.bfloat16, torch.bfloat16, torch.bfloat16),
        (torch.bfloat16, torch.float16, torch.float32),
        (torch.float16, torch.float16, torch.float32),
        (torch.bfloat16, torch.float32, torch.float32),
    ],
)
def test_states_are_converted_unless_the_method_computes_in_their_precision(
    computing: torch.dtype | None, kept: torch.dtype, read: torch.dtype
) -> None:
    inputs = ItemInputs(torch.tensor([1, 2]), states={"text": [torch.ones(2, 3, dtype=kept)]})
    with torch.autocast("cpu", computing or torch.bfloat16, enabled=computing is not None):
        [level] = CacheReader()(inputs)["text"]
    assert level.dtype == read
