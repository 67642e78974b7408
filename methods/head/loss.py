"""The debiased in-batch loss that all methods share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Candidates:
    """The columns that every position of a batch is scored against.

    `items`: item number of each column, int64 `[columns]`. `bias`: log of how many slots the column stands for, minus
    the log popularity of its item, `[columns]`. `label_bias`: minus log popularity of each label, `[positions]`.
    """

    items: Tensor
    bias: Tensor
    label_bias: Tensor


def in_batch_loss(
    vectors: Tensor, embeddings: Tensor, candidates: Candidates, own: Tensor, users: Tensor, labels: Tensor
) -> Tensor:
    """Mean cross-entropy of the next item among all slots of the batch.

    `vectors` `[positions, width]`: non-padding positions. `embeddings` `[columns, width]`. `own` `[users, slots]`: the
    item numbers of each user's own sequence; columns of these are masked, except the label's own slot. `users`
    `[positions]`: row of `own`. `labels` `[positions]`: column of the true next item.

    A column may stand for several slots with the same item: their scores are equal, so their sum in the softmax is one
    term with the log of their number added. The label is one slot of its own, hence its separate bias. This gives the
    published loss over all slots with fewer columns.
    """
    scores = vectors @ embeddings.T + candidates.bias
    is_own = (own[:, :, None] == candidates.items).any(1)
    label_scores = (vectors * embeddings[labels]).sum(1) + candidates.label_bias
    scores = scores.masked_fill(is_own[users], -torch.inf).scatter(1, labels[:, None], label_scores[:, None])
    return functional.cross_entropy(scores.float() if scores.dtype == torch.float16 else scores, labels)
