"""Every option of every method arrives in what the method builds."""

from collections.abc import Callable
from typing import Any

import pytest
from cells import is_kind
from peft.tuners.lora import LoraLayer
from torch import nn

from tpmebench.bench.worker.build import TrainedCell
from tpmebench.methods.backbones.tower import Tower
from tpmebench.methods.decoupled.frozen_mix import LayerMix, MixEncoder
from tpmebench.methods.decoupled.iisan import IISANEncoder
from tpmebench.methods.decoupled.ladder import Ladder
from tpmebench.methods.decoupled.side_network import SideNetworks
from tpmebench.methods.embedded.bottleneck import Bottleneck
from tpmebench.methods.embedded.compacter import KroneckerAdapter, KroneckerLinear
from tpmebench.methods.embedded.ends import AdaptedLinear
from tpmebench.methods.embedded.parallel import LinearBesideAdapter
from tpmebench.methods.fusion import FusedEncoder
from tpmebench.methods.registry import methods
from tpmebench.outside import is_outside

Build = Callable[..., TrainedCell]


def encoder_of(parts: TrainedCell) -> nn.Module:
    assert parts.recommender is not None
    return parts.recommender.item_encoder


def side_of(parts: TrainedCell) -> SideNetworks:
    encoder = encoder_of(parts)
    assert isinstance(encoder, IISANEncoder)
    return encoder.side


def low_rank(look: Callable[[LoraLayer], Any]) -> Callable[[TrainedCell], set[Any]]:
    """What is seen at every LoRA layer."""
    return lambda parts: {look(part) for part in encoder_of(parts).modules() if isinstance(part, LoraLayer)}


def adapters(parts: TrainedCell) -> set[int]:
    return of_each(AdaptedLinear, lambda part: part.adapter.down.out_features)(parts)


def of_each(kind: type[nn.Module], look: Callable[[Any], Any]) -> Callable[[TrainedCell], set[Any]]:
    """What is seen at every module of a kind."""
    return lambda parts: {look(part) for part in encoder_of(parts).modules() if isinstance(part, kind)}


def prompts(parts: TrainedCell) -> set[int]:
    return {len(part) for name, part in encoder_of(parts).named_parameters() if name.endswith("prompts")}


def trained_layers(parts: TrainedCell) -> list[int]:
    towers = [part for part in encoder_of(parts).modules() if isinstance(part, Tower)]
    trained = [[[p.requires_grad for p in layer.parameters()] for layer in tower.layers] for tower in towers]
    return [sum(bool(each) and all(each) for each in of) for of in trained]  # a cached layer has none


def blocks(parts: TrainedCell) -> dict[str, int]:
    return {name: len(network.blocks) for name, network in side_of(parts).networks().items()}


def mixes_of(parts: TrainedCell) -> list[LayerMix]:
    return [part for part in encoder_of(parts).modules() if isinstance(part, LayerMix)]


def linear(parts: TrainedCell) -> list[nn.Linear]:
    encoder = encoder_of(parts)
    assert isinstance(encoder, MixEncoder)
    return [part for part in encoder.projections.modules() if isinstance(part, nn.Linear)]


SIDE: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    "networks": ("inter", lambda parts: list(side_of(parts).networks()), ["image", "text", "inter"], ["inter"]),
    "gated": (
        False,
        lambda parts: {network.gates is not None for network in side_of(parts).networks().values()},
        {True},
        {False},
    ),
    "layers": ("all", blocks, {"image": 3, "text": 3, "inter": 3}, {"image": 5, "text": 5, "inter": 5}),
    "bottleneck": (
        4,
        lambda parts: {block.down.out_features for block in side_of(parts).modules() if isinstance(block, Bottleneck)},
        {64},
        {4},
    ),
    "first_state": (False, blocks, {"image": 3, "text": 3, "inter": 3}, {"image": 2, "text": 2, "inter": 2}),
}


def beside(modality: str) -> Callable[[TrainedCell], int]:
    """The width of the bottlenecks beside a tower."""

    def look(parts: TrainedCell) -> int:
        (first, *_) = side_of(parts).networks()[modality].blocks
        assert isinstance(first, Bottleneck)
        return first.down.out_features

    return look


VERSA = {
    **{name: SIDE[name] for name in ("networks", "gated")},
    "layers": (
        "none",
        blocks,
        dict.fromkeys(("image", "text", "inter"), 5),
        dict.fromkeys(("image", "text", "inter"), 1),
    ),
    "text_bottleneck": (4, beside("text"), 64, 4),
    "image_bottleneck": (4, beside("image"), 64, 4),
    "first_state": (
        False,
        *SIDE["first_state"][1:2],
        dict.fromkeys(("image", "text", "inter"), 5),
        dict.fromkeys(("image", "text", "inter"), 4),
    ),
}


