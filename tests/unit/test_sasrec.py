"""SASRec: what a position may see, and how it starts."""

import pytest
import torch
from torch import nn

from tpmebench.methods.head.sasrec import HeadSize, SASRec

SIZE = HeadSize(width=8, max_length=6)


@pytest.fixture
def head() -> SASRec:
    torch.manual_seed(0)
    return SASRec(SIZE).eval()


def test_a_position_sees_nothing_later(head: SASRec) -> None:
    history, present = torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)
    changed = history.clone()
    changed[:, 4:] = torch.randn(2, 2, 8)
    before, after = head(history, present), head(changed, present)
    torch.testing.assert_close(before[:, :4], after[:, :4])
    assert (before[:, 4] - after[:, 4]).abs().max() > 0.01


def test_a_position_sees_everything_earlier(head: SASRec) -> None:
    history, present = torch.randn(1, 6, 8), torch.ones(1, 6, dtype=torch.bool)
    changed = history.clone()
    changed[:, 0] = torch.randn(8)
    assert ((head(history, present) - head(changed, present)).abs().amax(-1) > 1e-4).all()


def test_padding_is_not_seen(head: SASRec) -> None:
    present = torch.tensor([[False, False, False, True, True, True]])
    history = torch.randn(1, 6, 8)
    changed = torch.where(present[..., None], history, torch.randn(1, 6, 8))
    torch.testing.assert_close(head(history, present)[:, 3:], head(changed, present)[:, 3:])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_gives_numbers_though_padded_rows_see_nothing(head: SASRec, dtype: torch.dtype) -> None:
    present = torch.tensor([[False] * 5 + [True], [True] * 6])
    history = torch.randn(2, 6, 8, requires_grad=True)
    with torch.autocast("cpu", dtype):
        vectors = head(history, present)
    vectors[present].sum().backward()
    assert vectors.isfinite().all()
    assert history.grad is not None
    assert history.grad.isfinite().all()
    torch.testing.assert_close(vectors[present].float(), head(history, present)[present], atol=0.05, rtol=0.05)


def test_initial_values(head: SASRec) -> None:
    for module in head.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            fans = sum(module.weight.shape)
            deviation = (2 / fans) ** 0.5  # Xavier-normal
            assert module.weight.std().item() == pytest.approx(deviation, rel=0.35)
            assert module.weight.abs().max().item() > 1.8 * deviation  # uniform weights end at 1.73
        if isinstance(module, nn.Linear) and module.bias is not None:
            assert not module.bias.any()
        if isinstance(module, nn.LayerNorm):
            assert module.eps == 1e-6


def test_size_as_published() -> None:
    assert sum(parameter.numel() for parameter in SASRec(HeadSize()).parameters()) == 100_224


def test_dropout_acts_in_training_only() -> None:
    head = SASRec(HeadSize(width=8, max_length=6, dropout=0.5))
    history, present = torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool)
    assert not torch.equal(head(history, present), head(history, present))
    head.eval()
    assert torch.equal(head(history, present), head(history, present))


def test_every_dropout_and_every_norm_is_on_the_way(head: SASRec) -> None:
    met: list[nn.Module] = []
    parts = [module for module in head.modules() if isinstance(module, nn.Dropout | nn.LayerNorm)]
    assert len(parts) == 2 * (1 + 2 * SIZE.blocks)
    for module in parts:
        module.register_forward_hook(lambda module, *_: met.append(module))
    head(torch.randn(2, 6, 8), torch.ones(2, 6, dtype=torch.bool))
    assert met.count(head.dropout) == 1 and len(met) == len(parts) == len(set(met))
