"""Peak tensor bytes of a training step on the published shapes, predicted on fake tensors: nothing is allocated.

BERT-base and ViT-base without poolers, a 1536→64 head, Adam with its state, batch 32 × 11 slots, 30 tokens, 224 px,
float32, SDPA attention in train mode; the expected GiB are those of an independent prototype of the same meter.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import psutil
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from tpmebench.bench.meters.shapes import without_memory
from tpmebench.bench.meters.tensor_bytes import TensorBytes

ITEMS = 32 * 11
GIB = 2**30
SDPA: dict[str, Any] = {"attn_implementation": "sdpa"}


class Towers(nn.Module):
    """Both towers and the head, on meta tensors; `adapt` freezes and adds what the method says."""

    def __init__(self, adapt: Callable[[nn.Module], None]) -> None:
        super().__init__()
        with torch.device("meta"):
            text = BertModel(BertConfig(**SDPA), add_pooling_layer=False)
            image = ViTModel(ViTConfig(**SDPA), add_pooling_layer=False)
            self.text, self.image, self.head = text.train(), image.train(), nn.Linear(1536, 64)
            adapt(self.text)
            adapt(self.image)

    def forward(self, tokens: Tensor, mask: Tensor, pixels: Tensor, graph: bool) -> Tensor:
        with nullcontext() if graph else torch.no_grad():
            text = self.text(input_ids=tokens, attention_mask=mask).last_hidden_state[:, 0]
            image = self.image(pixels).last_hidden_state[:, 0]
        return self.head(torch.cat([text, image], -1)).square().mean()


def fft(tower: nn.Module) -> None:
    pass


def frozen(tower: nn.Module) -> None:
    tower.requires_grad_(False)


def bitfit(tower: nn.Module) -> None:
    for name, parameter in tower.named_parameters():
        parameter.requires_grad_(name.endswith("bias"))


def lora(tower: nn.Module) -> None:
    tower.requires_grad_(False)
    names = {name.rpartition(".")[2] for name, _ in tower.named_modules()}
    inject_adapter_in_model(
        LoraConfig(r=8, target_modules=sorted(names & {"query", "value", "q_proj", "v_proj"})), tower
    )


@pytest.mark.parametrize(("adapt", "expected"), [(fft, 48.9), (lora, 33.9), (bitfit, 31.4), (frozen, 3.3)])
def test_peak_of_a_training_step(adapt: Callable[[nn.Module], None], expected: float) -> None:
    towers, mode = Towers(adapt), FakeTensorMode()
    without_memory(towers, mode)
    resident = psutil.Process().memory_info().rss
    with mode:
        tokens, mask = (torch.ones(ITEMS, 30, dtype=torch.long) for _ in range(2))
        pixels = torch.randn(ITEMS, 3, 224, 224)
        optimiser = torch.optim.Adam([parameter for parameter in towers.parameters() if parameter.requires_grad])
        with TensorBytes([towers, optimiser, tokens, mask, pixels]) as meter:
            for _ in range(2):
                optimiser.zero_grad()
                towers(tokens, mask, pixels, graph=adapt is not frozen).backward()
                optimiser.step()
    assert meter.peak / GIB == pytest.approx(expected, rel=0.02)
    weights = sum(parameter.nbytes for parameter in towers.parameters())
    assert weights <= meter.kinds_at_peak()["weights"] <= 1.001 * weights
    assert psutil.Process().memory_info().rss - resident < GIB / 4