def ladders(parts: TrainedCell) -> list[Ladder]:
    return [part for part in encoder_of(parts).modules() if isinstance(part, Ladder)]


LADDERS: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    "reduction": (4, lambda parts: {each.back.in_features for each in ladders(parts)}, {8}, {16}),
    "layers": ("every-second", lambda parts: {len(each.blocks) for each in ladders(parts)}, {4}, {2}),
    # a pruned start keeps columns of the tower: of each row one is 1, all others 0; it takes time, which is said
    "start": (
        "random",
        lambda parts: {
            (set(each.downs[0].get_parameter("weight").flatten().tolist()) == {0, 1}, bool(parts.method.start_seconds))
            for each in ladders(parts)
        },
        {(True, True)},
        {(False, False)},
    ),
}


HYBRID: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    **SIDE,
    "trained": (2, trained_layers, [1, 1], [2, 2]),
    "side": (False, lambda parts: type(encoder_of(parts)), IISANEncoder, FusedEncoder),
}
LOW_RANK: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    "r": (2, low_rank(lambda part: (part.r["default"], part.lora_A["default"].out_features)), {(8, 8)}, {(2, 2)}),
    "alpha": (4.0, low_rank(lambda part: part.scaling["default"]), {1.0}, {0.5}),
    "targets": ("qkv", lambda parts: len(low_rank(id)(parts)), 16, 24),
    "dropout": (0.25, low_rank(lambda part: getattr(part.lora_dropout["default"], "p", 0.0)), {0.0}, {0.25}),
}
MIX: dict[str, tuple[Any, Callable[[TrainedCell], Any], Any, Any]] = {
    "layers": ("all", lambda parts: {len(mix.logits) for mix in mixes_of(parts)}, {3}, {5}),
    "hidden": (7, lambda parts: {layer.out_features for layer in linear(parts)}, {64}, {7, 64}),
}
ARRIVALS = {
    **{("lora", name): arrival for name, arrival in LOW_RANK.items()},
    ("adapter", "bottleneck"): (4, adapters, {64}, {4}),
    ("pfeiffer", "bottleneck"): (4, adapters, {64}, {4}),
    ("parallel", "bottleneck"): (4, of_each(LinearBesideAdapter, lambda p: p.adapter.down.out_features), {64}, {4}),
    ("parallel", "scale"): (2.0, of_each(LinearBesideAdapter, lambda part: part.scale), {0.1}, {2.0}),
    ("compacter", "bottleneck"): (8, of_each(KroneckerAdapter, lambda part: len(part.down.bias)), {24}, {8}),
    ("compacter", "n"): (2, of_each(KroneckerLinear, lambda part: len(part.left)), {4}, {2}),
    ("compacter", "rank"): (3, of_each(KroneckerLinear, lambda part: part.left.shape[2]), {1}, {3}),
    ("vpt-shallow", "prompts"): (3, prompts, {10}, {3}),
    ("vpt-deep", "prompts"): (3, prompts, {10}, {3}),
    ("partial", "layers"): (3, trained_layers, [1, 1], [3, 3]),
    **{(method, name): arrival for method in ("iisan", "iisan-cached") for name, arrival in SIDE.items()},
    **{(method, name): arrival for method in ("versa", "versa-cached") for name, arrival in VERSA.items()},
    **{(method, name): arrival for method in ("lst", "lst-cached") for name, arrival in LADDERS.items()},
    **{(method, name): arrival for method in ("hybrid", "hybrid-cached") for name, arrival in HYBRID.items()},
    **{(method, name): arrival for method in ("frozen-mix", "frozen-mix-cached") for name, arrival in MIX.items()},
}
ELSEWHERE = {("content-knn", "last"): "test_registry.py"}


def test_every_option_has_a_test_of_where_it_acts():
    """But those of peft's kinds, all of which its config is given."""
    ours = {name: method for name, method in methods().items() if not is_outside(name) and not is_kind(name)}
    assert set(ARRIVALS) | set(ELSEWHERE) == {
        (name, option) for name, method in ours.items() for option in method.options.model_fields
    }


@pytest.mark.parametrize(("method", "option"), ARRIVALS)
def test_every_option_arrives_where_it_acts(small_cell: Build, method: str, option: str):
    value, look, before, after = ARRIVALS[method, option]
    assert look(small_cell(method)) == before
    assert look(small_cell(method, options={option: value})) == after


def test_low_rank_updates_stand_at_query_and_value_of_every_layer(small_cell: Build):
    encoder = encoder_of(small_cell("lora"))
    found = sorted(name.rpartition(".")[2] for name, part in encoder.named_modules() if isinstance(part, LoraLayer))
    assert (
        found == ["q_proj"] * 4 + ["query"] * 4 + ["v_proj"] * 4 + ["value"] * 4
    )  # as image and text towers call them
