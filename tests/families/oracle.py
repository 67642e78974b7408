"""What transformers itself gives: one item at a time, without padding, by its plainest attention. Nothing of the suite.

Pooled as the family is known to, in a few lines of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .family import Family
from .items import Shelf


@dataclass(frozen=True)
class Vectors:
    """`levels`: by number, `[items, width]`; `output`: after the final norm, as the family pools it."""

    levels: dict[int, Tensor]
    output: Tensor


@torch.no_grad()
def vectors(family: Family, shelf: Shelf) -> Vectors:
    """The vectors of all items of a shelf."""
    model = family.whole("eager")
    if getattr(model.config, "is_encoder_decoder", False):
        model = model.get_encoder()
    runs = [_run(family, model, shelf, item) for item in shelf.numbers]
    levels = {level: torch.cat([run.levels[level] for run in runs]) for level in runs[0].levels}
    return Vectors(levels, torch.cat([run.output for run in runs]))


def _run(family: Family, model: Any, shelf: Shelf, item: int) -> Vectors:
    before = list[Tensor]()
    watched = [model.get_submodule(family.final).register_forward_pre_hook(_keep(before))] if family.final else []
    if family.modality == "text":
        found = model(input_ids=torch.tensor([shelf.titles[item]]), output_hidden_states=True)
    else:
        found = model(torch.from_numpy(shelf.pixels[item : item + 1]) / 127.5 - 1.0, **_more(family, model))
    for handle in watched:
        handle.remove()
    states = list(found.hidden_states)
    del states[len(states) - family.beyond :]
    if family.final:  # transformers took the last one after the norm
        states[-1] = before[0]
    output = found.pooler_output.flatten(1) if family.pools else _pooled(family, found.last_hidden_state)
    return Vectors({level: _pooled(family, state) for level, state in enumerate(states, family.skips)}, output)


def _more(family: Family, model: Any) -> dict[str, Any]:
    """What the model is told beside pixels. ViT-MAE would hide three quarters of them, and draws their order."""
    more: dict[str, Any] = {"output_hidden_states": True}
    if family.kind == "ViTMAE":
        model.config.mask_ratio = 0.0
        more["noise"] = torch.arange(16.0)[None] / 16
    return more


def _keep(found: list[Tensor]) -> Callable[..., None]:
    return lambda _module, args: found.append(args[0])


def _pooled(family: Family, states: Tensor) -> Tensor:
    if states.dim() == 4:  # columns, height, width
        return states.flatten(2).mean(2)
    if family.place == "mean":
        return states[:, family.prefix :].mean(1)
    return states[:, 0 if family.place == "cls" else -1]
