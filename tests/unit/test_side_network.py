"""The side networks against the formulas, written out step by step."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tpmebench.methods.decoupled.side_network import SideDesign, SideNetwork, SideNetworks
from tpmebench.methods.embedded.bottleneck import Bottleneck

WIDTH = 3


def networks(
    sizes: dict[str, int], blocks: dict[str, int], **design: Any
) -> tuple[SideNetworks, dict[str, list[Tensor]]]:
    """Side networks with parameters far from their start, and states of five items."""
    torch.manual_seed(0)
    side = SideNetworks(sizes, blocks, WIDTH, SideDesign(bottleneck=2, **design)).double()
    for parameter in side.parameters():
        nn.init.normal_(parameter, std=0.3)
    levels = {name: blocks[name] + (not side.first_state) for name in sizes}
    return side, {name: [torch.randn(5, sizes[name]).double() for _ in range(levels[name])] for name in sizes}


def gate(network: SideNetwork, k: int) -> Tensor:
    assert network.gates is not None
    return 1 / (1 + torch.exp(-network.gates[k] / 0.1))


def block(network: SideNetwork, k: int, state: Tensor) -> Tensor:
    bottleneck = network.blocks[k]
    assert isinstance(bottleneck, Bottleneck)
    down = state @ bottleneck.down.weight.T + bottleneck.down.bias
    return state + down.clamp(min=0) @ bottleneck.up.weight.T + bottleneck.up.bias


def intra(network: SideNetwork, states: list[Tensor], start: Tensor) -> Tensor:
    for k, state in enumerate(states):
        mixed = state + start if network.gates is None else gate(network, k) * state + (1 - gate(network, k)) * start
        start = block(network, k, mixed)
    return network.projection(network.dense(start))


def inter(network: SideNetwork, image: list[Tensor], text: list[Tensor]) -> Tensor:
    mixed = torch.zeros_like(image[0])
    for k, (one, other) in enumerate(zip(image, text, strict=True)):
        both = one + other
        if network.gates is not None:
            both = gate(network, k) * one + (1 - gate(network, k)) * other
        mixed = block(network, k, mixed + both)
    return network.projection(network.dense(mixed))


@pytest.mark.parametrize("first_state", [True, False])
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("chosen", ["both", "intra", "inter"])
def test_equal_towers_follow_the_formulas(chosen: str, gated: bool, first_state: bool) -> None:
    sizes = {"text": 4, "image": 4}
    side, states = networks(sizes, {"text": 3, "image": 3}, networks=chosen, gated=gated, first_state=first_state)
    parts = []
    for name in ("image", "text"):
        levels, start = states[name], torch.zeros(4).double()
        if not first_state:
            levels, start = levels[1:], levels[0]
        if chosen != "inter":
            parts.append(intra(side.networks()[name], levels, start))
    if chosen != "intra":
        inner = {name: levels[not first_state :] for name, levels in states.items()}
        parts.append(inter(side.networks()["inter"], inner["image"], inner["text"]))
    assert len(parts) == {"both": 3, "intra": 2, "inter": 1}[chosen]
    torch.testing.assert_close(side(states), side.fusion(torch.cat(parts, dim=1)))


@pytest.mark.parametrize("deeper", ["text", "image"])
@pytest.mark.parametrize("wider", ["text", "image"])
def test_unequal_towers_meet_at_their_last_blocks_and_at_the_narrower_width(deeper: str, wider: str) -> None:
    sizes = {name: 6 if name == wider else 4 for name in ("text", "image")}
    blocks = {name: 5 if name == deeper else 2 for name in ("text", "image")}
    side, states = networks(sizes, blocks)
    parts = [intra(side.networks()[name], states[name], torch.zeros(()).double()) for name in ("image", "text")]
    assert side.inter is not None
    narrowing = side.inter.narrowing[wider]
    assert isinstance(narrowing, nn.ModuleList)
    assert list(side.inter.narrowing) == [wider]
    met = {name: levels[-2:] for name, levels in states.items()}
    met[wider] = [narrow(state) for narrow, state in zip(narrowing, met[wider], strict=True)]
    parts.append(inter(side.inter, met["image"], met["text"]))
    torch.testing.assert_close(side(states), side.fusion(torch.cat(parts, dim=1)))


@pytest.mark.parametrize("chosen", ["both", "intra", "inter"])
@pytest.mark.parametrize("name", ["text", "image"])
def test_one_modality_has_its_intra_modal_network_alone(name: str, chosen: str) -> None:
    side, states = networks({name: 4}, {name: 3}, networks=chosen)
    assert list(side.networks()) == [name]
    assert side.fusion.in_features == WIDTH
    expected = side.fusion(intra(side.networks()[name], states[name], torch.zeros(4).double()))
    torch.testing.assert_close(side(states), expected)


@pytest.mark.parametrize("first_state", [True, False])
def test_a_shared_level_counts_for_every_item(first_state: bool) -> None:
    side, states = networks({"text": 4, "image": 4}, {"text": 3, "image": 3}, first_state=first_state)
    one = {name: [levels[0][:1], *levels[1:]] for name, levels in states.items()}
    repeated = {name: [levels[0].expand(5, -1), *levels[1:]] for name, levels in one.items()}
    torch.testing.assert_close(side(one), side(repeated))


def test_initial_values() -> None:
    torch.manual_seed(0)
    side = SideNetworks({"text": 96, "image": 96}, {"text": 4, "image": 4}, 8, SideDesign())
    for network in side.networks().values():
        assert network.gates is not None
        assert network.gates.tolist() == [0.0] * 4
        assert [value.item() for value in network.gate_values() or ()] == [0.5] * 4
        for part in network.blocks:
            assert isinstance(part, Bottleneck)
            assert part.down.out_features == 64
            for linear in (part.down, part.up):
                assert linear.weight.std().item() == pytest.approx(0.01, rel=0.1)
                assert not linear.bias.any()


def test_narrowing_keeps_one_precision_under_autocast() -> None:
    side, states = networks({"text": 4, "image": 6}, {"text": 2, "image": 2})
    side.float()
    single = {name: [level.float() for level in levels] for name, levels in states.items()}
    with torch.autocast("cpu", torch.bfloat16):
        half = side(single)
    torch.testing.assert_close(half.float(), side(single), atol=0.1, rtol=0.1)
