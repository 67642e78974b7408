"""SASRec, the sequence encoder that all methods share (Kang and McAuley, 2018; sizes as published for IISAN)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from ...errors import BenchError

_EPSILON = 1e-6
_MASKED = -3e4
"""Added to masked scores. Its exponential is 0 like that of the published −1e9, and float16 can hold it."""


@dataclass(frozen=True)
class HeadSize:
    """Embedding width, longest input, dropout; two blocks of two heads, feed-forward four times as wide.

    BenchError for a width that the heads do not divide.
    """

    width: int = 64
    max_length: int = 10
    dropout: float = 0.1
    blocks: int = 2
    heads: int = 2

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise BenchError(
                f"head.width: {self.width} does not divide into the head's {self.heads} attention heads; "
                f"give --set head.width={self.width + self.heads - self.width % self.heads}"
            )


class SelfAttention(nn.Module):
    """Multi-head attention without biases, post-norm: LayerNorm(x + dropout(attention(x)))."""

    def __init__(self, size: HeadSize) -> None:
        super().__init__()
        self.heads = size.heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(size.width, size.width, bias=False) for _ in range(4)
        )
        self.dropout = nn.Dropout(size.dropout)
        self.norm = nn.LayerNorm(size.width, eps=_EPSILON)

    def forward(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """At the last positions of `hidden`, as many as `mask` has rows."""
        seen, rows = hidden, mask.shape[-2]
        hidden = seen if rows == seen.shape[1] else seen[:, -rows:]
        query, key, value = (
            projection(read).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection, read in ((self.query, hidden), (self.key, seen), (self.value, seen))
        )
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask.to(query.dtype))
        return self.norm(hidden + self.dropout(self.output(attended.transpose(1, 2).flatten(2))))


class FeedForward(nn.Module):
    """LayerNorm(x + dropout(W2 ReLU(W1 x)))."""

    def __init__(self, size: HeadSize) -> None:
        super().__init__()
        self.expand = nn.Linear(size.width, 4 * size.width)
        self.contract = nn.Linear(4 * size.width, size.width)
        self.dropout = nn.Dropout(size.dropout)
        self.norm = nn.LayerNorm(size.width, eps=_EPSILON)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.norm(hidden + self.dropout(self.contract(functional.relu(self.expand(hidden)))))


class SASRec(nn.Module):
    """From the embeddings of a left-padded history to a vector a position that scores the next item."""

    def __init__(self, size: HeadSize) -> None:
        super().__init__()
        self.positions = nn.Embedding(size.max_length, size.width)
        self.norm = nn.LayerNorm(size.width, eps=_EPSILON)
        self.dropout = nn.Dropout(size.dropout)
        self.blocks = nn.ModuleList(nn.ModuleList((SelfAttention(size), FeedForward(size))) for _ in range(size.blocks))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.xavier_normal_(module.weight)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, history: Tensor, present: Tensor, *, last: bool = False) -> Tensor:
        """Vectors `[users, length, width]` from embeddings of the same shape; those at padded positions mean nothing.

        `present` bool `[users, length]`: False at padding. `last`: the vectors at the last position alone, `[users,
        width]`: users are ranked by no other, so the last block computes none.
        """
        hidden = self.dropout(self.norm(history + self.positions.weight[: history.shape[1]]))
        causal = torch.ones(history.shape[1], history.shape[1], dtype=torch.bool, device=history.device).tril()
        visible = causal & present[:, None, None, :]
        mask = torch.zeros_like(visible, dtype=hidden.dtype).masked_fill(~visible, _MASKED)
        blocks = cast(Iterable[tuple[SelfAttention, FeedForward]], self.blocks)
        for number, (attention, feed_forward) in enumerate(blocks, 1):
            if last and number == len(self.blocks):
                mask = mask[..., -1:, :]
            hidden = feed_forward(attention(hidden, mask))
        return hidden[:, -1] if last else hidden
