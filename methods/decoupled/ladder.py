"""Ladder side networks (Sung et al., 2022): a narrow transformer beside a frozen tower, fed by its layers' states."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..backbones.projections import LayerProjections, projections, widths
from ..backbones.tower import Tower, TowerShape
from .side_network import TEMPERATURE

HEAD = 8
"""The fewest columns of a head, where the width allows several heads."""


class LadderBlock(nn.Module):
    """A transformer layer, normalised first: attention over an item's positions, then a feed-forward network."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.heads = next((heads for heads in (8, 4, 2) if width % heads == 0 and width // heads >= HEAD), 1)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        """`[n, positions, width]`; `mask`: which positions are there, bool `[n, 1, 1, positions]`."""
        normal = self.norms[0](states)
        query, key, value = (
            each(normal).unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (self.query, self.key, self.value)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        states = states + self.output(mixed.transpose(1, 2).flatten(2))
        return states + self.down(functional.gelu(self.up(self.norms[1](states))))


class Ladder(nn.Module):
    """Beside one tower: z_0 = down_0(h_0); z_k = block_k(g_k·down_k(h_k) + (1 − g_k)·z_{k−1}) for its levels h_k; the
    last is pooled as the tower is, and a Linear takes it back to the tower's width. Gates are as in IISAN.
    """

    def __init__(self, shape: TowerShape, width: int, blocks: int) -> None:
        super().__init__()
        self.shape = shape
        hidden_size, inner = shape.width(0), 4 * width
        self.downs = nn.ModuleList(nn.Linear(hidden_size, width) for _ in range(blocks + 1))
        self.blocks = nn.ModuleList(LadderBlock(width, inner) for _ in range(blocks))
        self.gates = nn.Parameter(torch.zeros(blocks))
        self.back = nn.Linear(width, hidden_size)

    def forward(self, levels: Sequence[Tensor], mask: Tensor) -> Tensor:
        """`[n, hidden]` from a level each `[n, positions, hidden]`. `mask`: int `[n, positions]`."""
        there, gates = mask.bool()[:, None, None], torch.sigmoid(self.gates / TEMPERATURE)
        side = self.downs[0](levels[0])
        for k, block in enumerate(self.blocks):
            side = block(torch.lerp(side, self.downs[k + 1](levels[k + 1]), gates[k].to(side.dtype)), there)
        return self.back(self.shape.pooled(side, mask))


@torch.no_grad()
def prune(ladder: Ladder, tower: Tower, layers: Sequence[int]) -> list[int]:
    """Starts a ladder from the tower's own weights: of its `layers` (from 1) the rows and columns of largest magnitude.

    Which of the tower's columns are kept is one choice for all layers, for all write to the same stream; each `down`
    starts as that choice. Gives the layers whose maps are fused or not found, which stay random.
    """
    by_name = {each.name: each for each in projections(tower)}
    first, inner = cast(nn.Linear, ladder.downs[0]), 4 * cast(nn.Linear, ladder.downs[0]).out_features
    maps = [_maps(tower, by_name.get(tower.anatomy.layers[number - 1])) for number in layers]
    maps = [each if each and len(each["up"]) >= inner else {} for each in maps]
    weights = [weight for each in maps if each for weight in (each["query"], each["key"], each["value"], each["up"])]
    if not weights:
        return list(layers)
    columns = _largest(torch.stack([weight.abs().sum(0) for weight in weights]).sum(0), first.out_features)
    for down in cast("Sequence[nn.Linear]", ladder.downs):
        down.weight.copy_(functional.one_hot(columns, first.in_features))
        down.bias.zero_()
    for block, each in zip(cast("Sequence[LadderBlock]", ladder.blocks), maps, strict=True):
        if each:
            _start(block, each, columns)
    return [number for number, each in zip(layers, maps, strict=True) if not each]


def _maps(tower: Tower, layer: LayerProjections | None) -> dict[str, Tensor]:
    """The weights `[rows, columns]` of a layer's maps by role; nothing where one is fused, gated or not found."""
    if layer is None or len(layer.attentions) != 1 or len(layer.feed_forwards) != 1:
        return {}
    (attention,), (network,) = layer.attentions, layer.feed_forwards
    names = {"query": attention.query, "key": attention.key, "value": attention.value, "up": network.up}
    if attention.fused or any(len(each) != 1 for each in names.values()):
        return {}
    single = {role: each[0] for role, each in names.items()} | {"output": attention.output, "down": network.down}
    modules = {role: tower.model.get_submodule(name) for role, name in single.items()}
    size = tower.shape.width(1)
    square = all(widths(modules[role]) == (size, size) for role in ("query", "key", "value", "output"))
    if not square or not all(isinstance(module, nn.Linear) for module in modules.values()):
        return {}
    return {role: module.get_parameter("weight") for role, module in modules.items()}


def _start(block: LadderBlock, maps: dict[str, Tensor], columns: Tensor) -> None:
    """Gives a block the rows of a layer's maps that matter most, read and written at the kept columns."""
    width, inner = block.query.out_features, block.up.out_features
    together = _largest(maps["query"].abs().sum(1) + maps["key"].abs().sum(1), width)
    values = _largest(maps["value"].abs().sum(1) + maps["output"].abs().sum(0), width)
    hidden = _largest(maps["up"].abs().sum(1) + maps["down"].abs().sum(0), inner)
    for linear, role, rows in (
        (block.query, "query", together),
        (block.key, "key", together),
        (block.value, "value", values),
        (block.up, "up", hidden),
    ):
        linear.weight.copy_(maps[role][rows][:, columns])
        linear.bias.zero_()
    for linear, role, rows in ((block.output, "output", values), (block.down, "down", hidden)):
        linear.weight.copy_(maps[role][columns][:, rows])
        linear.bias.zero_()


def _largest(sizes: Tensor, count: int) -> Tensor:
    """The places of the largest, in order."""
    return sizes.topk(count).indices.sort().values
