"""Spares a tower's last layer what nothing reads: all that follows its attention, but at the pooled position."""

from typing import Any

from torch import nn

from .projections import maps_after_attention
from .tower import Tower


def narrow_last_layer(tower: Tower) -> None:
    """Runs what follows the last layer's attention at `[CLS]` alone; all that the tower hands out stays as it is.

    The residual connections add the one position to all of them, so the others are wrong from there on, and unread:
    after its attention a layer mixes no positions. Nothing changes where pooling is at the last token (another
    position for each item) or where the attention's projections are not found.
    """
    if tower.shape.pooling == "cls":
        for linear in maps_after_attention(tower.layers[-1], tower.shape.hidden_size):
            linear.register_forward_pre_hook(_first_position)


def _first_position(_module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    hidden, *rest = args
    return (hidden[:, :1], *rest) if hidden.dim() == 3 else args
