"""How long a text a model's table of positions takes."""

from torch import nn


def longest_text(model: nn.Module) -> int | None:
    """In tokens; None for a model without such a table (rotary, relative).

    The one thing that is told by a module's name: it is asked for before there is a number to look at.
    """
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if isinstance(module, nn.Embedding) and (last == "wpe" or ("position" in last and "token" not in last)):
            padding = module.padding_idx  # RoBERTa and its kin count positions from the one after the padding's
            return module.num_embeddings - (0 if padding is None else padding + 1) - int(getattr(module, "offset", 0))
    return None
