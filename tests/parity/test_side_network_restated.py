"""The side networks of IISAN and IISAN-Versa against a plain restatement: NumPy, float64, one item and block at a time.

It reads whole towers by layer number and chooses levels, pairs and widths by itself, from the papers and the published
code's layer lists, so that what the methods choose is held to it as well.
"""

from typing import Any

import numpy as np
import pytest
import torch
from cells import method_of

from tpmebench.methods.backbones.pair import Backbones
from tpmebench.methods.backbones.tower import TowerShape
from tpmebench.methods.decoupled.iisan import IISANEncoder
from tpmebench.methods.method import Method

ITEMS, WIDTH = 5, 3
Array = np.ndarray
Weights = dict[str, Array]

EQUAL = {"text": (12, 6), "image": (12, 6)}
DEEPER = {"text": (24, 6), "image": (12, 6)}
WIDER = {"text": (12, 6), "image": (12, 8)}
BOTH_WAYS = {"text": (3, 7), "image": (12, 5)}
PAIRS = {"equal": EQUAL, "unequal depth": DEEPER, "unequal width": WIDER, "unequal": BOTH_WAYS}

LAYERS: dict[str, dict[int, list[int]]] = {
    "every-second": {3: [1, 3], 12: [2, 4, 6, 8, 10, 12], 24: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]},
    "all": {3: [1, 2, 3], 12: list(range(1, 13)), 24: list(range(1, 25))},
    "none": {3: [], 12: [], 24: []},
    "every-3": {3: [3], 12: [3, 6, 9, 12], 24: [3, 6, 9, 12, 15, 18, 21, 24]},
    "every-4": {3: [3], 12: [4, 8, 12], 24: [4, 8, 12, 16, 20, 24]},
    "every-6": {3: [3], 12: [6, 12], 24: [6, 12, 18, 24]},
    "odd": {3: [1, 3], 12: [1, 3, 5, 7, 9, 11], 24: [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23]},
    "even": {3: [2], 12: [2, 4, 6, 8, 10, 12], 24: [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24]},
    "first-half": {3: [1], 12: [1, 2, 3, 4, 5, 6], 24: list(range(1, 13))},
    "last-half": {3: [2, 3], 12: [7, 8, 9, 10, 11, 12], 24: list(range(13, 25))},
    "six": {3: [1, 2, 3], 12: [2, 4, 6, 8, 10, 12], 24: [4, 8, 12, 16, 20, 24]},  # 1,3,5,… and 3,7,11,…, from 0
}
PUBLISHED = {32: "1,7,13,19,25,31", 28: "2,7,12,17,22,27", 80: "4,19,34,49,64,79"}
"""Versa's layers of deeper towers, counted from 0."""


def affine(weights: Weights, name: str, vector: Array) -> Array:
    return weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]


def block(weights: Weights, name: str, vector: Array) -> Array:
    return vector + affine(weights, f"{name}.up", np.maximum(affine(weights, f"{name}.down", vector), 0.0))


def gate(weights: Weights, name: str, k: int) -> float:
    return float(1.0 / (1.0 + np.exp(-weights[f"{name}.gates"][k] / 0.1)))


def ends(weights: Weights, name: str, vector: Array) -> Array:
    return affine(weights, f"{name}.projection", affine(weights, f"{name}.dense", vector))


def restated(weights: Weights, towers: dict[str, Array], options: dict[str, Any], default: str) -> Array:
    """One item's embedding from all levels of its towers, `[depth + 1, width]` each."""
    gated, networks = options.get("gated", True), options.get("networks", "both")
    first = options.get("first_state", True)
    layers = {name: LAYERS[options.get("layers", default)][len(levels) - 1] for name, levels in towers.items()}
    read = {name: [levels[k] for k in ([0] if first else []) + layers[name]] for name, levels in towers.items()}
    parts = []
    if networks != "inter":
        for name in ("image", "text"):
            state = np.zeros(towers[name].shape[1]) if first else towers[name][0]
            for k, level in enumerate(read[name]):
                share = gate(weights, f"intra.{name}", k) if gated else None
                mixed = level + state if share is None else share * level + (1.0 - share) * state
                state = block(weights, f"intra.{name}.blocks.{k}", mixed)
            parts.append(ends(weights, f"intra.{name}", state))
    if networks != "intra":
        narrow = min(levels.shape[1] for levels in towers.values())
        pairs = min(len(levels) for levels in read.values())
        met = {name: levels[len(levels) - pairs :] for name, levels in read.items()}
        state = np.zeros(narrow)
        for k in range(pairs):
            at = {name: levels[k] for name, levels in met.items()}
            for name, level in at.items():
                if len(level) > narrow:
                    at[name] = affine(weights, f"inter.narrowing.{name}.{k}", level)
            share = gate(weights, "inter", k) if gated else None
            both = at["image"] + at["text"] if share is None else share * at["image"] + (1.0 - share) * at["text"]
            state = block(weights, f"inter.blocks.{k}", state + both)
        parts.append(ends(weights, "inter", state))
    return affine(weights, "fusion", np.concatenate(parts))


