"""How many parameters a recommender has, and how many of them are trained, by part."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, cast

from ...reports.records import Parameters

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module


def describe(parts: Mapping[str, "Module | Iterable[Tensor]"], saved_bytes: int = 0) -> Parameters:
    """Scalars of each part and of all, `(trainable, total)`.

    A parameter that several parts share counts once, in the first of them. `saved_bytes` is the size of the trainable
    state as it is saved.
    """
    seen: set[int] = set()
    counts: dict[str, tuple[int, int]] = {}
    for name, part in parts.items():
        # A module is recognised without importing torch.
        parameters = (
            cast("Module", part).parameters() if hasattr(part, "parameters") else cast("Iterable[Tensor]", part)
        )
        trainable = total = 0
        for parameter in parameters:
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            total += parameter.numel()
            trainable += parameter.numel() if parameter.requires_grad else 0
        counts[name] = (trainable, total)
    return Parameters(
        trainable=sum(trainable for trainable, _ in counts.values()),
        total=sum(total for _, total in counts.values()),
        parts=counts,
        saved_bytes=saved_bytes,
    )
