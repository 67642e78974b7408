"""What the methods beside the towers train on BERT-base and ViT-base shapes, against formulas by hand."""

from typing import Any

import pytest
import torch
from cells import method_of

from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import TowerShape

D, W = 768, 64
"""Columns of both towers' states and of an embedding."""


def linear(columns: int, rows: int) -> int:
    return columns * rows + rows


def block(bottleneck: int = 64) -> int:
    return linear(D, bottleneck) + linear(bottleneck, D)


def network(blocks: int, bottleneck: int = 64, gated: bool = True, between: int = D) -> int:
    return blocks * (block(bottleneck) + gated) + linear(D, between) + linear(between, W)


def fusion(parts: int) -> int:
    return linear(parts * W, W)


IISAN = [
    ({}, 3 * network(7) + fusion(3), 4_013_653),
    ({"networks": "intra"}, 2 * network(7) + fusion(2), 2_675_790),
    ({"networks": "inter"}, network(7) + fusion(1), 1_337_927),
    ({"gated": False}, 3 * network(7, gated=False) + fusion(3), 4_013_632),
    ({"bottleneck": 16}, 3 * network(7, bottleneck=16) + fusion(3), 2_464_357),
    ({"first_state": False}, 3 * network(6) + fusion(3), 3_716_242),
    ({"layers": "all"}, 3 * network(13) + fusion(3), 5_798_119),
    ({"layers": "every-3"}, 3 * network(5) + fusion(3), 3_418_831),
    ({"layers": "every-4"}, 3 * network(4) + fusion(3), 3_121_420),
    ({"layers": "every-6"}, 3 * network(3) + fusion(3), 2_824_009),
    ({"layers": "odd"}, 3 * network(7) + fusion(3), 4_013_653),
    ({"layers": "even"}, 3 * network(7) + fusion(3), 4_013_653),
    ({"layers": "first-half"}, 3 * network(7) + fusion(3), 4_013_653),
    ({"layers": "last-half"}, 3 * network(7) + fusion(3), 4_013_653),
    ({"layers": "none"}, 3 * network(1) + fusion(3), 2_229_187),
]
VERSA = [
    ({}, 2 * network(7, between=W) + network(7) + fusion(3), 2_840_789),
    ({"networks": "intra"}, 2 * network(7, between=W) + fusion(2), 1_502_926),
    ({"networks": "inter"}, network(7) + fusion(1), 1_337_927),
    (
        {"text_bottleneck": 16, "image_bottleneck": 128},
        network(7, 16, between=W) + network(7, 128, between=W) + network(7, 16) + fusion(3),
        2_496_501,
    ),
]


def ladder(blocks: int, width: int = 96) -> int:
    attention, feed_forward = 4 * linear(width, width), linear(width, 4 * width) + linear(4 * width, width)
    side = blocks * (2 * 2 * width + attention + feed_forward + 1)
    return (blocks + 1) * linear(D, width) + side + linear(width, D) + linear(D, W)


LST = [
    ({"start": "random"}, 2 * ladder(12) + fusion(2), 4_859_288),
    ({"start": "random", "layers": "every-second"}, 2 * ladder(6) + fusion(2), 2_631_308),
    ({"start": "random", "reduction": 4}, 2 * ladder(12, 192) + fusion(2), 14_918_744),
]
ROWS = [(name, *row) for name, rows in (("iisan", IISAN), ("versa", VERSA), ("lst", LST)) for row in rows]


def refuse(name: str) -> Any:
    raise AssertionError(f"{name}: a cached method loads no tower")


@pytest.mark.parametrize(("name", "options", "formula", "written"), ROWS)
def test_trainable_parameters(name: str, options: dict[str, Any], formula: int, written: int) -> None:
    shapes = {modality: TowerShape(modality, D, 12, "cls") for modality in ("text", "image")}
    with torch.device("meta"):
        encoder = method_of(f"{name}-cached", options).item_encoder(Backbones(shapes, refuse, 20_314), W)
    found = sum(parameter.numel() for parameter in encoder.parameters() if parameter.requires_grad)
    assert found == formula == written