def of_shapes(shapes: dict[str, tuple[int, int]]) -> Backbones:
    """Towers of a depth and width, none of which is ever loaded."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name}: a cached method loads no tower")

    return Backbones(
        {name: TowerShape(name, width, depth, "cls") for name, (depth, width) in shapes.items()}, refuse, 9
    )


def built(name: str, pair: str, options: dict[str, Any]) -> tuple[Method[Any], IISANEncoder, Backbones]:
    """A method's side networks in float64, with parameters far from their start."""
    method, backbones = method_of(name, options), of_shapes(PAIRS[pair])
    torch.manual_seed(0)
    encoder = method.item_encoder(backbones, WIDTH)
    assert isinstance(encoder, IISANEncoder)
    encoder.double()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return method, encoder, backbones


DESIGNS: list[dict[str, Any]] = [
    {},
    {"gated": False},
    {"networks": "intra"},
    {"networks": "inter"},
    {"networks": "inter", "gated": False},
    {"first_state": False},
    {"first_state": False, "gated": False, "networks": "intra"},
    *({"layers": layers} for layers in LAYERS),
]


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: ",".join(f"{k}={v}" for k, v in design.items()) or "all")
@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("name", ["iisan-cached", "versa-cached"])
def test_item_by_item(name: str, pair: str, design: dict[str, Any]) -> None:
    narrow: dict[str, Any] = {"bottleneck": 2}
    if name == "versa-cached":
        narrow = {"text_bottleneck": 2, "image_bottleneck": 4}
    method, encoder, backbones = built(name, pair, {**narrow, **design})
    rng = np.random.default_rng(1)
    towers = {kind: rng.normal(size=(ITEMS, depth + 1, width)) for kind, (depth, width) in PAIRS[pair].items()}
    reads: dict[str, Any] = method.reads(backbones)
    states = {kind: [torch.from_numpy(towers[kind][:, level]) for level in how.levels] for kind, how in reads.items()}
    weights = {key: value.detach().numpy() for key, value in encoder.side.named_parameters()}
    default = "every-second" if name == "iisan-cached" else "six"
    expected = [restated(weights, {kind: of[k] for kind, of in towers.items()}, design, default) for k in range(ITEMS)]
    with torch.no_grad():  # few rows and many: the last two maps are multiplied first, or not
        for repeats in (1, 4):
            found = encoder.side({kind: [level.repeat(repeats, 1) for level in of] for kind, of in states.items()})
            np.testing.assert_allclose(found, np.tile(expected, (repeats, 1)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("depth", PUBLISHED)
def test_versa_reads_the_layers_of_its_published_runs(depth: int) -> None:
    backbones = of_shapes({"text": (depth, 4)})
    reads: dict[str, Any] = method_of("versa-cached").reads(backbones)
    assert list(reads["text"].levels) == [0, *(int(layer) + 1 for layer in PUBLISHED[depth].split(","))]


def test_each_network_has_the_bottleneck_of_its_tower_and_the_inter_modal_that_of_the_narrower() -> None:
    for pair, between in (("equal", 2), ("unequal width", 2), ("unequal", 4)):
        _, encoder, _ = built("versa-cached", pair, {"text_bottleneck": 2, "image_bottleneck": 4})
        widths = {
            name: network.blocks[0].get_parameter("down.weight").shape[0]
            for name, network in encoder.side.networks().items()
        }
        assert widths == {"image": 4, "text": 2, "inter": between}
