"""Which hidden states of each tower a method beside it reads."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictInt

from ...errors import BenchError
from ..backbones.pair import Backbones

Layers = Annotated[
    Literal["every-second", "all"] | tuple[StrictInt, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, int) else value),
]
"""The option: "every-second" layer counted back from the last (LayerDrop), "all", or layer numbers from 1."""


def side_levels(method: str, layers: Layers, backbones: Backbones) -> dict[str, tuple[int, ...]]:
    """State 0 and the chosen layers of each tower, by modality.

    BenchError for layers that a tower has not, and for those of a staged tower, which are of several widths.
    """
    chosen = {name: (0, *_layers(method, layers, name, shape.depth)) for name, shape in backbones.shapes.items()}
    for name, shape in backbones.shapes.items():
        widths = sorted({shape.width(level) for level in chosen[name]})
        if len(widths) > 1:
            raise BenchError(
                f"method '{method}': the {name} tower's levels are {', '.join(map(str, widths))} wide, and it reads "
                "levels of one width; use frozen, or a method inside the towers"
            )
    return chosen


def _layers(method: str, layers: Any, modality: str, depth: int) -> tuple[int, ...]:
    if layers == "every-second":
        return tuple(range(depth, 0, -2))[::-1]
    if layers == "all":
        return tuple(range(1, depth + 1))
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 1 or layers[-1] > depth:
        raise BenchError(
            f"method '{method}': option 'layers': {list(layers)} does not fit the {modality} tower; "
            f"give increasing layer numbers from 1 to {depth}"
        )
    return tuple(layers)
