"""IISAN's side networks: they read the towers' hidden states.

Source: IISAN (SIGIR 2024), section 3, with IISAN-Versa's rule for towers of different depth and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..embedded.bottleneck import Bottleneck

TEMPERATURE = 0.1
"""A gate is sigmoid(p / TEMPERATURE) of its scalar p, which starts at 0."""


@dataclass(frozen=True)
class SideDesign:
    """What the papers vary: which networks, gated or summed, the bottleneck's width (of all, or by modality), a block
    for state 0 or none. `narrow_ends`: the intra-modal networks' first Linear is as narrow as the embedding, as in
    IISAN-Versa.
    """

    networks: Literal["both", "intra", "inter"] = "both"
    gated: bool = True
    bottleneck: int | Mapping[str, int] = 64
    first_state: bool = True
    narrow_ends: bool = False

    def bottleneck_of(self, modality: str) -> int:
        """The width of the bottlenecks beside a tower."""
        return self.bottleneck if isinstance(self.bottleneck, int) else self.bottleneck[modality]


@dataclass(frozen=True)
class Ladder:
    """A side network's size: columns of its states, blocks, columns of a bottleneck, of what is between its two Linears
    at the end, and of what it gives.
    """

    hidden_size: int
    blocks: int
    bottleneck: int
    between: int
    width: int


class SideNetwork(nn.Module):
    """A ladder of blocks with its gates, then Linear(hidden, between) → Linear(between, width)."""

    def __init__(self, size: Ladder, gated: bool) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Bottleneck(size.hidden_size, size.bottleneck) for _ in range(size.blocks))
        self.gates = nn.Parameter(torch.zeros(size.blocks)) if gated else None
        self.dense = nn.Linear(size.hidden_size, size.between)
        self.projection = nn.Linear(size.between, size.width)

    def gate_values(self, dtype: torch.dtype = torch.float32) -> Sequence[Tensor] | None:
        """Each block's gate in (0, 1), of the kind of the states that it mixes, or None in the ungated variant."""
        return None if self.gates is None else torch.sigmoid(self.gates / TEMPERATURE).to(dtype).unbind()

    def embed(self, hidden: Tensor) -> Tensor:
        """From the last block's output to `[n, width]`.

        There is no activation between the two maps, so with many rows it is cheaper to multiply their matrices first,
        forward and backward; where both have the states' width, with more rows than the embedding has columns.
        """
        (between, size), width, rows = self.dense.weight.shape, self.projection.out_features, len(hidden)
        if rows * between * (size + width) <= size * width * (between + rows):
            return self.projection(self.dense(hidden))
        weight = self.projection.weight @ self.dense.weight
        return functional.linear(hidden, weight, self.projection(self.dense.bias))


class IntraModalNetwork(SideNetwork):
    """s_k = block_k(g_k·h_k + (1 − g_k)·s_{k−1}) over one tower's levels; ungated, block_k(h_k + s_{k−1})."""

    def forward(self, states: Sequence[Tensor], start: Tensor | None) -> Tensor:
        """`states`: a `[n, hidden]` a block. `start`: s before the first block, None for 0."""
        gates, side = self.gate_values(states[0].dtype), start
        for k, (block, state) in enumerate(zip(self.blocks, states, strict=True)):
            if gates is None:
                side = block(state if side is None else state + side)
            else:
                side = block(gates[k] * state if side is None else torch.lerp(side, state, gates[k]))
        assert side is not None, "a side network has at least one block"
        return self.embed(side)


class InterModalNetwork(SideNetwork):
    """m_k = block_k(m_{k−1} + g_k·image_k + (1 − g_k)·text_k), m before the first 0; m is not gated.

    Where one tower is wider, a Linear a level takes its states to the narrower width (IISAN-Versa).
    """

    def __init__(self, hidden_sizes: dict[str, int], blocks: int, width: int, design: SideDesign) -> None:
        narrowest = min(("text", "image"), key=hidden_sizes.__getitem__)  # of two alike the text's
        narrow = hidden_sizes[narrowest]
        super().__init__(Ladder(narrow, blocks, design.bottleneck_of(narrowest), narrow, width), design.gated)
        self.narrowing = nn.ModuleDict(
            {
                name: nn.ModuleList(nn.Linear(size, narrow) for _ in range(blocks))
                for name, size in hidden_sizes.items()
                if size > narrow
            }
        )

    def forward(self, states: dict[str, list[Tensor]]) -> Tensor:
        """`states`: per modality a `[n, hidden]` a block, the two aligned at the last."""
        gates, mixed = self.gate_values(states["text"][0].dtype), None
        for k, block in enumerate(self.blocks):
            image, text = (self._narrow(name, k, states[name][k]) for name in ("image", "text"))
            both = image + text if gates is None else torch.lerp(text, image, gates[k])
            mixed = block(both if mixed is None else mixed + both)
        assert mixed is not None, "a side network has at least one block"
        return self.embed(mixed)

    def _narrow(self, name: str, k: int, state: Tensor) -> Tensor:
        if name not in self.narrowing:
            return state
        # Under autocast the Linear gives half precision, and the two states must be of one kind.
        return cast(nn.ModuleList, self.narrowing[name])[k](state).to(state.dtype)


class SideNetworks(nn.Module):
    """The intra-modal networks, the inter-modal one, and the Linear that joins them: [image, text, inter] → width."""

    def __init__(self, hidden_sizes: dict[str, int], blocks: dict[str, int], width: int, design: SideDesign) -> None:
        super().__init__()
        self.first_state = design.first_state
        alone = len(hidden_sizes) == 1

        def intra(name: str) -> IntraModalNetwork:
            size = hidden_sizes[name]
            between = width if design.narrow_ends else size
            return IntraModalNetwork(
                Ladder(size, blocks[name], design.bottleneck_of(name), between, width), design.gated
            )

        self.intra = nn.ModuleDict(
            {
                name: intra(name)
                for name in ("image", "text")
                if name in hidden_sizes and (alone or design.networks != "inter")
            }
        )
        pairs = min(blocks.values())
        self.inter = (
            None if alone or design.networks == "intra" else InterModalNetwork(hidden_sizes, pairs, width, design)
        )
        self.fusion = nn.Linear(width * (len(self.intra) + (self.inter is not None)), width)

    def networks(self) -> dict[str, SideNetwork]:
        """Every side network there is: "image", "text", "inter"."""
        found = {name: cast(SideNetwork, network) for name, network in self.intra.items()}
        return found if self.inter is None else {**found, "inter": self.inter}

    def forward(self, states: dict[str, list[Tensor]]) -> Tensor:
        """Embeddings `[n, width]` from the levels of each tower, state 0 first; a shared level is `[1, hidden]`."""
        inner = states if self.first_state else {name: levels[1:] for name, levels in states.items()}
        parts = [
            network(inner[name], None if self.first_state else states[name][0]) for name, network in self.intra.items()
        ]
        if self.inter is not None:
            pairs = len(self.inter.blocks)
            parts.append(self.inter({name: levels[-pairs:] for name, levels in inner.items()}))
        return self.fusion(torch.cat(parts, dim=1))
