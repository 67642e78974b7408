"""From the towers' outputs to embeddings: the formula written out, its first weights, its rates."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.features.content import RawContent
from tpmebench.methods.features.readers import TowerReader
from tpmebench.methods.fusion import FusedEncoder, TowerRates, output_levels

WIDTH = 8
MakeBackbones = Callable[..., Backbones]


def encoder(backbones: Backbones, width: int = WIDTH) -> FusedEncoder:
    towers = {name: backbones.tower(name) for name in backbones.modalities}
    torch.manual_seed(0)
    return FusedEncoder(TowerReader(towers, output_levels(backbones), frozen=False), backbones, width).eval()


def linear(layer: object, values: Tensor) -> Tensor:
    assert isinstance(layer, nn.Linear)
    return values @ layer.weight.T + layer.bias


@pytest.mark.parametrize("modalities", [("text",), ("image",), ("text", "image")])
@torch.no_grad()
def test_projections_are_joined_image_first(
    tiny_backbones: MakeBackbones, tiny_content: RawContent, modalities: tuple[str, ...]
) -> None:
    fused, items = encoder(tiny_backbones("unequal", modalities)), tiny_content.gather(torch.arange(1, 10))
    assert isinstance(fused.reader, TowerReader)
    parts = [
        functional.gelu(linear(fused.projections[name], fused.reader.tower(name)(items)))
        for name in ("image", "text")
        if name in modalities
    ]
    torch.testing.assert_close(fused(items), linear(fused.fusion, torch.cat(parts, dim=1)))


def test_the_image_projection_alone_starts_xavier_normal(tiny_backbones: MakeBackbones) -> None:
    fused = encoder(tiny_backbones("bert+vit"), width=64)
    image, text = fused.projections["image"], fused.projections["text"]
    assert isinstance(image, nn.Linear) and isinstance(text, nn.Linear)
    deviation = (2 / (32 + 64)) ** 0.5
    assert image.weight.std().item() == pytest.approx(deviation, rel=0.1)
    assert image.weight.abs().max().item() > 2 * deviation  # uniform weights end at 1.73
    assert not image.bias.any()
    assert text.bias.any() and text.weight.abs().max().item() <= 32**-0.5  # as torch starts a Linear


def test_every_tower_and_the_rest_have_the_rates_given(tiny_backbones: MakeBackbones) -> None:
    fused = encoder(tiny_backbones("bert+vit"))
    rates = TowerRates(text=1.0, image=2.0, rest=3.0, head=4.0).of(fused)
    assert isinstance(fused.reader, TowerReader)
    expected = {
        "fusion": ([*fused.projections.parameters(), *fused.fusion.parameters()], 3.0),
        "text tower": ([p for p in fused.reader.tower("text").parameters() if p.requires_grad], 1.0),
        "image tower": ([p for p in fused.reader.tower("image").parameters() if p.requires_grad], 2.0),
    }
    assert rates.head == 4.0
    assert rates.groups.keys() == expected.keys()
    for name, (parameters, rate) in expected.items():
        found, given = rates.groups[name]
        assert given == rate and {id(p) for p in found} == {id(p) for p in parameters}
