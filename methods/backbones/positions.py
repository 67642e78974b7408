"""How long a text a model's tables of positions take."""

from collections.abc import Iterator

from torch import Tensor, nn

_POSITION = {"pos", "position", "positions", "positional"}
_TABLE = {"emb", "embed", "embedding", "embeddings", "encoding"}
_BETWEEN = {"rel", "relative", "rotary"}
"""Of tables of distances, which longer texts share."""


def longest_text(model: nn.Module) -> int | None:
    """In tokens; None for a model without such a table (rotary, relative).

    The one thing that is told by a name: it is asked for before there is a number to look at.
    """
    return min((rows for holder in model.modules() for rows in _tables(holder)), default=None)


def _tables(holder: nn.Module) -> Iterator[int]:
    """Of each table of positions in a module, learned or worked out once, how many of its rows a text can use."""
    own = [*holder.named_children(), *holder.named_parameters(recurse=False), *holder.named_buffers(recurse=False)]
    for name, found in own:
        table = found if isinstance(found, Tensor) else getattr(found, "weight", None)
        if not (_of_positions(name) and isinstance(table, Tensor)) or isinstance(found, nn.Linear):
            continue
        if table.dim() == 2 and table.is_floating_point():
            padding = getattr(found, "padding_idx", None)  # RoBERTa and its kin count from the one after it
            rows = len(table) - (0 if padding is None else padding + 1) - int(getattr(found, "offset", 0))
            numbers = getattr(holder, "position_ids", None)  # which Nystromformer has fewer of
            yield min(rows, numbers.shape[-1]) if isinstance(numbers, Tensor) else rows


def _of_positions(name: str) -> bool:
    words = set(name.split("_"))
    return name == "wpe" or bool(words & _POSITION and words & _TABLE and not words & _BETWEEN)
