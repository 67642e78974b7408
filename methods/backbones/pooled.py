"""How a model's own pooled output comes out of its last hidden state: found by its gradient, never by its name."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .anatomy import Level, Place, Pooling
from .stack import Call, Run
from .trial import Items, close


@dataclass(frozen=True)
class Reading:
    """How a model's own pooled output comes out of its last hidden state."""

    model: nn.Module
    items: Items
    seen: Run
    output: Level

    def own_pooling(self, prefix: int, causal: bool) -> tuple[Pooling | None, Place, str, str]:
        """How the family pools, the place that it reads, the norm and the module that make its vector of that place."""
        hidden, pooled = self.seen.output.last_hidden_state, getattr(self.seen.output, "pooler_output", None)
        if causal:
            return "last" if isinstance(pooled, Tensor) else None, "last", "", ""
        rest: Place = "mean" if self.items.pixels is not None and not prefix else "cls"
        if not isinstance(pooled, Tensor):
            return None, rest, "", ""
        vectors = pooled.flatten(1)
        place = self._place(hidden, vectors)
        if place is None:
            return "pooler", "mean" if self.items.ids is None else rest, "", ""
        vector = self._vector(self.output.ordered(hidden), place, prefix)
        maker = self._maker(vector, vectors)
        norm = maker.name if maker and _is_norm(self.model.get_submodule(maker.name)) else ""
        exact = bool(norm) or (vector.shape == vectors.shape and close(vector, vectors))
        if place == "mean":
            return ("mean" if exact else "pooler"), place, norm, ""
        if place == "last":
            return ("last" if exact else "pooler"), place, norm, maker.name if maker else ""
        if self.items.pixels is not None and not prefix:
            return "pooler", "mean", "", ""  # the first of its positions was made last: the levels have no such one
        return "cls", place, norm, ""

    def _place(self, hidden: Tensor, pooled: Tensor) -> Place | None:
        """Where the pooled output reads the hidden state, by its gradient; None where it weighs what it reads."""
        weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(2))
        (slopes,) = torch.autograd.grad((pooled * weights).sum(), hidden, retain_graph=True, allow_unused=True)
        if slopes is None:
            return None
        slopes = self.output.ordered(slopes)[0]  # of the first item, which no padding follows
        sizes = slopes.norm(dim=-1)
        touched = torch.nonzero(sizes > 1e-6 * sizes.max()).flatten().tolist()
        if touched == [0]:
            return "cls"
        if touched == [len(sizes) - 1] and self.items.ids is not None:
            return "last"
        read = slopes[touched]
        return "mean" if len(touched) > 1 and close(read, read[:1].expand_as(read), 1e-4) else None

    def _vector(self, states: Tensor, place: Place, prefix: int) -> Tensor:
        """What stands at a place, of every item, `[n, width]`; where no padding is, of the last."""
        if place == "mean":
            return states[:, prefix if self.items.ids is None else 0 :].mean(1)
        return states[:, 0 if place == "cls" else -1]

    def _maker(self, vector: Tensor, pooled: Tensor) -> Call | None:
        """The call outside the layers that makes the pooled output of the vector."""
        return next(
            (
                call
                for call in self.seen.calls
                if call.taken.shape[0] == len(vector)
                and call.taken.flatten(1).shape == vector.shape
                and call.given.flatten(1).shape == pooled.shape
                and close(call.taken.flatten(1), vector)
                and close(call.given.flatten(1), pooled)
                and not close(call.taken.flatten(1)[..., :1], call.given.flatten(1)[..., :1])
            ),
            None,
        )


def _is_norm(module: nn.Module) -> bool:
    """Whether a module only scales and shifts: it has parameters, none of which is a matrix."""
    parameters = list(module.parameters())
    return bool(parameters) and all(parameter.dim() == 1 for parameter in parameters)
